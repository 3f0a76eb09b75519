"""What becomes of a staged row, given the item that has its key: the same as in PostgreSQL, mode by mode."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dataops_defs.adapters.objects.dynamodb.items import (
    MAX_ITEM_BYTES,
    Item,
    attribute,
    canonical,
    item_bytes,
)
from dataops_defs.adapters.objects.sink import EXISTS
from dataops_defs.adapters.warehouse.object_plans import ObjectPlan, PlannedWrite
from dataops_defs.domain.mapping import OnConflict, Sync, SyncMode
from dataops_defs.domain.object_type import ObjectType

Row = Mapping[str, Any]


class Decisions:
    """The rules of one sync. All its objects are written at one moment, that of the decision."""

    def __init__(self, sync: Sync, kind: ObjectType, properties: Sequence[str], mapping_id: str, run_id: str) -> None:
        self.sync, self.mapping_id = sync, mapping_id
        self._key = kind.key_field
        self._others = [name for name in properties if name != kind.key_field]
        moment = {"S": datetime.now(UTC).isoformat()}
        self._changed = {"_mappingId": {"S": mapping_id}, "_runId": {"S": run_id}, "_updatedAt": moment}
        self._created = {**self._changed, "_createdAt": moment}

    def of_rows(
        self, rows: Sequence[tuple[int, Row]], found: Mapping[str, Item], plan: ObjectPlan
    ) -> list[PlannedWrite]:
        """The writes of some staged rows (with their numbers), and the rows that are refused; counted in the plan.

        Args:
            found: items by the text of their key.
        """
        return list(self._of_rows(rows, found, plan))

    def _of_rows(
        self, rows: Sequence[tuple[int, Row]], found: Mapping[str, Item], plan: ObjectPlan
    ) -> Iterator[PlannedWrite]:
        for number, row in rows:
            content = {name: value for name, value in row.items() if name != "_dataops_row"}
            key = content[self._key]
            try:
                item = self._item(content, found.get(str(key)), plan)
            except _Refused as refused:
                write = PlannedWrite("refuse", {self._key: key}, number, str(refused))
                plan.refused.append(write)
                yield write
                continue
            if item is not None:
                yield PlannedWrite("put", item)

    def _item(self, content: Row, old: Item | None, plan: ObjectPlan) -> Item | None:
        """The item to put, or None."""
        new = self._attributes(content)
        if old is None:
            made = _fitting({**new, **self._created})
            plan.inserted += 1
            return made
        if self.sync.mode is SyncMode.APPEND:
            raise _Refused(EXISTS)
        changes = self._changes(new, old)
        if not changes:
            plan.unchanged += 1
        elif self.sync.on_conflict is OnConflict.SKIP:
            plan.filtered += 1
        else:
            kept = {name: value for name, value in old.items() if name not in changes}
            set_to = {name: value for name, value in changes.items() if value is not None}
            made = _fitting({**kept, **set_to, **self._changed})
            plan.updated += 1
            return made
        return None

    def _changes(self, new: Item, old: Item) -> dict[str, dict[str, Any] | None]:
        """Property -> what it becomes, None for no longer there; only those that differ."""
        names = new if self.sync.on_conflict is OnConflict.MERGE else self._others
        return {
            name: new.get(name)
            for name in names
            if name != self._key and new.get(name) != (canonical(old[name]) if name in old else None)
        }

    def _attributes(self, content: Row) -> Item:
        made: Item = {}
        for name, value in content.items():
            if value is None:
                continue
            try:
                made[name] = attribute(value)
            except ValueError as error:
                raise _Refused(f"{name} {error}") from None
        if made[self._key] == {"S": ""}:
            raise _Refused("an empty text cannot be a key in DynamoDB")
        return made


class _Refused(Exception):
    """The row cannot become an object; the reason."""


def _fitting(item: Item) -> Item:
    size = item_bytes(item)
    if size > MAX_ITEM_BYTES:
        raise _Refused(f"the object takes {size:,} bytes, more than the {MAX_ITEM_BYTES:,} that DynamoDB keeps")
    return item
