"""The elements of a list as rows of their own (``explode``), and the rejects among them as rows with one element."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.shaping.made import Made, of_values
from dataops_defs.adapters.shaping.picking import is_list, is_text, no_json, picked, read_json, walked
from dataops_defs.adapters.shaping.rows import BatchRows, location
from dataops_defs.domain.paths import PLACE, Location, below, steps_of
from dataops_defs.errors import Invalid

PORTION_BYTES = 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024


def portions(batch: pa.RecordBatch, path: str) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose lists are of bounded size: of few rows there may come many elements.

    Raises:
        Invalid: the dataset has no such column.
    """
    column = batch.column(location(path, batch.schema.names).column)
    rows = max(1, batch.num_rows * PORTION_BYTES // max(1, column.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


class ElementRows:
    """The elements of a list, each a row beside the other columns of the row it lies in.

    ``row`` holds these columns, and the element under the name of the list. A row whose list cannot be read is one
    row with a problem; a row without elements is none at all. ``parents`` are the places of the rows they lie in.
    """

    def __init__(self, batch: pa.RecordBatch, path: str) -> None:
        """Unfold a batch.

        Raises:
            Invalid: the dataset has no such column, or one that holds no lists.
        """
        self._batch, self._path = BatchRows(batch), path
        self._location = location(path, batch.schema.names)
        others = [name for name in batch.schema.names if name != self._location.column and name != self._place_name]
        self.names: Sequence[str] = [*others, path]
        column = self._batch.column(self._location.column).array
        _refuse_maps(column.type, self._location, path)
        lists = picked(column, self._location.steps)
        self.parents, self._elements, self._bad = _unfolded(lists, path)
        self._first_places = self._places_given(batch)
        self.without = batch.num_rows - len(pc.unique(self.parents))

    def __len__(self) -> int:
        return len(self.parents)

    @cached_property
    def problems(self) -> Mapping[int, tuple[str, str]]:
        """See `Rows`."""
        return {row: (reason, self._path) for row, reason in self._bad.items()}

    @property
    def _place_name(self) -> str:
        return f"{self._path}.{PLACE}"

    def _places_given(self, batch: pa.RecordBatch) -> pa.Array | None:
        """A reject that is replayed remembers the place its element had."""
        return batch.column(self._place_name) if self._place_name in batch.schema.names else None

    @cached_property
    def places(self) -> pa.Array:
        """Each element's place in its list, counted from 1; null for a row that is none."""
        found, last, place = [], None, 0
        firsts = None if self._first_places is None else self._first_places.to_pylist()
        for row, parent in enumerate(self.parents.to_pylist()):
            first = (firsts[parent] if firsts else None) or 1
            place = place + 1 if parent == last else first
            found.append(None if row in self._bad else place)
            last = parent
        return pa.array(found, pa.int64())

    def column(self, name: str) -> Made:
        """See `Rows`."""
        return self._elements if name == self._path else self._repeated(self._batch.column(name))

    def _repeated(self, column: Made) -> Made:
        """A column of the rows that the elements lie in, beside each of them."""
        taken = column.array.nbytes * len(self.parents) // max(1, len(column))
        if is_text(column.array.type):
            taken = pc.sum(pc.binary_length(column.array).take(self.parents)).as_py() or 0
        if taken > MOST_BYTES:
            raise Invalid(
                f"The elements of '{self._path}' with the columns beside them need more than {MOST_BYTES // 2**20} MB"
                " at once; map fewer of the large columns"
            )
        return column.take(self.parents)

    def source(self, path: str) -> Made:
        """See `Rows`."""
        rest = below(path, self._path)
        if rest is None or (path in self._batch.names and path not in (self._path, self._place_name)):
            return self._repeated(self._batch.source(path))
        if path == self._place_name:
            return Made(self.places)
        steps = steps_of(rest)
        if steps is None:
            raise Invalid(f"'{path}' is no path into the elements of '{self._path}'")
        if not steps:
            return self._elements
        found = picked(self._elements.array, steps)
        return found if not self._elements.odd else _walked(self._elements, found, steps)

    def named(self, path: str, row: int) -> str:
        """The path with the element's place, counted from 0 as paths count."""
        rest, place = below(path, self._path), self.places[row].as_py()
        return path if rest is None or place is None else f"{self._path}[{place - 1}]{rest}"

    def parent(self, row: int) -> int:
        """See `Rows`."""
        place: int = self.parents[row].as_py()
        return place

    def raw(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The rows the elements lie in, with a list of just that element, and its place under the name ``path.#``."""
        made = self._batch.raw(self.parents.take(pa.array(rows, pa.int64())).to_pylist())
        elements = self._elements.take(rows).values()
        for row, content, element in zip(rows, made, elements, strict=True):
            if row not in self._bad:
                _put(content, self._location, element)
                content[self._place_name] = self.places[row].as_py()
        return made


def _refuse_maps(kind: pa.DataType, at: Location, path: str) -> None:
    """A reject could not be put together again."""
    for step in at.steps:
        if pa.types.is_map(kind):
            raise Invalid(f"'{path}' cannot be exploded: it leads through a map")
        if is_list(kind):
            kind = kind.value_type
        elif pa.types.is_struct(kind) and isinstance(step, str) and kind.get_field_index(step) >= 0:
            kind = kind.field(step).type


def _walked(elements: Made, found: Made, steps: Sequence[Any]) -> Made:
    values = found.values()
    for row, value in elements.odd.items():
        values[row] = walked(value, steps)
    return of_values(values)


def _unfolded(lists: Made, path: str) -> tuple[pa.Array, Made, dict[int, str]]:
    """The places of the rows that elements lie in, the elements, and rows of the result that are none."""
    column = lists.array
    if is_list(column.type) and not lists.odd:
        plain = column.cast(pa.large_list(column.type.value_type))
        return pc.list_parent_indices(plain).cast(pa.int64()), Made(pc.list_flatten(plain)), {}
    if not (is_text(column.type) or pa.types.is_null(column.type) or lists.odd):
        raise Invalid(f"'{path}' cannot be exploded: it holds {column.type}, and no lists")
    parents: list[int] = []
    elements: list[Any] = []
    bad: dict[int, str] = {}
    for parent, value in enumerate(lists.values()):
        found, reason = _list_of(value, lists.problems.get(parent))
        if reason is not None:
            bad[len(parents)] = f"{path}: {reason}"
        parents += [parent] * len(found)
        elements += found
    return pa.array(parents, pa.int64()), of_values(elements), bad


def _list_of(value: Any, problem: str | None) -> tuple[list[Any], str | None]:
    """The elements of a list, or of its JSON text; one that is null, and why, where it is none."""
    if problem is None and isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            problem = no_json(value)
    if problem is not None:
        return [None], problem
    if value is None or isinstance(value, list):
        return value or [], None
    return [None], "is no list"


def _put(content: dict[str, Any], at: Location, element: Any) -> None:
    """Leave of a list in a row just one element."""
    if not at.steps:
        value: Any = [element]
        content[at.column] = orjson.dumps(value).decode() if isinstance(content[at.column], str) else value
        return
    held = content[at.column]
    nested = read_json(held) if isinstance(held, str) else held
    inner = walked(nested, at.steps[:-1])
    last = at.steps[-1]
    was = walked(nested, at.steps)
    inner[last] = orjson.dumps([element]).decode() if isinstance(was, str) else [element]
    content[at.column] = orjson.dumps(nested).decode() if isinstance(held, str) else nested
