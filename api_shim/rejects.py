"""Rows that an extraction or a sync could not take: kept, listed, and downloaded to be mended."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from fastapi import Response
from pydantic import Field

from api_shim.paging import Page, count
from api_shim.schemas.rejects import RejectOut
from api_shim.shim import Shim
from dataops_defs.adapters.reject_files.download import WORKBOOK_ROWS, write_csv, write_workbook
from dataops_defs.adapters.warehouse.rejects import Filter, Reject, count_rejects, stream_rejects
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import Invalid

__all__ = ["FileFormat", "RejectOut", "RejectPage", "RepairPage", "rejected_file", "rejected_rows"]
IN_MEMORY = 1 << 20


class FileFormat(StrEnum):
    """How rejected rows are sent; the files hold all of them, unless a limit is given."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES = {
    FileFormat.CSV: "text/csv",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class RejectPage(Page):
    """Which rejected rows are wanted: open ones first, then those of newer executions."""

    execution_id: str | None = None
    state: RejectState | None = None

    def filter(self, subject_id: str) -> Filter | None:
        """The same in the warehouse's words; None when no row can be meant."""
        run_id = as_uuid(self.execution_id) if self.execution_id else None
        if self.execution_id and run_id is None:
            return None
        return Filter(subject_id, run_id, self.state)


class RepairPage(RejectPage):
    """Which rejected rows are wanted, and as what."""

    format: FileFormat | None = Field(
        default=None, description="json, or a file to mend and upload again: csv or xlsx; else the Accept header tells"
    )

    def form(self, accept: str) -> FileFormat:
        """What is sent: what the query says, else the first of our forms that the header names."""
        if self.format is not None:
            return self.format
        asked = [each.split(";")[0].strip() for each in accept.lower().split(",")]
        named = {MEDIA_TYPES.get(form, "application/json"): form for form in FileFormat}
        return next((named[each] for each in asked if each in named), FileFormat.JSON)


def rejected_rows(shim: Shim, subject_id: str, page: RejectPage, response: Response) -> list[RejectOut]:
    """The rejected rows of a dataset or mapping; an ill-formed execution has none."""
    wanted = page.filter(subject_id)
    if wanted is None:
        count(response, 0)
        return []
    with shim.platform.warehouse("dataops rejects") as connection:
        count(response, count_rejects(connection, wanted))
        return [_shown(each) for each in stream_rejects(connection, wanted, limit=page.limit, offset=page.offset)]


def _shown(reject: Reject) -> RejectOut:
    same = {name: getattr(reject, name) for name in RejectOut.model_fields if name != "execution_id"}
    return RejectOut(execution_id=reject.run_id, **same)


@dataclass(frozen=True)
class RejectedFile:
    """A file of rejected rows, written whole before the first byte is sent: no reader holds the warehouse."""

    file: IO[bytes]
    rows: int


def rejected_file(
    shim: Shim, subject_id: str, page: RepairPage, form: FileFormat, columns: Sequence[str]
) -> RejectedFile:
    """The rejected rows as a file; those that are open, unless the page says otherwise.

    Raises:
        Invalid: more rows than a workbook should hold.
    """
    given = page if page.state or page.execution_id else page.model_copy(update={"state": RejectState.OPEN})
    wanted = given.filter(subject_id)
    if wanted is None:
        raise Invalid.field("executionId", "is no id of an execution")
    limit = page.limit if "limit" in page.model_fields_set else None
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by whoever sends it
    with shim.platform.warehouse("dataops rejects") as connection:
        total = count_rejects(connection, wanted)
        rows = max(min(total - page.offset, limit or total), 0)
        if form is FileFormat.XLSX and rows > WORKBOOK_ROWS:
            raise Invalid.field("format", f"{rows:,} rows are more than the {WORKBOOK_ROWS:,} of a workbook; take csv")
        found = stream_rejects(connection, wanted, limit=limit, offset=page.offset)
        write = write_csv if form is FileFormat.CSV else write_workbook
        write(file, found, columns)
    return RejectedFile(file, total)
