"""What every kind of source can do. Rows travel as Arrow record batches, whatever they come from."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import pyarrow as pa

from dataops_defs.domain.columns import Column, Preview, RejectedRow
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.incremental import Mark, Moment

BATCH_ROWS = 65_536


@dataclass
class Reading:
    """An extraction under way: its schema, its batches, and the rows that could not be read.

    ``rejected`` fills while ``batches`` is consumed and is complete afterwards. ``moment`` is when the source was
    read, where that was asked for.

    Args:
        by_value: types are those that the values need: a part of the rows may give other ones, or fewer columns.
        empty: then, the columns of which no row has a value.
        text_numbers: columns of text that hold numbers, for which there is no better type.
        json: columns of text of which every value is JSON.
        has_header: of a sheet, whether its first row names the columns.
        notes: what people should know of how it was read, a sentence each; without a file's name where there is one.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    rejected: list[RejectedRow] = field(default_factory=list)
    expected_rows: int | None = None
    by_value: bool = False
    empty: frozenset[str] = frozenset()
    text_numbers: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    moment: Moment | None = None
    has_header: bool | None = None
    notes: list[str] = field(default_factory=list)

    def number(self, place: int) -> int:
        """The number in its source of the row at a place (from 0) among those that are given."""
        number = place + 1
        for each in self.rejected:
            if each.number > number:
                break
            number += 1
        return number


class SourceAdapter(Protocol):
    """A source that can be tested, looked into and read.

    All three raise SourceUnavailable (it did not answer), SourceError (it refused: password, table, file) or
    Invalid (the extraction cannot be served), each with one sentence a person can act on.
    """

    def test(self) -> str:
        """Connect and ask for the least; returns one sentence on what answered."""
        ...

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first ``limit`` rows, bounded in time."""
        ...

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows, in batches; nothing is held in memory beyond a few batches."""
        ...


@runtime_checkable
class ChangingSource(Protocol):
    """A source that can be asked for what is new. Its errors are those of `SourceAdapter`."""

    def changes(self, extraction: Extraction, since: Mark | None) -> AbstractContextManager[Reading]:
        """Rows whose cursor is at least ``since``, or empty; all rows for None. The reading tells its moment."""
        ...


@runtime_checkable
class KeyedSource(Protocol):
    """A source that can be asked for its keys alone."""

    def keys(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """The key columns of all rows."""
        ...


def columns_of(schema: pa.Schema) -> Sequence[Column]:
    """Arrow fields in the platform's words."""
    return [Column(each.name, str(each.type), each.nullable) for each in schema]
