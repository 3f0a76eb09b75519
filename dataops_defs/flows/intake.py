"""The intake of a sync: batches of its dataset are shaped and staged, and what cannot be taken is kept."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.objects.sink import ObjectSink, Published, StagedRow
from dataops_defs.adapters.shaping.elements import portions
from dataops_defs.adapters.shaping.rows import Rows
from dataops_defs.adapters.warehouse.books import Entry, keep_rejects, supersede_rejects
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.shape_rows import RowShaper
from dataops_defs.flows.sync_plan import Plan

BATCH_ROWS = 10_000
PREVIEW_ROWS = 10


class Intake:
    """Rows on their way into staging: counted, the rejects kept, a few of both for the pages.

    ``rows`` are those of the dataset; ``shaped`` are they too, or the elements in them, and ``without`` the rows
    without elements.
    """

    def __init__(
        self,
        platform: Platform,
        connection: Connection,
        entry: Entry,
        sink: ObjectSink,
        plan: Plan,
        shaper: RowShaper,
    ) -> None:
        self._platform, self._connection, self._entry = platform, connection, entry
        self._sink, self._plan, self._shaper = sink, plan, shaper
        self.rows = self.shaped = self.without = self.rejected = 0
        self.samples: list[RejectedRow] = []
        self.preview: list[dict[str, Any]] = []
        supersede_rejects(connection, entry)

    def take(self, batch: pa.RecordBatch) -> None:
        """Stage the good rows of a batch and keep its rejects."""
        made = self._shaper.shape(batch, self.shaped + 1, PREVIEW_ROWS - len(self.preview))
        place = Place(made.rows, self.rows, self.shaped)
        self._keep(place.numbered(made.rejected))
        refused = self._sink.stage(made.numbers, made.columns)
        self._keep(place.as_they_came(refused))
        self.rows += batch.num_rows
        self.shaped += len(made.rows)
        self.without += made.rows.without
        self.preview += made.objects

    def refuse(self, staged: Sequence[StagedRow], *, taken: bool = False) -> None:
        """Keep staged rows that the sink took out again, as they came: the raw copy is looked through once more.

        Args:
            taken: whether the row must not come back with the same key.
        """
        if not staged:
            return
        key, column = self._plan.kind.key_field, self._plan.key_column
        by_number = {row.number: row for row in staged}
        wanted, rows, shaped = sorted(by_number), 0, 0
        for batch in batches_of(self._platform, self._plan):
            place = Place(self._shaper.rows_of(batch), rows, shaped)
            rows, shaped = rows + batch.num_rows, shaped + len(place.rows)
            numbers = wanted[bisect_right(wanted, place.shaped) : bisect_right(wanted, shaped)]
            found = [
                RejectedRow(number, f"{key}: {by_number[number].reason}", place.named(column, number))
                for number in numbers
            ]
            keys = [str(by_number[number].content[key]) for number in numbers] if taken else []
            self._keep(place.as_they_came(found), keys)

    def ledger(self, done: Published) -> Ledger:
        """The balance of the whole sync; a row without elements is passed over."""
        return Ledger(
            read=self.shaped + self.without,
            inserted=done.inserted,
            updated=done.updated,
            unchanged=done.unchanged,
            rejected=self.rejected,
            filtered=done.filtered + self.without,
            deleted=done.deleted,
        ).balanced()

    def _keep(self, rejected: Sequence[RejectedRow], taken_keys: Sequence[str] = ()) -> None:
        for some, keys in _apart(rejected, taken_keys):
            keep_rejects(self._connection, self._entry, some, keys)
        self.rejected += len(rejected)
        self.samples += rejected[: PREVIEW_ROWS - len(self.samples)]


@dataclass(frozen=True)
class Place:
    """Where a batch stands: what of it is shaped, and how many rows, and of those shaped, came before."""

    rows: Rows
    before: int
    shaped: int

    def numbered(self, rejected: Sequence[RejectedRow]) -> list[RejectedRow]:
        """Rejects with the number of the dataset's row."""
        return [replace(each, number=self.before + self.rows.parent(self._at(each.number)) + 1) for each in rejected]

    def as_they_came(self, rejected: Sequence[RejectedRow]) -> list[RejectedRow]:
        """The same, with what the rows held."""
        raw = self.rows.raw([self._at(each.number) for each in rejected]) if rejected else []
        return [replace(each, raw=row) for each, row in zip(self.numbered(rejected), raw, strict=True)]

    def named(self, column: str, number: int) -> str:
        """The column or path as a reject names it."""
        return self.rows.named(column, self._at(number))

    def _at(self, number: int) -> int:
        return number - self.shaped - 1


def _apart(
    rejected: Sequence[RejectedRow], taken_keys: Sequence[str]
) -> Iterator[tuple[Sequence[RejectedRow], Mapping[int, str]]]:
    """Rejects with their keys by the row's number: elements of one row come one after the other."""
    if not taken_keys:
        yield rejected, {}
        return
    waiting = list(zip(rejected, taken_keys, strict=True))
    while waiting:
        first = {each.number: (each, key) for each, key in reversed(waiting)}
        yield [each for each, _ in first.values()], {number: key for number, (_, key) in first.items()}
        waiting = [pair for pair in waiting if first[pair[0].number][0] is not pair[0]]


def batches_of(platform: Platform, plan: Plan) -> Iterator[pa.RecordBatch]:
    """The raw copy in small batches."""
    _, batches = platform.raw_store.open(plan.raw_uri)
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            yield from [part] if plan.explode is None else portions(part, plan.explode)
