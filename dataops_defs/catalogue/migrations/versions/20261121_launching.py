"""launching: outbox, lease and fencing of runs; progress of steps; a notification for every change"""

import sqlalchemy as sa
from alembic import op

revision = "5c41d0a6e2f7"
down_revision = "88bb950a9077"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION tell_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dataops_run', NEW.{column}::text);
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE {what} ON {table}
FOR EACH ROW EXECUTE FUNCTION tell_of_{table}()
"""
# Renewing a lease is no news to anybody.
CHANGES = {
    "run": "OF state, launch_error, cancel_requested, pause_requested, steps_total",
    "run_step": "",
}


def upgrade() -> None:
    now, none, no = sa.text("now()"), sa.text("0"), sa.text("false")
    for name, kind, default in (
        ("attempts", sa.Integer(), none),
        ("launch_at", sa.DateTime(timezone=True), now),
        ("epoch", sa.Integer(), none),
        ("pause_requested", sa.Boolean(), no),
    ):
        op.add_column("run", sa.Column(name, kind, nullable=False, server_default=default))
        op.alter_column("run", name, server_default=None)
    op.add_column("run", sa.Column("launch_error", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("run", sa.Column("timeout_seconds", sa.Integer(), nullable=True))
    op.add_column("run", sa.Column("steps_total", sa.Integer(), nullable=True))

    op.add_column("run_step", sa.Column("key", sa.Text(), nullable=True))
    op.execute("UPDATE run_step SET key = id::text")
    op.alter_column("run_step", "key", nullable=False)
    op.create_index("uq_run_step_run_id_key", "run_step", ["run_id", "key"], unique=True)
    op.alter_column("run_step", "rows_done", type_=sa.BigInteger(), existing_type=sa.Integer())
    op.add_column("run_step", sa.Column("rows_total", sa.BigInteger(), nullable=True))
    op.add_column("run_step", sa.Column("batches_done", sa.Integer(), nullable=False, server_default=none))
    op.alter_column("run_step", "batches_done", server_default=None)

    for table, column in (("run", "id"), ("run_step", "run_id")):
        op.execute(FUNCTION.format(table=table, column=column))
        op.execute(TRIGGER.format(table=table, what=CHANGES[table]))


def downgrade() -> None:
    for table in ("run", "run_step"):
        op.execute(f"DROP TRIGGER tell_of_change ON {table}")
        op.execute(f"DROP FUNCTION tell_of_{table}()")
    for name in ("batches_done", "rows_total"):
        op.drop_column("run_step", name)
    op.alter_column("run_step", "rows_done", type_=sa.Integer(), existing_type=sa.BigInteger())
    op.drop_index("uq_run_step_run_id_key", table_name="run_step")
    op.drop_column("run_step", "key")
    for name in (
        "steps_total",
        "timeout_seconds",
        "lease_until",
        "launch_error",
        "pause_requested",
        "epoch",
        "launch_at",
        "attempts",
    ):
        op.drop_column("run", name)
