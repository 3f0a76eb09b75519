"""Several people refresh one datamart at once: one after the other, all succeed (fault 30)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from tests.faults.rounds import rounds
from tests.scenes import World

PEOPLE = 4


@pytest.mark.parametrize("kind", list(DatamartType))
def test_refreshes_at_once_neither_fail_nor_wait_for_each_other_for_ever(world: World, kind: DatamartType) -> None:
    world.sql("CREATE TABLE content.number AS SELECT n FROM generate_series(1, 1000) n")
    with world.platform.catalogue() as session:
        row = DatamartRow(name="numbers", type=kind, query="SELECT n, n * 2 AS twice FROM content.number")
        id = Datamarts(session).add(row).id
    together = Barrier(PEOPLE)

    def refreshes(_person: int) -> Outcome:
        work = world.work()
        together.wait()
        return refresh_datamart(work, id)

    for _ in rounds(2):
        with ThreadPoolExecutor(PEOPLE) as people:
            assert [each.total_rows for each in people.map(refreshes, range(PEOPLE))] == [1000] * PEOPLE
        assert world.sql("SELECT count(*), sum(twice) FROM analytics.numbers") == [(1000, 1001000)]
        assert world.sql("SELECT relname FROM pg_class WHERE relname ~ '^_building'") == []
