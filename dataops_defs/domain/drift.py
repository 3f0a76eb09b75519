"""Schema drift: how the columns of an extraction differ from those accepted before, and what becomes of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dataops_defs.domain.columns import Column

_DECIMAL = re.compile(r"decimal\d+\(.*\)")


class SchemaPolicy(StrEnum):
    """What becomes of an extraction whose columns have changed.

    ``evolve`` goes on, ``freeze`` fails before anything is written, ``quarantine`` keeps the new copy aside until
    somebody accepts it.
    """

    EVOLVE = "evolve"
    FREEZE = "freeze"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Retyped:
    """A column of another type than before."""

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class Drift:
    """The differences. It is true where there are any; ``nullability`` names columns and is no drift by itself."""

    added: Sequence[Column] = ()
    removed: Sequence[Column] = ()
    retyped: Sequence[Retyped] = ()
    nullability: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.retyped)

    @property
    def sentence(self) -> str:
        """Each change in a few words, on one line."""
        told = [
            *(f"column '{each.name}' is now {each.now}, was {each.before}" for each in self.retyped),
            *(f"column '{each.name}' is gone (it was {each.type})" for each in self.removed),
            *(f"column '{each.name}' is new ({each.type})" for each in self.added),
        ]
        return "; ".join(told)

    @property
    def counts(self) -> dict[str, int]:
        """How many changes of each kind."""
        return {"added": len(self.added), "removed": len(self.removed), "retyped": len(self.retyped)}

    def as_json(self) -> dict[str, Any]:
        """The form kept in the catalogue and printed by the REST API."""
        return {
            "added": [{"name": each.name, "type": each.type} for each in self.added],
            "removed": [{"name": each.name, "type": each.type} for each in self.removed],
            "retyped": [{"name": each.name, "before": each.before, "now": each.now} for each in self.retyped],
            "nullability": list(self.nullability),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Drift":
        """A drift from that form."""
        return cls(
            added=[Column(each["name"], each["type"]) for each in value["added"]],
            removed=[Column(each["name"], each["type"]) for each in value["removed"]],
            retyped=[Retyped(each["name"], each["before"], each["now"]) for each in value["retyped"]],
            nullability=list(value["nullability"]),
        )


def drift_between(before: Sequence[Column], now: Sequence[Column]) -> Drift:
    """What has changed from one extraction's columns to another's; their order does not count.

    Decimals of other digits are of one type: where a source sets no limits, the digits are those that the values need.
    """
    old, new = {each.name: each for each in before}, {each.name: each for each in now}
    both = [(old[name], new[name]) for name in old if name in new]
    return Drift(
        added=[each for name, each in new.items() if name not in old],
        removed=[each for name, each in old.items() if name not in new],
        retyped=[Retyped(was.name, was.type, to.type) for was, to in both if not _is_same(was.type, to.type)],
        nullability=[was.name for was, to in both if was.nullable != to.nullable],
    )


def _is_same(one: str, other: str) -> bool:
    return one == other or bool(_DECIMAL.fullmatch(one) and _DECIMAL.fullmatch(other))
