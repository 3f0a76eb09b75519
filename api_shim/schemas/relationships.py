"""Relationships of document 000; snake_case, as printed, with further fields."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api_shim.schemas.datamarts import Snake
from dataops_defs.domain.relationship import DetectionMethod, RelationshipType

MOST_TABLES = 50
# PostgreSQL's text holds no NUL, and its names no more than 63 bytes.
PlaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
ASKED: dict[str, Any] = {
    "tables": ["customers", "orders", "products", "order_items"],
    "schema": "public",
    "confidence_threshold": 0.8,
    "use_ai": True,
}
FOUND: dict[str, Any] = {
    "from_table": "orders",
    "from_column": "customer_id",
    "to_table": "customers",
    "to_column": "customer_id",
    "relationship_type": "many_to_one",
    "confidence": 0.95,
    "detection_method": "foreign_key_constraint",
}


class DetectRequest(BaseModel):
    """Tables or views of one schema among which to look."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"examples": [ASKED]})
    tables: Annotated[
        list[PlaceName],
        Field(
            min_length=1,
            max_length=MOST_TABLES,
            description=f"At most {MOST_TABLES} at a time: every column is compared with every key. Ask for the tables"
            " of one subject together, and for others in a request of their own",
        ),
    ]
    schema_name: PlaceName = Field(default="public", alias="schema")
    confidence_threshold: float = Field(default=0.8, ge=0, le=1, allow_inf_nan=False, strict=True)
    use_ai: StrictBool = Field(default=True, description="Meanings of names count too, by offline embeddings")


class CardinalityOut(Snake):
    """Rows of the child that have a value, how many different ones, and how many the parent has."""

    from_rows: int
    from_values: int
    to_values: int


class RelationshipOut(Snake):
    """Columns of a child table that name a row of a parent; a composite key's are in ``from_columns``, in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [FOUND]})
    from_table: str
    from_column: str
    to_table: str
    to_column: str
    relationship_type: RelationshipType
    confidence: float = Field(description="0 to 1; 1 only where the database enforces it, and has checked every row")
    detection_method: DetectionMethod
    from_columns: list[str]
    to_columns: list[str]
    evidence: list[str] = Field(description="What speaks for it and against it")
    cardinality: CardinalityOut
    sampled: bool = Field(description="Not all values of the two were looked at")


class SkippedColumn(Snake):
    """A column that cannot be a key, and why."""

    column: str
    type: str
    reason: str


class TableOut(Snake):
    """How a table was looked at."""

    table: str
    rows: int
    sampled: bool
    looked_at: str
    skipped_columns: list[SkippedColumn]


class DetectedOut(Snake):
    """What was found, the surest first. Source: document 000, "Detect Relationships"."""

    relationships: list[RelationshipOut]
    total_relationships: int
    suggested_joins: list[str] = Field(description="In an order that connects: the left table is joined already")
    tables: list[TableOut]
    detection_id: str
    status: str = "completed"


class DetectingOut(Snake):
    """A detection that goes on, or that found nothing out; ``error`` says why."""

    detection_id: str
    status: str = Field(description="running, paused, failed or cancelled")
    status_url: str
    error: str | None = None
