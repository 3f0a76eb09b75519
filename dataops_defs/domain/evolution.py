"""How an object type gets another schema: a plan of steps, told before anything is changed.

Each step says what it does to the objects that are stored: nothing (``safe``), their column is written anew
(``rewrites``), they have to be looked through because some may break a new rule (``checks``), or it cannot be done
(``refused``). A property that is dropped is retired: it is shown no more, its values stay.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dataops_defs.domain.object_type import ObjectType, column_type
from dataops_defs.domain.schema_order import accepts_all_of, plain
from dataops_defs.domain.schema_words import admits_null
from dataops_defs.errors import FieldProblem, Invalid

MAX_SHOWN = 5


class Effect(StrEnum):
    """What a step does to stored objects."""

    SAFE = "safe"
    REWRITES = "rewrites"
    CHECKS = "checks"
    REFUSED = "refused"


class Action(StrEnum):
    """The kinds of steps."""

    ADD_PROPERTY = "add_property"
    RESTORE_PROPERTY = "restore_property"
    RETIRE_PROPERTY = "retire_property"
    WIDEN_TYPE = "widen_type"
    CHANGE_TYPE = "change_type"
    CHANGE_KEY = "change_key"
    REQUIRE = "require"
    NO_LONGER_REQUIRE = "no_longer_require"
    WIDEN_ENUM = "widen_enum"
    NARROW_ENUM = "narrow_enum"
    LOOSEN_RULES = "loosen_rules"
    TIGHTEN_RULES = "tighten_rules"
    ADD_INDEX = "add_index"
    DROP_INDEX = "drop_index"
    DESCRIBE = "describe"


@dataclass(frozen=True)
class Step:
    """One step; ``property`` is None where it concerns the whole object."""

    action: Action
    property: str | None
    effect: Effect
    message: str


@dataclass(frozen=True)
class Evolution:
    """The plan from one schema of a type to the next."""

    steps: Sequence[Step]

    @property
    def checks(self) -> Sequence[Step]:
        """The steps for which stored objects are looked through."""
        return [each for each in self.steps if each.effect is Effect.CHECKS]

    def refuse_impossible(self) -> None:
        """Raise Invalid when a step cannot be done, with the reason of each."""
        problems = [
            FieldProblem("keyField" if each.action is Action.CHANGE_KEY else _field(each.property), each.message)
            for each in self.steps
            if each.effect is Effect.REFUSED
        ]
        if problems:
            raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _field(name: str | None) -> str:
    return "schema" if name is None else f"schema.properties.{name}"


def evolution(old: ObjectType, new: ObjectType, kept: Mapping[str, str] | None = {}) -> Evolution:
    """The steps from one schema to the next, in the order they are told.

    Args:
        kept: columns of the type's table and their types, also of properties that were retired earlier; None where
            a store has no columns, and any property may have values from earlier.
    """
    steps = [*_key(old, new)]
    for name in {**old.properties, **new.properties}:
        if name not in new.properties:
            said = f"'{name}' is shown no more; its values are kept"
            steps.append(Step(Action.RETIRE_PROPERTY, name, Effect.SAFE, said))
        elif name not in old.properties:
            steps.append(_added(name, new, kept))
        else:
            steps += _changed(name, old, new)
    steps += [*_required(old, new), *_indexed(old, new), *_whole(old, new)]
    return Evolution(steps)


def _key(old: ObjectType, new: ObjectType) -> Iterator[Step]:
    if old.key_field != new.key_field:
        said = f"cannot change from '{old.key_field}': objects are matched by it"
        yield Step(Action.CHANGE_KEY, new.key_field, Effect.REFUSED, said)


def _added(name: str, new: ObjectType, kept: Mapping[str, str] | None) -> Step:
    wanted = column_type(new.properties[name], new.schema)
    if kept is None:
        said = f"'{name}' is added; values that objects have kept from earlier are shown again"
        return Step(Action.ADD_PROPERTY, name, Effect.CHECKS, said)
    if name not in kept:
        return Step(Action.ADD_PROPERTY, name, Effect.SAFE, f"'{name}' is added as {wanted}, empty in stored objects")
    if kept[name] == wanted:
        said = f"'{name}' is shown again, with the values it was retired with"
        return Step(Action.RESTORE_PROPERTY, name, Effect.CHECKS, said)
    said = f"cannot be {wanted}: values of an earlier '{name}' are kept as {kept[name]}; give it another name"
    return Step(Action.RESTORE_PROPERTY, name, Effect.REFUSED, said)


def _changed(name: str, old: ObjectType, new: ObjectType) -> Iterator[Step]:
    before, after = old.properties[name], new.properties[name]
    types = column_type(before, old.schema), column_type(after, new.schema)
    if types == ("bigint", "numeric"):
        if name == new.key_field:
            yield Step(Action.CHANGE_TYPE, name, Effect.REFUSED, "is the key, and cannot change its type")
        else:
            said = f"'{name}' takes all numbers, not only whole ones; its column is written anew"
            yield Step(Action.WIDEN_TYPE, name, Effect.REWRITES, said)
    elif types[0] != types[1]:
        said = f"cannot change from {types[0]} to {types[1]}; add another property instead"
        yield Step(Action.CHANGE_TYPE, name, Effect.REFUSED, said)
        return
    yield from _rules(name, plain(_not_null(before), old.schema), plain(_not_null(after), new.schema), types)
    if _notes(before) != _notes(after):
        yield Step(Action.DESCRIBE, name, Effect.SAFE, f"'{name}' is described otherwise")


def _rules(name: str, before: Any, after: Any, types: tuple[str, str]) -> Iterator[Step]:
    """Steps for what values a property may have."""
    if types[0] != types[1]:
        before = {**before, "type": after.get("type")}
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and {"enum"} & {*before, *after}:
        yield from _enum(name, before, after)
        before = {word: value for word, value in before.items() if word != "enum"}
        after = {word: value for word, value in after.items() if word != "enum"}
        if before == after:
            return
    if accepts_all_of(after, before):
        yield Step(Action.LOOSEN_RULES, name, Effect.SAFE, f"'{name}' accepts all that it did, and more")
    else:
        said = f"'{name}' may refuse what it accepted: {_words(before, after)}"
        yield Step(Action.TIGHTEN_RULES, name, Effect.CHECKS, said)


def _enum(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Step]:
    if "enum" not in after:
        yield Step(Action.WIDEN_ENUM, name, Effect.SAFE, f"'{name}' is no longer one of a list")
        return
    if "enum" not in before:
        yield Step(Action.NARROW_ENUM, name, Effect.CHECKS, f"'{name}' must be one of {_shown(after['enum'])}")
        return
    had, has = ([json.dumps(each, sort_keys=True) for each in side["enum"]] for side in (before, after))
    gone, more = [each for each in had if each not in has], [each for each in has if each not in had]
    if gone:
        said = f"'{name}' may no longer be {_shown([json.loads(each) for each in gone])}"
        yield Step(Action.NARROW_ENUM, name, Effect.CHECKS, said)
    if more:
        said = f"'{name}' may also be {_shown([json.loads(each) for each in more])}"
        yield Step(Action.WIDEN_ENUM, name, Effect.SAFE, said)


def _required(old: ObjectType, new: ObjectType) -> Iterator[Step]:
    before, after = required_of(old), required_of(new)
    for name in sorted(after - before):
        yield Step(Action.REQUIRE, name, Effect.CHECKS, f"every object must have '{name}'")
    for name in sorted(before - after):
        if name in new.properties:
            yield Step(Action.NO_LONGER_REQUIRE, name, Effect.SAFE, f"'{name}' may be missing")


def required_of(kind: ObjectType) -> set[str]:
    """The properties that every object has: null counts as missing, unless the schema lets it be null."""
    wanted = kind.schema.get("required", ())
    return {each for each in wanted if not admits_null(kind.properties.get(each, {}), kind.schema)}


def _indexed(old: ObjectType, new: ObjectType) -> Iterator[Step]:
    before, after = (_marked(kind) for kind in (old, new))
    for name in after:
        if name not in before:
            said = f"'{name}' gets an index; syncs of the type wait while it is made"
            yield Step(Action.ADD_INDEX, name, Effect.SAFE, said)
    for name in before:
        if name not in after and name in new.properties:
            yield Step(Action.DROP_INDEX, name, Effect.SAFE, f"the index of '{name}' is dropped")


def _marked(kind: ObjectType) -> list[str]:
    return [name for name, each in kind.properties.items() if each.get("x-index") is True and name != kind.key_field]


def _whole(old: ObjectType, new: ObjectType) -> Iterator[Step]:
    """What concerns the object as a whole."""
    before, after = (
        {
            word: value
            for word, value in plain(kind.schema, kind.schema).items()
            if word not in ("properties", "required", "type", "additionalProperties")
        }
        for kind in (old, new)
    )
    if before == after:
        return
    if accepts_all_of(after, before):
        yield Step(Action.LOOSEN_RULES, None, Effect.SAFE, "objects as a whole have fewer rules")
    else:
        said = f"objects as a whole have other rules: {_words(before, after)}"
        yield Step(Action.TIGHTEN_RULES, None, Effect.CHECKS, said)


def _not_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the choice of null: a property that is null is not there, and no rule sees it."""
    declared = schema.get("type")
    if isinstance(declared, list) and "null" in declared and len(declared) > 1:
        others = [each for each in declared if each != "null"]
        return {**schema, "type": others[0] if len(others) == 1 else others}
    return schema


def _notes(schema: Mapping[str, Any]) -> dict[str, Any]:
    said = ("title", "description", "examples", "default", "x-references")
    return {word: schema[word] for word in said if word in schema}


def _words(before: Any, after: Any) -> str:
    """The words of the schema that are new or say something else."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return "it is another schema"
    changed = [word for word in {**before, **after} if before.get(word) != after.get(word)]
    return f"{', '.join(changed[:MAX_SHOWN])} {'differs' if len(changed) == 1 else 'differ'}"


def _shown(values: Sequence[Any]) -> str:
    more = f" and {len(values) - MAX_SHOWN} more" if len(values) > MAX_SHOWN else ""
    return ", ".join(json.dumps(each, ensure_ascii=False)[:60] for each in values[:MAX_SHOWN]) + more
