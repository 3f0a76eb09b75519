"""How two tables relate: which columns of the child name a row of the parent. Source: document 000, "Relationships"."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class RelationshipType(StrEnum):
    """How many rows of the child (first word) name one row of the parent (last word)."""

    MANY_TO_ONE = "many_to_one"
    ONE_TO_ONE = "one_to_one"


class DetectionMethod(StrEnum):
    """How a relationship became known."""

    DECLARED = "foreign_key_constraint"
    STATISTICAL = "statistical_inference"
    """Inferred from values and from the words of names."""
    AI = "ai_inference"
    """The same, with the meanings of names as embeddings."""


@dataclass(frozen=True)
class Cardinality:
    """Rows of the child that have a value, how many different ones, and how many the parent has.

    Where a table was sampled, the different values are estimates.
    """

    child_rows: int
    child_values: int
    parent_values: int


@dataclass(frozen=True)
class Relationship:
    """``columns`` of the child refer to ``parent_columns``, place by place; more than one where the key is composite.

    ``confidence`` is from 0 to 1, and 1 only for what the database itself enforces; ``sampled`` says that not all
    values were looked at, ``as_text`` that the types differ and values are equal as text.
    """

    table: str
    columns: Sequence[str]
    parent: str
    parent_columns: Sequence[str]
    confidence: float
    method: DetectionMethod
    type: RelationshipType
    cardinality: Cardinality
    evidence: Sequence[str] = ()
    sampled: bool = False
    as_text: bool = False
