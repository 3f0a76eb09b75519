"""What is compiled, what is left to the engine, and that neither needs more than it may."""

from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.shaping.rows import BatchRows
from dataops_defs.adapters.shaping.transformed import Transformer
from dataops_defs.adapters.transforms.compiled import CompiledTransform
from dataops_defs.adapters.transforms.syntax import Oversized, Unsupported
from dataops_defs.adapters.transforms.values import as_json
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import InvalidTransform

BATCH = pa.RecordBatch.from_pydict(
    {
        "year": ["1987", "2004", None, "007"],
        "active": [True, False, None, True],
        "name": [" Ann ", "bob", "", None],
        "seats": pa.array([2, 180, None, 0], pa.int16()),
        "day": ["2024-01-31", "2024-02-29", "1999-12-31", None],
        "at": pa.array([0, 1_500_000, None, 86_400_000_000], pa.timestamp("us", "UTC")),
        "price": pa.array([1.5, 2.0, None, -0.0]),
    }
)


def cells(name: str) -> pa.Array | None:
    return BATCH.column(name) if name in BATCH.schema.names else None


@pytest.mark.parametrize(
    ("source", "expression", "values"),
    [
        ("active", 'value ? "active" : "inactive"', ["active", "inactive", "inactive", "active"]),
        ("seats", 'value > 100 ? "large" : "small"', ["small", "large", "small", "small"]),
        ("year", "parseInt", [1987, 2004, None, 7]),
        ("year", "parseInt(value, 10)", [1987, 2004, None, 7]),
        ("year", "Number(value)", [1987, 2004, 0, 7]),
        ("name", "trim", ["Ann", "bob", "", None]),
        ("name", "value?.trim().toUpperCase() ?? 'NOBODY'", ["ANN", "BOB", "", "NOBODY"]),
        ("name", "value && value.toLowerCase()", [" ann ", "bob", "", None]),
        ("name", "nullIfEmpty", [" Ann ", "bob", None, None]),
        ("day", "toISODate", ["2024-01-31", "2024-02-29", "1999-12-31", None]),
        ("day", "value ? new Date(value).getFullYear() : null", [2024, 2024, 1999, None]),
        ("at", "parseDate", ["1970-01-01T00:00:00.000Z", "1970-01-01T00:00:01.500Z", None, "1970-01-02T00:00:00.000Z"]),
        ("price", "value * 2 + 1", [4, 5, 1, 1]),
        ("price", "value / 0", [None, None, None, None]),
        ("seats", "[row.year, value, row.name].join('-')", ["1987-2- Ann ", "2004-180-bob", "--", "007-0-"]),
        ("seats", "`${row.year}/${value}`", ["1987/2", "2004/180", "null/null", "007/0"]),
        ("seats", "row.nothing === undefined", [True, True, True, True]),
    ],
)
def test_what_common_transforms_give(source: str, expression: str, values: list[Any]) -> None:
    found = CompiledTransform(expression).run(BATCH.column(source), cells)
    assert found.unsure is None
    assert as_json(found.array) == values
    assert [type(each) for each in as_json(found.array)] == [type(each) for each in values]


@pytest.mark.parametrize(
    "text",
    [
        *("value = 1", "value++", "--value", "value <!-- x", "value // x", "/a/.test(value)", "value ** 2", "a => a"),
        *("value, 1", "value ?? 1 || 2", "1 || value ?? 2", "value.constructor", "value['trim']()", "row.__proto__"),
        *("eval('1')", "Math.random()", "010", "1.trim()", "'a\nb'", "`a", "`${value`", "'\\u{41}'", "'\\ud800'"),
        *("value.x = 1", "(value", "value)", "...value", "new Map()", "typeof value", "value in row", "{a: 1}"),
        *("[1, 2]", "(" * 99 + "1" + ")" * 99, "!" * 5_000 + "1", "value + " * 1_200 + "value", "value" + ".x" * 4_000),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_left_to_the_engine(text: str) -> None:
    with pytest.raises((Unsupported, InvalidTransform)):
        CompiledTransform(text).run(BATCH.column("name"), cells)


@pytest.mark.parametrize(
    "expression",
    [
        "value.padStart(1000000, 'x')",
        "value.replaceAll('a', '" + "b" * 9_000 + "')",
        "`" + "${value}" * 100 + "`",
        " + ".join(["value"] * 50),
        "value === null ? '" + "x" * 9_000 + "' : value",
    ],
)
def test_what_would_need_too_much_memory_is_left_to_the_engine(expression: str) -> None:
    many = pa.array(["a" * 1_000] * 10_000)
    with pytest.raises(Oversized):
        CompiledTransform(expression).run(many, lambda _name: None)


class TestTheEngine:
    def transformed(self, *transforms: tuple[str, str]) -> tuple[dict[str, list[Any]], list[str], bool]:
        wanted = [Transform(f"p{n}", source, text) for n, (source, text) in enumerate(transforms)]
        rows = BatchRows(BATCH)
        with Transformer(wanted) as transformer:
            made, problems = transformer.run(rows, {source: rows.source(source) for source, _ in transforms})
            told = [f"{each.row} {each.property}: {each.message}" for each in problems]
            return {name: each.values() for name, each in made.items()}, told, transformer.engine_runs

    def test_is_not_started_where_all_is_compiled(self) -> None:
        found, _, started = self.transformed(("year", "parseInt"), ("active", "value ? 1 : 0"))
        assert found == {"p0": [1987, 2004, None, 7], "p1": [1, 0, 0, 1]}
        assert not started

    def test_does_the_rows_that_are_not_proven_and_says_why_others_fail(self) -> None:
        found, problems, started = self.transformed(("name", "value.trim()"), ("year", "row.name.length + value"))
        assert found["p0"] == ["Ann", "bob", "", None]
        assert found["p1"] == ["51987", "32004", 0, None]
        assert [each.split(": ")[0] for each in problems] == ["3 p0", "3 p1"]
        assert "TypeError" in problems[0]
        assert started

    def test_does_alone_what_only_it_can(self) -> None:
        found, _, started = self.transformed(("year", "parseInt"), ("name", "value?.split('')"))
        assert found["p1"] == [[" ", "A", "n", "n", " "], ["b", "o", "b"], [], None]
        assert started

    def test_refuses_what_does_not_compile_before_the_first_row(self) -> None:
        with pytest.raises(InvalidTransform), Transformer([Transform("p", "name", "value +")]):
            pass
