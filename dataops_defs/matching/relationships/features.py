"""What speaks for (or against) a candidate, as numbers from 0 to 1: of names, of values, of the key itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dataops_defs.matching.fields import Embed, Matrix
from dataops_defs.matching.likeness import Names, coverage, word_likeness
from dataops_defs.matching.relationships.candidates import Candidate, may_be_key
from dataops_defs.matching.relationships.names import (
    ColumnName,
    TableName,
    is_called_after,
    is_measure,
    names_own_kind,
    plays_part,
)
from dataops_defs.matching.relationships.profiles import Family, Profile, TableProfile
from dataops_defs.matching.words import Word, spelled_out

UNRELATED = 0.3
LETTERS_AND_DIGITS = 36
SHORT_TEXT = 24
LONG_TEXT = 12
ALL = 0.995
NAMES_IT = 0.8
# What is left of the likeness of two names that are the same but for a number.
OTHER_NUMBER = 0.2


@dataclass(frozen=True)
class Likeness:
    """How alike names are, 0 to 1: rows are columns that may refer, columns are what they may refer to.

    ``named`` is how much a column's name and a table's name say the same; ``within`` how much of the table's name is
    in the column's, whose last word has to be the table's, and ``holds`` the same wherever in the column's name it is;
    ``keys`` how much the names of two columns say the same; ``meaning`` how near the meanings are, where embeddings
    are used. "This is a key" counts nowhere.
    """

    named: Matrix
    within: Matrix
    holds: Matrix
    keys: Matrix
    meaning: Matrix
    rows: Mapping[tuple[str, str], int]
    tables: Mapping[str, int]

    @classmethod
    def of(cls, names: Mapping[str, TableName], embed: Embed | None) -> "Likeness":
        """The likeness of every column to every table and every other column."""
        of_tables = list(names.values())
        places = [(table.text, name) for table in of_tables for name in table.columns]
        columns = [names[table].columns[name] for table, name in places]
        left, right = (
            Names.of([each.core for each in columns], _alike),
            Names.of([each.words for each in of_tables], _alike),
        )
        found = word_likeness(left.words, right.words)
        within = coverage(right, found.T, left).T
        named = _both(coverage(left, found, right), within)
        same, last = _same_letters(columns, of_tables), _last_words(left, found, right)
        own = word_likeness(left.words, left.words)
        covered = coverage(left, own, left)
        fitting = _numbers_fit(columns, of_tables)
        return cls(
            np.maximum(named * (1 + last) / 2 * fitting, same),
            np.maximum(within * last * fitting, same),
            np.maximum(within * fitting, same),
            _both(covered, covered.T) * (1 + _last_words(left, own, left)) / 2 * _numbers_fit(columns, columns),
            _meanings(columns, of_tables, embed),
            {place: row for row, place in enumerate(places)},
            {name: column for column, name in enumerate(names)},
        )


def _alike(_word: Word) -> float:
    return 1.0


def _both(covered: Matrix, covering: Matrix) -> Matrix:
    both: Matrix = 2 * covered * covering / np.maximum(covered + covering, 1e-9)
    return both


def _last_words(left: Names, found: Matrix, right: Names) -> Matrix:
    """How alike the last words are: a home team is a team, a team's home is none."""
    last = np.zeros((len(left.rows), len(right.rows)))
    has_words = [place for place, words in enumerate(right.rows) if words]
    ends = [right.rows[place][-1] for place in has_words]
    for row, words in enumerate(left.rows):
        if words:
            last[row, has_words] = found[words[-1], ends]
    return last


def _same_letters(columns: Sequence[ColumnName], tables: Sequence[TableName]) -> Matrix:
    """1 where names are the same but for where their words end: ``orderItem`` and ``orderitems``, ``dim1`` too."""
    left, right = (np.array([each.letters for each in names], dtype=object) for names in (columns, tables))
    same: Matrix = ((left[:, None] == right[None, :]) & (left[:, None] != "")).astype(float)
    return same


def _numbers_fit(left: Sequence[ColumnName], right: Sequence[ColumnName | TableName]) -> Matrix:
    """How well the numbers in names go together: ``dim1_id`` is none of ``dim2``. One with none says nothing of it."""
    return np.array([[_fit(one.numbers, other.numbers) for other in right] for one in left]).reshape(
        len(left), len(right)
    )


