"""Columns that change between two extractions: what each policy makes of them."""

from datetime import UTC, datetime, timedelta

import pytest

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.domain.drift import SchemaPolicy
from dataops_defs.errors import Conflict, Invalid
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.purge_raw import purge_raw_copies
from dataops_defs.flows.schema_gate import FrozenSchema
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.extraction_scenes import TABLE, Orders, counts
from tests.scenes import World

ID_IS_TEXT = "ALTER TABLE orders ALTER id TYPE text"


def accept(orders: Orders) -> None:
    with orders.world.platform.catalogue() as session:
        datasets = Datasets(session)
        datasets.accept(datasets.get(orders.id, lock=True))


class TestEvolve:
    def test_goes_on_and_tells_of_each_change(self, orders: Orders) -> None:
        orders.define()
        first = orders.extract()
        assert [(each.name, each.passed) for each in first.checks] == [("schema_unchanged", True)]
        orders.sql(ID_IS_TEXT)
        orders.sql("ALTER TABLE orders DROP name, ADD vat bool")

        outcome = orders.extract()

        [check] = outcome.checks
        assert (check.name, check.passed, check.counts) == (
            "schema_unchanged",
            False,
            {"added": 1, "removed": 1, "retyped": 1},
        )
        assert check.description == (
            "column 'id' is now string, was int32; column 'name' is gone (it was string); column 'vat' is new (bool)"
        )
        assert orders.row.drift == outcome.details["drift"]
        assert [each["name"] for each in orders.row.columns or []] == ["id", "changed", "vat"]
        assert orders.same()

        assert orders.extract().checks[0].passed
        assert orders.row.drift == {"added": [], "removed": [], "retyped": [], "nullability": []}

    def test_leaves_a_mapping_of_a_column_that_is_gone_with_a_clear_message(self, orders: Orders) -> None:
        id = orders.define()
        kind = orders.world.object_type("order", "id", {"id": {"type": "integer"}, "name": {"type": "string"}})
        mapping = orders.world.mapping(id, kind, {"id": "id", "name": "name"})
        orders.extract()
        sync_mapping(orders.world.work(), mapping)
        orders.sql("ALTER TABLE orders DROP name")
        orders.extract()

        with pytest.raises(Invalid, match="no longer has the column 'name' that the mapping reads"):
            sync_mapping(orders.world.work(), mapping)
        assert orders.world.sql('SELECT count(*) FROM objects."order"') == [(3,)]


class TestFreeze:
    @pytest.mark.parametrize("how", ["whole", "incremental"])
    def test_refuses_before_anything_is_written(self, orders: Orders, how: str) -> None:
        orders.define() if how == "whole" else orders.dataset()
        orders.change(schema_policy=SchemaPolicy.FREEZE)
        orders.extract()
        before = orders.row
        orders.sql(ID_IS_TEXT)

        with pytest.raises(FrozenSchema) as refusal:
            orders.extract()

        assert str(refusal.value).startswith("column 'id' is now string, was int32. The schema of 'Orders")
        assert orders.copies == {before.raw_uri}
        assert (orders.row.raw_uri, orders.row.columns) == (before.raw_uri, before.columns)
        assert orders.ledgers() == 1
        assert orders.row.waiting is not None
        assert "uri" not in orders.row.waiting

    def test_lets_pass_what_was_accepted_and_only_that(self, orders: Orders) -> None:
        orders.define(SchemaPolicy.FREEZE)
        orders.extract()
        with pytest.raises(Conflict, match="waits to be accepted"):
            accept(orders)
        orders.sql(ID_IS_TEXT)
        with pytest.raises(FrozenSchema):
            orders.extract()
        accept(orders)

        orders.sql("ALTER TABLE orders DROP name")
        with pytest.raises(FrozenSchema, match="'name' is gone"):
            orders.extract()
        orders.sql("ALTER TABLE orders ADD name text")
        assert orders.extract().details["drift"]["retyped"] == [{"name": "id", "before": "int32", "now": "string"}]

        assert (orders.row.waiting, orders.row.accepted) == (None, None)
        assert orders.extract().checks[0].passed

    def test_reads_all_rows_of_a_new_column_once_it_is_accepted(self, orders: Orders) -> None:
        orders.dataset()
        orders.change(schema_policy=SchemaPolicy.FREEZE)
        orders.extract()
        orders.sql("ALTER TABLE orders ADD extra text DEFAULT 'z'")
        with pytest.raises(FrozenSchema):
            orders.extract()
        accept(orders)

        assert counts(orders.extract()) == (3, 0, 3, 0, 0, 0)
        assert orders.same()

    def test_lets_pass_a_source_that_was_mended(self, orders: Orders) -> None:
        orders.define(SchemaPolicy.FREEZE)
        orders.extract()
        orders.sql("ALTER TABLE orders ADD vat bool")
        with pytest.raises(FrozenSchema):
            orders.extract()
        orders.sql("ALTER TABLE orders DROP vat")

        orders.extract()

        assert orders.row.waiting is None
        assert orders.same()


