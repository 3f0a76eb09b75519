"""The hook at the end of an execution: who is to be told of it. In the caller's transaction, which ends the run.

Nothing is sent here, and nothing waited for: two executions that end at the same moment share no lock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, false, func, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_rows import AlertDeliveryRow, AlertRow
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.models import (
    DatamartRow,
    DatasetRow,
    EtlPipelineRow,
    MappingRow,
    PipelineRow,
    RunRow,
    RunStepRow,
)
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.domain.alerts import AlertEvent, AlertStatus, Ended, Part, Rule, wants_app
from dataops_defs.domain.run import DRY_RUN, RunState
from dataops_defs.errors import SchemaChanged

TOLD_OF = (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT)
MOST_STEPS = 1000
# Of what a step says about changed columns; whether they may be null is no drift by itself.
DRIFT = ("added", "removed", "retyped")


@dataclass(frozen=True)
class Noted:
    """One event for one alert, as it is noted."""

    alert_id: str
    event: AlertEvent
    occasion: str
    detail: Mapping[str, Any]
    run_id: str | None = None
    subject_id: str | None = None


def note_end(session: Session, run_id: str) -> None:
    """Note, for each alert that asks for it, what the end of an execution means."""
    rules = active_rules(session)
    if not rules:
        return
    ended = _ended(session, run_id, with_apps=wants_app(rules.values()))
    if ended is None:
        return

    def failed_before(part: Part) -> bool:
        return _failed_before(session, run_id, ended, part)

    note(
        session,
        [
            Noted(alert_id, each.event, run_id, dict(each.detail), run_id, each.part.subject_id)
            for alert_id, rule in rules.items()
            for each in rule.met_by(ended, failed_before)
        ],
    )


def active_rules(session: Session) -> dict[str, Rule]:
    """What each active alert asks for, by the alert's id."""
    query = select(AlertRow.id, AlertRow.events, AlertRow.filter, AlertRow.thresholds).where(
        AlertRow.status == AlertStatus.ACTIVE
    )
    return {id: Rule.of(events, filter, thresholds) for id, events, filter, thresholds in session.execute(query)}


def note(session: Session, events: Sequence[Noted]) -> int:
    """Write events down, each once; those of an alert that is being deleted are left out. Returns how many are new."""
    if not events:
        return 0
    # Shared with everybody but those who delete the alert, whose rows would have nothing to refer to.
    wanted = select(AlertRow.id).where(AlertRow.id.in_({each.alert_id for each in events})).order_by(AlertRow.id)
    held = set(session.scalars(wanted.with_for_update(read=True, key_share=True)))
    rows = [{"id": new_id(), "due_at": func.now(), **vars(each)} for each in events if each.alert_id in held]
    if not rows:
        return 0
    made = insert(AlertDeliveryRow).values(rows).on_conflict_do_nothing().returning(AlertDeliveryRow.id)
    return len(session.scalars(made).all())


def apps_of(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The apps of whatever definitions (or imports) have these ids, by id."""
    if not ids:
        return {}
    definitions = [
        select(each.id, each.app).where(each.id.in_(ids))
        for each in (DatasetRow, MappingRow, PipelineRow, DatamartRow, EtlPipelineRow, WatchRow)
    ]
    imports = select(ImportRow.id, ImportRow.app).where(ImportRow.id.in_(ids))
    return {row.id: row.app for row in session.execute(union_all(*definitions, imports))}


def _ended(session: Session, run_id: str, *, with_apps: bool) -> Ended | None:
    """The execution as it stands; None for one that only rehearsed."""
    columns = (RunRow.kind, RunRow.subject_id, RunRow.state, RunRow.error, RunRow.error_code, RunRow.parameters)
    run = session.execute(select(*columns).where(RunRow.id == run_id)).one()
    if run.parameters.get(DRY_RUN):
        return None
    query = (
        select(
            RunStepRow.subject_id,
            RunStepRow.kind,
            RunStepRow.state,
            _count("read"),
            _count("rejected"),
            RunStepRow.result["drift"],
        )
        .where(RunStepRow.run_id == run_id)
        .order_by(RunStepRow.id)
        .limit(MOST_STEPS)
    )
    steps = session.execute(query).all()
    ids = {run.subject_id, *(each.subject_id for each in steps)} - {None}
    apps = apps_of(session, ids) if with_apps else {}
    parts = [
        Part(subject, apps.get(subject), state, rejected, rejected / read if read else 0.0, _listed(drift))
        for subject, _, state, read, rejected, drift in steps
    ]
    refused = [run.error] if run.error_code == SchemaChanged.code else []
    kinds = frozenset({run.kind, *(each.kind for each in steps if run.subject_id is None)})
    return Ended(kinds, run.subject_id, apps.get(run.subject_id), run.state, parts, refused)


def _count(name: str) -> ColumnElement[int]:
    return func.coalesce(RunStepRow.ledger[name].as_integer(), 0).label(name)


def _listed(drift: Any) -> list[Any]:
    """What a step says of changed columns: by kind of change, as a list, or only that there were some."""
    if isinstance(drift, Mapping):
        drift = {kind: drift[kind] for kind in DRIFT if drift.get(kind)}
    if isinstance(drift, list):
        return drift
    return [drift] if drift else []


def _failed_before(session: Session, run_id: str, ended: Ended, part: Part) -> bool:
    """Whether what has succeeded now had failed the last time before that, cancelled ones left aside."""
    if part.subject_id is None:
        # Of several definitions, one that recovers is news.
        return any(_step_failed_before(session, run_id, each.subject_id) for each in ended.parts)
    if part.subject_id != ended.subject_id:
        return _step_failed_before(session, run_id, part.subject_id)
    query = select(RunRow.state).where(
        RunRow.subject_id == part.subject_id,
        RunRow.kind.in_(ended.kinds),
        RunRow.state.in_(TOLD_OF),
        RunRow.id < run_id,
        ~func.coalesce(RunRow.parameters[DRY_RUN].as_boolean(), false()),
    )
    return _is_failure(session.scalar(query.order_by(RunRow.id.desc()).limit(1)))


def _step_failed_before(session: Session, run_id: str, subject_id: str | None) -> bool:
    query = select(RunStepRow.state).where(
        RunStepRow.subject_id == subject_id,
        RunStepRow.run_id < run_id,
        RunStepRow.state.in_(TOLD_OF),
        ~RunStepRow.dry_run,
    )
    return _is_failure(session.scalar(query.order_by(RunStepRow.id.desc()).limit(1)))


def _is_failure(state: RunState | None) -> bool:
    return state in (RunState.FAILED, RunState.TIMED_OUT)
