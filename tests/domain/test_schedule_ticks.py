"""What is told of a schedule's next and previous ticks are the ticks that Dagster makes, also when clocks change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.domain.schedule import Schedule
from dataops_defs.domain.trigger import Occasion

# Around the days on which their clocks changed: by half an hour, at midnight, on either side of the equator.
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "Europe/Dublin": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 10, 4, tzinfo=UTC)],
    "Africa/Cairo": [datetime(2026, 4, 24, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)],
    "America/Sao_Paulo": [datetime(2018, 2, 18, tzinfo=UTC), datetime(2018, 11, 4, tzinfo=UTC)],
    "Asia/Kolkata": [datetime(2026, 3, 29, tzinfo=UTC)],
}
LINES = ["0 0 * * *", "0 */2 * * *", "30 1 * * *", "30 2 * * *", "30 0 * * *", "30 23 * * *", "0 3 * * 0", "15 2 5 * *"]
LINES += ["0 2 * * MON-FRI", "*/20 1-3 * * *", "30 2 * * 0#4"]


def ticks(schedule: Schedule, since: datetime, days: int) -> Sequence[datetime]:
    """As Dagster's daemon makes them."""
    iterator = schedule_execution_time_iterator(since.timestamp(), schedule.cron, schedule.timezone)
    moments = (tick.astimezone(UTC) for tick in iterator)
    return sorted(set(takewhile(lambda tick: tick < since + timedelta(days=days), moments)))


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("cron", LINES)
def test_each_tick_follows_the_one_that_dagster_made_before_it(cron: str, zone: str) -> None:
    schedule = Schedule(cron, zone)
    for change in CHANGES[zone]:
        made = ticks(schedule, change - timedelta(days=35), 70)

        assert len(made) > 1
        for earlier, later in pairwise(made):
            assert schedule.next_after(earlier) == later
            assert schedule.before(later) == earlier


@pytest.mark.parametrize("cron", ["0 * * * *", "*/10 * * * *", "15,45 * * * *"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Africa/Cairo", "Asia/Kolkata"])
def test_a_line_that_has_every_hour_has_both_of_those_that_come_twice(cron: str, zone: str) -> None:
    schedule = Schedule(cron, zone)
    for change in CHANGES[zone]:
        for earlier, later in pairwise(ticks(schedule, change - timedelta(days=2), 4)):
            assert schedule.next_after(earlier) == later
            assert schedule.before(later) == earlier


@settings(deadline=None)
@given(
    zone=st.sampled_from(sorted(CHANGES)),
    cron=st.sampled_from(LINES),
    seconds=st.integers(-200_000, 200_000),
    number=st.integers(0, 1),
)
def test_between_two_ticks_both_are_told(zone: str, cron: str, seconds: int, number: int) -> None:
    schedule, change = Schedule(cron, zone), CHANGES[zone][-number]
    moment = change + timedelta(seconds=seconds)
    made = ticks(schedule, change - timedelta(days=40), 80)

    assert schedule.next_after(moment) == min(tick for tick in made if tick > moment)
    assert schedule.before(moment) == max(tick for tick in made if tick < moment)


def test_a_pipeline_that_reads_since_the_tick_before_loses_no_day_when_the_clock_is_put_back() -> None:
    schedule = Schedule("30 2 * * *", "Europe/Berlin")
    days = []
    tick = datetime(2026, 10, 23, 12, tzinfo=UTC)
    for _ in range(3):
        tick = schedule.next_after(tick)
        told = Occasion("run", tick, schedule.timezone, schedule.before(tick)).values()
        days.append((told["previous_execution_date"].day, told["execution_date"].day))

    assert days == [(23, 24), (24, 25), (25, 26)]
    assert schedule.before(tick) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
