"""What one step of a run did: for the run record, for Dagster's pages, and for a worker that finds it done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import AssetPath


@dataclass(frozen=True)
class Check:
    """A check of the data that was written; a failed one warns, it does not undo."""

    name: str
    passed: bool
    description: str
    counts: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form kept in the run record."""
        return {"name": self.name, "passed": self.passed, "description": self.description, **self.counts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Check":
        """A check from that form."""
        counts = {name: each for name, each in value.items() if name not in ("name", "passed", "description")}
        return cls(value["name"], value["passed"], value["description"], counts)


@dataclass(frozen=True)
class Outcome:
    """``assets`` are the asset keys the step wrote, the first being its own; ``lineage`` names for each output column
    the (asset key, column) pairs it comes from; ``taken_at`` is the moment the source was read; ``counts`` are further
    numbers to show, by name; ``details`` is what only its kind of step tells, as JSON values. ``gone`` are the keys of
    assets whose data the step dropped, and that no definition has any more.
    """

    ledger: Ledger
    assets: Sequence[AssetPath]
    uri: str
    columns: Sequence[Column] = ()
    preview: Sequence[dict[str, Any]] = ()
    checks: Sequence[Check] = ()
    rejected: Sequence[RejectedRow] = ()
    lineage: dict[str, list[tuple[AssetPath, str]]] = field(default_factory=dict)
    bytes: int | None = None
    total_rows: int | None = None
    taken_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    gone: Sequence[AssetPath] = ()

    def as_json(self) -> dict[str, Any]:
        """What is kept; the samples of rows and the lineage are for Dagster's pages only."""
        return {
            "uri": self.uri,
            "bytes": self.bytes,
            "totalRows": self.total_rows,
            "takenAt": self.taken_at.isoformat() if self.taken_at else None,
            "assets": [list(path) for path in self.assets],
            "columns": [each.as_json() for each in self.columns],
            "checks": [each.as_json() for each in self.checks],
            "counts": dict(self.counts),
            "details": dict(self.details),
            "gone": [list(path) for path in self.gone],
        }

    @classmethod
    def from_json(cls, ledger: Ledger, value: Mapping[str, Any]) -> "Outcome":
        """An outcome from that form."""
        taken_at = value.get("takenAt")
        return cls(
            ledger=ledger,
            assets=[tuple(path) for path in value.get("assets", [])],
            uri=value["uri"],
            columns=[Column.from_json(each) for each in value.get("columns", [])],
            checks=[Check.from_json(each) for each in value.get("checks", [])],
            bytes=value.get("bytes"),
            total_rows=value.get("totalRows"),
            taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
            counts=value.get("counts", {}),
            details=value.get("details", {}),
            gone=[tuple(path) for path in value.get("gone", [])],
        )
