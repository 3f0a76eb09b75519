"""Reading the objects of a type, whatever their store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dataops_defs.domain.object_query import ObjectQuery

Object = Mapping[str, Any]
SECONDS = 5


@dataclass(frozen=True)
class ObjectPage:
    """Some objects. ``total`` of all pages is exact, or is at least that many (or about, where a store estimates).

    ``next_after`` is the key after which the next page begins, for those who turn pages by keys; None at the end.
    """

    objects: Sequence[Object]
    total: int
    exact: bool = True
    next_after: str | None = None


class ObjectStore(Protocol):
    """The objects of one type."""

    def columns(self) -> Mapping[str, str] | None:
        """The columns that objects have been kept in, and their types; None where a store has no columns."""
        ...

    def page(self, query: ObjectQuery) -> ObjectPage:
        """One page of objects; without a type's table there are none.

        Raises:
            Invalid: the store cannot do it, or not within five seconds.
        """
        ...

    def get(self, key: Any) -> Object | None:
        """One object with where it comes from (``_mappingId``, ``_runId``, ``_createdAt``, ``_updatedAt``)."""
        ...

    def stored(self, properties: Sequence[str]) -> Iterator[Sequence[tuple[str, Object]]]:
        """All objects as (key, properties that are not empty), in batches."""
        ...
