"""Shaping: rows of a dataset become objects of a type, or rejects with a reason. Batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.adapters.json_schema import ObjectValidator
from dataops_defs.adapters.json_values import json_column, json_rows
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.fitting import cannot_store, fit
from dataops_defs.domain.mapping import PropertyMapping
from dataops_defs.domain.object_type import ObjectType, table_of
from dataops_defs.domain.transform import Transform, needs_row
from dataops_defs.errors import Invalid


@dataclass
class Shaped:
    """One batch after shaping: the good rows' numbers and columns, the objects they make, and the rejects."""

    numbers: list[int]
    columns: dict[str, pa.Array]
    objects: list[dict[str, Any]]
    rejected: list[RejectedRow] = field(default_factory=list)


def transforms_of(mappings: Mapping[str, PropertyMapping]) -> list[Transform]:
    """The transforms that the JavaScript engine has to run."""
    return [Transform(name, each.source_column, each.transform) for name, each in mappings.items() if each.transform]


class RowShaper:
    """Maps, transforms, fits and validates the rows of one mapping."""

    def __init__(
        self, kind: ObjectType, mappings: Mapping[str, PropertyMapping], engine: JavaScriptEngine | None
    ) -> None:
        self._kind = kind
        self._mappings = mappings
        self._engine = engine
        self._validator = ObjectValidator(kind.schema)
        self._types = {name: table_of(kind).columns[name] for name in mappings}
        self._row_needed = any(needs_row(each.transform) for each in mappings.values() if each.transform)

    def shape(self, batch: pa.RecordBatch, first_number: int) -> Shaped:
        """Objects and rejects of one batch; ``first_number`` is the number of its first row, counted from 1.

        Raises:
            Invalid: the dataset has lost a column that the mapping reads.
        """
        bad: dict[int, tuple[str, str | None]] = {}
        values = self._mapped(batch, bad)
        # Text that stands for an exact number is stored as it is; the number is what the schema sees.
        stored = {
            name: values[name] if self._types[name] == "numeric" else fit(values[name], self._types[name])
            for name in self._mappings
        }
        seen = {name: fit(stored[name], self._types[name]) for name in self._mappings}
        objects = _objects(seen, batch.num_rows)
        for each in self._validator.violations(objects):
            column = self._column_of(each.property, objects[each.index])
            bad.setdefault(each.index, (f"{each.property or 'object'}: {each.message}", column))
        self._refuse_unstorable(seen, bad)
        good = [index for index in range(batch.num_rows) if index not in bad] if bad else range(batch.num_rows)
        return Shaped(
            numbers=[first_number + index for index in good],
            columns={name: self._array(name, stored[name], good) for name in self._mappings},
            objects=[objects[index] for index in good],
            rejected=_rejects(batch, first_number, bad),
        )

    def _mapped(self, batch: pa.RecordBatch, bad: dict[int, tuple[str, str | None]]) -> dict[str, Sequence[Any]]:
        wanted = {each.source_column for each in self._mappings.values()}
        missing = wanted - set(batch.schema.names)
        if missing:
            raise Invalid(f"The dataset no longer has the column '{sorted(missing)[0]}' that the mapping reads")
        read = batch.schema.names if self._row_needed else sorted(wanted)
        columns = {name: json_column(batch.column(batch.schema.get_field_index(name))) for name in read}
        values: dict[str, Sequence[Any]] = {name: columns[each.source_column] for name, each in self._mappings.items()}
        if self._engine is not None:
            done = self._engine.run(columns, batch.num_rows)
            values.update(done.columns)
            for problem in done.problems:
                column = self._mappings[problem.property].source_column
                bad.setdefault(problem.row, (f"{problem.property}: {problem.message}", column))
        self._refuse_no_numbers(batch, bad)
        for name, each in self._mappings.items():
            if each.default is not None:
                values[name] = [each.default if value is None else value for value in values[name]]
        return values

    def _column_of(self, name: str | None, made: Mapping[str, Any]) -> str | None:
        """The dataset's column of a property; where the whole object is wrong, that of a required one it lacks."""
        lacking = (each for each in self._kind.schema.get("required", ()) if each not in made)
        mapped = self._mappings.get(name or next(lacking, ""))
        return mapped.source_column if mapped else None

    def _refuse_no_numbers(self, batch: pa.RecordBatch, bad: dict[int, tuple[str, str | None]]) -> None:
        """NaN and the infinities have no form in JSON; only a transform may make null of them (DECISIONS 29)."""
        for name, each in self._mappings.items():
            values = batch.column(batch.schema.get_field_index(each.source_column))
            if each.transform or not pa.types.is_floating(values.type):
                continue
            odd = pc.invert(pc.fill_null(pc.is_finite(values), True))
            for index in pc.indices_nonzero(odd).to_pylist():
                reason = f"{name}: is {values[index].as_py()}, which is no number in JSON"
                bad.setdefault(index, (reason, each.source_column))

    def _refuse_unstorable(self, values: Mapping[str, Sequence[Any]], bad: dict[int, tuple[str, str | None]]) -> None:
        for name, kind in self._types.items():
            column = self._mappings[name].source_column
            if kind in ("text", "jsonb"):
                found = [
                    (index, "holds a NUL character, which PostgreSQL cannot keep")
                    for index, value in enumerate(values[name])
                    if value is not None and _holds_nul(value)
                ]
            elif kind in ("numeric", "boolean"):
                continue
            else:
                found = [
                    (index, reason)
                    for index, value in enumerate(values[name])
                    if index not in bad and value is not None and (reason := cannot_store(value, kind))
                ]
            for index, reason in found:
                bad.setdefault(index, (f"{name}: {reason}", column))

    def _array(self, name: str, values: Sequence[Any], good: Sequence[int]) -> pa.Array:
        kind = self._types[name]
        kept = values if isinstance(good, range) else [values[index] for index in good]
        if kind == "bigint":
            return pa.array(kept, pa.int64())
        if kind == "boolean":
            return pa.array(kept, pa.bool_())
        if kind == "jsonb":
            return pa.array([None if each is None else orjson.dumps(each).decode() for each in kept], pa.string())
        if kind == "numeric":
            return pa.array([None if each is None else str(each) for each in kept], pa.string())
        return pa.array(kept, pa.string())


def _objects(values: Mapping[str, Sequence[Any]], rows: int) -> list[dict[str, Any]]:
    """Objects without their empty properties: null means absent."""
    names = list(values)
    if not names:
        return [{} for _ in range(rows)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*values.values(), strict=True)
    ]


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    return isinstance(value, dict | list) and b"\\u0000" in orjson.dumps(value)


def raw_rows(batch: pa.RecordBatch, indexes: Sequence[int]) -> list[dict[str, Any]]:
    """Rows as their rejects keep them: as JSON, where NaN and the infinities are words."""
    taken = batch.take(pa.array(indexes, pa.int64()))
    rows = json_rows(taken)
    for column in taken.schema:
        if pa.types.is_floating(column.type):
            values = taken.column(column.name)
            for place in pc.indices_nonzero(pc.invert(pc.fill_null(pc.is_finite(values), True))).to_pylist():
                rows[place][column.name] = str(values[place].as_py())
    return rows


def _rejects(batch: pa.RecordBatch, first_number: int, bad: Mapping[int, tuple[str, str | None]]) -> list[RejectedRow]:
    if not bad:
        return []
    indexes = sorted(bad)
    rows = raw_rows(batch, indexes)
    return [
        RejectedRow(first_number + index, bad[index][0], bad[index][1], raw)
        for index, raw in zip(indexes, rows, strict=True)
    ]
