"""The tables of the warehouse that definitions read: which of them are there, and their columns."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dataops_defs.domain.columns import Column
from dataops_defs.errors import DependencyUnavailable
from dataops_defs.flows.platform import Platform

READERS = ("datamarts", "etl_pipelines")
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
FROM unnest(%s::text[], %s::text[]) AS wanted (schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY n.nspname, c.relname, a.attnum
"""


def tables_read(platform: Platform, snapshot: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]] | None:
    """Schema, name and columns of each table that is read and is there; None while the warehouse does not answer."""
    wanted = {(each["schema"], each["table"]) for kind in READERS for row in snapshot[kind] for each in row["upstream"]}
    if not wanted:
        return []
    try:
        with platform.warehouse("dataops lineage") as connection, connection.cursor() as cursor:
            cursor.execute(_COLUMNS, tuple(map(list, zip(*sorted(wanted), strict=True))))
            found = cursor.fetchall()
    except DependencyUnavailable:
        return None
    return [
        {"schema": schema, "table": table, "columns": [Column(*each[2:]).as_json() for each in columns]}
        for (schema, table), columns in groupby(found, lambda each: (each[0], each[1]))
    ]
