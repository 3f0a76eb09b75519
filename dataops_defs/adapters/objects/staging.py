"""Rows on their way to their objects, in a temporary table of the warehouse that ends with the transaction."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.json_values import python_rows
from dataops_defs.adapters.objects.sink import DUPLICATE, StagedRow
from dataops_defs.adapters.sinks.copying import by_halves, copy_batch, with_numbers
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.object_type import ObjectTable

STAGING = sql.Identifier("dataops_staging")
# Aliases begin with _, which no property does: row_to_json(s) of a table with a column s is that column.
# An entry of an index must fit a third of PostgreSQL's page, 2,704 bytes; DynamoDB's limit of a key is 2,048.
MAX_KEY_BYTES = 2_000


class Staging:
    """The staged rows of one sync; sinks add how they are published."""

    def __init__(self, connection: Connection, table: ObjectTable, properties: Sequence[str]) -> None:
        self._connection = connection
        self._table = table
        self._properties = list(properties)
        with connection.cursor() as cursor:
            columns = [sql.SQL("_dataops_row bigint")] + [
                sql.SQL("{} ").format(sql.Identifier(name)) + sql.SQL(table.columns[name]) for name in self._properties
            ]
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(STAGING, sql.SQL(", ").join(columns))
            )

    def stage(self, numbers: Sequence[int], columns: Mapping[str, pa.Array]) -> list[RejectedRow]:
        """See ``ObjectSink``: rows are added by COPY; those that PostgreSQL would not take come back."""
        if not numbers:
            return []
        names = self._properties
        batch = pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)
        long = self._long_keys(batch, numbers)
        if long:
            kept = [place for place in range(batch.num_rows) if place not in long]
            batch = batch.take(pa.array(kept, pa.int64()))
            numbers = [numbers[place] for place in kept]
        with self._connection.cursor() as cursor:

            def take(rows: pa.RecordBatch, of: Sequence[int]) -> None:
                copy_batch(cursor, STAGING, with_numbers(rows, of))

            refused = by_halves(cursor, batch, numbers, take) if numbers else []
        return sorted([*long.values(), *refused], key=lambda row: row.number)

    def _long_keys(self, batch: pa.RecordBatch, numbers: Sequence[int]) -> dict[int, RejectedRow]:
        """By place, the rows whose key could not be found again by an index."""
        key = self._table.key
        values = batch.column(key)
        if not pa.types.is_string(values.type):
            return {}
        long = pc.indices_nonzero(pc.fill_null(pc.greater(pc.binary_length(values), MAX_KEY_BYTES), False))
        reason = f"{key}: is longer than {MAX_KEY_BYTES:,} bytes, the most a key may have"
        return {
            place: RejectedRow(numbers[place], reason, key, python_rows(batch.slice(place, 1))[0])
            for place in long.to_pylist()
        }

    def set_duplicates_aside(self) -> list[StagedRow]:
        """See ``ObjectSink``."""
        key = sql.Identifier(self._table.key)
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE INDEX ON {} ({}, _dataops_row)").format(STAGING, key))
            cursor.execute(sql.SQL("ANALYZE {}").format(STAGING))
            cursor.execute(
                sql.SQL(
                    "DELETE FROM {staging} _s USING (SELECT {key} AS key, min(_dataops_row) AS first FROM {staging}"
                    " GROUP BY {key} HAVING count(*) > 1) _d WHERE _s.{key} = _d.key AND _s._dataops_row > _d.first"
                    " RETURNING _s._dataops_row, to_jsonb(_s) - '_dataops_row'"
                ).format(key=key, staging=STAGING)
            )
            return taken_out(cursor, DUPLICATE)


def taken_out(cursor: Cursor, reason: str) -> list[StagedRow]:
    """The rows that a DELETE returned, in their order."""
    return [StagedRow(number, content, reason) for number, content in sorted(cursor.fetchall(), key=lambda row: row[0])]
