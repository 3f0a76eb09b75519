"""An installation whose watched folders had imported files before imports had rows of their own."""

import psycopg2
from alembic import command

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue import migrate

BEFORE = "1b36d0f8a59c"
WATCH, OLD, NEW, WAITING, RUN = (f"01a20000-0000-7000-8000-00000000000{number}" for number in range(5))
ROWS = f"""
INSERT INTO watch (id, name, slug, app, folder, patterns, recursive, target_schema, target_table, enabled,
    created_at, updated_at)
VALUES ('{WATCH}', 'Weather', 'weather', 'aviation', 'in', '[]', false, 'raw', 'weather', true, now(), now());
INSERT INTO watched_file (id, watch_id, path, fingerprint, content_hash, size_bytes, status, run_id, created_at,
    updated_at)
VALUES ('{OLD}', '{WATCH}', 'in/jan.csv', '1-1', 'aa', 1, 'imported', '{RUN}', now(), now()),
    ('{NEW}', '{WATCH}', 'in/jan.csv', '2-2', 'bb', 2, 'failed', '{RUN}', now(), now()),
    ('{WAITING}', '{WATCH}', 'in/feb.csv', '3-3', NULL, 3, 'pending', NULL, now(), now());
"""


def test_keeps_each_version_as_an_import_and_each_file_once(catalogue_url: str) -> None:
    alembic = migrate.config(catalogue_url)
    command.downgrade(alembic, BEFORE)
    ask(catalogue_url, ROWS)

    command.upgrade(alembic, "head")

    imports = ask(catalogue_url, "SELECT id, app, state, mode, target_table, run_id FROM file_import ORDER BY id")
    assert imports == [
        (OLD, "aviation", "completed", "append", "weather", RUN),
        (NEW, "aviation", "failed", "append", "weather", RUN),
    ]
    files = ask(catalogue_url, "SELECT path, fingerprint, status, import_id FROM watched_file ORDER BY path")
    assert files == [("in/feb.csv", "3-3", "pending", None), ("in/jan.csv", "2-2", "failed", NEW)]
    assert ask(catalogue_url, "SELECT auto_import, options::text FROM watch") == [(True, "{}")]
    command.downgrade(alembic, BEFORE)
    assert ask(catalogue_url, "SELECT content_hash FROM watched_file WHERE id = '" + NEW + "'") == [("bb",)]


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(libpq_url(url))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
