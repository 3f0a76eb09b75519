"""Rows that an extraction or a sync could not take: kept, and listed with their reason and content."""

from typing import Any

from fastapi import Response

from api_shim.paging import Page, count
from api_shim.schemas.base import Moment, Reply
from api_shim.shim import Shim
from dataops_defs.adapters.warehouse.books import rejects_of
from dataops_defs.catalogue.definitions import as_uuid


class RejectPage(Page):
    """Which rejected rows are wanted."""

    execution_id: str | None = None


class RejectOut(Reply):
    """A row that could not be taken."""

    id: int
    execution_id: str
    row_number: int
    column: str | None
    reason: str
    raw: dict[str, Any]
    rejected_at: Moment


def rejected_rows(shim: Shim, subject_id: str, page: RejectPage, response: Response) -> list[RejectOut]:
    """The rejected rows of a dataset or mapping, newest execution first; an ill-formed execution has none."""
    run_id = as_uuid(page.execution_id) if page.execution_id else None
    if page.execution_id and run_id is None:
        count(response, 0)
        return []
    with shim.platform.warehouse("dataops rejects") as connection:
        found, total = rejects_of(connection, subject_id, limit=page.limit, offset=page.offset, run_id=run_id)
    count(response, total)
    names = {"execution_id": "run_id", "column": "column_name"}
    return [
        RejectOut(
            **{name: each[names.get(name, name)] for name in RejectOut.model_fields}
            | {"execution_id": str(each["run_id"])}
        )
        for each in found
    ]
