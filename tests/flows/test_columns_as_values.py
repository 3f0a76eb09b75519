"""Whole columns are shaped as their values are one by one: the same objects, the same rejects, the same words."""

import random
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.shaping import columns as whole_columns
from dataops_defs.adapters.shaping.columns import Proven, RootColumns
from dataops_defs.domain.mapping import PropertyMapping
from dataops_defs.domain.object_type import ObjectType, column_type
from dataops_defs.flows.shape_rows import RowShaper, Shaped
from tests.adapters.transforms.generated import COLUMNS, columns

ROWS = 60
Random = random.Random
KINDS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": ["string", "null"], "maxLength": 6},
    {"type": "string", "minLength": 2, "title": "A name"},
    {"type": "string", "pattern": "^[A-Za-z0-9]{1,6}$"},
    {"type": "string", "pattern": r"\d"},
    {"type": "string", "pattern": "^(?!x).*a"},
    {"type": "string", "enum": ["alpha", "Beta", "1", "true", None]},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date", "minLength": 10},
    {"type": "string", "format": "date-time"},
    {"type": "integer"},
    {"type": "integer", "minimum": -5.5, "maximum": 2**40},
    {"type": "integer", "exclusiveMinimum": 0, "enum": [1, 2, 9]},
    {"type": "integer", "multipleOf": 3},
    {"type": "number"},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1e6},
    {"type": "number", "enum": [1, 2.5]},
    {"type": "boolean"},
    {"type": "boolean", "const": True},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"$ref": "#/$defs/code"},
    {"type": "object"},
    {},
    {"enum": ["a", 1, None]},
]
TRANSFORMS = [
    *[None] * 4, "trim", "upper", "parseInt", "parseFloat", "toNumber", "toBoolean", "toISODate", "parseDate",
    'value ? "alpha" : "Beta"', "value.trim()", "value * 2", "[value, row.whole].join('-')", "({a: value})",
    "value?.slice(0, 3) ?? 1", "value === null ? 1 : 2.5",
]  # fmt: skip
DEFAULTS = [None, None, None, "x", "alpha", 1, 2.5, True, "2020-02-02", {"a": 1}]


def drawn_type(r: Random) -> tuple[ObjectType, dict[str, PropertyMapping]]:
    # With many properties every row would have something wrong.
    properties = {f"p{n}": r.choice(KINDS) for n in range(r.choice((1, 1, 2)))}
    mappings = {
        name: PropertyMapping(r.choice([*COLUMNS, "text", "plain"]), r.choice(TRANSFORMS), r.choice(DEFAULTS))
        for name in properties
    }
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": r.sample(list(properties), r.choice((0, 1))),
        "$defs": {"code": {"type": "string", "maxLength": 4}},
    }
    if r.random() < 0.1:
        schema["minProperties"] = 1
    return ObjectType("1", "thing", "thing", "app", schema, "p0"), mappings


def readable(shaped: Shaped, kind: ObjectType) -> list[Any]:
    """By row what is stored, and the rejects; of numbers the value counts, not how many zeros end it."""
    types = {name: column_type(each, kind.schema) for name, each in kind.properties.items()}
    stored = {
        name: [_number(each) if types[name] == "numeric" else each for each in array.to_pylist()]
        for name, array in shaped.columns.items()
    }
    rows = [dict(zip(stored, row, strict=True)) for row in zip(*stored.values(), strict=True)]
    return [*zip(shaped.numbers, rows, strict=True), *shaped.rejected, *shaped.objects]


def _number(text: str | None) -> Any:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return text


def shaped(kind: ObjectType, mappings: Mapping[str, PropertyMapping], batch: pa.RecordBatch) -> list[Any]:
    with RowShaper(kind, mappings) as shaper:
        return readable(shaper.shape(batch, 1, show=3), kind)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_any_type_of_column_and_any_schema(seed: int) -> None:
    r = Random(seed)
    kind, mappings = drawn_type(r)
    batch = pa.RecordBatch.from_pydict(columns(r, ROWS))
    with pytest.MonkeyPatch.context() as patch:
        found = shaped(kind, mappings, batch)
        patch.setattr(RootColumns, "proven", doubted(RootColumns.proven))
        assert found == shaped(kind, mappings, batch), mappings


def doubted(proven: Any) -> Any:
    """All rows are in doubt: each is looked at by the full validator."""

    def every_row(self: RootColumns, values: Any, rows: int) -> Proven:
        return Proven(proven(self, values, rows).columns, whole_columns.everywhere(True, rows))

    return every_row
