"""Extract what is new: the next raw copy is the one before, without rows that have changed or gone, and what was read.

A raw copy always holds the whole dataset. Memory stays flat: rows pass by in batches, and what becomes of each is
decided by prints of their keys (see ``adapters.copies``), part by part on disk.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.copies.columns import check_none_is_new, fitted, joined
from dataops_defs.adapters.copies.fates import Fate, Fates, Side, fates_of
from dataops_defs.adapters.copies.print_book import PrintBook, print_book
from dataops_defs.adapters.copies.prints import Salt
from dataops_defs.adapters.copies.row_spool import row_spool
from dataops_defs.adapters.copies.state import CopyState
from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.memory import give_back
from dataops_defs.adapters.sources.base import ChangingSource, KeyedSource, Reading, columns_of
from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.drift import Drift
from dataops_defs.domain.extraction import NO_CURSOR
from dataops_defs.domain.incremental import FIELD, Deletions, Mark, Unlike, later
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Invalid, SourceError
from dataops_defs.flows.copy_base import Base, base_of, chosen
from dataops_defs.flows.extracting import Extracting, Head, Taken
from dataops_defs.flows.outcome import Check
from dataops_defs.flows.read_changes import Changes, Cursors, definition_of, printed

KEYS_CHECK = "keys_match_source"
DUPLICATE = "another row of the source has the same key"


def take_changes(job: Extracting) -> Taken:
    """Bring the dataset's copy up to date by what its source has that is new.

    All rows are read where the copy cannot be built on: none is there, the query, cursor, keys or source have changed,
    a column is new or has another type, or a full extraction was asked for.

    Raises:
        Invalid: the source cannot be asked for what is new, or lacks the cursor or a key.
        FrozenSchema: the columns have changed and must not.
    """
    adapter = job.work.open(job.source)
    if not isinstance(adapter, ChangingSource):
        raise Invalid.field(FIELD, NO_CURSOR)
    definition = definition_of(job.source, job.wanted)
    base, reason = base_of(job, definition)
    if reason is not None:
        job.work.say(f"All rows are read: {reason}")
    try:
        return _Turn(job, adapter, definition, base).take()
    except Unlike as unlike:
        job.work.say(f"All rows are read again: {unlike}")
        return _Turn(job, adapter, definition, base and replace(base, whole=True)).take()


@dataclass
class _Read:
    """What was read. ``first_rejects`` are rows that the source's adapter could not read."""

    changes: Changes
    drift: Drift
    mark: Mark | None
    first_rejects: Sequence[RejectedRow]
    rejected: list[RejectedRow] = field(default_factory=list)


