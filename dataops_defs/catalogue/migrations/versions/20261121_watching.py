"""watching: watched folders: what becomes of each version of a file"""

import sqlalchemy as sa
from alembic import op

revision = "3d58f2bac7be"
down_revision = "2c47e1a9b6ad"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("watch", sa.Column("auto_import", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("watch", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("watch", sa.Column("notification_email", sa.Text(), nullable=True))
    op.add_column("watch", sa.Column("looked_at", MOMENT, nullable=True))
    op.add_column("watch", sa.Column("degraded_since", MOMENT, nullable=True))
    for name in ("auto_import", "options"):
        op.alter_column("watch", name, server_default=None)
    # One row for each file: its versions before the newest are imports now.
    op.execute(
        "DELETE FROM watched_file f USING watched_file newer"
        " WHERE newer.watch_id = f.watch_id AND newer.path = f.path AND newer.id > f.id"
    )
    op.drop_index("uq_watched_file_version", table_name="watched_file")
    op.add_column("watched_file", sa.Column("import_id", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("watched_file", sa.Column("detected_at", MOMENT, nullable=True))
    op.execute(
        "UPDATE watched_file SET detected_at = created_at, import_id = CASE WHEN status <> 'pending' THEN id END"
    )
    op.alter_column("watched_file", "detected_at", nullable=False)
    op.alter_column("watched_file", "status", type_=sa.String(32))
    op.alter_column("watched_file", "size_bytes", type_=sa.BigInteger())
    op.drop_column("watched_file", "content_hash")
    op.drop_column("watched_file", "run_id")
    op.create_index("uq_watched_file_path", "watched_file", ["watch_id", "path"], unique=True)
    op.create_index("ix_watched_file_waiting", "watched_file", ["watch_id", "status", "id"])
    op.create_index(op.f("ix_watched_file_import_id"), "watched_file", ["import_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_watched_file_import_id"), table_name="watched_file")
    op.drop_index("ix_watched_file_waiting", table_name="watched_file")
    op.drop_index("uq_watched_file_path", table_name="watched_file")
    op.add_column("watched_file", sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("watched_file", sa.Column("content_hash", sa.Text(), nullable=True))
    op.execute(
        "UPDATE watched_file f SET run_id = i.run_id, content_hash = i.content_hash FROM file_import i"
        " WHERE i.id = f.import_id"
    )
    op.execute("UPDATE watched_file SET status = 'pending' WHERE status IN ('settling', 'detected', 'importing')")
    op.alter_column("watched_file", "size_bytes", type_=sa.Integer())
    op.alter_column("watched_file", "status", type_=sa.Text())
    op.drop_column("watched_file", "detected_at")
    op.drop_column("watched_file", "import_id")
    op.create_index("uq_watched_file_version", "watched_file", ["watch_id", "path", "fingerprint"], unique=True)
    for name in ("degraded_since", "looked_at", "notification_email", "options", "auto_import"):
        op.drop_column("watch", name)
