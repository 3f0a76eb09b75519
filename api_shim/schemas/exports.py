"""Excel exports of document 000; snake_case, as printed."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, model_validator

from api_shim.schemas.base import Moment
from api_shim.schemas.datamarts import SchemaName, Snake, megabytes
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.exports import public_id
from dataops_defs.domain.export import ChartType, SectionType, Template

MOST_SECTIONS = 50
MOST_VALUES = 500
QUERY: dict[str, Any] = {
    "data_source": {"type": "query", "query": "SELECT * FROM analytics.customer_360 LIMIT 10000"},
    "output_config": {
        "file_name": "customer_analysis_2024_06",
        "include_charts": True,
        "include_summary": True,
        "sheet_name": "Customer Data",
    },
}
REPORT: dict[str, Any] = {
    "report_name": "Monthly Sales Report - June 2024",
    "sections": [
        {
            "name": "Overview",
            "type": "summary",
            "data": {"total_sales": 1250000, "orders": 5430, "avg_order_value": 230.12},
        },
        {
            "name": "Top Products",
            "type": "table",
            "query": "SELECT product_name, SUM(quantity) as units_sold, SUM(revenue) as total_revenue FROM sales"
            " GROUP BY product_name ORDER BY total_revenue DESC LIMIT 20",
        },
        {"name": "Sales Trend", "type": "chart", "chart_type": "line", "data_source": "daily_sales_aggregation"},
    ],
    "template": "corporate",
}
EXPORTED: dict[str, Any] = {
    "export_id": "export_abc123",
    "file_name": "customer_analysis_2024_06.xlsx",
    "download_url": "https://storage.ai-etl.com/exports/customer_analysis_2024_06.xlsx",
    "file_size_mb": 12.5,
    "rows_exported": 10000,
    "sheets": ["Customer Data", "Summary", "Charts", "Provenance"],
    "expires_at": "2024-07-01T12:00:00Z",
    "rows_left_out": 0,
}
MaxRows = Annotated[StrictInt, Field(ge=1, description="Rows at most; those left out are counted")]
SheetName = Annotated[str, Field(min_length=1, max_length=200, description="Made to fit: 31 letters, none of []:*?/\\")]
TableName = Annotated[
    str,
    Field(
        max_length=130,
        pattern=r"^[^\W\d][\w$]{0,62}(?:\.[^\W\d][\w$]{0,62})?$",
        description="A datamart, table or view, as table or schema.table: letters, digits, _ and $, no digit first",
    ),
]


class Asking(BaseModel):
    """A part of a request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class QuerySource(Asking):
    """Where the rows come from."""

    type: Literal["query"] = "query"
    query: str = Field(min_length=1, max_length=100_000, description="One SELECT on the warehouse")


class OutputConfig(Asking):
    """How the workbook is made."""

    file_name: str | None = Field(default=None, max_length=300)
    sheet_name: SheetName = "Data"
    include_charts: StrictBool = False
    include_summary: StrictBool = False
    chart_types: list[ChartType] | None = Field(
        default=None, min_length=1, max_length=4, description="Charts to draw, as far as the columns give them"
    )
    max_rows: MaxRows | None = None
    template: Template = Template.CORPORATE


class ExportQuery(Asking):
    """Rows of a query. Source: document 000, "Export Data to Excel"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUERY]})
    data_source: QuerySource
    output_config: OutputConfig = Field(default_factory=OutputConfig)


class ExportDatamart(Asking):
    """Rows of a datamart. Source: document 000, "Export Datamart to Excel"."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"schema": "analytics", "include_charts": True, "max_rows": 10000}]},
    )
    schema_name: SchemaName | None = Field(default=None, alias="schema")
    include_charts: StrictBool = False
    include_summary: StrictBool = False
    max_rows: MaxRows | None = None
    template: Template = Template.CORPORATE


OF_A_SECTION = {
    SectionType.SUMMARY: ("data",),
    SectionType.TABLE: ("query",),
    SectionType.CHART: ("chart_type", "data_source"),
}


class SectionIn(Asking):
    """A part of a report: a summary has ``data``, a table ``query``, a chart ``chart_type`` and ``data_source``."""

    name: SheetName
    type: SectionType
    data: dict[str, JsonValue] | None = Field(default=None, max_length=MOST_VALUES)
    query: str | None = Field(default=None, min_length=1, max_length=100_000)
    chart_type: ChartType | None = None
    data_source: TableName | None = None

    @model_validator(mode="after")
    def _has_its_own(self) -> Self:
        needed = OF_A_SECTION[self.type]
        given = {name for each in OF_A_SECTION.values() for name in each if getattr(self, name) is not None}
        if missing := [name for name in needed if name not in given]:
            raise ValueError(f"a {self.type} needs {' and '.join(missing)}")
        if more := sorted(given - set(needed)):
            raise ValueError(f"a {self.type} takes no {' and no '.join(more)}")
        return self


class ExportReport(Asking):
    """A report of several sections. Source: document 000, "Create Excel Report"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [REPORT]})
    report_name: str = Field(min_length=1, max_length=200)
    sections: list[SectionIn] = Field(min_length=1, max_length=MOST_SECTIONS)
    template: Template = Template.CORPORATE


class ExportOut(Snake):
    """A finished export. ``rows_left_out`` is missing where nobody counted to the end."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPORTED]})
    export_id: str
    file_name: str
    download_url: str = Field(description="Opens without a token until expires_at, or until the export is revoked")
    file_size_mb: float
    rows_exported: int
    sheets: list[str]
    expires_at: Moment
    rows_left_out: int | None = None
    status: str = "completed"

    @classmethod
    def of(cls, row: ExportRow, url: str) -> "ExportOut":
        """The form of a row and its link."""
        return cls(
            export_id=public_id(row.id),
            file_name=row.file_name,
            download_url=url,
            file_size_mb=megabytes(row.size_bytes or 0),
            rows_exported=row.rows_exported or 0,
            sheets=row.sheets,
            expires_at=row.expires_at,
            rows_left_out=row.rows_left_out,
        )


class ExportPending(Snake):
    """An export that goes on, or that has nothing to fetch (any more); ``error`` says why."""

    export_id: str
    file_name: str
    status: str = Field(description="running, paused, failed, cancelled, expired, revoked or gone")
    status_url: str
    error: str | None = None


class ExportRevoked(Snake):
    """A revoked export: its link is dead, its file is gone."""

    export_id: str
    status: str = "revoked"
    revoked_at: Moment

    @classmethod
    def of(cls, row: ExportRow, moment: datetime) -> "ExportRevoked":
        """The form of a row."""
        return cls(export_id=public_id(row.id), revoked_at=row.revoked_at or moment)
