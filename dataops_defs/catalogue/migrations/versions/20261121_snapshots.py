"""snapshots of the definitions: what a code location was built from, for the workers of its runs; runs by their end"""

import sqlalchemy as sa
from alembic import op

revision = "e2f6b7a90d13"
down_revision = "5c41d0a6e2f7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "definitions_snapshot",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_definitions_snapshot")),
    )
    op.create_index(op.f("ix_definitions_snapshot_kept_at"), "definitions_snapshot", ["kept_at"])
    op.create_index("ix_run_finished_at", "run", ["finished_at"])


def downgrade() -> None:
    op.drop_index("ix_run_finished_at", table_name="run")
    op.drop_table("definitions_snapshot")
