"""exports: workbooks that were made, and who may fetch them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0a25c9e7f48b"
down_revision = "f14b8d6e937a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment, id, count = sa.DateTime(timezone=True), sa.Uuid(as_uuid=False), sa.BigInteger()
    op.create_table(
        "export",
        sa.Column(
            "kind",
            sa.Enum("query", "datamart", "report", name="exportkind", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("run_id", id, nullable=True),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("removed_at", moment, nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("size_bytes", count, nullable=True),
        sa.Column("rows_exported", count, nullable=True),
        sa.Column("rows_left_out", count, nullable=True),
        sa.Column("sheets", postgresql.JSONB(), nullable=False),
        sa.Column("id", id, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
    )
    op.create_index(op.f("ix_export_run_id"), "export", ["run_id"])
    op.create_index("ix_export_kept", "export", ["expires_at"], postgresql_where=sa.text("removed_at IS NULL"))


def downgrade() -> None:
    op.drop_table("export")
