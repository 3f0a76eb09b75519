"""What a dataset reads from its source."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StrictBool, StrictFloat, StrictInt

from api_shim.schemas.base import Request


class PagingIn(Request):
    """How a REST API gives its records in pieces."""

    type: str = Field(default="none", max_length=20, description="none, page, offset, cursor or link")
    param: str | None = Field(default=None, max_length=200, description="Takes the page, the offset or the cursor")
    size_param: str | None = Field(default=None, max_length=200, description="Takes how many records are wanted")
    size: StrictInt | None = Field(default=None, description="Records a page")
    first: StrictInt | None = Field(default=None, description="The first page (1) or offset (0)")
    cursor_path: str | None = Field(default=None, max_length=500, description="Where an answer holds the next cursor")


class IncrementalIn(Request):
    """How only what is new is read, from SQL and API sources. The raw copy always holds all rows."""

    cursor_column: str = Field(max_length=200, description="Grows with each change: a number, a date or a time")
    key_columns: list[Annotated[str, Field(max_length=200)]] = Field(
        max_length=16, description="Tell rows apart; a row without them, or that shares them, is rejected"
    )
    lag_seconds: StrictInt = Field(default=0, ge=0, description="Rows may come so late, by a date or time")
    lag: StrictInt | StrictFloat = Field(default=0, ge=0, description="The same by a number, in its units")
    deletions: Literal["none", "keys"] = Field(default="none", description="keys: all keys are read, SQL only")
    allow_empty: StrictBool = Field(default=False, description="Whether a source without any key deletes all rows")
    param: str | None = Field(default=None, max_length=200, description="Of an API: takes from where on is asked")


class ExtractionIn(Request):
    """What to read: ``sql`` (query), ``file`` (path, sheet), ``s3`` (path, format, sheet) or ``api`` (the rest)."""

    type: str = Field(max_length=50, description="sql, file, s3 or api, as the source's type is")
    query: str | None = Field(default=None, max_length=100_000)
    path: str | None = Field(default=None, max_length=1000, description="Below the source's; * and ** are wildcards")
    format: str | None = Field(default=None, max_length=20, description="csv, json, jsonl, parquet or excel")
    sheet: str | None = Field(default=None, max_length=200)
    endpoint: str | None = Field(default=None, max_length=1000, description="Below the source's endpoint")
    method: str | None = Field(default=None, max_length=10, description="GET or POST")
    body: JsonValue = None
    records_path: str | None = Field(default=None, max_length=500, description="Where an answer holds its records")
    paging: PagingIn | None = None
    incremental: IncrementalIn | None = Field(default=None, description="Left out: all rows are read every time")
