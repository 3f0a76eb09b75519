"""Objects of an ontology type in their store: rows are staged, then published once, and counted.

Whatever the store, rows are staged and set aside in the warehouse, in the caller's transaction. Objects in PostgreSQL
are published in that transaction too: readers see the old objects or the new ones. Other stores say what they promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.mapping import Sync
from dataops_defs.domain.object_type import ObjectType

DUPLICATE = "another row before it has the same key"
EXISTS = "an object with this key exists, and the mapping only appends"


@dataclass(frozen=True)
class StagedRow:
    """A staged row that was taken out again: its number in the dataset, its mapped values, and why."""

    number: int
    content: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Published:
    """What a publish did with the staged rows; it refused some only because of what the store holds."""

    inserted: int
    updated: int
    unchanged: int
    filtered: int
    deleted: int
    refused: Sequence[StagedRow] = ()


class ObjectSink(Protocol):
    """One sync into the objects of one type: ``stage`` batches, ``set_duplicates_aside``, then ``publish`` once.

    From its making to the end of the caller's transaction nobody else writes objects of that type.
    """

    def stage(self, numbers: Sequence[int], columns: Mapping[str, pa.Array]) -> list[RejectedRow]:
        """Add rows; returns those that the store could not hold, with the reason.

        Args:
            numbers: the rows' numbers in the dataset.
            columns: one array for each property, as text or typed.
        """
        ...

    def set_duplicates_aside(self) -> list[StagedRow]:
        """Take out the rows whose key a row before them has."""
        ...

    def publish(
        self, sync: Sync, mapping_id: str, run_id: str, *, complete: bool = True, rehearse: bool = False
    ) -> Published:
        """Bring the staged rows into the objects by the sync's mode.

        Args:
            complete: whether every row of the dataset was staged; else ``replace`` deletes nothing, because an
                object may only be missing for its row was rejected.
            rehearse: only count. Objects in PostgreSQL are written all the same: the caller rolls back.
        Raises:
            DependencyUnavailable: the store does not answer.
        """
        ...

    def count(self) -> int | None:
        """Objects of the type in all; None where a store cannot tell without reading them all."""
        ...

    def orphans(self, name: str, parent: ObjectType) -> tuple[int, int] | None:
        """Objects whose property is no key of the parent type, as (empty, unknown); None where it cannot be told.

        A parent without objects holds none.
        """
        ...
