"""Names of tables and columns as words: what a column is the key of, and whom it may name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anyascii import anyascii

from dataops_defs.matching.likeness import is_short_for
from dataops_defs.matching.phrases import readings, stem
from dataops_defs.matching.relationships.profiles import TableProfile
from dataops_defs.matching.relationships.vocabulary import vocabulary
from dataops_defs.matching.words import NUMBER, Reader, Word, leaf, shared_prefix

MARKS = re.compile(r"^(?:fk|pk|sk|FK|PK|SK)(?=_|[A-Z][a-z])_?|_?(?:FK|PK|(?<=_)fk|(?<=_)pk)$")
KEY_AT_END = re.compile(r"(?<=[a-z]{2})(id|key|code|no|nr|num|nbr|number)$", re.IGNORECASE)
ITSELF_AND_ANOTHER = 2
SPLIT = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class ColumnName:
    """A column's name: all its words, those that say of what it may be the key, and whether it says "key" at all.

    ``numbers`` are those among the words of ``core``, and ``letters`` the two of them as one word.
    """

    text: str
    words: Sequence[Word]
    core: Sequence[Word]
    keyed: bool
    numbers: frozenset[str]
    letters: str

    @property
    def stems(self) -> frozenset[str]:
        """Stems of all words, and of what they are short for where that is one thing."""
        said = (word.readings if len(word.readings) <= ITSELF_AND_ANOTHER else {word.stem} for word in self.words)
        return frozenset(stem for stems in said for stem in stems)


@dataclass(frozen=True)
class TableName:
    """A table's name as the words of what a row of it is, and the names of its columns; numbers as of columns."""

    text: str
    words: Sequence[Word]
    columns: dict[str, ColumnName]
    numbers: frozenset[str]
    letters: str


def read_names(tables: Sequence[TableProfile]) -> dict[str, TableName]:
    """The names of all tables and of their columns, read with an eye on each other."""
    plain = _entities([each.name for each in tables])
    of_tables = {word for words in plain.values() for word in words}
    parted = {each.name: {name: _with_key_apart(name, of_tables) for name in each.names} for each in tables}
    every = [name for names in parted.values() for name in names.values()]
    reader = Reader([*every, *(" ".join(words) for words in plain.values()), *map(stem, sorted(of_tables))])
    return {each.name: _table(reader, each, plain[each.name], parted[each.name]) for each in tables}


def _table(reader: Reader, table: TableProfile, plain: Sequence[str], parted: dict[str, str]) -> TableName:
    words = reader.read(" ".join(plain))
    said = [word for word in words if not word.text.isdigit()]
    return TableName(table.name, said or words, _columns_of(reader, table, parted), _numbers(words), _letters(words))


def _columns_of(reader: Reader, table: TableProfile, parted: dict[str, str]) -> dict[str, ColumnName]:
    skip = shared_prefix(list(parted.values()))
    return {
        each.column: _column(each.column, _without_prefix(reader, parted[each.column], skip)) for each in table.columns
    }


def _without_prefix(reader: Reader, name: str, skip: int) -> Sequence[Word]:
    """What all columns begin with tells nothing, but where only a number would be left of a name: ``dim_1_id``."""
    words = reader.read(name, skip)
    left = [word.text for word in words if word.text not in vocabulary().keys]
    return reader.read(name) if left and all(map(str.isdigit, left)) else words


def _entities(tables: Sequence[str]) -> dict[str, list[str]]:
    """The words of tables' names without what all begin with and without words like "tbl"; never numbers alone."""
    skip = shared_prefix(tables) if len(tables) > 2 else 0
    found = {}
    for name in tables:
        words = leaf(name)[skip:]
        fewer = [word for word in words if word not in vocabulary().table_words]
        found[name] = next((each for each in (fewer, words) if not all(map(str.isdigit, each))), leaf(name))
    return found


def _with_key_apart(name: str, of_tables: Iterable[str]) -> str:
    """``custkey`` -> ``cust_key`` where a table's name has a word that cust may stand for; without "foreign key"."""
    name = anyascii(name)
    plain = MARKS.sub("", name) or name
    marked = "_key" if plain != name else ""
    *_, last = SPLIT.split(plain)
    found = KEY_AT_END.search(last)
    if found and any(_may_be(last[: found.start()].lower(), word) for word in of_tables):
        return f"{plain[: len(plain) - len(found[0])]}_{found[0]}"
    return plain + marked


def _may_be(short: str, word: str) -> bool:
    return stem(short) == stem(word) or not readings(short).isdisjoint(readings(word)) or is_short_for(short, word)


def _column(text: str, words: Sequence[Word]) -> ColumnName:
    """``team_id_home`` is a team's key as ``home_team_id`` is: what comes after "key" says only which."""
    core = list(words)
    while core and core[0].text in vocabulary().keys:
        core.pop(0)
    said = [place for place, word in enumerate(core) if word.text in vocabulary().keys]
    every = core[: said[0] if said else None]
    core = [word for word in every if word.weight > NUMBER]
    keyed = any(word.text in vocabulary().keys for word in words)
    return ColumnName(text, words, core, keyed, _numbers(every), _letters(every))


def _numbers(words: Sequence[Word]) -> frozenset[str]:
    return frozenset(word.text.lstrip("0") or "0" for word in words if word.text.isdigit())


def _letters(words: Sequence[Word]) -> str:
    return "".join(word.stem for word in words)


def plays_part(column: ColumnName, table: TableName) -> bool:
    """Whether a column's name is a part that rows of such a table play: ``destination`` of an airport."""
    of_table = {each for word in table.words for each in (*word.readings, *word.parts)}
    return any(
        not part.tables.isdisjoint(of_table) and not part.roles.isdisjoint(column.stems) for part in vocabulary().parts
    )


def is_called_after(column: ColumnName, table: TableName, key: ColumnName) -> bool:
    """Whether a column is called by a table and a column of it: ``country_code`` after ``code`` of ``countries``."""
    return [word.stem for word in column.words] == [word.stem for word in (*table.words, *key.words)]


def names_own_kind(column: ColumnName) -> bool:
    """Whether a column's name is for another row of its own table: ``parent_id``, ``reports_to``."""
    return not vocabulary().own_kind.isdisjoint(column.stems)


def is_measure(column: ColumnName) -> bool:
    """Whether the last word of a column's name says how much or when, and no word that it is a key."""
    return not column.keyed and bool(column.words) and not vocabulary().measures.isdisjoint(column.words[-1].readings)
