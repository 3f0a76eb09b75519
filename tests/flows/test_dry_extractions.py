"""A dry extraction tells what the source would bring, and moves neither copy nor mark nor schema."""

from contextlib import nullcontext

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.drift import SchemaPolicy
from dataops_defs.domain.run import DRY_RUN, RunKind, RunState
from dataops_defs.errors import SchemaChanged
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import settle_books
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.work import Work
from tests.flows.extraction_scenes import Orders, counts
from tests.flows.graph_scenes import traces


class TestADryExtraction:
    def rehearsed(self, orders: Orders) -> Outcome:
        platform = orders.world.platform
        with platform.catalogue() as session:
            run = Runs(session).request(RunKind.EXTRACT, orders.id, "Orders", parameters={DRY_RUN: True}).id
            held = Leases(session).begin(run, new_id())
        assert held is not None
        outcome = extract_dataset(
            Work(platform, Lease(platform, held), say=lambda _text: None, dry_run=True), orders.id
        )
        with platform.catalogue() as session:
            Runs(session).finish(run, RunState.SUCCEEDED)
            settle_books(platform, session, run, held.epoch)
        return outcome

    def test_of_what_is_new_counts_it_and_leaves_the_mark(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.put((2, "B", 5), (4, "d", 4))
        before = (traces(orders.world), orders.copies)

        told = self.rehearsed(orders)

        assert counts(told) == (3, 1, 1, 1, 0, 0)
        assert (traces(orders.world), orders.copies) == before
        assert counts(orders.extract()) == counts(told)
        assert orders.same()

    def test_that_finds_nothing_new_leaves_the_copy_there_is(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=0)
        current = orders.extract()

        told = self.rehearsed(orders)

        assert (told.uri, counts(told)) == (current.uri, (1, 0, 0, 1, 0, 0))
        assert orders.same()

    @pytest.mark.parametrize("policy", [SchemaPolicy.FREEZE, SchemaPolicy.QUARANTINE])
    def test_of_other_columns_leaves_no_question(self, orders: Orders, policy: SchemaPolicy) -> None:
        orders.define(policy)
        orders.extract()
        orders.sql("ALTER TABLE orders ADD extra int")
        before = (traces(orders.world), orders.copies)

        with pytest.raises(SchemaChanged) if policy is SchemaPolicy.FREEZE else nullcontext():
            told = self.rehearsed(orders)
            assert told.details["quarantined"] is True

        assert (traces(orders.world), orders.copies) == before
        assert orders.row.waiting is None
