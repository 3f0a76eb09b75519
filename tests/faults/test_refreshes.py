"""Several people refresh one datamart at once: one after the other, or joined; all succeed (fault 30)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest

from dataops_defs.domain.datamart import DatamartType, draft_name
from dataops_defs.flows import refresh_datamart as refreshing
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import BUILDER
from tests.faults.rounds import rounds
from tests.flows.datamart_scenes import define, leftovers, method, refresh, work_for
from tests.scenes import World

PEOPLE = 4
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("kind", list(DatamartType))
def test_refreshes_at_once_neither_fail_nor_wait_for_each_other_for_ever(
    world: World, kind: DatamartType, concurrent: bool
) -> None:
    world.sql("CREATE TABLE content.number AS SELECT n FROM generate_series(1, 1000) n")
    id = define(world, "numbers", "SELECT n, n * 2 AS twice FROM content.number", kind)
    together = Barrier(PEOPLE)

    def refreshes(_person: int) -> Outcome:
        work = work_for(world, concurrent=concurrent)
        together.wait()
        return refresh_datamart(work, id)

    for _ in rounds(2):
        with ThreadPoolExecutor(PEOPLE) as people:
            done = list(people.map(refreshes, range(PEOPLE)))
        assert [each.total_rows for each in done] == [1000] * PEOPLE
        assert any(method(each) != "joined" for each in done)
        assert world.sql("SELECT count(*), sum(twice) FROM analytics.numbers") == [(1000, 1001000)]
        assert leftovers(world) == []


def test_who_waits_while_another_refresh_begins_anew_needs_none_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sql("CREATE TABLE content.number AS SELECT n FROM generate_series(1, 10) n")
    id = define(world, "numbers", "SELECT n FROM content.number")
    at_work, go_on, place = Event(), Event(), refreshing.place

    def slowly(*arguments: Any) -> Any:
        at_work.set()
        assert go_on.wait(30)
        return place(*arguments)

    monkeypatch.setattr(refreshing, "place", slowly)
    with ThreadPoolExecutor(3) as people:
        first = people.submit(refresh, world, id)
        assert at_work.wait(30)
        world.sql("INSERT INTO content.number VALUES (11)")
        waiting = [people.submit(refresh, world, id) for _ in range(2)]
        assert wait_until(lambda: world.sql(WAITING) == [(2,)], 30)
        go_on.set()
        methods = [method(each.result()) for each in (first, *waiting)]

    assert methods[0] == "build"
    assert sorted(methods[1:]) == ["joined", "swap"]  # the first began before the row came; one more was needed
    assert world.sql("SELECT count(*) FROM analytics.numbers") == [(11,)]
    assert world.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE subject_id = %s", id) == [(3, 22)]


def test_what_a_dead_worker_left_is_no_hindrance(world: World) -> None:
    world.sql("CREATE TABLE content.number AS SELECT n FROM generate_series(1, 10) n")
    for kind in DatamartType:
        id = define(world, f"numbers_{kind}", "SELECT n FROM content.number", kind)
        draft = f"analytics.{draft_name(id)}"
        world.sql(f"CREATE VIEW {draft} AS SELECT 1 AS n; ALTER VIEW {draft} OWNER TO {BUILDER}")
        refresh(world, id)
        world.sql(f"CREATE TABLE {draft} (n int); ALTER TABLE {draft} OWNER TO {BUILDER}")

        assert refresh(world, id).total_rows == 10
        if kind is not DatamartType.VIEW:  # a view is replaced where it is
            assert leftovers(world) == []