def _fit(numbers: frozenset[str], others: frozenset[str]) -> float:
    return OTHER_NUMBER if numbers and others and numbers.isdisjoint(others) else 1.0


def _meanings(columns: Sequence[ColumnName], tables: Sequence[TableName], embed: Embed | None) -> Matrix:
    if embed is None or not columns:
        return np.zeros((len(columns), len(tables)))
    texts = [_text(each.core) for each in columns] + [_text(each.words) for each in tables]
    different = list(dict.fromkeys(texts))
    vectors = np.asarray(embed(different), dtype=np.float64)
    rows = [different.index(text) for text in texts]
    angles: Matrix = vectors[rows[: len(columns)]] @ vectors[rows[len(columns) :]].T
    has_words = np.array([[float(bool(each.core))] for each in columns])
    near: Matrix = np.clip((angles - UNRELATED) / (1 - UNRELATED), 0.0, 1.0) * has_words
    return near


def _text(words: Sequence[Word]) -> str:
    return " ".join(map(spelled_out, words)) or "row"


class Features:
    """The features of candidates among some tables."""

    def __init__(
        self, tables: Sequence[TableProfile], names: Mapping[str, TableName], embed: Embed | None = None
    ) -> None:
        self._names = names
        self.likeness = Likeness.of(names, embed)
        self._fit = {(each.table, each.column): self._fitness(each) for table in tables for each in table.columns}
        self._best = {table.name: self._best_key(table) for table in tables}

    def of(self, pair: Candidate) -> dict[str, float]:
        """All features of one candidate by name."""
        best = float(self._best[pair.parent.table] == pair.parent.column)
        names = self._of_names(pair)
        if self._is_natural(pair):
            best, names = 1.0, {**names, "measure": 0.0}
        said = max(names["named"], names["within"], names["keys"] * names["same name"])
        hinted = max(said, *(names[each] for each in ("keys", "part", "own kind", "meaning")))
        keyed, tells = names["keyed"], telling(pair)
        return {
            **names,
            "named and included": said * pair.included.share,
            "unsaid": (1.0 - hinted) * (1.0 - tells),
            "included": pair.included.share**2,
            "all included": float(pair.included.share >= ALL),
            "telling": tells * pair.included.share * best,
            # Few rows stand above others of their kind.
            "spread": max(spread(pair), tells, names["same table"]),
            "key": self._fit[pair.parent.table, pair.parent.column] * best,
            "not the key": 1.0 - best,
            "copied": (1.0 - best) * (1.0 - keyed),
            "own key": self._is_own_key(pair.child, pair.parent),
            "borrowed": self._borrowed(pair.parent),
            "moment": float(pair.child.family in (Family.DATE, Family.MOMENT)),
        }

    def _is_natural(self, pair: Candidate) -> bool:
        """Whether a text takes the place of a key: ``product_name`` of sales, where products has each name once, and
        nothing else in sales names a product.
        """
        child, parent = pair.child, pair.parent
        if child.column.casefold() != parent.column.casefold() or child.family is not Family.TEXT:
            return False
        place = self.likeness.tables[parent.table]
        own = (child.table, child.column)
        others = [row for each, row in self.likeness.rows.items() if each[0] == child.table and each != own]
        return bool(
            child.table != parent.table
            and self._best[child.table] != child.column
            and parent.once == 1
            and pair.included.share >= ALL
            and self.likeness.holds[self._place(child), place] >= NAMES_IT
            and self.likeness.named[others, place].max(initial=0.0) < NAMES_IT
        )

    def alike(self, child: Profile, parent: Profile) -> float:
        """How much the names of two columns say the same, 0 to 1; 1 where one is the other's, or called after it."""
        column, table = self._names[child.table].columns[child.column], self._names[parent.table]
        if child.column.casefold() == parent.column.casefold():
            return 1.0
        if is_called_after(column, table, table.columns[parent.column]):
            return 1.0
        return float(self.likeness.keys[self._place(child), self._place(parent)])

    def best_fitness(self, table: str) -> float:
        """How much the likeliest single key of a table looks like one; 0 where no column is unique."""
        best = self._best[table]
        return self._fit[table, best] if best else 0.0

    def _of_names(self, pair: Candidate) -> dict[str, float]:
        child, parent = pair.child, pair.parent
        column, table = self._names[child.table].columns[child.column], self._names[parent.table]
        row, place = self._place(child), self.likeness.tables[parent.table]
        # Within a table, every name may carry the table's own.
        other = float(child.table != parent.table)
        return {
            "named": other * self.likeness.named[row, place],
            "within": other * self.likeness.within[row, place],
            "keys": other * self.likeness.keys[row, self._place(parent)],
            "same name": float(child.column.casefold() == parent.column.casefold() and bool(column.core)),
            "part": other * plays_part(column, table),
            "own kind": (1.0 - other) * names_own_kind(column) * (1.0 - self._names_others(child)),
            "meaning": other * self.likeness.meaning[row, place],
            "keyed": float(column.keyed),
            "measure": float(is_measure(column)),
            "same table": 1.0 - other,
        }

    def _place(self, column: Profile) -> int:
        return self.likeness.rows[column.table, column.column]

    def _named_own(self, column: Profile) -> float:
        """How much a column's name is that of its own table's key: ``id``, ``film_id`` of films."""
        name = self._names[column.table].columns[column.column]
        if not name.core:
            return 1.0
        return float(self.likeness.named[self._place(column), self.likeness.tables[column.table]])

    def _fitness(self, column: Profile) -> float:
        """How much a column looks like the key of its table."""
        if column.primary:
            return 1.0
        name = self._names[column.table].columns[column.column]
        short = column.family in (Family.NUMBER, Family.UUID) or (column.longest or 0) <= SHORT_TEXT
        first = 1.0 if column.position == 0 else 0.0
        return 0.4 * self._named_own(column) + 0.25 * name.keyed + 0.25 * first + 0.1 * short

    def _best_key(self, table: TableProfile) -> str | None:
        keys = [each for each in table.columns if may_be_key(each)]
        best = max(keys, key=lambda each: (self._fit[each.table, each.column], -each.position), default=None)
        return best.column if best else None

    def _names_others(self, column: Profile) -> float:
        """How much a column's name ends with that of another table: a manager may be one of the staff."""
        return float(
            np.delete(self.likeness.within[self._place(column)], self.likeness.tables[column.table]).max(initial=0)
        )

    def _borrowed(self, column: Profile) -> float:
        """How much more the name of a key is that of another table: ``film_id`` of a table that extends films."""
        others = self.likeness.named[self._place(column)].max(initial=0.0)
        return float(max(0.0, others - self._named_own(column)))

    def _is_own_key(self, child: Profile, parent: Profile) -> float:
        """Whether the child is the key of its own table, and its name does not say that it is another's too."""
        if self._best[child.table] != child.column:
            return 0.0
        row = self._place(child)
        other = self.likeness.named[row, self.likeness.tables[parent.table]]
        return float(np.clip(1.0 - max(0.0, other - self._named_own(child)), 0.0, 1.0))


