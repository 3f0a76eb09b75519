"""A schedule: when a dataset, mapping, pipeline, datamart or trigger runs by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter  # type: ignore[import-untyped]

from dataops_defs.errors import Invalid

# The library's fields of chance (R) and by hash (H): a schedule says when, the same every time.
BY_CHANCE = re.compile(r"(^|[ ,])[RrHh]($|[ ,(/])")


@cache
def _time_zones() -> frozenset[str]:
    """Names of the IANA database; ``localtime`` is another zone on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


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

    def before(self, moment: datetime) -> datetime:
        """The last tick before ``moment`` (timezone-aware)."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        found: datetime = croniter(self.cron, local).get_prev(datetime)
        return found


def schedule(value: Mapping[str, Any]) -> Schedule:
    """Read a schedule from its documented form.

    Raises:
        Invalid: no five-field cron line, or an unknown time zone.
    """
    cron, zone = " ".join(str(value.get("cron", "")).split()), value.get("timezone")
    timezone = "UTC" if zone is None else str(zone)
    if len(cron.split()) != 5 or BY_CHANCE.search(cron) or not croniter.is_valid(cron):
        raise Invalid.field("schedule.cron", f"'{cron[:60]}' is no cron line of five fields")
    if timezone not in _time_zones():
        raise Invalid.field("schedule.timezone", f"'{timezone[:60]}' is no time zone: name one such as Europe/Berlin")
    made = Schedule(cron, timezone, bool(value.get("enabled", True)))
    try:
        made.next_after(datetime.now(UTC))
    except CroniterBadDateError:
        raise Invalid.field("schedule.cron", f"'{cron}' never comes: there is no such day") from None
    return made
