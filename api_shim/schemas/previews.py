"""Previews of document 000; snake_case, as printed."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from api_shim.schemas.datamarts import Snake
from api_shim.schemas.imports import HasHeader, Sheet
from dataops_defs.adapters.preview.shown import Asked, Shown

MOST_ROWS = 1000
USUAL_ROWS = 100
PREVIEWED: dict[str, Any] = {
    "file_name": "data.csv",
    "file_size_bytes": 2456789,
    "detected_format": "csv",
    "detected_encoding": "utf-8",
    "detected_delimiter": ",",
    "columns": ["id", "name", "email", "created_at"],
    "data_types": {"id": "integer", "name": "string", "email": "string", "created_at": "datetime"},
    "preview_data": [{"id": 1, "name": "John Doe", "email": "john@example.com", "created_at": "2024-01-15T10:00:00Z"}],
    "rows_previewed": 1,
    "estimated_total_rows": 15430,
    "total_rows_exact": False,
}


class PathPreview(BaseModel):
    """A file below a mount or a folder that files are read from. Source: document 000, "Preview Path"."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"file_path": "/mnt/network_share/incoming/data.csv", "limit": 100}]},
    )
    file_path: str = Field(min_length=1, max_length=4096)
    limit: StrictInt = Field(default=USUAL_ROWS, ge=1, le=MOST_ROWS)
    delimiter: str | None = Field(default=None, max_length=10, description="Told by the file when left out")
    encoding: str | None = Field(default=None, max_length=50, description="Told by the file when left out")
    has_header: HasHeader = None
    sheet: Sheet = None

    @property
    def asked(self) -> Asked:
        """In the platform's words."""
        return Asked(self.limit, self.delimiter or None, self.encoding or None, self.has_header, self.sheet)


class UploadForm(BaseModel):
    """The fields of the form beside the file; an empty one counts as left out."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(default=USUAL_ROWS, ge=1, le=MOST_ROWS)
    delimiter: str | None = Field(default=None, max_length=10)
    encoding: str | None = Field(default=None, max_length=50)
    has_header: bool | None = None
    sheet: Sheet = None

    @property
    def asked(self) -> Asked:
        """In the platform's words."""
        return Asked(self.limit, self.delimiter, self.encoding, self.has_header, self.sheet)


class PreviewOut(Snake):
    """What a file is, and its first rows. Source: document 000, "Preview File"."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREVIEWED]})
    file_name: str
    file_size_bytes: int
    detected_format: str = Field(
        description="csv, tsv, json, jsonl, xlsx, xls, parquet; with .gz, .bz2, .xz or .zst for a compressed one"
    )
    detected_encoding: str | None = Field(description="Of a text: that with which it is read")
    detected_delimiter: str | None = Field(description="Of a CSV file")
    columns: list[str]
    data_types: dict[str, str] = Field(
        description="integer, number, boolean, date, datetime, time, string, object or array: as the rows that were"
        " looked at prove them (4 MB of a text, all of a workbook)"
    )
    preview_data: list[dict[str, Any]] = Field(description="Times in ISO 8601; numbers that lose digits as text")
    rows_previewed: int = Field(description="At most limit; fewer of a file with very many columns")
    estimated_total_rows: int = Field(description="Below the names, those that cannot be read among them")
    total_rows_exact: bool = Field(description="They were counted, not estimated")
    encoding_guessed: bool = Field(
        default=False,
        description="The bytes do not prove the encoding: if letters look wrong, name it in `encoding`, here and in"
        " the import",
    )
    has_header: bool | None = Field(
        default=None,
        description="Of CSV files and workbooks: whether the first row names the columns. If that is told wrong, say it"
        " in `has_header`, here and in the import",
    )
    rows_set_aside: int = Field(
        default=0, description="Rows of what was looked at that cannot be read, as an import would reject them"
    )
    warning: str | None = Field(default=None, description="What is wrong with the file, though rows of it can be shown")

    @classmethod
    def of(cls, name: str, size: int, shown: Shown) -> Self:
        """The form of a preview."""
        return cls(
            file_name=name,
            file_size_bytes=size,
            detected_format=f"{shown.format}.{shown.packing}" if shown.packing else shown.format,
            detected_encoding=shown.encoding,
            encoding_guessed=shown.guessed,
            detected_delimiter=shown.delimiter,
            has_header=shown.has_header,
            columns=list(shown.types),
            data_types=dict(shown.types),
            preview_data=[dict(each) for each in shown.rows],
            rows_previewed=len(shown.rows),
            estimated_total_rows=shown.count.rows,
            total_rows_exact=shown.count.exact,
            rows_set_aside=shown.set_aside,
            warning=shown.warning,
        )
