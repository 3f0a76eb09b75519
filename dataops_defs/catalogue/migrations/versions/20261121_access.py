"""access: secrets by name, grants on sources, an audit that is only added to"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b4c07d1e92a3"
down_revision = "f19d3b6c8e70"
branch_labels = None
depends_on = None

AUDIT_INDEXES = ("actor", "action", "subject")
APPEND_ONLY = """
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'insufficient_privilege';
END $$
"""
TRIGGER = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()
"""


def identified() -> list[sa.Column[Any]]:
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "secret",
        *identified(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("allowed_hosts", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret")),
        sa.UniqueConstraint("name", name=op.f("uq_secret_name")),
    )
    op.create_table(
        "source_grant",
        *identified(),
        sa.Column("source_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("may", sa.Text(), nullable=False),
        sa.CheckConstraint("(token_id IS NULL) <> (role IS NULL)", name=op.f("ck_source_grant_one_holder")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("fk_source_grant_source_id_source"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["token.id"], name=op.f("fk_source_grant_token_id_token"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_grant")),
    )
    op.create_index("uq_source_grant_token", "source_grant", ["source_id", "token_id"], unique=True)
    op.create_index("uq_source_grant_role", "source_grant", ["source_id", "role"], unique=True)
    op.create_index(op.f("ix_source_grant_token_id"), "source_grant", ["token_id"])

    for name, kind, default in (
        ("secret_references", postgresql.JSONB(), "{}"),
        ("restricted", sa.Boolean(), sa.text("false")),
    ):
        op.add_column("source", sa.Column(name, kind, server_default=default, nullable=False))
        op.alter_column("source", name, server_default=None)
    op.add_column("source", sa.Column("creator_id", sa.Uuid(as_uuid=False), nullable=True))
    op.create_foreign_key(
        op.f("fk_source_creator_id_token"), "source", "token", ["creator_id"], ["id"], ondelete="SET NULL"
    )

    for name in AUDIT_INDEXES:
        op.create_index(f"ix_audit_{name}", "audit", [name, "id"])
    op.execute(APPEND_ONLY)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER append_only ON audit")
    op.execute("DROP FUNCTION keep_audit()")
    for name in AUDIT_INDEXES:
        op.drop_index(f"ix_audit_{name}", table_name="audit")
    op.drop_constraint(op.f("fk_source_creator_id_token"), "source", type_="foreignkey")
    for name in ("creator_id", "restricted", "secret_references"):
        op.drop_column("source", name)
    op.drop_table("source_grant")
    op.drop_table("secret")
