"""Which files the targets of imports hold, and whose they are; always in the transaction of the rows.

Whoever loads holds the target's lock: another import of the same target waits for the end of the transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import RealDictCursor

# Any number: the first key of the advisory locks of contents that watches find.
CONTENTS = 6_230_117
_COLUMNS = (
    "step_id::text, target, owner, path, content_hash, options, import_id::text, watch_id::text, rows, uri, relation"
)


@dataclass(frozen=True)
class LoadedFile:
    """A file whose rows a target holds; ``options`` is the fingerprint of how it was read.

    ``relation`` is the identity of its table. What is younger than this very row was written by somebody else.
    """

    step_id: str
    target: str
    owner: str
    path: str
    content_hash: str
    options: str
    import_id: str
    watch_id: str | None = None
    rows: int = 0
    uri: str | None = None
    relation: str | None = None


def hold_target(connection: Connection, target: str) -> None:
    """Have a target for this transaction; wait while another has it."""
    _run(connection, "SELECT pg_advisory_xact_lock(hashtext(%s))", target)


def hold_content(connection: Connection, content_hash: str) -> None:
    """Have a content of a watched folder for this transaction: two copies of a file are looked at one by one."""
    _run(connection, "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", CONTENTS, content_hash)


def owner_of(connection: Connection, target: str) -> str | None:
    """Whose rows a target holds; None where no import has written it."""
    found = _run(connection, "SELECT owner FROM dataops.loaded_file WHERE target = %s LIMIT 1", target)
    return str(found[0]["owner"]) if found else None


def relation_of(connection: Connection, schema: str, table: str) -> str | None:
    """The identity of what has that name in the warehouse: another one once it was dropped and made anew."""
    query = (
        "SELECT d.oid || '/' || c.oid AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_database d ON d.datname = current_database() WHERE n.nspname = %s AND c.relname = %s"
    )
    found = _run(connection, query, schema, table)
    return str(found[0]["relation"]) if found else None


def is_another(connection: Connection, target: str, relation: str) -> bool:
    """Whether a table is not the one that was loaded. One of a restored warehouse is taken for it."""
    known = {
        str(row["relation"])
        for row in _run(connection, "SELECT relation FROM dataops.loaded_file WHERE target = %s", target)
        if row["relation"] is not None and row["relation"].split("/")[0] == relation.split("/")[0]
    }
    return bool(known) and relation not in known


def is_untouched(connection: Connection, target: str, schema: str, table: str) -> bool:
    """Whether a table holds just the rows that were loaded, in the columns of then: nobody else has written it."""
    # Ages, for numbers of transactions begin anew after four thousand millions of them.
    query = (
        "SELECT sum(rows)::bigint AS rows, min(age(xmin)) AS age,"
        " bool_and(relation IS NOT DISTINCT FROM %s) AS same FROM dataops.loaded_file WHERE target = %s"
    )
    [known] = _run(connection, query, relation_of(connection, schema, table), target)
    if not known["same"]:
        return False
    name = sql.Identifier(schema, table)
    look = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE age(xmin) < %(age)s), EXISTS (SELECT FROM pg_attribute"
        " WHERE attrelid = %(name)s::regclass AND attnum > 0 AND age(xmin) < %(age)s) FROM {}"
    ).format(name)
    with connection.cursor() as cursor:
        cursor.execute(look, {"age": known["age"], "name": name.as_string(connection)})
        return bool(cursor.fetchone() == (known["rows"], 0, False))


def is_empty(connection: Connection, schema: str, table: str) -> bool:
    """Whether a table has no row."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(schema, table)))
        return cursor.rowcount == 0


