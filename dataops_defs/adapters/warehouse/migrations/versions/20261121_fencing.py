"""fencing: each step writes once, and only the newest worker of a run writes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b07de91c3f58"
down_revision = "3adecc1fb8bb"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fence",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        schema="dataops",
    )
    op.add_column("ledger", sa.Column("step_id", sa.Uuid(as_uuid=False), nullable=True), schema="dataops")
    op.add_column(
        "ledger", sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=True), schema="dataops"
    )
    op.create_unique_constraint("ledger_step_id_key", "ledger", ["step_id"], schema="dataops")


def downgrade() -> None:
    op.drop_constraint("ledger_step_id_key", "ledger", schema="dataops")
    op.drop_column("ledger", "outcome", schema="dataops")
    op.drop_column("ledger", "step_id", schema="dataops")
    op.drop_table("fence", schema="dataops")
