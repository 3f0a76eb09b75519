"""Workers that die in the middle of an incremental extraction, and two at a time: nothing is lost, nothing twice."""

from collections.abc import Callable

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.leases import Leases
from dataops_defs.errors import StaleWorker
from dataops_defs.flows import extract_dataset as extracting
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.work import Work
from tests.flows.etl_scenes import Death, lease_ends
from tests.flows.extraction_scenes import Orders, counts

# What a worker does from the moment on at which its copy is written.
PLACES = ["_enter", "_note"]


@pytest.fixture
def orders(orders: Orders) -> Orders:
    """Extracted orders, of which one has changed since, one has gone, and one is new."""
    orders.dataset(deletions="keys", lagSeconds=0)
    orders.extract()
    orders.sql("DELETE FROM orders WHERE id = 1")
    orders.put((2, "B", 4), (4, "d", 5))
    return orders


def dies_at(place: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The worker is killed when it comes to that place; call what is returned to let others live."""

    def dies(*_arguments: object) -> None:
        raise Death

    monkeypatch.setattr(extracting, place, dies)
    return monkeypatch.undo


def continued(orders: Orders, run_id: str) -> Work:
    lease_ends(orders.world)
    with orders.world.platform.catalogue() as session:
        held = Leases(session).begin(run_id, new_id())
    assert held is not None
    return Work(orders.world.platform, Lease(orders.world.platform, held), say=orders.said.append)


class TestAWorkerThatDies:
    @pytest.mark.parametrize("place", PLACES)
    def test_is_followed_by_one_that_goes_on(self, orders: Orders, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        lives = dies_at(place, monkeypatch)
        work = orders.work()
        with pytest.raises(Death):
            extract_dataset(work, orders.id)
        lives()

        outcome = extract_dataset(continued(orders, work.run_id), orders.id)

        assert counts(outcome) == (3, 1, 1, 1, 1, 0)
        assert orders.row.raw_uri == outcome.uri
        assert orders.same()
        assert orders.world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", work.run_id) == [(1,)]

    @pytest.mark.parametrize("place", PLACES)
    def test_and_is_given_up_is_followed_by_a_run_that_loses_nothing(
        self, orders: Orders, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        before = orders.row
        lives = dies_at(place, monkeypatch)
        with pytest.raises(Death):
            orders.extract()
        lives()
        assert (orders.row.raw_uri, orders.row.mark) == (before.raw_uri, before.mark)
        orders.put((5, "e", 6))

        assert counts(orders.extract()) == (4, 2, 1, 1, 1, 0)
        assert orders.same()

    def test_and_comes_back_leaves_no_copy_behind(self, orders: Orders) -> None:
        stale = orders.work()
        stale.lease.look = lambda: None  # type: ignore[method-assign]
        with continued(orders, stale.run_id).lease.kept(), pytest.raises(StaleWorker):
            extract_dataset(stale, orders.id)
        assert orders.copies == {orders.row.raw_uri}

    def test_without_anything_new_keeps_the_copy_it_shares(self, orders: Orders) -> None:
        orders.extract()
        stale = orders.work()
        stale.lease.look = lambda: None  # type: ignore[method-assign]
        with continued(orders, stale.run_id).lease.kept(), pytest.raises(StaleWorker):
            extract_dataset(stale, orders.id)
        assert orders.same()


class TestTwoAtATime:
    def test_end_with_a_copy_that_holds_all(self, orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
        note = extracting._note
        monkeypatch.setattr(extracting, "_note", lambda *_: None)
        slow = orders.work()
        older = extract_dataset(slow, orders.id)
        monkeypatch.undo()
        orders.put((5, "e", 6))
        orders.extract()

        note(orders.world.platform, orders.id, slow.run_id, older)

        assert orders.same()
        orders.put((6, "f", 7))
        orders.extract()
        assert orders.same()

    def test_a_catalogue_that_was_set_back_goes_on_from_the_copy_it_names(self, orders: Orders) -> None:
        first = orders.row.raw_uri
        orders.extract()
        with orders.world.platform.catalogue() as session:
            Datasets(session).get(orders.id).raw_uri = first  # the mark beside it is that of the newer copy

        orders.extract()

        assert orders.same()
