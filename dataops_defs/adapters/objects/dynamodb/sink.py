"""Objects of a type as items of a DynamoDB table.

DynamoDB has no transaction over many items: readers see a sync happen, and one that fails or is cancelled leaves what
it has written. What it has: rows are staged, set aside and compared in the warehouse first; what will be written is
decided and kept before the first write, so a run that is killed and continued ends with the same objects and counts;
and the next sync brings the objects to what the dataset says, whatever an earlier one left.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.objects.columns import HOLD
from dataops_defs.adapters.objects.dynamodb.decisions import Decisions, Row
from dataops_defs.adapters.objects.dynamodb.table import DynamoTable
from dataops_defs.adapters.objects.sink import Published, StagedRow
from dataops_defs.adapters.objects.staging import STAGING, Staging
from dataops_defs.adapters.warehouse.books import Entry
from dataops_defs.adapters.warehouse.object_plans import (
    ObjectPlan,
    PlannedWrite,
    add_writes,
    begin_plan,
    find_plan,
    forget_plan,
    note_written,
    settle_plan,
    writes_after,
)
from dataops_defs.domain.mapping import Sync, SyncMode
from dataops_defs.domain.object_type import ObjectType, table_of

STAGED_AT_ONCE = 200
# A worker that stood still for longer than its lease may still send what is left of one window when it wakes.
WRITTEN_AT_ONCE, CHARACTERS_AT_ONCE = 200, 8_000_000
Books = Callable[[], AbstractContextManager[Connection]]


class DynamoSink(Staging):
    """See ``ObjectSink``; what DynamoDB cannot hold is refused by ``publish``, which sees the whole object."""

    def __init__(
        self,
        connection: Connection,
        kind: ObjectType,
        properties: Sequence[str],
        table: DynamoTable,
        entry: Entry,
        books: Books,
    ) -> None:
        """Hold the type's objects; other syncs of them wait.

        Args:
            connection: where rows are staged, in the transaction of the step's ledger.
            books: opens another transaction on the warehouse, for the plan.
        Raises:
            Conflict: the table has another key.
        """
        with connection.cursor() as cursor:
            cursor.execute(HOLD, (kind.address,))
        super().__init__(connection, table_of(kind), properties)
        self._kind, self._items, self._entry, self._books = kind, table, entry, books
        self._there = table.exists()

    def publish(
        self, sync: Sync, mapping_id: str, run_id: str, *, complete: bool = True, rehearse: bool = False
    ) -> Published:
        """See ``ObjectSink``."""
        fingerprint = self._fingerprint(sync, mapping_id, complete)
        plan = None if rehearse else find_plan(self._connection, self._entry)
        if plan is None or plan.fingerprint != fingerprint:
            decisions = Decisions(sync, self._kind, self._properties, mapping_id, run_id)
            plan = self._planned(decisions, fingerprint, complete, rehearse)
        if not rehearse:
            self._carry_out(plan)
            forget_plan(self._connection, self._entry)
        refused = [StagedRow(each.row_number or 0, each.content, each.reason or "") for each in plan.refused]
        return Published(plan.inserted, plan.updated, plan.unchanged, plan.filtered, plan.deleted, refused)

    def count(self) -> int | None:
        """See ``ObjectSink``: DynamoDB would have to read them all."""
        return None

    def orphans(self, name: str, parent: ObjectType) -> tuple[int, int] | None:
        """See ``ObjectSink``."""
        return None

    def _fingerprint(self, sync: Sync, mapping_id: str, complete: bool) -> str:
        """Of all that the decisions follow from, but for the table's items."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(_s::text, 0)::numeric), 0) FROM {} _s").format(
                    STAGING
                )
            )
            [(rows, digest)] = cursor.fetchall()
        return json.dumps([self._items.name, mapping_id, sync.as_json(), complete, self._properties, rows, str(digest)])

    def _planned(self, decisions: Decisions, fingerprint: str, complete: bool, rehearse: bool) -> ObjectPlan:
        """Decide what becomes of every staged row, and keep it; a rehearsal keeps nothing."""
        plan = ObjectPlan(fingerprint)
        if rehearse:
            for _ in self._decided(decisions, plan, complete):
                pass
            return plan
        with self._books() as books:
            begin_plan(books, self._entry, fingerprint)
            position = 1
            for writes in self._decided(decisions, plan, complete):
                position = add_writes(books, self._entry, position, writes)
            settle_plan(books, self._entry, plan)
        return plan

    def _decided(self, decisions: Decisions, plan: ObjectPlan, complete: bool) -> Iterator[Sequence[PlannedWrite]]:
        for rows in self._staged():
            found = self._items.get_many([row[self._kind.key_field] for _, row in rows]) if self._there else {}
            yield decisions.of_rows(rows, found, plan)
        # An object may only be missing for its row was refused just now.
        if decisions.sync.mode is SyncMode.REPLACE and complete and not plan.refused and self._there:
            for keys in self._gone(decisions.mapping_id):
                plan.deleted += len(keys)
                yield [PlannedWrite("delete", self._items.key_of(key)) for key in keys]

    def _staged(self) -> Iterator[Sequence[tuple[int, Row]]]:
        with self._connection.cursor("dataops_staged") as cursor:
            cursor.itersize = STAGED_AT_ONCE
            cursor.execute(
                sql.SQL("SELECT _dataops_row, row_to_json(_s)::text FROM {} _s ORDER BY _dataops_row").format(STAGING)
            )
            while found := cursor.fetchmany(STAGED_AT_ONCE):
                yield [(number, json.loads(text, parse_float=Decimal)) for number, text in found]

    def _gone(self, mapping_id: str) -> Iterator[Sequence[str]]:
        """Keys of objects that this mapping wrote and the dataset no longer holds."""
        key, kind = self._table.key, self._table.columns[self._table.key]
        pages = self._items.scan(
            ProjectionExpression="#key",
            FilterExpression="#mapping = :mapping",
            ExpressionAttributeNames={"#key": key, "#mapping": "_mappingId"},
            ExpressionAttributeValues={":mapping": {"S": mapping_id}},
        )
        missing = sql.SQL(
            "SELECT _k FROM unnest(%s::text[]) _k WHERE NOT EXISTS (SELECT FROM {} _s WHERE _s.{} = _k::{})"
        ).format(STAGING, sql.Identifier(key), sql.SQL(kind))
        for page in pages:
            with self._connection.cursor() as cursor:
                cursor.execute(missing, ([next(iter(item[key].values())) for item in page],))
                yield [found for (found,) in cursor.fetchall()]

    def _carry_out(self, plan: ObjectPlan) -> None:
        """Write what is left of a plan; the warehouse is asked between windows, so whoever has to end this run can."""
        self._items.ensure()
        windows = writes_after(self._connection, self._entry, plan.written, WRITTEN_AT_ONCE, CHARACTERS_AT_ONCE)
        for window in windows:
            puts = [each.content for _, each in window if each.action == "put"]
            deletes = [each.content for _, each in window if each.action == "delete"]
            self._items.write(puts, deletes)
            with self._books() as books:
                note_written(books, self._entry, window[-1][0])
