"""Tables made of Python lists, as profiles; what an adapter does in a database, done here for a few values."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataops_defs.matching.relationships.detect import detect
from dataops_defs.matching.relationships.profiles import Family, Profile, TableProfile
from dataops_defs.matching.relationships.sketches import SIZE, Hashes, Sketch

Rows = Sequence[Any]


class Made:
    """Tables by name, each as its columns by name."""

    def __init__(self, tables: Mapping[str, Mapping[str, Rows]], size: int = SIZE) -> None:
        self._tables = tables
        self._size = size

    def profiles(self) -> list[TableProfile]:
        return [
            TableProfile(
                name,
                len(next(iter(columns.values()))),
                [self._profile(name, (column,), place) for place, column in enumerate(columns)],
                list(columns),
            )
            for name, columns in self._tables.items()
        ]

    def together(self, table: str, columns: Sequence[str]) -> Profile:
        return self._profile(table, tuple(columns), 0)

    def held(self, table: str, columns: Sequence[str], hashes: Hashes) -> Hashes:
        return hashes[np.isin(hashes, self._hashes(table, tuple(columns)))]

    def found(self, threshold: float = 0.5) -> dict[str, float]:
        """Relationships by confidence, as ``orders.customer_id -> customers.id``."""
        return {
            f"{each.table}.{','.join(each.columns)} -> {each.parent}.{','.join(each.parent_columns)}": each.confidence
            for each in detect(self.profiles(), self)
            if each.confidence >= threshold
        }

    def _profile(self, table: str, columns: tuple[str, ...], position: int) -> Profile:
        values = self._tables[table][columns[0]]
        filled = [each for each in values if each is not None]
        numbers = bool(filled) and isinstance(filled[0], int)
        hashes = self._hashes(table, columns)
        different, counts = np.unique(hashes, return_counts=True)
        return Profile(
            table=table,
            columns=columns,
            family=Family.TOGETHER if len(columns) > 1 else Family.NUMBER if numbers else Family.TEXT,
            type="integer" if numbers else "text",
            position=position,
            rows=len(values),
            filled=len(hashes),
            distinct=len(different),
            once=float((counts == 1).mean()) if len(counts) else 0.0,
            sketch=Sketch.of(different, size=self._size),
            low=float(min(filled)) if numbers else None,
            high=float(max(filled)) if numbers else None,
            longest=None if numbers else max((len(each) for each in filled), default=None),
        )

    def _hashes(self, table: str, columns: tuple[str, ...]) -> Hashes:
        rows = zip(*(self._tables[table][name] for name in columns), strict=True)
        return np.array([_hash(row) for row in rows if None not in row], dtype=np.int64)


def _hash(row: tuple[Any, ...]) -> int:
    text = "\x1f".join(map(str, row))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
