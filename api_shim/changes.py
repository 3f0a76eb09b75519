"""What changes of all kinds of definitions have in common: nulls, status, schedules."""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio.from_thread
import structlog
from pydantic.alias_generators import to_camel
from sqlalchemy.orm import Session

from api_shim.checks import merged
from api_shim.dependencies import Change
from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.models import ScheduleRow
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.schedule import schedule
from dataops_defs.errors import DependencyUnavailable, Invalid

LOG = structlog.get_logger()


def refuse_nulls(given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuse null for fields that a definition cannot be without."""
    for name in names:
        if name in given and given[name] is None:
            raise Invalid.field(to_camel(name), "must not be null")


def apply_common(change: Change, kind: str, row: Any, given: Mapping[str, Any]) -> None:
    """Set what datasets, mappings and pipelines have in common: status, schedule, description, owner."""
    if "status" in given:
        row.status = DefinitionStatus(given["status"])
        Schedules(change.session).tell_again(row.id)
    if "schedule" in given:
        set_schedule(change, kind, row, given["schedule"])
    for name in ("description", "owner"):
        if name in given:
            setattr(row, name, given[name])


def set_schedule(change: Change, kind: str, row: Named, given: Mapping[str, Any] | None) -> None:
    """Make or change a definition's schedule by what the request gives; None clears it."""
    schedules = Schedules(change.session)
    kept = schedules.of(row.id)
    if given is None:
        clear_schedule(change, row)
        return
    before = {} if kept is None else {"enabled": kept.enabled, "cron": kept.cron, "timezone": kept.timezone}
    schedules.put(kind, row.id, row.slug, schedule(merged(before, given)))


def clear_schedule(change: Change, row: Named) -> None:
    """Remove a definition's schedule; Dagster stops it before the row goes, or a new one of that name would fire."""
    schedules = Schedules(change.session)
    kept = schedules.of(row.id)
    if kept is None:
        return
    try:
        anyio.from_thread.run(change.shim.mirror.stop, kept.name)
    except DependencyUnavailable as error:
        LOG.warning("a schedule was removed without stopping it", schedule=kept.name, reason=str(error))
    schedules.drop(row.id)


def schedules_of(session: Session, rows: Sequence[Named]) -> dict[str, ScheduleRow]:
    """The schedules of several definitions, by the definition's id."""
    return Schedules(session).of_many([row.id for row in rows])
