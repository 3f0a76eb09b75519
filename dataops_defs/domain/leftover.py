"""What a deleted definition leaves behind: it stays until somebody asks for it to be dropped. Source: DECISIONS 30."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

LEFTOVERS = "leftovers"
"""The parameter of an execution that drops: a list of `Leftover.as_json`."""


class LeftoverKind(StrEnum):
    """What it is, and so what its ``place`` means: ``schema.relation``, or the folder of a dataset's raw copies."""

    RELATION = "relation"
    RAW_COPIES = "raw_copies"


@dataclass(frozen=True)
class Leftover:
    """One thing that was left behind by the definition ``name``, whose id was ``subject_id``."""

    kind: LeftoverKind
    subject_id: str
    name: str
    place: str

    def as_json(self) -> dict[str, Any]:
        """The form in a run's parameters."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Leftover":
        """A leftover from that form."""
        return cls(LeftoverKind(value["kind"]), value["subject_id"], value["name"], value["place"])
