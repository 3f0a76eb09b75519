"""What is known of a column, or of several together, before anything is compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from dataops_defs.matching.relationships.sketches import Hashes, Sketch


class Family(StrEnum):
    """Types whose values may be compared with each other; the value is a person's word for them."""

    NUMBER = "whole numbers"
    TEXT = "text"
    UUID = "UUIDs"
    DATE = "dates"
    MOMENT = "dates with times"
    OTHER = "values of one type"
    """Compared only with the very same type, which ``Profile.type`` names."""
    TOGETHER = "several columns"


@dataclass(frozen=True)
class Profile:
    """One column, or several that are looked at together.

    Attributes:
        position: place of the (first) column in its table, from 0.
        filled: rows in which nothing is null.
        distinct: different values; an estimate where the sketch is not complete.
        once: share (0 to 1) of the different values that are there only once.
        form: what its values as text read as, all that were looked at: whole numbers without leading zeros, or UUIDs
            in small letters; where another has the same form, equal values are equal as text, whatever the types.
        low, high: the smallest and largest value of numbers (also as text), dates (as days) and moments (as seconds).
        longest: characters of the longest text.
        primary, unique: the database itself says so.
        points_out: the database itself says what the column refers to.
    """

    table: str
    columns: tuple[str, ...]
    family: Family
    type: str
    position: int
    rows: int
    filled: int
    distinct: int
    once: float
    sketch: Sketch
    form: Family | None = None
    low: float | None = None
    high: float | None = None
    longest: int | None = None
    primary: bool = False
    unique: bool = False
    points_out: bool = False

    @property
    def column(self) -> str:
        """The name of the only, or first, column."""
        return self.columns[0]

    @property
    def kind(self) -> tuple[Family, str]:
        """What must be equal where the values of two columns are compared as they are."""
        return (self.family, self.type if self.family is Family.OTHER else "")

    def equals_as_text(self, other: "Profile") -> bool:
        """Whether the two can only be compared as text: one is a text of what the other is."""
        return self.kind != other.kind and self.form is not None and self.form == other.form


@dataclass(frozen=True)
class TableProfile:
    """A table or view with those of its columns that may be, or refer to, a key."""

    name: str
    rows: int
    columns: Sequence[Profile]
    names: Sequence[str]
    """The names of all its columns, also of those that are not compared."""

    @cached_property
    def by_name(self) -> dict[str, Profile]:
        """The columns by their names."""
        return {each.column: each for each in self.columns}


class Values(Protocol):
    """The values themselves, wherever they are; asked only about what sketches cannot tell."""

    def together(self, table: str, columns: Sequence[str]) -> Profile:
        """The profile of several columns of a table as one."""
        ...

    def held(self, table: str, columns: Sequence[str], hashes: Hashes) -> Hashes:
        """Those of the hashes whose values are in the column, or columns together."""
        ...
