"""Lists: limits, offsets, sorting by an allow-list, and the number of all in a header."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import Field
from pydantic.alias_generators import to_snake

from api_shim.schemas.base import Request

TOTAL = "X-Total-Count"
TOTAL_HEADER: dict[str, Any] = {TOTAL: {"description": "Number of rows in all pages", "schema": {"type": "integer"}}}
LISTED: dict[int | str, dict[str, Any]] = {200: {"headers": TOTAL_HEADER}}


class Page(Request):
    """Which part of a list is wanted."""

    limit: int = Field(default=50, ge=1, le=500, description="Rows at most")
    offset: int = Field(default=0, ge=0, le=10_000_000, description="Rows to skip")


class SortedPage(Page):
    """Which part of a list of definitions is wanted, and in which order."""

    sort: str = Field(
        default="-createdAt",
        max_length=30,
        description="createdAt, updatedAt or name; a leading '-' turns the order round",
    )

    def arguments(self, **filters: str | None) -> Mapping[str, Any]:
        """The page in the catalogue's words."""
        sign = "-" if self.sort.startswith("-") else ""
        sort = sign + to_snake(self.sort.removeprefix("-"))
        return {"limit": self.limit, "offset": self.offset, "sort": sort, "filters": filters}


def count(response: Response, total: int) -> None:
    """Tell the number of rows in all pages."""
    response.headers[TOTAL] = str(total)
