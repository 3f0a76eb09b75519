"""The values of one column or path for the rows of a batch, as JSON holds them: in Arrow as far as that is exact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_values import MAX_SAFE_INTEGER, json_column
from dataops_defs.adapters.masks import any_of, mask_of
from dataops_defs.adapters.transforms.values import as_json


@dataclass(frozen=True)
class Made:
    """By row what `json_values` makes of the array, but for ``odd`` rows: those have values of their own.

    Attributes:
        scripted: the array's doubles are JavaScript's numbers: those that are whole are whole numbers in JSON.
        problems: by row why there is no value.
    """

    array: pa.Array
    odd: Mapping[int, Any] = field(default_factory=dict)
    scripted: bool = False
    problems: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.array)

    def values(self) -> list[Any]:
        """The values of all rows."""
        found = as_json(self.array) if self.scripted else json_column(self.array)
        for row, value in self.odd.items():
            found[row] = value
        return found

    def take(self, rows: Sequence[int] | pa.Array) -> "Made":
        """The values of some rows, or of rows repeated."""
        wanted = rows if isinstance(rows, pa.Array) else pa.array(rows, pa.int64())
        array = self.array.take(wanted)
        if not self.odd and not self.problems:
            return Made(array, scripted=self.scripted)
        places = wanted.to_pylist()
        odd = {at: self.odd[row] for at, row in enumerate(places) if row in self.odd}
        problems = {at: self.problems[row] for at, row in enumerate(places) if row in self.problems}
        return Made(array, odd, self.scripted, problems)

    def spliced(self, rows: Sequence[int], values: Sequence[Any]) -> "Made":
        """The same with other values in some rows."""
        other = of_values(values)
        if other.odd or other.scripted or (other.array.type != self.array.type and other.array.null_count < len(rows)):
            return Made(self.array, {**self.odd, **dict(zip(rows, values, strict=True))}, self.scripted, self.problems)
        mask = mask_of(rows, len(self.array))
        array = pc.replace_with_mask(self.array, mask, other.array.cast(self.array.type)) if rows else self.array
        return Made(array, self.odd, self.scripted, self.problems)

    @property
    def apart(self) -> Any:
        """The mask of the rows that the array says nothing about."""
        return any_of(mask_of(self.odd, len(self)), mask_of(self.problems, len(self)))


_TYPES = ({bool}, pa.bool_()), ({str}, pa.string()), ({float}, pa.float64())


def of_values(values: Sequence[Any], problems: Mapping[int, str] = {}) -> Made:
    """JSON values as they are; in Arrow where all of them are of one kind."""
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return Made(pa.nulls(len(values)), problems=problems)
    for known, kind in _TYPES:
        if kinds == known:
            return Made(pa.array(values, kind), problems=problems)
    if kinds == {int} and all(value is None or abs(value) <= MAX_SAFE_INTEGER for value in values):
        return Made(pa.array(values, pa.int64()), problems=problems)
    if kinds == {int, float} and all(map(_scripted, values)):
        return Made(pa.array(values, pa.float64()), scripted=True, problems=problems)
    odd = {row: value for row, value in enumerate(values) if value is not None}
    return Made(pa.nulls(len(values)), odd, problems=problems)


def _scripted(value: float | int | None) -> bool:
    if isinstance(value, float):
        return not value.is_integer()
    return value is None or abs(value) <= MAX_SAFE_INTEGER