def telling(pair: Candidate) -> float:
    """How unlikely it is that the values are found in the key by chance, 0 to 1.

    Numbers 1 to 9 are found in every key that counts from 1; nine codes of five letters are no accident.
    """
    values = max(pair.included.seen, 1)
    by_chance: float = _chance(pair) ** math.log2(1 + values)
    return (1.0 - by_chance) * values / (values + 1)


def _chance(pair: Candidate) -> float:
    """How likely a value like those of the child is in the key."""
    child, parent = pair.child, pair.parent
    if parent.low is not None and parent.high is not None:
        width = parent.high - parent.low + 1
        # Most numbers that are no key begin near 0.
        return min(1.0, parent.distinct / width) * min(1.0, width / (abs(parent.high) + 1))
    length = child.longest if child.family is Family.TEXT and child.longest else LONG_TEXT
    return min(1.0, parent.distinct / float(LETTERS_AND_DIGITS) ** min(length, LONG_TEXT))


def spread(pair: Candidate) -> float:
    """How many of the keys are used, of those that as many rows would use if they chose at random."""
    keys = max(pair.parent.distinct, 1)
    expected = keys * -math.expm1(-pair.child.filled / keys)
    return min(1.0, math.sqrt(pair.included.share * pair.child.distinct / max(expected, 1.0)))