class _Turn:
    """One reading of the source, and the copy it leads to."""

    def __init__(self, job: Extracting, adapter: ChangingSource, definition: str, base: Base | None) -> None:
        self._job, self._adapter, self._definition, self._base = job, adapter, definition, base
        self._how = job.wanted.by_cursor
        self._salt = Salt.fresh()

    @property
    def _only_new(self) -> Base | None:
        return None if self._base is None or self._base.whole else self._base

    def take(self) -> Taken:
        """Read, compare, write.

        Raises:
            Unlike: a column is new, or has another type than in the copy.
        """
        with ExitStack() as held:
            book = held.enter_context(print_book())
            keys = self._note_keys(book)
            give_back()
            read = self._read(held, book)
            give_back()
            # A source without a single key looks more like a mistake than like a deletion of all.
            held_back = keys == 0 and not self._how.allow_empty and self._base is not None and self._base.rows > 0
            fates = self._fates(read, book, by_keys=keys is not None and not held_back)
            read.rejected = self._rejects(read, fates)
            give_back()
            checks = [_keys_check(fates, held_back=held_back)] if self._with_keys else []
            return self._taken(read, fates, checks)

    @property
    def _with_keys(self) -> bool:
        return self._how.deletions is Deletions.KEYS

    def _note_keys(self, book: PrintBook) -> int | None:
        """Enter all keys that the source has; their number, or None where they are not read."""
        if self._only_new is None or not self._with_keys:
            return None
        if not isinstance(self._adapter, KeyedSource):
            raise Invalid.field(f"{FIELD}.deletions", "the source cannot be asked for its keys alone")
        found = 0
        with self._adapter.keys(self._job.wanted) as reading:
            for batch in reading.batches:
                self._job.work.lease.check()
                known = batch.filter(_complete(batch))
                book.add(
                    printed(known, self._how.key_columns, self._salt, Side.KEY, np.zeros(known.num_rows, np.int64))
                )
                found += known.num_rows
        return found

    def _read(self, held: ExitStack, book: PrintBook) -> _Read:
        since = self._base.since(self._how) if self._base else None
        with self._adapter.changes(self._job.wanted, since) as reading:
            self._job.step.expect(reading.expected_rows)
            schema = self._schema(reading)
            drift = self._job.gate.check(list(columns_of(schema)))
            cursors = Cursors(schema, self._how, reading.text_numbers)
            spool = held.enter_context(row_spool(schema))
            changes = Changes(self._how, schema, spool, book, self._salt, cursors)
            for batch in self._job.counted(reading):
                changes.take(batch)
            first_rejects = list(reading.rejected)
        seen = cursors.highest
        if seen is not None and reading.moment is not None:
            seen = seen.no_later_than(reading.moment)
        before = self._only_new.state.mark if self._only_new else None
        return _Read(changes, drift, later(before, seen), first_rejects)

    def _schema(self, reading: Reading) -> pa.Schema:
        """The columns of the next copy."""
        base = self._base
        if base is None:
            schema = reading.schema
        elif not base.whole:
            check_none_is_new(base.schema, reading.schema)
            schema = joined(base.schema, reading.schema, by_value=reading.by_value, empty=reading.empty)
        else:
            try:
                schema = joined(base.schema, reading.schema, by_value=False, empty=())
            except Unlike:  # there is nothing to compare
                self._base, schema = None, reading.schema
        missing = [name for name in self._how.key_columns if len(schema) and name not in schema.names]
        if missing:
            raise Invalid.field(f"{FIELD}.keyColumns", f"the source does not give '{missing[0]}'")
        return schema

    def _fates(self, read: _Read, book: PrintBook, *, by_keys: bool) -> Fates:
        base, changes = self._base, read.changes
        if base is not None:
            all_rows = by_keys or base.whole
            for _ in base.print_into(book, changes.schema, self._how.key_columns, self._salt, all_rows=all_rows):
                self._job.work.lease.check()
        kept = 0 if base is None else base.rows
        whole = base is not None and base.whole
        return fates_of(book.parts(), kept, changes.spool.rows, absent_go=whole, keys_known=by_keys)

    def _rejects(self, read: _Read, fates: Fates) -> list[RejectedRow]:
        """All rows that were not taken, by their numbers among all that were read."""
        found = list(read.changes.rejected)
        if len(found) + fates.counts[Fate.DUPLICATE] > MAX_REJECTED:
            names = ", ".join(self._how.key_columns)
            raise SourceError(
                f"more than {MAX_REJECTED} rows share their key ({names}) with another: choose other keyColumns"
            )
        if fates.counts[Fate.DUPLICATE]:
            at = 0
            for batch in read.changes.spool.batches():
                for place in np.flatnonzero(fates.read[at : at + batch.num_rows] == Fate.DUPLICATE).tolist():
                    [raw] = json_rows(batch.slice(place, 1))
                    found.append(RejectedRow(at + place + 1, DUPLICATE, self._how.key_columns[0], raw))
                at += batch.num_rows
        return sorted([*read.first_rejects, *_numbered(found, read.first_rejects)], key=lambda each: each.number)

    def _taken(self, read: _Read, fates: Fates, checks: Sequence[Check]) -> Taken:
        counts, schema, only_new = fates.counts, read.changes.schema, self._only_new
        ledger = Ledger(
            read=read.changes.spool.rows + len(read.first_rejects),
            inserted=counts[Fate.INSERTED],
            updated=counts[Fate.UPDATED],
            unchanged=counts[Fate.UNCHANGED],
            rejected=len(read.rejected),
            deleted=counts[Fate.GONE],
        ).balanced()
        same = ledger.inserted + ledger.updated + ledger.deleted == 0
        if only_new is not None and same and schema.equals(only_new.schema):
            # The mark stays with the copy: from there on all has been seen to be the same.
            self._job.work.say("Nothing has changed; the raw copy stays")
            return self._told(read, ledger, checks, only_new.uri, only_new.rows, only_new.state.mark)
        state = CopyState(self._definition, self._how.key_columns, read.mark)
        head = Head()
        raw = self._job.write(state.noted(schema), head.watch(self._rows(read, fates)))
        made = self._told(read, ledger, checks, raw.uri, raw.rows, read.mark)
        return replace(made, bytes=raw.bytes, preview=head.rows)

    def _told(
        self, read: _Read, ledger: Ledger, checks: Sequence[Check], uri: str, rows: int, mark: Mark | None
    ) -> Taken:
        return Taken(
            uri=uri,
            rows=rows,
            bytes=0,
            columns=list(columns_of(read.changes.schema)),
            drift=read.drift,
            ledger=ledger,
            rejected=read.rejected,
            checks=checks,
            mark=mark.text if mark else None,
            incremental=self._only_new is not None,
        )

    def _rows(self, read: _Read, fates: Fates) -> Iterator[pa.RecordBatch]:
        schema, taken = read.changes.schema, [Fate.INSERTED, Fate.UPDATED]
        if self._only_new is not None:
            for batch in self._only_new.staying(fates, schema):
                self._job.work.lease.check()
                yield batch
        else:
            taken.append(Fate.UNCHANGED)
        at = 0
        for batch in read.changes.spool.batches():
            self._job.work.lease.check()
            yield fitted(chosen(batch, np.isin(fates.read[at : at + batch.num_rows], taken)), schema)
            at += batch.num_rows


def _complete(batch: pa.RecordBatch) -> pa.Array:
    mask = pa.array(np.ones(batch.num_rows, np.bool_))
    for column in batch.columns:
        mask = pc.and_(mask, pc.is_valid(column))
    return mask


def _numbered(found: Sequence[RejectedRow], before: Sequence[RejectedRow]) -> Iterator[RejectedRow]:
    """Rows with their numbers among all that were read, not only among those that could be."""
    taken = sorted(each.number for each in before)
    for row in found:
        number = row.number
        for other in taken:
            if other > number:
                break
            number += 1
        yield replace(row, number=number)


def _keys_check(fates: Fates, *, held_back: bool) -> Check:
    gone, missing = fates.counts[Fate.GONE], fates.missing
    told = f"{gone} rows are gone from the source, and from the copy"
    if held_back:
        told = "The source has no row any more: none was deleted, unless 'allowEmpty' says that this can be right"
    elif missing:
        told += (
            f"; {missing} keys of the source are not in the copy: their rows came later than the lag allows, which a"
            " full extraction mends, or were rejected"
        )
    return Check(KEYS_CHECK, not held_back and missing == 0, told, {"deleted": gone, "missing": missing})
