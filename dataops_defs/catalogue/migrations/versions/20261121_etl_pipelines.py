"""etl_pipelines: the pipelines of document 003"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f19d3b6c8e70"
down_revision = "a7d3c1f0b254"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "etl_pipeline",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("mode", sa.Enum("full", "incremental", name="etlmode", native_enum=False, length=32), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("target_table", sa.Text(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("source_query", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("cursor_column", sa.Text(), nullable=False),
        sa.Column("key_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lag_seconds", sa.Integer(), nullable=False),
        sa.Column("upstream", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_etl_pipeline_source_id_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_etl_pipeline")),
        sa.UniqueConstraint("slug", name=op.f("uq_etl_pipeline_slug")),
    )
    op.create_index(op.f("ix_etl_pipeline_app"), "etl_pipeline", ["app"])
    op.create_index(op.f("ix_etl_pipeline_source_id"), "etl_pipeline", ["source_id"])


def downgrade() -> None:
    op.drop_table("etl_pipeline")
