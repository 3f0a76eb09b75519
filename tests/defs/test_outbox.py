"""Requests that cannot be launched: how long they are tried. Source: ARCHITECTURE, "Asking for work is an outbox"."""

from datetime import timedelta

import pytest

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import MOST_LAUNCHES, Outbox
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import BY_SENSOR, RunKind, RunState
from dataops_defs.flows.outbox import due_launches, note_not_launched
from tests.scenes import World

LONG_AGO = timedelta(days=3)
AWAY = "Dagster does not answer"


@pytest.fixture
def asked(world: World) -> str:
    """Somebody has asked for an extraction, three days ago; returns the execution's id."""
    dataset = world.dataset(world.csv("planes.csv", "tailnum\nN1\n"))
    with world.platform.catalogue() as session:
        row = Runs(session).request(RunKind.EXTRACT, dataset, "Aircraft")
        row.created_at = row.launch_at = now() - LONG_AGO
        return row.id


def fail_to_launch(world: World, id: str) -> None:
    """It is claimed and handed over in vain, and due again at once."""
    assert [each.run_id for each in due_launches(world.platform)] == [id]
    note_not_launched(world.platform, id, AWAY)
    change(world, id, launch_at=now() - timedelta(seconds=1))


def change(world: World, id: str, **values: object) -> None:
    with world.platform.catalogue() as session:
        row = session.get_one(RunRow, id)
        for name, value in values.items():
            setattr(row, name, value)


def row_of(world: World, id: str) -> RunRow:
    with world.platform.catalogue() as session:
        return Runs(session).get(id)


class TestARequestThatCannotBeLaunched:
    def test_is_tried_again_however_long_ago_it_was_asked_for(self, world: World, asked: str) -> None:
        for _ in range(2):
            fail_to_launch(world, asked)

        assert [each.run_id for each in due_launches(world.platform)] == [asked]

    def test_and_was_paused_for_days_goes_on_when_it_is_resumed(self, world: World, asked: str) -> None:
        fail_to_launch(world, asked)
        with world.platform.catalogue() as session:
            RunControl(session).pause(asked)
        with world.platform.catalogue() as session:
            RunControl(session).resume(asked)

        assert [each.run_id for each in due_launches(world.platform)] == [asked]

    def test_a_hundred_times_in_a_row_has_failed_and_says_why(self, world: World, asked: str) -> None:
        fail_to_launch(world, asked)
        change(world, asked, failed_launches=MOST_LAUNCHES)

        assert due_launches(world.platform) == []
        row = row_of(world, asked)
        assert (row.state, row.error_code) == (RunState.FAILED, "UNAVAILABLE")
        assert row.error == f"The run could not be launched, {MOST_LAUNCHES} times: {AWAY}"

    def test_is_nobody_elses_while_somebody_launches_it(self, world: World, asked: str) -> None:
        with world.platform.catalogue() as session:
            assert [each.id for each in Outbox(session).claim(10)] == [asked]

        assert due_launches(world.platform) == []


class TestWhatAWatchHasFound:
    @pytest.fixture
    def found(self, world: World) -> list[str]:
        """The imports of three files, older than whatever is asked for."""
        with world.platform.catalogue() as session:
            rows = [Runs(session).request(RunKind.IMPORT, new_id(), "a.csv", trigger=BY_SENSOR) for _ in range(3)]
            return [row.id for row in rows]

    def test_is_launched_after_all_that_was_asked_for(self, world: World, found: list[str], asked: str) -> None:
        launches = due_launches(world.platform)

        assert [each.run_id for each in launches] == [asked, *found]
        assert [each.tags.get("dagster/priority") for each in launches] == [None, "-1", "-1", "-1"]

    def test_and_fills_the_queue_takes_no_room_from_what_is_asked_for(
        self, world: World, found: list[str], asked: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world.platform.settings, "max_queued_runs", 2)
        for id in found[:2]:
            change(world, id, dagster_run_id=new_id())

        assert [each.run_id for each in due_launches(world.platform)] == [asked]

    def test_and_was_at_work_goes_on_before_what_waits(self, world: World, found: list[str]) -> None:
        change(world, found[0], epoch=1)
        assert due_launches(world.platform)[0].tags["dagster/priority"] == "1"
