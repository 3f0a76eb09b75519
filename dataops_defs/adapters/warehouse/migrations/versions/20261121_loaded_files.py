"""loaded_files: which files the targets of imports hold"""

import sqlalchemy as sa
from alembic import op

revision = "a7d3c05e9b18"
down_revision = "91d4e6a07bc3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "loaded_file",
        sa.Column("step_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("watch_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("relation", sa.Text(), nullable=True),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("step_id"),
        schema="dataops",
    )
    op.create_index("ix_loaded_file_target", "loaded_file", ["target", "content_hash"], schema="dataops")
    op.create_index("ix_loaded_file_watch", "loaded_file", ["watch_id", "content_hash"], schema="dataops")
    # What was imported before has no hash here: no later file can be taken for it.
    op.execute(
        "INSERT INTO dataops.loaded_file (step_id, target, owner, path, content_hash, options, import_id, watch_id,"
        " rows, loaded_at) SELECT step_id, target, 'watch:' || subject_id, '', '', '', run_id, subject_id, inserted,"
        " committed_at FROM dataops.ledger WHERE subject_kind = 'watch' AND step_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_loaded_file_watch", table_name="loaded_file", schema="dataops")
    op.drop_index("ix_loaded_file_target", table_name="loaded_file", schema="dataops")
    op.drop_table("loaded_file", schema="dataops")
