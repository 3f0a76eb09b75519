"""Refresh a datamart: the query runs as the builder role, the result takes the old one's place in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.json_values import json_value
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.columns import Column
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import table_key
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import SourceError
from dataops_defs.flows.lineage import lineage_of
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Step, Work

BUILD_TIME_LIMIT = "30min"
PREVIEW_ROWS = 10
KINDS = {DatamartType.TABLE: "TABLE", DatamartType.VIEW: "VIEW", DatamartType.MATERIALIZED_VIEW: "MATERIALIZED VIEW"}
KIND_OF = {"r": DatamartType.TABLE, "v": DatamartType.VIEW, "m": DatamartType.MATERIALIZED_VIEW}


def refresh_datamart(work: Work, datamart_id: str) -> Outcome:
    """Run the datamart's query and put its result in place; readers see the old rows or the new ones.

    Source: document 000, "Datamarts"; SAFETY design, section 4 step 7.
    """
    with work.platform.catalogue() as session:
        row = Datamarts(session).get(datamart_id)
    work.say(f"Refreshing datamart {row.schema}.{row.slug}")
    outcome = work.do(RunKind.REFRESH, row.id, row.name, lambda step: _refresh(work, step, row))
    _note(work.platform, row.id, outcome)
    return outcome


def _refresh(work: Work, step: Step, row: DatamartRow) -> Outcome:
    draft = f"_building_{row.slug[:50]}"
    query = check_query(row.query, allowed_functions=work.platform.settings.allowed_functions)
    with work.warehouse("dataops refresh") as owner:
        with owner.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"datamart {row.id}",))
            _refuse_other_kind(cursor, row)
        with _refusals(row.name), work.warehouse("dataops build", role="builder") as builder:
            _build(builder, row, draft, query)
        with owner.cursor() as cursor:
            _put_in_place(cursor, row, draft)
            rows, size, columns, preview = _look(cursor, row)
        moved = 0 if row.type is DatamartType.VIEW else rows
        ledger = Ledger(read=moved, inserted=moved).balanced()
        outcome = Outcome(
            ledger=ledger,
            assets=[table_key(row.schema, row.slug)],
            uri=f"warehouse:{row.schema}.{row.slug}",
            columns=columns,
            preview=preview,
            checks=[Check("ledger_balanced", True, f"All {rows} rows are accounted for", ledger.as_json())],
            lineage=lineage_of(work.platform, query),
            bytes=size,
            total_rows=rows,
        )
        enter(owner, step.entry("datamart", row.id, f"{row.schema}.{row.slug}"), ledger, outcome.as_json())
    return outcome


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What PostgreSQL says of a user's query, in its own words and without the query."""
    try:
        yield
    except psycopg2.errors.QueryCanceled:
        raise SourceError(f"The query of datamart '{name}' took longer than {BUILD_TIME_LIMIT}") from None
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        raise SourceError(f"The query of datamart '{name}' was refused: {error.diag.message_primary}") from None


def _refuse_other_kind(cursor: Cursor, row: DatamartRow) -> None:
    cursor.execute(
        "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        (row.schema, row.slug),
    )
    found = cursor.fetchone()
    if found and KIND_OF.get(found[0]) is not row.type:
        raise SourceError(f"{row.schema}.{row.slug} exists already and is no {row.type}; rename the datamart")


def _build(builder: Connection, row: DatamartRow, draft: str, query: str) -> None:
    name = sql.Identifier(row.schema, row.slug if row.type is DatamartType.VIEW else draft)
    kind = sql.SQL(KINDS[row.type])
    with builder.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{BUILD_TIME_LIMIT}'")
        if row.type is not DatamartType.VIEW:
            cursor.execute(sql.SQL("DROP {} IF EXISTS {}").format(kind, name))
        verb = sql.SQL("CREATE OR REPLACE VIEW" if row.type is DatamartType.VIEW else f"CREATE {KINDS[row.type]}")
        cursor.execute(sql.SQL("{} {} AS ").format(verb, name) + sql.SQL(query.replace("%", "%%")), ())


def _put_in_place(cursor: Cursor, row: DatamartRow, draft: str) -> None:
    if row.type is DatamartType.VIEW:
        return
    kind = sql.SQL(KINDS[row.type])
    try:
        cursor.execute(sql.SQL("DROP {} IF EXISTS {}").format(kind, sql.Identifier(row.schema, row.slug)))
    except psycopg2.errors.DependentObjectsStillExist as error:
        raise SourceError(f"{row.schema}.{row.slug} cannot be replaced: {error.diag.message_detail}") from None
    cursor.execute(
        sql.SQL("ALTER {} {} RENAME TO {}").format(kind, sql.Identifier(row.schema, draft), sql.Identifier(row.slug))
    )


def _look(cursor: Cursor, row: DatamartRow) -> tuple[int, int, list[Column], list[dict[str, object]]]:
    name = sql.Identifier(row.schema, row.slug)
    cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(name))
    counted = cursor.fetchone()
    cursor.execute("SELECT pg_total_relation_size(%s::regclass)", (f'"{row.schema}"."{row.slug}"',))
    size = cursor.fetchone()
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (f'"{row.schema}"."{row.slug}"',),
    )
    columns = [Column(*found) for found in cursor.fetchall()]
    cursor.execute(sql.SQL("SELECT * FROM {} LIMIT {}").format(name, sql.Literal(PREVIEW_ROWS)))
    preview = [
        {column.name: json_value(value) for column, value in zip(columns, values, strict=True)}
        for values in cursor.fetchall()
    ]
    return (counted[0] if counted else 0), (size[0] if size else 0), columns, preview


def _note(platform: Platform, id: str, done: Outcome) -> None:
    with platform.catalogue() as session:
        row = Datamarts(session).get(id, lock=True)
        row.last_refreshed_at, row.rows_count, row.size_bytes = now(), done.total_rows or 0, done.bytes or 0
