"""alerts: who is told of what, and what was sent"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c81f5a3d604b"
down_revision = "b4c07d1e92a3"
branch_labels = None
depends_on = None

EVENTS = (
    *("RUN_SUCCEEDED", "RUN_FAILED", "RUN_TIMED_OUT", "RUN_CANCELLED", "RUN_RECOVERED"),
    *("ROWS_REJECTED", "SCHEMA_DRIFT", "FRESHNESS"),
)


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def upgrade() -> None:
    json, moment, id = postgresql.JSONB(), sa.DateTime(timezone=True), sa.Uuid(as_uuid=False)
    op.create_table(
        "alert",
        sa.Column("events", json, nullable=False),
        sa.Column("filter", json, nullable=False),
        sa.Column("thresholds", json, nullable=False),
        sa.Column("channel", json, nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("throttle_seconds", sa.Integer(), nullable=False),
        sa.Column("status", _words("alertstatus", "ACTIVE", "PAUSED"), nullable=False),
        sa.Column("last_message_at", moment, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("id", id, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("slug", name=op.f("uq_alert_slug")),
    )
    op.create_index(op.f("ix_alert_app"), "alert", ["app"])
    op.create_table(
        "alert_delivery",
        sa.Column("alert_id", id, nullable=False),
        sa.Column("event", _words("alertevent", *EVENTS), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("run_id", id, nullable=True),
        sa.Column("subject_id", id, nullable=True),
        sa.Column("detail", json, nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("state", _words("deliverystate", "PENDING", "SENT", "GROUPED", "FAILED"), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("claimed_until", moment, nullable=True),
        sa.Column("sent_at", moment, nullable=True),
        sa.Column("answer_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("grouped_into", id, nullable=True),
        sa.Column("events_count", sa.Integer(), nullable=False),
        sa.Column("id", id, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name=op.f("fk_alert_delivery_alert_id_alert"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_delivery")),
    )
    op.create_index("uq_alert_delivery_occasion", "alert_delivery", ["alert_id", "event", "occasion"], unique=True)
    op.create_index("ix_alert_delivery_page", "alert_delivery", ["alert_id", "id"])
    op.create_index("ix_alert_delivery_created_at", "alert_delivery", ["created_at"])
    op.create_index(op.f("ix_alert_delivery_grouped_into"), "alert_delivery", ["grouped_into"])
    op.create_index(
        "ix_alert_delivery_due", "alert_delivery", ["due_at"], postgresql_where=sa.text("state = 'pending'")
    )


def downgrade() -> None:
    op.drop_table("alert_delivery")
    op.drop_table("alert")
