"""One side of a comparison that PostgreSQL counts and hashes itself: only sums, and keys that differ, leave it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from psycopg2 import sql

from dataops_defs.adapters.reconciliation.canonical import BYTES, ComparedColumn, Form, hashed, listed
from dataops_defs.adapters.reconciliation.session import Session
from dataops_defs.domain.reconciliation import RANGES, SLICES, Boundaries, Key, Sum

_PRINTED = "SELECT {first} AS first_key, {key} AS key, {row} AS whole FROM {relation}"
_BOUNDARIES = (
    "SELECT each::pg_catalog.text FROM ("
    "  SELECT percentile_disc({fractions}::double precision[]) WITHIN GROUP (ORDER BY {first}) AS found FROM {relation}"
    ") AS measured, unnest(measured.found) WITH ORDINALITY AS boundary (each, place)"
    " WHERE each IS NOT NULL ORDER BY place"
)
_PLACED = (
    "SELECT key, whole, (coalesce(width_bucket(first_key, {boundaries}), -1) + 1) * {slices}"
    " + ({key_hash} & ({slices} - 1))::integer AS place FROM ({printed}) AS printed"
)
_SLICES = "SELECT place, count(*), sum({row_hash}) FROM ({placed}) AS placed GROUP BY place"
_KEYS = (
    "SELECT key, count(*), sum({row_hash}) FROM ({placed}) AS placed"
    " WHERE place = ANY ({places}::integer[]) GROUP BY key"
)
_COLUMNS = "SELECT {key}, {sums} FROM {relation} WHERE {key} IN (VALUES {keys}) GROUP BY 1"


@dataclass(frozen=True)
class SqlRows:
    """The rows of a relation; a key's values are whole numbers, or the canonical texts of others.

    Args:
        relation: what stands after FROM, with a name: ``(SELECT …) AS given``.
        key_names: names of compared columns; the first one makes the ranges.
    """

    session: Session
    relation: sql.Composable
    columns_compared: Sequence[ComparedColumn]
    key_names: Sequence[str]

    def boundaries(self) -> Boundaries:
        """The first keys that part the rows into 16 ranges of about the same number."""
        fractions = sql.Literal([number / RANGES for number in range(1, RANGES)])
        query = sql.SQL(_BOUNDARIES).format(fractions=fractions, first=self._first, relation=self.relation)
        values = list(dict.fromkeys(value for (value,) in self.session.rows(query)))
        return Boundaries(values, [self._label(value) for value in values])

    def slices(self, boundaries: Boundaries) -> Mapping[int, Sum]:
        """The sum of each place that has rows."""
        query = sql.SQL(_SLICES).format(row_hash=_ROW_HASH, placed=self._placed(boundaries))
        return {place: Sum(rows, int(total)) for place, rows, total in self.session.rows(query)}

    def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
        """The sum of each key in these places."""
        query = sql.SQL(_KEYS).format(
            row_hash=_ROW_HASH, placed=self._placed(boundaries), places=sql.Literal(sorted(places))
        )
        return {self._key_of(texts): Sum(rows, int(total)) for texts, rows, total in self.session.rows(query)}

    def columns(self, keys: Collection[Key]) -> Mapping[Key, Sequence[int]]:
        """For each of these keys the sum of the hashes of each compared column; empty values count nothing."""
        sums = [sql.SQL("coalesce(sum({}), 0)").format(hashed(each)) for each in self._texts()]
        wanted = [sql.SQL("({}::pg_catalog.text[])").format(sql.Literal(_texts_of(key))) for key in keys]
        comma = sql.SQL(", ")
        query = sql.SQL(_COLUMNS).format(
            key=self._key, sums=comma.join(sums), relation=self.relation, keys=comma.join(wanted)
        )
        return {self._key_of(texts): [int(each) for each in sums] for texts, *sums in self.session.rows(query)}

    def _placed(self, boundaries: Boundaries) -> sql.Composable:
        printed = sql.SQL(_PRINTED).format(
            first=self._first, key=self._key, row=listed(self._texts()), relation=self.relation
        )
        limits = sql.SQL("{}::pg_catalog.text[]::{}[]").format(
            sql.Literal(list(boundaries.values)), sql.SQL(self._first_form.ordered)
        )
        return sql.SQL(_PLACED).format(
            boundaries=limits, slices=sql.Literal(SLICES), key_hash=_KEY_HASH, printed=printed
        )

    @property
    def _first(self) -> sql.Composable:
        return self._first_form.place(sql.Identifier(self.key_names[0]))

    @property
    def _first_form(self) -> Form:
        return self._forms[self.key_names[0]]

    @property
    def _key(self) -> sql.Composable:
        return listed([self._forms[name].text(sql.Identifier(name)) for name in self.key_names])

    @cached_property
    def _forms(self) -> dict[str, Form]:
        return {each.name: each.form for each in self.columns_compared}

    def _texts(self) -> list[sql.Composable]:
        return [each.form.text(sql.Identifier(each.name)) for each in self.columns_compared]

    def _key_of(self, texts: Sequence[str | None]) -> Key:
        whole = [self._forms[name].ordered == "bigint" for name in self.key_names]
        return tuple(int(text) if number and text else text for number, text in zip(whole, texts, strict=True))

    def _label(self, value: str) -> str:
        """A boundary as people read it: bytes of a text arrive as ``\\x`` and hex digits."""
        return bytes.fromhex(value[2:]).decode(errors="replace") if self._first_form.ordered == BYTES else value


def _texts_of(key: Key) -> list[str | None]:
    return [None if value is None else str(value) for value in key]


_KEY_HASH = hashed(sql.SQL("key::pg_catalog.text"))
_ROW_HASH = hashed(sql.SQL("whole::pg_catalog.text"))
