"""Columns and rows as they are shown to people: names, types, previews."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_SHOWN = 200

SYSTEM_COLUMN_NAMES = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Those that every table of PostgreSQL has already."""


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
    """The first rows of a source, JSON-ready values; ``notes``: what people should know of how they were read."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]
    truncated: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RejectedRow:
    """A row that could not be taken: where it stood, why, and what it held.

    ``number`` counts data rows from 1 in the order they were read; ``raw`` is the row as it came.
    """

    number: int
    reason: str
    column: str | None = None
    raw: Mapping[str, object] = field(default_factory=dict)

    @property
    def without_values(self) -> str:
        """Where it stood and why it was not taken, without what it held: also for those who may not see its rows.

        Reasons show values in quotes, cut where they are long. One that shows them otherwise is left out.
        """
        where = f"row {self.number}" + (f", column '{self.column[:LONGEST_SHOWN]}'" if self.column else "")
        why, values = self.reason, [str(each)[:LONGEST_SHOWN] for each in self.raw.values() if each not in (None, "")]
        for value in values:
            for length in range(len(value), 0, -1):
                for mark in "'\"":
                    why = why.replace(f"{mark}{value[:length]}{mark}", "its value")
        shown = any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", why) for value in values)
        return f"{where}; its reject tells why" if shown else f"{where}: {why}"
