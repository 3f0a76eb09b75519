"""datasets: what changes between extractions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d92e6b4f715c"
down_revision = "c81f5a3d604b"
branch_labels = None
depends_on = None

POLICIES = ("evolve", "freeze", "quarantine")
JSON_COLUMNS = ("drift", "waiting", "accepted")


def upgrade() -> None:
    policy = sa.Enum(*POLICIES, name="schemapolicy", native_enum=False, length=32)
    op.add_column("dataset", sa.Column("schema_policy", policy, server_default="evolve", nullable=False))
    op.alter_column("dataset", "schema_policy", server_default=None)
    for name in JSON_COLUMNS:
        op.add_column("dataset", sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("dataset", sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("dataset", sa.Column("mark", sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("mark", "accepted_at", *reversed(JSON_COLUMNS), "schema_policy"):
        op.drop_column("dataset", name)
