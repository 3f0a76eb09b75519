"""A schedule: when a dataset, mapping, pipeline or datamart runs by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter  # type: ignore[import-untyped]

from dataops_defs.errors import Invalid


@dataclass(frozen=True)
class Schedule:
    """A cron line of five fields in a time zone."""

    cron: str
    timezone: str = "UTC"
    enabled: bool = False

    def next_after(self, moment: datetime) -> datetime:
        """The first tick after ``moment`` (timezone-aware)."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        found: datetime = croniter(self.cron, local).get_next(datetime)
        return found


def schedule(value: Mapping[str, Any]) -> Schedule:
    """Read a schedule from its documented form.

    Raises:
        Invalid: no five-field cron line, or an unknown time zone.
    """
    cron, timezone = str(value.get("cron", "")), str(value.get("timezone") or "UTC")
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise Invalid.field("schedule.cron", f"'{cron[:60]}' is no cron line of five fields")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid.field("schedule.timezone", f"'{timezone[:60]}' is no time zone") from None
    made = Schedule(cron, timezone, bool(value.get("enabled", True)))
    try:
        made.next_after(datetime.now(UTC))
    except CroniterBadDateError:
        raise Invalid.field("schedule.cron", f"'{cron}' never comes: there is no such day") from None
    return made