class TestQuarantine:
    def test_keeps_the_new_copy_aside_until_it_is_accepted(self, orders: Orders) -> None:
        orders.define(SchemaPolicy.QUARANTINE)
        first = orders.extract()
        orders.put((4, "d", 4))
        orders.sql(ID_IS_TEXT)

        outcome = orders.extract()

        assert outcome.details["quarantined"] is True
        assert "waits in quarantine" in outcome.checks[0].description
        assert (orders.row.raw_uri, orders.row.row_count) == (first.uri, 3)
        assert len(orders.copy(outcome.uri)) == 4

        accept(orders)
        assert (orders.row.raw_uri, orders.row.row_count, orders.row.waiting) == (outcome.uri, 4, None)
        assert orders.same()
        assert orders.extract().checks[0].passed

    def test_ends_with_an_extraction_without_drift(self, orders: Orders) -> None:
        orders.define(SchemaPolicy.QUARANTINE)
        orders.extract()
        orders.sql("ALTER TABLE orders ADD vat bool")
        orders.extract()
        orders.sql("ALTER TABLE orders DROP vat")

        last = orders.extract()

        assert (orders.row.raw_uri, orders.row.waiting) == (last.uri, None)

    def test_holds_back_no_row_of_an_incremental_dataset(self, orders: Orders) -> None:
        orders.dataset(deletions="keys")
        orders.change(schema_policy=SchemaPolicy.QUARANTINE)
        orders.extract()
        orders.sql("ALTER TABLE orders ADD vat bool DEFAULT true")
        for number in (4, 5):
            orders.put((number, "x", number))
            assert counts(orders.extract())[1] == number - 3  # each time by the copy that is accepted
        orders.sql("DELETE FROM orders WHERE id = 1")
        orders.extract()

        accept(orders)

        assert orders.same()
        orders.put((6, "f", 6))
        assert counts(orders.extract()) == (2, 1, 0, 1, 0, 0)
        assert orders.same()


class TestRetention:
    @pytest.fixture
    def orders(self, world: World, operations_url: str) -> Orders:
        made = Orders(world, operations_url)
        made.sql(TABLE)
        return made

    def test_keeps_a_copy_that_waits_and_the_one_before_it_was_accepted(self, orders: Orders) -> None:
        orders.define(SchemaPolicy.QUARANTINE)
        old, current = orders.extract(), orders.extract()
        orders.sql(ID_IS_TEXT)
        waiting = orders.extract()
        orders.sql("ALTER TABLE orders ADD vat bool")
        orders.change(schema_policy=SchemaPolicy.EVOLVE, waiting=None)
        later = orders.extract()
        orders.change(raw_uri=current.uri, waiting={"uri": waiting.uri})
        self.purge(orders, days=400)
        assert orders.copies == {current.uri, waiting.uri, later.uri}
        assert old.uri not in orders.copies

        in_a_year = datetime.now(UTC) + timedelta(days=400)
        orders.change(raw_uri=waiting.uri, waiting=None, accepted_at=in_a_year)
        self.purge(orders, days=400)
        assert current.uri in orders.copies  # a run that began before may read it
        self.purge(orders, days=410)
        assert orders.copies == {waiting.uri, later.uri}

    @staticmethod
    def purge(orders: Orders, days: int) -> None:
        settings = orders.world.platform.settings
        object.__setattr__(settings, "raw_keep", 1)
        with orders.world.platform.catalogue() as session:
            session.connection().exec_driver_sql("UPDATE run SET finished_at = now()")
        purge_raw_copies(orders.world.platform, lambda _text: None, datetime.now(UTC) + timedelta(days=days))


class TestOtherSources:
    def test_drift_too(self, world: World) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail,year\nN1,2001\n"))
        extract_dataset(world.work(), dataset)
        (world.files / "planes.csv").write_text("tail,year,model\nN1,about 2001,A320\n")

        drift = extract_dataset(world.work(), dataset).details["drift"]

        assert drift["retyped"] == [{"name": "year", "before": "int64", "now": "string"}]
        assert drift["added"] == [{"name": "model", "type": "string"}]
