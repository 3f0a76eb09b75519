"""What a deleted definition leaves behind: it stays until somebody asks for it to be dropped. Source: DECISIONS 30."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from dataops_defs.domain.naming import AssetPath

LEFTOVERS = "leftovers"
"""The parameter of an execution that drops: a list of `Leftover.as_json`."""


class LeftoverKind(StrEnum):
    """What it is, and so what its ``place`` means: ``schema.relation``, or the folder of a dataset's raw copies."""

    RELATION = "relation"
    DATAMART = "datamart"
    RAW_COPIES = "raw_copies"


@dataclass(frozen=True)
class Leftover:
    """One thing that was left behind by the definition ``name``, whose id was ``subject_id``.

    ``versions``: of a datamart, the tables of its versions with the versions' ids. ``asset``: the key under which
    Dagster showed it, where that is known.
    """

    kind: LeftoverKind
    subject_id: str
    name: str
    place: str
    versions: Mapping[str, str] = field(default_factory=dict)
    asset: AssetPath = ()

    @property
    def relation(self) -> tuple[str, str]:
        """Schema and name of what lies in the warehouse."""
        schema, _, name = self.place.partition(".")
        return schema, name

    def as_json(self) -> dict[str, Any]:
        """The form in a run's parameters."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Leftover":
        """A leftover from that form."""
        return cls(**{**value, "kind": LeftoverKind(value["kind"]), "asset": tuple(value.get("asset", ()))})
