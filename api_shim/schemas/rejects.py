"""Rejected rows: how they are listed, mended and replayed."""

from typing import Any

from pydantic import ConfigDict, Field, StrictInt

from api_shim.schemas.base import Moment, Reply, Request
from dataops_defs.domain.rejects import RejectState

MOST_ROWS = 10_000


class RejectOut(Reply):
    """A row that could not be taken, as it came."""

    id: int
    execution_id: str = Field(description="The execution that rejected it")
    row_number: int
    column: str | None
    reason: str
    raw: dict[str, Any]
    corrected: dict[str, Any] | None = Field(default=None, description="What was given for it since, by column")
    state: RejectState
    settled_by: str | None = Field(default=None, description="The execution that repaired it, or read it anew")
    settled_at: Moment | None = None
    rejected_at: Moment


class Repair(Request):
    """One rejected row, and what it should hold."""

    id: StrictInt = Field(ge=1, le=2**63 - 1)
    raw: dict[str, Any] = Field(default_factory=dict, description="The columns that change; the others stay")


class RejectReplay(Request):
    """Which rejected rows are tried again; all that are open, as they are, when ``rows`` is left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rows": [{"id": 12, "raw": {"build_year": "1998"}}]}, {}]}
    )
    rows: list[Repair] | None = Field(default=None, min_length=1, max_length=MOST_ROWS)


def replay_schema() -> dict[str, Any]:
    """The schema of `RejectReplay`, whole: it stands where FastAPI would not look for what it refers to."""
    schema = RejectReplay.model_json_schema()
    schema.pop("$defs")
    [rows, _null] = schema["properties"]["rows"]["anyOf"]
    rows["items"] = Repair.model_json_schema()
    return schema


class LedgerOut(Reply):
    """Where the rows went; ``read`` is the sum of the others."""

    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    filtered: int


class ReplayOut(Reply):
    """A finished replay; rows that fail again do not make it fail, they stay open with their new reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "processed": 137,
                    "succeeded": 137,
                    "failed": 0,
                    "executionId": "0192f3a1-0000-7000-8000-000000000006",
                    "stillOpen": 0,
                    "ledger": {
                        "read": 137,
                        "inserted": 137,
                        "updated": 0,
                        "unchanged": 0,
                        "rejected": 0,
                        "filtered": 0,
                    },
                }
            ]
        }
    )
    success: bool
    processed: int
    succeeded: int
    failed: int
    execution_id: str
    still_open: int = Field(description="Open rejects of the mapping after it")
    ledger: LedgerOut