@contextmanager
def _after_all_writes(connection: Connection) -> Iterator[Cursor]:
    """A transaction within the caller's: its number is higher than those of the rows that were written until now."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT dataops_noted")
        yield cursor
        cursor.execute("RELEASE SAVEPOINT dataops_noted")


def same_content(connection: Connection, target: str, content_hash: str) -> LoadedFile | None:
    """The file with that content whose rows the target holds."""
    return _first(connection, "target = %s AND content_hash = %s", target, content_hash)


def earliest(connection: Connection, target: str) -> LoadedFile | None:
    """The file that the target has held for the longest time."""
    return _first(connection, "target = %s", target)


def copy_elsewhere(
    connection: Connection, watch_id: str, schema: str, content_hash: str, path: str
) -> LoadedFile | None:
    """A file of the same watch or folder, by another name, whose own table in that schema holds the same content."""
    folder = path.rpartition("/")[0]
    condition = (
        "content_hash = %s AND path <> %s AND (watch_id = %s OR regexp_replace(path, '/?[^/]*$', '') = %s)"
        " AND starts_with(owner, 'file:') AND starts_with(target, %s)"
        " AND to_regclass(format('%%I.%%I', %s, substr(target, %s))) IS NOT NULL"
    )
    before = f"{schema}."
    return _first(connection, condition, content_hash, path, watch_id, folder, before, schema, len(before) + 1)


def holds_import(connection: Connection, import_id: str) -> LoadedFile | None:
    """What a target holds of an import; None once a later version has taken its place."""
    return _first(connection, "import_id = %s", import_id)


def open_rejects(connection: Connection, targets: Sequence[str]) -> dict[str, int]:
    """By target, how many rows of the files that it holds are rejected and not yet repaired; of others nothing."""
    query = (
        "SELECT f.target, count(*) AS open FROM dataops.reject r"
        " JOIN (SELECT DISTINCT target, import_id FROM dataops.loaded_file WHERE target = ANY (%s)) f"
        " ON f.import_id = r.subject_id WHERE r.state = 'open' GROUP BY f.target"
    )
    return {row["target"]: row["open"] for row in _run(connection, query, list(targets))}


def hand_over(connection: Connection, target: str, owner: str) -> None:
    """What a target holds belongs to another owner from now on."""
    _run(connection, "UPDATE dataops.loaded_file SET owner = %s WHERE target = %s", owner, target)


def forget_target(connection: Connection, target: str) -> list[str]:
    """Nothing of what a target held is there any more; returns the imports it came from."""
    found = _run(connection, "DELETE FROM dataops.loaded_file WHERE target = %s RETURNING import_id::text", target)
    return [str(row["import_id"]) for row in found]


def superseded_files(connection: Connection) -> frozenset[str]:
    """Addresses of the files that imports ever wrote, and that no target consists of any more."""
    query = (
        "SELECT DISTINCT target FROM dataops.ledger WHERE subject_kind = 'import' AND target NOT LIKE 'warehouse:%'"
        " AND target NOT LIKE 'iceberg:%' EXCEPT SELECT uri FROM dataops.loaded_file"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return frozenset(target for (target,) in cursor.fetchall())


def note_loaded(connection: Connection, made: LoadedFile) -> None:
    """Note that the target holds a file's rows now."""
    names = list(vars(made))
    values = ", ".join(f"%({name})s" for name in names)
    with _after_all_writes(connection) as cursor:
        cursor.execute(f"INSERT INTO dataops.loaded_file ({', '.join(names)}) VALUES ({values})", vars(made))  # noqa: S608


def add_rows(connection: Connection, step_id: str, rows: int) -> None:
    """Note that rows of a file have been added, which were rejected before."""
    with _after_all_writes(connection) as cursor:
        cursor.execute("UPDATE dataops.loaded_file SET rows = rows + %s WHERE step_id = %s", (rows, step_id))


def _first(connection: Connection, condition: str, *values: Any) -> LoadedFile | None:
    query = f"SELECT {_COLUMNS} FROM dataops.loaded_file WHERE {condition} ORDER BY loaded_at LIMIT 1"  # noqa: S608
    found = _run(connection, query, *values)
    return LoadedFile(**found[0]) if found else None


def _run(connection: Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, values)
        return [dict(row) for row in cursor.fetchall()] if cursor.description else []
