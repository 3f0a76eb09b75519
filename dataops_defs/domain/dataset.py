"""A dataset: what is extracted from a source (see ``extraction``), and where the raw copy is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dataops_defs.domain.columns import Column
from dataops_defs.domain.drift import Drift

DEFAULT_BUCKET = "captify-datasets"


@dataclass(frozen=True)
class Extracted:
    """What the catalogue keeps of an extraction.

    Args:
        taken_at: when the source was read.
        mark: how far it was read, where that counts.
        quarantined: whether the copy waits to be accepted.
    """

    uri: str
    rows: int
    columns: Sequence[Column]
    taken_at: datetime
    run_id: str
    drift: Drift = field(default_factory=Drift)
    mark: str | None = None
    quarantined: bool = False

    def waiting(self) -> dict[str, Any]:
        """The form of a copy that waits."""
        return waiting_schema(self.columns, self.drift, self.run_id) | {
            "uri": self.uri,
            "rows": self.rows,
            "takenAt": self.taken_at.isoformat(),
            "mark": self.mark,
        }


def waiting_schema(columns: Sequence[Column], drift: Drift, run_id: str) -> dict[str, Any]:
    """The form of columns that wait to be accepted, without a copy of rows that have them."""
    return {"columns": [each.as_json() for each in columns], "drift": drift.as_json(), "executionId": run_id}
