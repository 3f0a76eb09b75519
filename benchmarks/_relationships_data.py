"""Databases as folders of Parquet files, as profiles: what the platform's adapter does in PostgreSQL, done here."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataops_defs.adapters.profiles.types import READ_AS
from dataops_defs.matching.relationships.profiles import Family, Profile, TableProfile
from dataops_defs.matching.relationships.sketches import Hashes, Sketch


def hash_of(value: object) -> int:
    return int.from_bytes(hashlib.blake2b(str(value).encode(), digest_size=8).digest(), "big", signed=True)


class ParquetDatabase:
    """The tables of one folder, and their values for those who ask."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
        self._tables = {each: pq.read_table(folder / f"{each}.parquet") for each in self.truth["tables"]}
        self._hashes: dict[tuple[str, tuple[str, ...]], Hashes] = {}

    def profiles(self) -> list[TableProfile]:
        return [
            TableProfile(
                name,
                table.num_rows,
                [
                    each
                    for place in range(table.num_columns)
                    if (each := self._profile(name, [table.column_names[place]], place))
                ],
                table.column_names,
            )
            for name, table in self._tables.items()
        ]

    def together(self, table: str, columns: Sequence[str]) -> Profile:
        made = self._profile(table, columns, 0)
        assert made is not None
        return made

    def held(self, table: str, columns: Sequence[str], hashes: Hashes) -> Hashes:
        return hashes[np.isin(hashes, self._column_hashes(table, tuple(columns)))]

    def _profile(self, table: str, columns: Sequence[str], position: int) -> Profile | None:
        data = self._tables[table]
        family = family_of(data.schema.field(columns[0]).type) if len(columns) == 1 else Family.TOGETHER
        if family is None:
            return None
        hashes = self._column_hashes(table, tuple(columns))
        different, counts = np.unique(hashes, return_counts=True)
        form = form_of(data[columns[0]], family)
        low, high, longest = measured(data[columns[0]], family, form)
        return Profile(
            table=table,
            columns=tuple(columns),
            family=family,
            type=str(data.schema.field(columns[0]).type),
            position=position,
            rows=data.num_rows,
            filled=len(hashes),
            distinct=len(different),
            once=float((counts == 1).mean()) if len(counts) else 0.0,
            sketch=Sketch.of(different),
            form=form,
            low=low,
            high=high,
            longest=longest,
        )

    def _column_hashes(self, table: str, columns: tuple[str, ...]) -> Hashes:
        if (table, columns) not in self._hashes:
            rows = zip(*(self._tables[table][name].to_pylist() for name in columns), strict=True)
            filled = ["\x1f".join(map(str, row)) for row in rows if None not in row]
            known = {text: hash_of(text) for text in set(filled)}
            self._hashes[table, columns] = np.array([known[text] for text in filled], dtype=np.int64)
        return self._hashes[table, columns]


def family_of(type: pa.DataType) -> Family | None:
    if pa.types.is_integer(type):
        return Family.NUMBER
    if pa.types.is_string(type) or pa.types.is_large_string(type):
        return Family.TEXT
    if pa.types.is_date(type):
        return Family.DATE
    return Family.MOMENT if pa.types.is_timestamp(type) else None


def form_of(column: pa.ChunkedArray, family: Family) -> Family | None:
    if family is not Family.TEXT:
        return Family.NUMBER if family is Family.NUMBER else None
    texts = column.drop_null()
    reads = (form for form, pattern in READ_AS.items() if pc.all(pc.match_substring_regex(texts, pattern)).as_py())
    return next(reads, None) if len(texts) else None


def measured(
    column: pa.ChunkedArray, family: Family, form: Family | None
) -> tuple[float | None, float | None, int | None]:
    if family is Family.TEXT:
        longest = pc.max(pc.utf8_length(column)).as_py()
        if form is not Family.NUMBER:
            return None, None, longest
        low, high, _ = measured(column.cast(pa.int64()), form, form)
        return low, high, longest
    if family not in (Family.NUMBER, Family.DATE, Family.MOMENT):
        return None, None, None
    if family is Family.MOMENT:
        column = pc.divide(column.cast(pa.timestamp("us")).cast(pa.int64()), 1_000_000)
    if family is Family.DATE:
        column = column.cast(pa.int32())
    ends = pc.min_max(column).as_py()
    return (None, None, None) if ends["min"] is None else (float(ends["min"]), float(ends["max"]), None)
