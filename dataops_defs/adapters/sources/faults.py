"""Rows with a value that has no exact form are set aside: never changed, and no reason to lose the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError


@dataclass(frozen=True)
class Fault:
    """A value of the batch's row ``place`` that has no exact form: how it is shown, and why it has none."""

    place: int
    column: str
    shown: str
    reason: str


@dataclass
class Sieve:
    """Sets rows with faults aside. ``rejected`` fills on the way; its numbers count all rows from 1."""

    rejected: list[RejectedRow] = field(default_factory=list)
    _read: int = 0

    def sifted(self, batch: pa.RecordBatch, faults: Sequence[Fault]) -> pa.RecordBatch:
        """The batch that is next, without the rows that have faults; a row is shown with all of its own.

        Raises:
            SourceError: more than MAX_REJECTED rows were set aside.
        """
        good = self._without(batch, faults) if faults else batch
        self._read += batch.num_rows
        return good

    def _without(self, batch: pa.RecordBatch, faults: Sequence[Fault]) -> pa.RecordBatch:
        of_rows: dict[int, list[Fault]] = {}
        for fault in faults:
            of_rows.setdefault(fault.place, []).append(fault)
        places = sorted(of_rows)
        for place, raw in zip(places, json_rows(batch.take(pa.array(places))), strict=True):
            self._reject(of_rows[place], raw)
        good = np.ones(batch.num_rows, np.bool_)
        good[places] = False
        return batch.filter(pa.array(good))

    def _reject(self, faults: Sequence[Fault], raw: dict[str, object]) -> None:
        if len(self.rejected) >= MAX_REJECTED:
            raise SourceError(f"more than {MAX_REJECTED} rows cannot be read; the first {self.rejected[0].reason}")
        first = faults[0]
        raw |= {each.column: each.shown for each in faults}
        self.rejected.append(RejectedRow(self._read + first.place + 1, first.reason, first.column, raw))
