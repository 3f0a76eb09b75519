"""Reading objects in DynamoDB; see ``ObjectStore``. All reading is bounded: a table is never read to its end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dataops_defs.adapters.json_values import MAX_SAFE_INTEGER, exact_number
from dataops_defs.adapters.objects.dynamodb.items import Item, json_of
from dataops_defs.adapters.objects.dynamodb.table import DynamoTable
from dataops_defs.adapters.objects.reading import SECONDS, Object, ObjectPage
from dataops_defs.domain.object_matching import in_order, is_wanted
from dataops_defs.domain.object_query import SYSTEM_FIELDS, ObjectQuery
from dataops_defs.domain.object_type import ObjectType, table_of
from dataops_defs.errors import Invalid

MOST_ITEMS = 10_000
MOST_PAGES = 32


class DynamoStore:
    """The objects of one type."""

    def __init__(self, table: DynamoTable, kind: ObjectType) -> None:
        self._table, self._kind = table, kind
        columns = table_of(kind).columns
        self._texts = {name: column for name, column in columns.items() if column == "text" or name == table.key}

    def columns(self) -> Mapping[str, str] | None:
        """See ``ObjectStore``."""
        return None

    def page(self, query: ObjectQuery) -> ObjectPage:
        """See ``ObjectStore``: in DynamoDB's own order, or sorted where the table holds at most 10,000 objects."""
        if query.key is not None:
            found = self._table.get(query.key) if self._table.can_have(query.key) else None
            objects = [_properties(found)] if found else []
            wanted = [each for each in objects if is_wanted(query, each, self._texts)]
            return ObjectPage([self._shown(each, query) for each in wanted][query.offset :][: query.limit], len(wanted))
        return self._sorted(query) if query.order else self._scanned(query)

    def get(self, key: Any) -> Object | None:
        """See ``ObjectStore``."""
        query = ObjectQuery(limit=1, key=key, fields=[*self._kind.properties, *SYSTEM_FIELDS])
        found = self.page(query).objects
        return found[0] if found else None

    def stored(self, properties: Sequence[str]) -> Iterator[Sequence[tuple[str, Object]]]:
        """See ``ObjectStore``."""
        for page in self._table.scan():
            objects = [(_key(item, self._table.key), _properties(item)) for item in page]
            yield [(key, {name: _loose(each[name]) for name in properties if name in each}) for key, each in objects]

    def _scanned(self, query: ObjectQuery) -> ObjectPage:
        """The first objects that are wanted; ``next_after`` is where the search can go on."""
        if query.after is not None and not self._table.can_have(query.after):
            raise Invalid.field("after", f"is no {self._table.key}")
        found: list[Item] = []
        looked = 0
        last: str | None = None
        wanted = query.offset + query.limit
        deadline = time.monotonic() + SECONDS
        for number, page in enumerate(self._table.scan(query.after), 1):
            for item in page:
                if len(found) == wanted:
                    return self._cut(found, query, _key(found[-1], self._table.key))
                looked, last = looked + 1, _key(item, self._table.key)
                if is_wanted(query, _properties(item), self._texts):
                    found.append(item)
            if looked >= MOST_ITEMS or number >= MOST_PAGES or time.monotonic() > deadline:
                return self._cut(found, query, last)
        shown = [self._shown(_properties(each), query) for each in found[query.offset :]]
        return ObjectPage(shown, len(found), query.after is None)

    def _cut(self, found: Sequence[Item], query: ObjectQuery, last: str | None) -> ObjectPage:
        if query.offset and len(found) <= query.offset:
            raise Invalid.field("offset", "is too far into the table; turn the pages with after")
        shown = [self._shown(_properties(each), query) for each in found[query.offset :]]
        return ObjectPage(shown, len(found), False, last)

    def _sorted(self, query: ObjectQuery) -> ObjectPage:
        if query.after is not None:
            raise Invalid.field("after", "goes with DynamoDB's own order: leave out sort")
        objects: list[Object] = []
        read = 0
        for number, page in enumerate(self._table.scan(), 1):
            read += len(page)
            if read > MOST_ITEMS or number > MOST_PAGES:
                raise Invalid.field("sort", f"is served up to {MOST_ITEMS:,} objects (32 MB); this table holds more")
            objects += [each for each in map(_properties, page) if is_wanted(query, each, self._texts)]
        ordered = in_order(objects, query.order, self._table.key)
        shown = [self._shown(each, query) for each in ordered[query.offset : query.offset + query.limit]]
        return ObjectPage(shown, len(ordered))

    def _shown(self, found: Object, query: ObjectQuery) -> Object:
        return {name: _exact(found.get(name)) for name in query.fields or self._kind.properties}


def _properties(item: Item) -> Object:
    return {name: json_of(value) for name, value in item.items()}


def _key(item: Item, name: str) -> str:
    return str(next(iter(item[name].values())))


def _exact(value: Any) -> Any:
    """A value as answers show it: numbers that a double would change are texts."""
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= MAX_SAFE_INTEGER else str(value)
        case Decimal():
            return exact_number(format(value, "f"))
        case list():
            return [_exact(each) for each in value]
        case dict():
            return {name: _exact(each) for name, each in value.items()}
    return value


def _loose(value: Any) -> Any:
    """A value as validators take it."""
    match value:
        case Decimal():
            return float(value)
        case list():
            return [_loose(each) for each in value]
        case dict():
            return {name: _loose(each) for name, each in value.items()}
    return value
