"""checkpoints: how far the load of an ETL pipeline is"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4ac0e87d51b2"
down_revision = "b07de91c3f58"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE dataops.turns")
    none, now = sa.text("0"), sa.text("now()")
    op.create_table(
        "checkpoint",
        sa.Column("pipeline_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default=sa.text("nextval('dataops.turns')"), nullable=False),
        sa.Column("load", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("spool", sa.Text(), nullable=True),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("spooled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows", sa.BigInteger(), server_default=none, nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=none, nullable=False),
        sa.Column("counted", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("next_mark", sa.Text(), nullable=True),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("pipeline_id"),
        schema="dataops",
    )


def downgrade() -> None:
    op.drop_table("checkpoint", schema="dataops")
    op.execute("DROP SEQUENCE dataops.turns")
