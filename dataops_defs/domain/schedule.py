"""A schedule: when a dataset, mapping, pipeline, datamart or trigger runs by itself.

A cron line tells times of the clock, and Dagster makes ticks of them: where the clock is put forward, a time that is
left out comes at the end of the gap; where it is put back, one that comes twice counts the second time. Of a line that
has every hour the one is left out, and both of the others count. What is told here agrees with those ticks.
Source: Dagster, "Customizing a schedule's execution timezone", "Execution times and daylight savings time".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterBadDateError, croniter  # type: ignore[import-untyped]

from dataops_defs.errors import Invalid

# The library's fields of chance (R) and by hash (H): a schedule says when, the same every time.
BY_CHANCE = re.compile(r"(^|[ ,])[RrHh]($|[ ,(/])")
_ALL, _SMALL_HOURS, _DAYS_OF_EVERY_MONTH = ["*"], range(1, 4), range(1, 29)
_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31",
    "month": "1 to 12",
    "day of the week": "0 to 7 (Sunday is both)",
}
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


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
        """The first tick after ``moment`` (timezone-aware), in UTC."""
        return min(self._nearest(moment, 1))

    def before(self, moment: datetime) -> datetime:
        """The last tick before ``moment`` (timezone-aware), in UTC."""
        return max(self._nearest(moment, -1))

    def _nearest(self, moment: datetime, way: int) -> list[datetime]:
        """The nearest tick, ``way`` 1 for later and -1 for earlier; two where times that come twice both count."""
        zone, line, instant = ZoneInfo(self.timezone), _line(self.cron), moment.astimezone(UTC)
        here = moment.astimezone(zone)
        shift = abs(_offset(here + _DAY) - _offset(here - _DAY))
        found = []
        for fold in (0, 1) if line.hourly else (1,):
            times = croniter(self.cron, here.replace(tzinfo=None) - way * shift)
            tick = None
            while tick is None or (tick - instant) * way <= timedelta(0):
                time = times.get_next(datetime) if way > 0 else times.get_prev(datetime)
                tick = _tick(time, zone, line, fold)
            found.append(tick)
        return found


@dataclass(frozen=True)
class _Line:
    """Whether it has every hour; whether it names one time of a day."""

    hourly: bool
    daily: bool


@lru_cache(maxsize=1024)
def _line(cron: str) -> _Line:
    (minutes, hours, days, months, weekdays, *_), by_number, *_ = croniter.expand(cron)
    one_time = all(len(each) == 1 and each != _ALL for each in (minutes, hours))
    often = days == _ALL or (weekdays == _ALL and len(days) == 1 and days[0] in _DAYS_OF_EVERY_MONTH)
    return _Line(hours == _ALL, one_time and often and months == _ALL and not by_number)


def _tick(time: datetime, zone: ZoneInfo, line: _Line, fold: int) -> datetime | None:
    """When a time of the clock comes; None where it is left out."""
    # Dagster looks for changes of the clock in the small hours only; elsewhere they are Python's to settle.
    small_hour = time.hour in _SMALL_HOURS
    first, second = (time.replace(tzinfo=zone, fold=each) for each in (0, 1))
    if _offset(first) < _offset(second):  # no clock shows it
        if line.hourly:
            return None
        if small_hour:
            moved = time.replace(minute=0, tzinfo=zone) + (zone.dst(time + _HOUR) or timedelta(0))
            first = moved.replace(fold=int(line.daily))
        return first.astimezone(UTC)
    return (second if fold and (small_hour or not line.daily) else first).astimezone(UTC)


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)


def _problem(cron: str) -> str | None:
    """What is wrong with a cron line, and which of its fields; None for one that is in order."""
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        return f"'{cron[:60]}' has {len(fields)} fields, and a cron line five: {', '.join(_FIELDS)}"
    for place, (name, values) in enumerate(_FIELDS.items()):
        alone = " ".join(["*"] * place + [fields[place]] + ["*"] * (4 - place))
        if BY_CHANCE.search(fields[place]) or not croniter.is_valid(alone):
            return f"'{fields[place][:60]}' is no {name} of a cron line: it takes {values}, *, lists, ranges and steps"
    return None if croniter.is_valid(cron) else f"'{cron[:60]}' is no cron line of five fields"


def schedule(value: Mapping[str, Any]) -> Schedule:
    """Read a schedule from its documented form.

    Raises:
        Invalid: no five-field cron line, naming the field that is wrong; or an unknown time zone.
    """
    cron, zone = " ".join(str(value.get("cron", "")).split()), value.get("timezone")
    timezone = "UTC" if zone is None else str(zone)
    if (problem := _problem(cron)) is not None:
        raise Invalid.field("schedule.cron", problem)
    if timezone not in _time_zones():
        raise Invalid.field("schedule.timezone", f"'{timezone[:60]}' is no time zone: name one such as Europe/Berlin")
    made = Schedule(cron, timezone, bool(value.get("enabled", True)))
    try:
        made.next_after(datetime.now(UTC))
    except CroniterBadDateError:
        raise Invalid.field("schedule.cron", f"'{cron}' never comes: there is no such day") from None
    return made
