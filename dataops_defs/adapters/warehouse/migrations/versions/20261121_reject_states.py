"""states of rejected rows, and the corrections that replays bring"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7c1f5a2be940"
down_revision = "4ac0e87d51b2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # json keeps NUL and the order of columns, jsonb does not.
    op.execute("ALTER TABLE dataops.reject ALTER COLUMN raw TYPE json USING raw::text::json")
    for column in (
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("settled_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrected", postgresql.JSON(astext_type=sa.Text()), nullable=True),
        sa.Column("taken_key", sa.Text(), nullable=True),
    ):
        op.add_column("reject", column, schema="dataops")
    op.create_check_constraint(
        "ck_reject_state", "reject", "state IN ('open', 'repaired', 'superseded')", schema="dataops"
    )
    # What earlier syncs and extractions left was read anew by the newest one.
    op.execute(
        "UPDATE dataops.reject r SET state = 'superseded', settled_by = newest.run_id, settled_at = now()"
        " FROM (SELECT DISTINCT ON (subject_id) subject_id, run_id FROM dataops.ledger"
        "       WHERE subject_kind IN ('dataset', 'mapping') ORDER BY subject_id, id DESC) newest"
        " WHERE r.subject_id = newest.subject_id AND r.run_id <> newest.run_id"
        " AND r.subject_kind IN ('dataset', 'mapping')"
    )
    op.create_index(
        "ix_reject_open",
        "reject",
        ["subject_id", "id"],
        schema="dataops",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "correction",
        sa.Column("reject_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("corrected", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["reject_id"], ["dataops.reject.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("reject_id", "run_id"),
        schema="dataops",
    )
    op.create_index("ix_correction_run", "correction", ["run_id"], unique=False, schema="dataops")


def downgrade() -> None:
    op.drop_table("correction", schema="dataops")
    op.drop_index("ix_reject_open", table_name="reject", schema="dataops")
    op.drop_constraint("ck_reject_state", "reject", schema="dataops")
    for name in ("taken_key", "corrected", "settled_at", "settled_by", "state"):
        op.drop_column("reject", name, schema="dataops")
    op.execute(
        "ALTER TABLE dataops.reject ALTER COLUMN raw TYPE jsonb USING replace(raw::text, '\\u0000', '\\ufffd')::jsonb"
    )
