"""Columns and rows as they are shown to people: names, types, previews."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column: its name, the type in the platform's words (Arrow's), and whether it may be empty."""

    name: str
    type: str
    nullable: bool = True

    def as_json(self) -> dict[str, object]:
        """The form kept in the catalogue and printed by the REST API."""
        return {"name": self.name, "type": self.type, "nullable": self.nullable}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Column":
        """A column from that form."""
        return cls(value["name"], value["type"], value["nullable"])


@dataclass(frozen=True)
class Preview:
    """The first rows of a source, JSON-ready values."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]
    truncated: bool = False


@dataclass(frozen=True)
class RejectedRow:
    """A row that could not be taken: where it stood, why, and what it held.

    ``number`` counts data rows from 1 in the order they were read; ``raw`` is the row as it came.
    """

    number: int
    reason: str
    column: str | None = None
    raw: Mapping[str, object] = field(default_factory=dict)
