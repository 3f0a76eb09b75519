"""object_plans: what is about to be written into stores without transactions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "91d4e6a07bc3"
down_revision = "7c1f5a2be940"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "object_plan",
        sa.Column("step_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("inserted", "updated", "unchanged", "filtered", "deleted", "written")
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("step_id"),
        schema="dataops",
    )
    op.create_table(
        "object_write",
        sa.Column("step_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("action IN ('put', 'delete', 'refuse')", name="ck_object_write_action"),
        sa.ForeignKeyConstraint(["step_id"], ["dataops.object_plan.step_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("step_id", "position"),
        schema="dataops",
    )


def downgrade() -> None:
    op.drop_table("object_write", schema="dataops")
    op.drop_table("object_plan", schema="dataops")
