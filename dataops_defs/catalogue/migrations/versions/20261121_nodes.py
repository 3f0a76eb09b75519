"""nodes: the nodes of an executed graph, which of them a step belongs to, and steps that only rehearse"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f14b8d6e937a"
down_revision = "e03a7c5d826f"
branch_labels = None
depends_on = None

TYPES = ("source", "dataset", "mapping")
STATES = ("waiting", "running", "completed", "failed", "skipped", "cancelled", "paused")
FUNCTION = """
CREATE FUNCTION tell_of_run_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dataops_run', NEW.run_id::text);
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE ON run_node
FOR EACH ROW EXECUTE FUNCTION tell_of_run_node()
"""


def upgrade() -> None:
    op.create_table(
        "run_node",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Enum(*TYPES, name="nodetype", native_enum=False, length=32), nullable=False),
        sa.Column("subject_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Enum(*STATES, name="nodestate", native_enum=False, length=32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_node_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "node_id", name=op.f("pk_run_node")),
    )
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    op.add_column("run_step", sa.Column("node_id", sa.Text(), nullable=True))
    op.add_column("run_step", sa.Column("dry_run", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.alter_column("run_step", "dry_run", server_default=None)


def downgrade() -> None:
    op.drop_column("run_step", "dry_run")
    op.drop_column("run_step", "node_id")
    op.drop_table("run_node")
    op.execute("DROP FUNCTION tell_of_run_node()")
