"""Suggestions for mappings. Source: CHECKLIST D091."""

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from api_shim.schemas.base import Id, Name, Reply, Request

MOST = 500
UNSAVED: dict[str, Any] = {
    "columns": [
        {"name": "tail_num", "type": "text", "samples": ["N12345", "N67890"]},
        {"name": "mfr", "type": "text", "samples": ["Boeing", "Airbus"]},
    ],
    "properties": [
        {"name": "tailNumber", "type": "string", "description": "Registration mark of the aircraft"},
        {"name": "manufacturer", "type": "string", "description": "Company that built it"},
    ],
}


class UnsavedColumn(Request):
    """A column that is not saved yet."""

    name: str = Field(min_length=1, max_length=500)
    type: str | None = Field(default=None, max_length=200, description="In whatever words its source has")
    samples: list[JsonValue] = Field(default=[], max_length=100, description="Some of its values")


class UnsavedProperty(Request):
    """A property that is not saved yet."""

    name: str = Field(min_length=1, max_length=500, description="A dotted path for one of a nested object")
    type: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)


class SuggestIn(Request):
    """What to match: ``datasetId`` or ``columns``, with ``objectType`` or ``properties``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"datasetId": "0192f3a1-0000-7000-8000-000000000002", "objectType": "aircraft"}, UNSAVED]
        }
    )
    dataset_id: Id | None = None
    columns: list[UnsavedColumn] | None = Field(default=None, min_length=1, max_length=MOST)
    object_type: Name | None = None
    properties: list[UnsavedProperty] | None = Field(default=None, min_length=1, max_length=MOST)


class SuggestionOut(Reply):
    """A property that a column may become."""

    column: str
    property: str
    confidence: float = Field(description="0 to 1; 0.5 and more means likely right")
    evidence: list[str] = Field(description="Why, in words; what speaks against it too")


class SuggestOut(Reply):
    """Up to five properties for every column, the most confident first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "suggestions": [
                        {
                            "column": "mfr",
                            "property": "manufacturer",
                            "confidence": 0.99,
                            "evidence": ["mfr is short for manufacturer", "the names are near in meaning"],
                        }
                    ]
                }
            ]
        }
    )
    suggestions: list[SuggestionOut]
