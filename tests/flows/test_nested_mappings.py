"""Nested values: paths into columns, and nested properties."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.errors import Invalid
from dataops_defs.flows.preview_mapping import preview_mapping
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.nested_scenes import TEXT, imported, mapped, objects, replaced
from tests.flows.reject_scenes import Register
from tests.scenes import World

ADDRESS = pa.struct([("city", pa.string()), ("geo", pa.struct([("lat", pa.float64())]))])
CUSTOMERS = pa.table(
    {
        "id": ["A", "B", "C"],
        "address": pa.array(
            [{"city": "Oslo", "geo": {"lat": 59.9}}, {"city": None, "geo": None}, None],
            ADDRESS,
        ),
        "tags": pa.array([["x", "y"], [], None], pa.list_(pa.string())),
        "marks": pa.array([[("a", 1)], [("b", 2), ("a", 3)], None], pa.map_(pa.string(), pa.int64())),
        "payload": ['{"user": {"id": 7, "names": ["Ann", "B"]}}', "[1]", None],
        "address.city": ["literal", None, None],
    }
)


class TestAPathIntoAColumn:
    FOUND = {
        "address.geo.lat": ["59.9", None, None],
        "address.city": ["literal", None, None],
        "address.street": [None, None, None],
        "tags[0]": ["x", None, None],
        "tags[1]": ["y", None, None],
        "tags[9]": [None, None, None],
        "marks.a": ["1", "3", None],
        "payload.user.id": ["7", None, None],
        "payload.user.names[1]": ["B", None, None],
        "payload[0]": [None, "1", None],
    }

    def test_reads_structs_maps_lists_and_json_text_and_is_null_where_nothing_lies(self, world: World) -> None:
        names = {f"p{n}": path for n, path in enumerate(self.FOUND)}
        columns = {name: {"sourceColumn": path, "transform": "toString"} for name, path in names.items()}
        properties = dict.fromkeys(("id", *names), TEXT)
        made = mapped(world, imported(world, CUSTOMERS), properties, {"id": "id", **columns})

        assert sync_mapping(world.work(), made).ledger.inserted == 3

        rows = objects(world, "id", *names)
        assert {path: [row[at] for row in rows] for at, path in enumerate(self.FOUND, 1)} == self.FOUND

    def test_goes_without_a_transform_and_with_one_that_looks_at_the_row(self, world: World) -> None:
        columns = {
            "id": "id",
            "city": "payload.user.names[0]",
            "both": {"sourceColumn": "address.geo.lat", "transform": "[row.id, value, Object.keys(row).length]"},
        }
        properties = {"id": TEXT, "city": TEXT, "both": {"type": "array"}}
        made = mapped(world, imported(world, CUSTOMERS), properties, columns)

        sync_mapping(world.work(), made)

        assert objects(world, "id", "city", "both")[0] == ("A", "Ann", ["A", 59.9, 6])

    def test_into_text_that_is_no_json_rejects_the_row_which_is_mended(self, world: World) -> None:
        table = pa.table({"id": ["A", "B"], "payload": ['{"n": 1}', "{n: 2}"]})
        dataset = imported(world, table)
        made = mapped(world, dataset, {"id": TEXT, "n": {"type": "integer"}}, {"id": "id", "n": "payload.n"})

        assert sync_mapping(world.work(), made).ledger.rejected == 1

        register = Register.of(world, dataset, made, "thing")
        [bad] = register.rejects()
        assert (bad.row_number, bad.column, bad.reason) == (2, "payload.n", "n: '{n: 2}' is no JSON")
        assert register.replay({bad.id: {"payload": '{"n": 2}'}}).ledger.inserted == 1
        assert objects(world, "id", "n") == [("A", 1), ("B", 2)]

    def test_a_column_that_is_gone_is_named(self, world: World) -> None:
        dataset = imported(world, CUSTOMERS)
        made = mapped(world, dataset, {"id": TEXT, "city": TEXT}, {"id": "id", "city": "address.city"})
        replaced(world, dataset, CUSTOMERS.select(["id"]))

        with pytest.raises(Invalid, match=r"no longer has the column 'address\.city'"):
            sync_mapping(world.work(), made)


class TestANestedProperty:
    PROPERTIES = {
        "id": TEXT,
        "home": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 10},
                "geo": {"type": "object", "properties": {"lat": {"type": "number"}, "since": {"$ref": "#/$defs/day"}}},
            },
            "additionalProperties": False,
        },
    }

    def sync(self, world: World, columns: Mapping[str, Any], table: pa.Table) -> str:
        dataset = imported(world, table)
        kind = world.object_type(
            "thing", "id", self.PROPERTIES, **{"$defs": {"day": {"type": "string", "format": "date"}}}
        )
        made = world.mapping(dataset, kind, columns)
        sync_mapping(world.work(), made)
        return made

    def test_is_built_of_its_parts_each_fitted_and_exact(self, world: World) -> None:
        table = pa.table(
            {
                "id": ["A", "B", "C"],
                "town": ["Oslo", None, None],
                "lat": pa.array([Decimal("59.91387360000000000001"), None, None], pa.decimal128(30, 20)),
                "day": pa.array(["2020-02-29T00:00:00Z", "2021-01-01", None]),
            }
        )
        columns = {"id": "id", "home.city": "town", "home.geo.lat": "lat", "home.geo.since": "day"}
        self.sync(world, columns, table)

        found = world.sql("SELECT home::text FROM objects.thing ORDER BY id")
        assert [None if each is None else json.loads(each) for (each,) in found] == [
            {"city": "Oslo", "geo": {"lat": 59.91387360000000000001, "since": "2020-02-29"}},
            {"geo": {"since": "2021-01-01"}},
            None,
        ]
        assert "59.91387360000000000001" in found[0][0]

    def test_a_part_that_is_wrong_rejects_its_row_and_names_both(self, world: World) -> None:
        table = pa.table({"id": ["A", "B"], "town": ["Oslo", "Llanfairpwllgwyngyll"], "lat": [1.5, 2.5]})
        made = self.sync(world, {"id": "id", "home.city": "town", "home.geo.lat": "lat"}, table)

        [bad] = Register.of(world, "", made, "thing").rejects()
        assert (bad.row_number, bad.column) == (2, "town")
        assert bad.reason.startswith("home.city: ")
        assert objects(world, "id") == [("A",)]


class TestAList:
    def test_lists_are_kept_where_nobody_explodes_them(self, world: World) -> None:
        columns = {"id": "id", "tags": "tags"}
        made = mapped(world, imported(world, CUSTOMERS), {"id": TEXT, "tags": {"type": "array"}}, columns)
        sync_mapping(world.work(), made)
        assert objects(world, "id", "tags") == [("A", ["x", "y"]), ("B", []), ("C", None)]


class TestJsonText:
    PROPERTIES = {"id": TEXT, "tags": {"type": "array", "items": TEXT}, "doc": {"type": ["object", "null"]}}

    def test_is_the_list_or_object_that_it_describes_and_is_kept_exactly(self, world: World) -> None:
        table = pa.table(
            {
                "id": ["A", "B", "C"],
                "tags": ['["x", "y"]', " []", None],
                "doc": ['{"n": 123456789012345678901, "deep": [1.5, null]}', '{"u": "\\u00e9"}', None],
            }
        )
        made = mapped(world, imported(world, table), self.PROPERTIES, {name: name for name in self.PROPERTIES})

        assert sync_mapping(world.work(), made).ledger.inserted == 3

        assert objects(world, "id", "tags", "doc") == [
            ("A", ["x", "y"], {"n": 123456789012345678901, "deep": [1.5, None]}),
            ("B", [], {"u": "é"}),
            ("C", None, None),
        ]

    def test_that_is_none_or_describes_something_else_rejects_its_row(self, world: World) -> None:
        texts = [
            "x, y",
            "[NaN]",
            '["x"',
            '{"x": 1}',
            "[1]",
            "[" * 100_000,
            '["\\ud800"]',
            '["\\ud800", 1234567890123456789]',
        ]
        table = pa.table({"id": [str(n) for n in range(len(texts))], "tags": texts})
        made = mapped(world, imported(world, table), self.PROPERTIES, {"id": "id", "tags": "tags"})

        assert sync_mapping(world.work(), made).ledger.rejected == len(texts)


class TestAPreview:
    def test_shows_elements_and_nested_properties(self, world: World) -> None:
        lines: Sequence[Any] = [
            {"id": 1, "items": [{"k": "a"}, {"k": "b", "n": 2}]},
            {"id": 2, "items": []},
            {"id": 3, "items": [{"k": 5}]},
        ]
        dataset = world.dataset(
            world.csv(
                "o.csv",
                "id,items\n"
                + "".join(
                    f'{each["id"]},"{json.dumps(each["items"]).replace(chr(34), chr(34) * 2)}"\n' for each in lines
                ),
            )
        )
        world.object_type("thing", "k", {"k": TEXT, "in": {"type": "object", "properties": {"n": {"type": "integer"}}}})
        wanted = {"k": {"sourceColumn": "items.k"}, "in.n": {"sourceColumn": "items.n"}}

        seen = preview_mapping(world.platform, dataset, "thing", wanted, 3, "items")

        assert seen["columns"] == ["k", "in"]
        assert seen["rows"] == [{"k": "a"}, {"k": "b", "in": {"n": 2}}, {"k": "5"}]
        assert seen["rejected"] == []
