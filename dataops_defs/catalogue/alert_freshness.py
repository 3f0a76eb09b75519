"""What has not been refreshed for too long: the one kind of event that nothing brings about."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Interval, cast, exists, func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_events import Noted, active_rules, note
from dataops_defs.catalogue.alert_rows import AlertDeliveryRow
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.domain.alerts import AlertEvent, Rule, printed
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import RunKind

# What is refreshed, the kind of execution that does it, and where it says when.
REFRESHED = (
    ("dataset", RunKind.EXTRACT, DatasetRow, DatasetRow.last_extracted_at),
    ("mapping", RunKind.SYNC, MappingRow, MappingRow.last_synced_at),
)


def note_stale(session: Session) -> int:
    """Note every active dataset and mapping that has become too old, once for each time it was refreshed.

    One that never was counts from when it was made. Returns how many are new.
    """
    rules = {id: rule for id, rule in active_rules(session).items() if AlertEvent.FRESHNESS in rule.events}
    return note(session, [each for id, rule in rules.items() for each in _stale(session, id, rule)])


def _stale(session: Session, alert_id: str, rule: Rule) -> Iterator[Noted]:
    allowed = timedelta(minutes=rule.stale_minutes or 0)
    for noun, kind, row, refreshed_at in REFRESHED:
        if rule.kind not in (None, kind):
            continue
        last = func.coalesce(refreshed_at, row.created_at)
        occasion = func.concat(row.id, ":", func.extract("epoch", last))
        told = exists().where(
            AlertDeliveryRow.alert_id == alert_id,
            AlertDeliveryRow.event == AlertEvent.FRESHNESS,
            AlertDeliveryRow.occasion == occasion,
        )
        query = select(row.id, row.name, row.app, refreshed_at, occasion).where(
            row.status == DefinitionStatus.ACTIVE, last < func.now() - cast(allowed, Interval), ~told
        )
        for column, wanted in ((row.app, rule.app), (row.id, rule.subject_id)):
            if wanted is not None:
                query = query.where(column == wanted)
        for id, name, app, moment, mark in session.execute(query):
            detail = {"kind": noun, "name": name, "app": app, "staleMinutes": rule.stale_minutes}
            if moment is not None:
                detail["lastRefreshedAt"] = printed(moment)
            yield Noted(alert_id, AlertEvent.FRESHNESS, mark, detail, subject_id=id)
