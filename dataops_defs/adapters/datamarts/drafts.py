"""What takes a datamart's place is built beside it first, with rows that every transaction sees: they are frozen.

A REPEATABLE READ transaction looks a name up as it is now, and sees rows as they were when it began: of a table that
was made meanwhile it would see none. So a materialized view is made empty and then refreshed (PostgreSQL 17 and later
do so themselves), and a table is made empty and then filled by COPY … FREEZE, with what another COPY gives out.
Source: PostgreSQL's manual, COPY, FREEZE; section 13.6, Caveats.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import KINDS
from dataops_defs.domain.datamart import DatamartType

BLOCK_BYTES = 1024 * 1024


def build(cursor: Cursor, other: Cursor, place: sql.Identifier, type: DatamartType, query: str) -> None:
    """Run the query into a new table or view, as the role of both cursors.

    Args:
        other: of another connection: one cannot give out and take in at once.
        query: as the guard renders it.
    """
    create = sql.SQL("CREATE {} {} AS {}").format(sql.SQL(KINDS[type]), place, sql.SQL(query))
    if type is DatamartType.VIEW:
        cursor.execute(create)
        return
    cursor.execute(create + sql.SQL(" WITH NO DATA"))
    if type is DatamartType.TABLE:
        _fill(cursor, other, place, query)
    else:
        cursor.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(place))


def build_passing(cursor: Cursor, place: sql.Identifier, query: str) -> None:
    """Run the query into a table that only we read, once, and that need not outlive a crash of the server."""
    cursor.execute(sql.SQL("CREATE UNLOGGED TABLE {} AS {}").format(place, sql.SQL(query)))


def _fill(cursor: Cursor, other: Cursor, place: sql.Identifier, query: str) -> None:
    """Both connections are set up alike, so that what one writes as text the other one reads as the same value."""
    outlet, inlet = os.pipe()
    with ThreadPoolExecutor(1, "give out") as giving, os.fdopen(outlet, "rb") as rows:
        given = giving.submit(_give_out, other, inlet, query)
        try:
            cursor.copy_expert(sql.SQL("COPY {} FROM STDIN (FREEZE)").format(place), rows, BLOCK_BYTES)
        except BaseException:
            with suppress(psycopg2.Error):
                other.connection.cancel()
            raise
    given.result()


def _give_out(cursor: Cursor, inlet: int, query: str) -> None:
    """Closing the pipe ends the table's COPY; whether all rows went through is told by ending without an error."""
    with os.fdopen(inlet, "wb", BLOCK_BYTES) as rows:
        cursor.execute("SET LOCAL extra_float_digits = 1")  # exact; less would round
        cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT").format(sql.SQL(query)), rows)
