"""Columns, how they have changed, and what waits to be accepted."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from api_shim.schemas.base import Reply
from dataops_defs.domain.drift import Drift


class ColumnOut(Reply):
    """One column, its type in Arrow's words."""

    name: str
    type: str
    nullable: bool = True


class ColumnNamed(Reply):
    """A column that is new, or gone."""

    name: str
    type: str


class RetypedOut(Reply):
    """A column of another type than before."""

    name: str
    before: str
    now: str


class DriftOut(Reply):
    """How the columns differ from those that were accepted before; ``nullability`` is no drift by itself."""

    added: list[ColumnNamed]
    removed: list[ColumnNamed]
    retyped: list[RetypedOut]
    nullability: list[str]

    @classmethod
    def told(cls, kept: dict[str, Any] | None) -> "DriftOut | None":
        """The form of a drift, where there is one."""
        return cls.model_validate(kept) if kept and Drift.from_json(kept) else None


class WaitingOut(Reply):
    """What waits to be accepted: columns, and under ``quarantine`` a raw copy that has them."""

    columns: list[ColumnOut]
    drift: DriftOut
    execution_id: str
    s3_path: str | None = Field(default=None, alias="s3Path")
    records: int | None = None

    @classmethod
    def of(cls, kept: dict[str, Any] | None) -> "WaitingOut | None":
        """The form of what the catalogue keeps."""
        if kept is None:
            return None
        same = {name: kept[name] for name in ("columns", "drift", "executionId")}
        return cls(**same, s3Path=kept.get("uri"), records=kept.get("rows"))


def waiting_told(waiting: Mapping[str, Any]) -> str:
    """What a dataset's status says while something waits."""
    told = Drift.from_json(waiting["drift"]).sentence
    if "uri" in waiting:
        return f"The newest copy is in quarantine, the one before stays current: {told}; accept it, or mend the source"
    return f"The last extraction was refused, because the schema is frozen: {told}; accept it, or mend the source"
