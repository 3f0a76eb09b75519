"""Give an object type another schema: tell what that would do to its objects, then do it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataops_defs.adapters.json_schema import ObjectValidator, Violation
from dataops_defs.adapters.objects.columns import ensure_table, hold_objects
from dataops_defs.adapters.objects.reading import ObjectStore
from dataops_defs.domain.evolution import Action, Evolution, Step, evolution
from dataops_defs.domain.object_type import ObjectType, table_of
from dataops_defs.errors import Conflict
from dataops_defs.flows.object_store import reading_objects, store_of
from dataops_defs.flows.platform import Platform

SECONDS = 20.0


@dataclass
class Findings:
    """What was found among stored objects: how many were looked at, how many break a new rule and of which step.

    ``example`` is the key of the first that does, ``reason`` what is wrong with it. Not ``complete``: there was no
    time for all.
    """

    checked: int = 0
    violating: int = 0
    by_step: Counter[tuple[Action, str | None]] = field(default_factory=Counter)
    example: str | None = None
    reason: str | None = None
    complete: bool = True


@dataclass(frozen=True)
class PlannedChange:
    """A plan, and what it would meet."""

    plan: Evolution
    findings: Findings

    def violations(self, step: Step) -> int | None:
        """Stored objects that a step's rule would refuse; None for steps that refuse none."""
        return self.findings.by_step[_key(step)] if step in self.plan.checks else None

    def as_json(self) -> Mapping[str, Any]:
        """What the audit keeps."""
        steps = [
            {"action": each.action, "property": each.property, "violations": self.violations(each)}
            for each in self.plan.steps
        ]
        return {"steps": steps, "violating": self.findings.violating, "checkedAll": self.findings.complete}


def plan_change(platform: Platform, old: ObjectType, new: ObjectType) -> PlannedChange:
    """The plan from one schema to the next, with what it would do to the stored objects; nothing is changed."""
    with reading_objects(platform, old) as store:
        return _planned(store, old, new)


def apply_change(platform: Platform, old: ObjectType, new: ObjectType, *, force: bool = False) -> PlannedChange:
    """Bring the objects' table to the new schema; the caller keeps the type in its own transaction afterwards.

    Whatever becomes of that transaction, the table serves the old schema too.

    Args:
        force: also where stored objects break new rules; they stay as they are.
    Raises:
        Invalid: a step cannot be done. Conflict: stored objects break new rules, or a sync is at work.
    """
    with platform.warehouse("dataops object type") as connection:
        hold_objects(connection, old.address)
        store = store_of(platform, connection, old)
        planned = _planned(store, old, new)
        planned.plan.refuse_impossible()
        if not force:
            _refuse_violations(planned.findings)
        if store.columns():
            ensure_table(connection, table_of(new))
    return planned


def _planned(store: ObjectStore, old: ObjectType, new: ObjectType) -> PlannedChange:
    plan = evolution(old, new, store.columns())
    return PlannedChange(plan, _look_through(store, new, plan.checks) if plan.checks else Findings())


def _look_through(store: ObjectStore, new: ObjectType, steps: Sequence[Step]) -> Findings:
    """Check the stored objects by the new schema, as far as the steps change it."""
    schema = _touched(new, steps)
    validator, found = ObjectValidator(schema), Findings()
    deadline = time.monotonic() + SECONDS
    for batch in store.stored(list(schema["properties"])):
        _count(found, steps, [key for key, _ in batch], validator.all_violations([each for _, each in batch]))
        found.checked += len(batch)
        if time.monotonic() > deadline:
            found.complete = False
            break
    return found


def _touched(new: ObjectType, steps: Sequence[Step]) -> Mapping[str, Any]:
    """The new schema with the properties that steps are about; all of it where one is about the whole object."""
    if any(each.property is None for each in steps):
        return new.schema
    properties = {str(each.property): new.properties[str(each.property)] for each in steps}
    required = [each.property for each in steps if each.action is Action.REQUIRE]
    definitions = {word: new.schema[word] for word in ("$defs", "definitions") if word in new.schema}
    return {"properties": properties, "required": required, **definitions}


def _count(found: Findings, steps: Sequence[Step], keys: Sequence[str], violations: Iterator[Violation]) -> None:
    met: set[tuple[int, tuple[Action, str | None]]] = set()
    for each in violations:
        for step in steps:
            if not _is_of(each, step):
                continue
            met.add((each.index, _key(step)))
            if found.example is None:
                found.example, found.reason = keys[each.index], f"{each.path}: {each.message}"
    found.violating += len({index for index, _ in met})
    found.by_step.update(key for _, key in met)


def _is_of(violation: Violation, step: Step) -> bool:
    """Whether a violation is of the rule that a step brings."""
    if step.property is None:
        return violation.word not in ("properties", "required")
    if step.action is Action.REQUIRE:
        return violation.word == "required" and violation.missing == step.property
    return violation.word == "properties" and violation.property == step.property


def _key(step: Step) -> tuple[Action, str | None]:
    return step.action, step.property


def _refuse_violations(found: Findings) -> None:
    if found.violating:
        raise Conflict(
            f"{found.violating:,}{'' if found.complete else ' or more'} stored objects would break the new schema, such"
            f" as '{str(found.example)[:100]}' ({found.reason}); mend them first, or repeat with force=true"
        )
    if not found.complete:
        raise Conflict(
            f"Only {found.checked:,} of the stored objects could be checked in {SECONDS:.0f} s; force=true changes the"
            " schema without checking the others"
        )
