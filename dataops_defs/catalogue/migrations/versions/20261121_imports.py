"""imports: imports of files, asked for or found in a watched folder"""

import sqlalchemy as sa
from alembic import op

revision = "2c47e1a9b6ad"
down_revision = "1b36d0f8a59c"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "file_import",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("watch_id", ID, nullable=True),
        sa.Column("target_format", sa.String(32), nullable=False),
        sa.Column("target_schema", sa.Text(), nullable=False),
        sa.Column("target_table", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("notification_email", sa.Text(), nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("rows_imported", sa.BigInteger(), nullable=True),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=True),
        sa.Column("inferred_schema", sa.JSON(), nullable=True),
        sa.Column("explanations", sa.JSON(), nullable=True),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("unchanged", sa.Boolean(), nullable=False),
        sa.Column("suspect", sa.Text(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("notified_at", MOMENT, nullable=True),
        sa.Column("notification_error", sa.Text(), nullable=True),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_import")),
    )
    op.create_index(op.f("ix_file_import_watch_id"), "file_import", ["watch_id"])
    op.create_index("ix_file_import_target", "file_import", ["target_schema", "target_table"])
    op.create_table(
        "import_target",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("watch_id", ID, nullable=True),
        sa.Column("last_import_id", ID, nullable=True),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_target")),
        sa.UniqueConstraint("name", name=op.f("uq_import_target_name")),
    )
    _keep_what_watches_imported()
    # The tables of the lake's catalogue are pyiceberg's own.
    op.execute("CREATE SCHEMA IF NOT EXISTS iceberg")


def downgrade() -> None:
    op.execute("DROP SCHEMA IF EXISTS iceberg CASCADE")
    op.drop_table("import_target")
    op.drop_index("ix_file_import_target", table_name="file_import")
    op.drop_index(op.f("ix_file_import_watch_id"), table_name="file_import")
    op.drop_table("file_import")


def _keep_what_watches_imported() -> None:
    """Each version of a watched file that was dealt with was an import; it keeps its id, which its run names."""
    table = (
        "coalesce(w.target_table, regexp_replace(lower(regexp_replace(f.path, '^.*/', '')), '[^a-z0-9]+', '_', 'g'))"
    )
    op.execute(
        "INSERT INTO file_import (id, app, path, fingerprint, watch_id, target_format, target_schema, target_table,"
        " mode, owner, options, requested_by, run_id, state, error, content_hash, size_bytes, unchanged, finished_at,"
        " created_at, updated_at)"
        f" SELECT f.id, w.app, f.path, f.fingerprint, f.watch_id, 'postgres', w.target_schema, {table},"
        " CASE WHEN w.target_table IS NULL THEN 'replace' ELSE 'append' END,"
        " CASE WHEN w.target_table IS NULL THEN 'file:' || f.path ELSE 'watch:' || w.id END,"
        " '{}', 'watch ' || w.name, f.run_id,"
        " CASE f.status WHEN 'imported' THEN 'completed' ELSE f.status END,"
        " f.error, f.content_hash, f.size_bytes, false, f.updated_at, f.created_at, f.updated_at"
        " FROM watched_file f JOIN watch w ON w.id = f.watch_id WHERE f.status <> 'pending'"
    )
