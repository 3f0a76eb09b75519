"""Lists whose elements become objects: counted, rejected and replayed one by one."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest

from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import Invalid
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.nested_scenes import TEXT, imported, mapped, objects
from tests.flows.reject_scenes import Register
from tests.scenes import World

ITEM = pa.struct([("sku", pa.string()), ("count", pa.int64()), ("price", pa.decimal128(10, 2))])
ORDERS = pa.table(
    {
        "order": [1, 2, 3, 4, 5],
        "note": ["first", "second", "third", "fourth", "fifth"],
        "items": pa.array(
            [
                [{"sku": "a", "count": 1, "price": Decimal("1.10")}, {"sku": "b", "count": -2, "price": None}],
                [],
                None,
                [{"sku": "c", "count": -3, "price": None}, {"sku": "d", "count": 4, "price": Decimal("4.40")}],
                [{"sku": "a", "count": 5, "price": None}, {"sku": "a", "count": 6, "price": None}],
            ],
            pa.list_(ITEM),
        ),
    }
)
LINE = {
    "sku": TEXT,
    "count": {"type": "integer", "minimum": 0},
    "price": {"type": "number"},
    "order": {"type": "integer"},
    "note": TEXT,
    "place": {"type": "integer"},
}
LINE_COLUMNS = {
    "sku": "items.sku",
    "count": "items.count",
    "price": "items.price",
    "order": "order",
    "note": {"sourceColumn": "items", "transform": "row.note.slice(0, 2) + value.sku"},
    "place": "items.#",
}


def as_json(table: pa.Table) -> pa.Table:
    """The same with the lists as JSON text."""
    texts = [None if each is None else json.dumps(each, default=float) for each in table.column("items").to_pylist()]
    return table.set_column(2, "items", pa.array(texts))


def inside(table: pa.Table) -> pa.Table:
    """The same with the lists deeper inside."""
    structs = pa.StructArray.from_arrays([table.column("items").combine_chunks()], ["items"])
    return table.set_column(2, "cart", structs)


class TestAnExplodedList:
    @pytest.fixture(params=["a list", "JSON text", "inside of a struct"])
    def orders(self, request: pytest.FixtureRequest, world: World) -> Register:
        table, path = {
            "a list": (ORDERS, "items"),
            "JSON text": (as_json(ORDERS), "items"),
            "inside of a struct": (inside(ORDERS), "cart.items"),
        }[request.param]
        dataset = imported(world, table)
        text = json.dumps(LINE_COLUMNS).replace('"items', f'"{path}')
        made = mapped(world, dataset, LINE, json.loads(text), explode=path, key="sku")
        return Register.of(world, dataset, made, "thing")

    def test_makes_a_row_of_each_element_beside_the_columns_of_its_own_row(self, orders: Register) -> None:
        ledger = sync_mapping(orders.world.work(), orders.mapping).ledger

        assert objects(orders.world, "sku", "count", "order", "note", "place") == [
            ("a", 1, 1, "fia", 1),
            ("d", 4, 4, "fod", 2),
        ]
        # 6 elements and 2 rows without any; of the elements 2 are below the minimum, 2 have the key of another.
        assert (ledger.read, ledger.inserted, ledger.rejected, ledger.filtered) == (8, 2, 4, 2)

    def test_names_row_and_element_of_a_reject_which_is_mended_without_its_siblings(self, orders: Register) -> None:
        sync_mapping(orders.world.work(), orders.mapping)
        column = (
            "items" if orders.world.sql("SELECT 1 FROM dataops.reject WHERE column_name LIKE 'items%%'") else "cart"
        )
        rejects = sorted(orders.rejects(), key=lambda each: (each.row_number, each.id))
        prefix = "cart.items" if column == "cart" else "items"
        assert [(each.row_number, each.column) for each in rejects] == [
            (1, f"{prefix}[1].count"),
            (4, f"{prefix}[0].count"),
            (5, f"{prefix}[0].sku"),
            (5, f"{prefix}[1].sku"),
        ]
        first = rejects[0]
        before = objects(orders.world, "sku", "_updated_at")
        assert first.content[f"{prefix}.#"] == 2

        mended = json.loads(json.dumps(first.content[column]).replace("-2", "2"))
        ledger = orders.replay({first.id: {column: mended}}).ledger

        assert (ledger.read, ledger.inserted) == (1, 1)
        assert objects(orders.world, "sku", "count", "order", "note", "place")[1] == ("b", 2, 1, "fib", 2)
        assert [row for row in objects(orders.world, "sku", "_updated_at") if row[0] != "b"] == before
        assert {each.id: each.state for each in orders.rejects(None)}[first.id] is RejectState.REPAIRED

    def test_keeps_a_duplicates_key_taken_and_takes_another(self, orders: Register) -> None:
        sync_mapping(orders.world.work(), orders.mapping)
        twins = [each for each in orders.rejects() if each.row_number == 5]
        assert [each.taken_key for each in twins] == ["a", "a"]

        places = {each.id: each.column for each in twins}

        assert orders.replay({each.id: {"note": "other"} for each in twins}).ledger.rejected == 2
        assert {each.id: each.column for each in orders.rejects() if each.id in places} == places
        assert orders.replay().ledger.rejected == 4


class TestWhatCannotBeExploded:
    def test_text_that_is_no_list_rejects_its_row_and_replays_all_that_it_becomes(self, world: World) -> None:
        table = pa.table({"id": ["A", "B", "C"], "items": ['[{"k": "a"}]', "oops", '{"k": "c"}']})
        dataset = imported(world, table)
        made = mapped(
            world, dataset, {"k": TEXT, "n": {"type": "integer"}}, {"k": "items.k", "n": "items.n"}, "items", "k"
        )

        ledger = sync_mapping(world.work(), made).ledger
        assert (ledger.read, ledger.inserted, ledger.rejected) == (3, 1, 2)

        register = Register.of(world, dataset, made, "thing")
        [no_json, no_list] = register.rejects()
        assert (no_json.reason, no_list.reason) == ("items: 'oops' is no JSON", "items: is no list")
        # One element of the mended list is wrong: none of it is taken before all of it can be.
        mended = '[{"k": "b1", "n": 1}, {"k": "b2", "n": "two"}]'
        assert register.replay({no_json.id: {"items": mended}}).ledger == Ledger(read=1, rejected=1)
        assert objects(world, "k") == [("a",)]
        assert [each.column for each in register.rejects() if each.id == no_json.id] == ["items[1].n"]

        again = register.replay(
            {no_json.id: {"items": mended.replace('"two"', "2")}, no_list.id: {"items": "[]"}}
        ).ledger

        assert again == Ledger(read=3, inserted=2, filtered=1)
        assert objects(world, "k") == [("a",), ("b1",), ("b2",)]

    def test_a_column_of_other_values_ends_the_sync(self, world: World) -> None:
        dataset = imported(world, pa.table({"id": ["A"], "n": [1]}))
        made = mapped(world, dataset, {"id": TEXT}, {"id": "id"}, explode="n")

        with pytest.raises(Invalid, match="'n' cannot be exploded: it holds int64"):
            sync_mapping(world.work(), made)
