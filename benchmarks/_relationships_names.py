"""The same database in other people's naming conventions, so that weights do not learn those of five databases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dataops_defs.matching.relationships.candidates import Candidate
from dataops_defs.matching.relationships.profiles import TableProfile
from dataops_defs.matching.words import leaf

Truth = frozenset[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Renamed:
    """Tables and candidates with other names, and which candidates are right."""

    tables: Sequence[TableProfile]
    pairs: Sequence[Candidate]
    truth: Truth


@dataclass(frozen=True)
class Convention:
    """New names of a table, and of a column of a table; ``counts`` is how much a database in it weighs in a fit."""

    table: Callable[[str, int], str]
    column: Callable[[str, str, int, bool], str]
    counts: float = 0.5


def _same(name: str, _place: int) -> str:
    return name


CONVENTIONS: Mapping[str, Convention] = {
    "as they are": Convention(_same, lambda _t, c, _p, _k: c, 1.0),
    "keys called id": Convention(_same, lambda _t, c, _p, key: "id" if key else c),
    "keys called code": Convention(_same, lambda _t, c, _p, key: "code" if key else c),
    "columns begin with their table": Convention(
        lambda t, _p: f"tbl_{'_'.join(leaf(t))}", lambda t, c, _p, _k: f"{_initials(t)}_{'_'.join(leaf(c))}"
    ),
    "run together": Convention(lambda t, _p: "".join(leaf(t)), lambda _t, c, _p, _k: "".join(leaf(c))),
    "cut short": Convention(_same, lambda _t, c, _p, _k: "_".join(word[:4] for word in leaf(c))),
    "foreign keys marked": Convention(
        lambda t, _p: f"dim_{'_'.join(leaf(t))}", lambda _t, c, _p, key: c if key else f"fk_{'_'.join(leaf(c))}"
    ),
    "no names": Convention(lambda _t, p: f"t{p}", lambda _t, _c, p, _k: f"c{p}", 0.25),
}


def renamed(
    tables: Sequence[TableProfile], pairs: Sequence[Candidate], truth: Truth, by: Convention, missing: float = 0.0
) -> Renamed:
    """Everything in another convention; a key is a column that a true relationship refers to.

    Args:
        missing: the share of all parents' rows that are taken to be lost.
    """
    keys = {(parent, column) for _, _, parent, column in truth}
    new_table = {each.name: by.table(each.name, place) for place, each in enumerate(tables)}
    new_column = {
        (each.name, name): by.column(each.name, name, place, (each.name, name) in keys)
        for each in tables
        for place, name in enumerate(each.names)
    }
    profiles = {
        (each.table, each.column): replace(
            each, table=new_table[each.table], columns=(new_column[each.table, each.column],)
        )
        for table in tables
        for each in table.columns
    }
    return Renamed(
        [
            TableProfile(
                new_table[each.name],
                each.rows,
                [profiles[each.name, column.column] for column in each.columns],
                [new_column[each.name, name] for name in each.names],
            )
            for each in tables
        ],
        [
            Candidate(
                profiles[each.child.table, each.child.column],
                profiles[each.parent.table, each.parent.column],
                replace(each.included, share=each.included.share * (1 - missing)),
            )
            for each in pairs
        ],
        frozenset((new_table[t], new_column[t, c], new_table[p], new_column[p, k]) for t, c, p, k in truth),
    )


def _initials(table: str) -> str:
    words = leaf(table)
    return "".join(word[0] for word in words) if len(words) > 1 else words[0][:2]
