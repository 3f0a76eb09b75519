"""datamart_versions: which tables are those of versions, and what each refresh of a datamart made"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import REGCLASS

revision = "c2f81b6d90e4"
down_revision = "a7d3c05e9b18"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datamart_version",
        sa.Column("version_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("relation", REGCLASS(), nullable=False),
        sa.PrimaryKeyConstraint("version_id"),
        schema="dataops",
    )
    # Until now a comment alone told which version a table is of.
    op.execute(
        "INSERT INTO dataops.datamart_version (version_id, relation)"
        " SELECT substring(d.description FROM '[0-9a-f-]{36}$')::uuid, d.objoid FROM pg_description d"
        " JOIN pg_class c ON c.oid = d.objoid AND c.relkind = 'r'"
        " WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND d.description"
        " ~ '^dataops datamart version [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' ON CONFLICT DO NOTHING"
    )
    op.create_index(
        "ix_ledger_datamart",
        "ledger",
        ["target", "id"],
        schema="dataops",
        postgresql_where=sa.text("subject_kind = 'datamart'"),
    )


def downgrade() -> None:
    op.drop_index("ix_ledger_datamart", table_name="ledger", schema="dataops")
    op.drop_table("datamart_version", schema="dataops")
