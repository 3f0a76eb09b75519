"""Rejects of an extraction that reads some rows again and again: of those that are the same, the newest is open."""

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.warehouse.books import Entry


def supersede_repeated(connection: Connection, entry: Entry) -> None:
    """Close the open rejects of earlier runs that this run has kept again, with the same row and reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.reject old SET state = 'superseded', settled_by = %(run_id)s, settled_at = now()"
            " FROM dataops.reject new WHERE new.run_id = %(run_id)s AND new.subject_id = %(subject_id)s"
            " AND old.subject_id = new.subject_id AND old.subject_kind = %(subject_kind)s AND old.state = 'open'"
            " AND old.run_id <> new.run_id AND old.reason = new.reason AND old.raw::text = new.raw::text",
            vars(entry),
        )
