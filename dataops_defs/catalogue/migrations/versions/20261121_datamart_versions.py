"""datamart_versions: immutable versions of datamarts, and what datamarts tell of themselves"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4e690bcbd8cf"
down_revision = "3d58f2bac7be"
branch_labels = None
depends_on = None

COUNTS = ("rows_count", "size_bytes")
STATES = ("building", "ready", "failed", "expired")


def upgrade() -> None:
    id, moment, count = sa.Uuid(as_uuid=False), sa.DateTime(timezone=True), sa.BigInteger()
    for name in COUNTS:
        op.alter_column("datamart", name, type_=count, existing_type=sa.Integer(), existing_nullable=False)
    for name in ("refresh_concurrently", "versioned"):
        op.add_column("datamart", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        op.alter_column("datamart", name, server_default=None)
    op.add_column("datamart", sa.Column("columns", postgresql.JSONB(), nullable=True))
    op.add_column("datamart", sa.Column("lineage", postgresql.JSONB(), nullable=False, server_default="{}"))
    op.alter_column("datamart", "lineage", server_default=None)
    for name in ("last_error", "last_method"):
        op.add_column("datamart", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("datamart", sa.Column("current_version_id", id, nullable=True))
    op.create_table(
        "datamart_version",
        sa.Column("datamart_id", id, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("upstream", postgresql.JSONB(), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=True),
        sa.Column("status", sa.Enum(*STATES, name="versionstatus", native_enum=False, length=32), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("built_at", moment, nullable=True),
        sa.Column("removed_at", moment, nullable=True),
        sa.Column("rows_count", count, nullable=False),
        sa.Column("size_bytes", count, nullable=False),
        sa.Column("run_id", id, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("id", id, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["datamart_id"], ["datamart.id"], name=op.f("fk_datamart_version_datamart_id_datamart"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datamart_version")),
    )
    op.create_index("uq_datamart_version", "datamart_version", ["datamart_id", "slug"], unique=True)
    op.create_index(op.f("ix_datamart_version_datamart_id"), "datamart_version", ["datamart_id"])


def downgrade() -> None:
    op.drop_table("datamart_version")
    for name in ("current_version_id", "last_method", "last_error", "lineage", "columns"):
        op.drop_column("datamart", name)
    for name in ("versioned", "refresh_concurrently"):
        op.drop_column("datamart", name)
    for name in COUNTS:
        op.alter_column("datamart", name, type_=sa.Integer(), existing_type=sa.BigInteger(), existing_nullable=False)
