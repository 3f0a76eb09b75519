"""Shaping: rows of a dataset become objects of a type, or rejects with a reason. Batch by batch.

Whole columns are transformed, fitted and checked in Arrow. Rows that this does not prove to be right are done once
more value by value, by the rules that decide: their words are the reasons of the rejects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_schema import ObjectValidator, Violation
from dataops_defs.adapters.masks import any_of, mask_of, places
from dataops_defs.adapters.shaping.by_value import Root, objects_of, roots_of
from dataops_defs.adapters.shaping.columns import RootColumns
from dataops_defs.adapters.shaping.elements import ElementRows
from dataops_defs.adapters.shaping.made import Made
from dataops_defs.adapters.shaping.rows import BatchRows, Rows
from dataops_defs.adapters.shaping.transformed import Transformer
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.mapping import PropertyMapping
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.transform import Transform

Bad = dict[int, tuple[str, str | None]]
"""By row the reason, and the source column."""


@dataclass
class Shaped:
    """One batch after shaping: the good rows' numbers and columns, the first objects they make, and the rejects.

    ``rows`` are what was shaped; a row that is exploded may be many of them, or none.
    """

    rows: Rows
    numbers: Sequence[int]
    columns: dict[str, pa.Array]
    objects: list[dict[str, Any]]
    rejected: list[RejectedRow] = field(default_factory=list)


class RowShaper:
    """Maps, transforms, fits and validates the rows of one mapping. Use it as a context manager."""

    def __init__(self, kind: ObjectType, mappings: Mapping[str, PropertyMapping], explode: str | None = None) -> None:
        self._mappings, self._explode = mappings, explode
        transforms = [Transform(name, each.source_column, each.transform) for name, each in mappings.items()]
        self._transformer = Transformer(transforms)
        self._validator = ObjectValidator(kind.schema)
        self._roots = roots_of(kind, mappings)
        self._key = kind.key_field
        self._columns = RootColumns(kind, self._roots)

    def __enter__(self) -> Self:
        self._transformer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transformer.__exit__(kind, error, trace)

    def rows_of(self, batch: pa.RecordBatch) -> Rows:
        """What of a batch becomes objects: its rows, or the elements in them."""
        return BatchRows(batch) if self._explode is None else ElementRows(batch, self._explode)

    def shape(self, batch: pa.RecordBatch, first_number: int, show: int = 0) -> Shaped:
        """Objects and rejects of one batch.

        Args:
            first_number: the number of its first row, or element, counted from 1.
            show: how many objects are wanted as such.
        Raises:
            Invalid: the dataset has lost a column that the mapping reads.
        """
        rows = self.rows_of(batch)
        bad: Bad = dict(rows.problems)
        values = self._values(rows, bad)
        proven = self._columns.proven(values, len(rows))
        doubtful = places(any_of(proven.doubt, mask_of(bad, len(rows))))
        columns, good = proven.columns, list(range(len(rows)))
        if doubtful:
            columns = self._decided(rows, values, columns, doubtful, bad)
            good = [row for row in good if row not in bad]
        return Shaped(
            rows=rows,
            numbers=[first_number + row for row in good],
            columns=columns,
            objects=self._objects({name: each.take(good[:show]) for name, each in values.items()}, good[:show]),
            rejected=_rejects(rows, first_number, bad),
        )

    def _values(self, rows: Rows, bad: Bad) -> dict[str, Made]:
        """The mapped values; rows without are noted as bad."""
        sources = {each.source_column: None for each in self._mappings.values()}
        made = {path: rows.source(path) for path in sources}
        values = {name: made[each.source_column] for name, each in self._mappings.items()}
        for name, each in values.items():
            for row, reason in each.problems.items():
                bad.setdefault(row, (f"{name}: {reason}", self._named(rows, name, row)))
        done, problems = self._transformer.run(rows, made)
        for problem in problems:
            words = f"{problem.property}: {problem.message}"
            bad.setdefault(problem.row, (words, self._named(rows, problem.property, problem.row)))
        return {**values, **done}

    def _named(self, rows: Rows, name: str | None, row: int) -> str | None:
        mapped = self._mappings.get(name or "")
        return rows.named(mapped.source_column, row) if mapped else None

    def _decided(
        self, rows: Rows, values: Mapping[str, Made], columns: Mapping[str, pa.Array], doubtful: list[int], bad: Bad
    ) -> dict[str, pa.Array]:
        """The columns of the good rows, those in doubt among them once they are looked at one by one."""
        some = {name: each.take(doubtful) for name, each in values.items()}
        stored = self._looked_at(rows, some, doubtful, bad)
        right = [at for at, row in enumerate(doubtful) if row not in bad]
        sure = pa.array(sorted(set(range(len(rows))) - set(doubtful)), pa.int64())
        order = pc.sort_indices(pa.concat_arrays([sure, pa.array([doubtful[at] for at in right], pa.int64())]))
        found = {}
        for root in self._roots:
            decided = root.array([stored[root.name][at] for at in right])
            both = pa.concat_arrays([columns[root.name].take(sure), decided])
            found[root.name] = both.take(order)
        return found

    def _looked_at(self, rows: Rows, some: Mapping[str, Made], doubtful: list[int], bad: Bad) -> dict[str, Any]:
        """What of the rows in doubt is stored; those that are not right are noted as bad."""
        self._refuse_no_numbers(rows, some, doubtful, bad)
        values = {name: each.values() for name, each in some.items()}
        made = {root.name: root.made(values) for root in self._roots}
        seen = {name: each for name, (_, each) in made.items()}
        for violation in self._validator.violations(objects_of(seen, len(doubtful))):
            row = doubtful[violation.index]
            name = self._at_fault(violation)
            bad.setdefault(row, (f"{violation.path}: {violation.message}", self._named(rows, name, row)))
        self._refuse_no_keys(rows, seen, doubtful, bad)
        for root in self._roots:
            fine = [None if row in bad else value for row, value in zip(doubtful, seen[root.name], strict=True)]
            for at, reason in root.unstorable(fine):
                row = doubtful[at]
                bad.setdefault(row, (f"{root.name}: {reason}", self._named(rows, root.parts[0].name, row)))
        return {name: each for name, (each, _) in made.items()}

    def _refuse_no_numbers(self, rows: Rows, some: Mapping[str, Made], doubtful: list[int], bad: Bad) -> None:
        """NaN and the infinities have no form in JSON; only a transform may make null of them (DECISIONS 29)."""
        for name, each in self._mappings.items():
            array = some[name].array
            if each.transform or not pa.types.is_floating(array.type):
                continue
            for at in places(pc.invert(pc.fill_null(pc.is_finite(array), True))):
                reason = f"{name}: is {array[at].as_py()}, which is no number in JSON"
                bad.setdefault(doubtful[at], (reason, self._named(rows, name, doubtful[at])))

    def _refuse_no_keys(self, rows: Rows, seen: Mapping[str, Sequence[Any]], doubtful: list[int], bad: Bad) -> None:
        """Whatever the schema says of it, an object is found by its key."""
        for at, key in enumerate(seen.get(self._key, ())):
            if key is None:
                row = doubtful[at]
                bad.setdefault(row, (f"{self._key}: the key is empty", self._named(rows, self._key, row)))

    def _at_fault(self, violation: Violation) -> str | None:
        """The entry of the mapping that a violation speaks of."""
        name = violation.property or violation.missing
        if violation.property is not None and violation.path in self._mappings:
            return violation.path
        root: Root | None = next((each for each in self._roots if each.name == name), None)
        return root.parts[0].name if root else None

    def _objects(self, some: Mapping[str, Made], rows: Sequence[int]) -> list[dict[str, Any]]:
        if not rows:
            return []
        values = {name: each.values() for name, each in some.items()}
        return objects_of({root.name: root.made(values)[1] for root in self._roots}, len(rows))


def _rejects(rows: Rows, first_number: int, bad: Mapping[int, tuple[str, str | None]]) -> list[RejectedRow]:
    if not bad:
        return []
    wanted = sorted(bad)
    return [
        RejectedRow(first_number + row, bad[row][0], bad[row][1], raw)
        for row, raw in zip(wanted, rows.raw(wanted), strict=True)
    ]
