"""triggers: triggers of pipelines"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5f7a1cdce9d0"
down_revision = "4e690bcbd8cf"
branch_labels = None
depends_on = None

MOMENT, ID = sa.DateTime(timezone=True), sa.Uuid(as_uuid=False)


def upgrade() -> None:
    _triggers()
    _firings()
    _notices()
    op.add_column("run", sa.Column("trigger_id", ID, nullable=True))
    op.create_index(
        "ix_run_trigger_id",
        "run",
        ["trigger_id", "id"],
        postgresql_where=sa.text("trigger_id IS NOT NULL"),
        postgresql_include=["state"],
    )


def downgrade() -> None:
    op.drop_index("ix_run_trigger_id", "run")
    op.drop_column("run", "trigger_id")
    op.drop_table("run_notice")
    op.drop_table("trigger_firing")
    op.execute("DELETE FROM schedule WHERE subject_kind = 'trigger'")
    op.drop_table("trigger")


def _triggers() -> None:
    kinds = sa.Enum("cron", "webhook", "file", "manual", name="triggertype", native_enum=False, length=32)
    op.create_table(
        "trigger",
        sa.Column("type", kinds, nullable=False),
        sa.Column("etl_pipeline_id", ID, nullable=True),
        sa.Column("graph_id", ID, nullable=True),
        sa.Column("by_name", sa.Boolean(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("file", postgresql.JSONB(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("paused_at", MOMENT, nullable=True),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("skipped_at", MOMENT, nullable=True),
        sa.Column("skip_reason", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("num_nonnulls(etl_pipeline_id, graph_id) = 1", name=op.f("ck_trigger_one_pipeline")),
        sa.ForeignKeyConstraint(
            ["etl_pipeline_id"], ["etl_pipeline.id"], name=op.f("fk_trigger_etl_pipeline_id_etl_pipeline")
        ),
        sa.ForeignKeyConstraint(["graph_id"], ["pipeline.id"], name=op.f("fk_trigger_graph_id_pipeline")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trigger")),
        sa.UniqueConstraint("slug", name=op.f("uq_trigger_slug")),
    )
    for column in ("app", "etl_pipeline_id", "graph_id"):
        op.create_index(op.f(f"ix_trigger_{column}"), "trigger", [column])


def _firings() -> None:
    op.create_table(
        "trigger_firing",
        sa.Column("id", ID, nullable=False),
        sa.Column("trigger_id", ID, nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("fired_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["trigger.id"], name=op.f("fk_trigger_firing_trigger_id_trigger"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trigger_firing")),
    )
    op.create_index("uq_trigger_firing_occasion", "trigger_firing", ["trigger_id", "occasion"], unique=True)
    op.create_index(op.f("ix_trigger_firing_fired_at"), "trigger_firing", ["fired_at"])


def _notices() -> None:
    states = sa.Enum("pending", "sent", "failed", "grouped", name="deliverystate", native_enum=False, length=32)
    op.create_table(
        "run_notice",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", states, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_notice_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_notice")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_notice_run_id")),
    )
    op.create_index("ix_run_notice_due", "run_notice", ["due_at"], postgresql_where=sa.text("state = 'pending'"))
