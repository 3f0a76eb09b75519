"""The rows that a mapping shapes: those of a batch, or the elements of a list in them (``explode``)."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.shaping.made import Made
from dataops_defs.adapters.shaping.picking import is_text, parsed_json, picked
from dataops_defs.domain.paths import Location, located
from dataops_defs.errors import Invalid


class Rows(Protocol):
    """What is shaped. ``names`` are the columns of ``row``, ``without`` counts what has nothing to be shaped."""

    names: Sequence[str]
    without: int

    @property
    def problems(self) -> Mapping[int, tuple[str, str]]:
        """Rows that cannot be shaped, by their place: the reason, and the column."""
        ...

    def __len__(self) -> int: ...

    def column(self, name: str) -> Made:
        """A column of ``row``, as transforms see it; one of ``names``."""
        ...

    def source(self, path: str) -> Made:
        """The values of a source column or path.

        Raises:
            Invalid: the dataset has no such column.
        """
        ...

    def named(self, path: str, row: int) -> str:
        """The source column or path of one row, as its reject names it."""
        ...

    def parent(self, row: int) -> int:
        """The place in the batch of the row that this one is, or lies in."""
        ...

    def raw(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Rows as their rejects keep them."""
        ...


class BatchRows:
    """The rows of a batch as they are."""

    without = 0

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self.names: Sequence[str] = batch.schema.names
        self.problems: Mapping[int, tuple[str, str]] = {}
        self._parsed: dict[str, Made] = {}

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def column(self, name: str) -> Made:
        """See `Rows`."""
        return Made(self._batch.column(self._batch.schema.get_field_index(name)))

    def source(self, path: str) -> Made:
        """See `Rows`."""
        found = location(path, self.names)
        column = self.column(found.column).array
        if not (found.steps and is_text(column.type)):
            return picked(column, found.steps)
        if found.column not in self._parsed:
            self._parsed[found.column] = parsed_json(column)
        return picked(column, found.steps, self._parsed[found.column])

    def named(self, path: str, row: int) -> str:
        """See `Rows`."""
        return path

    def parent(self, row: int) -> int:
        """See `Rows`."""
        return row

    def raw(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """See `Rows`."""
        return raw_rows(self._batch, rows)


def location(path: str, names: Sequence[str]) -> Location:
    """Where a path leads.

    Raises:
        Invalid: nowhere.
    """
    found = located(path, names)
    if found is None:
        raise Invalid(f"The dataset no longer has the column '{path}' that the mapping reads")
    return found


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
