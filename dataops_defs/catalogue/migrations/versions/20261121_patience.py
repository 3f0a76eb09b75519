"""patience: how many workers died at a run, and how many launches failed, since it last got on"""

import sqlalchemy as sa
from alembic import op

revision = "a7d3c1f0b254"
down_revision = "e2f6b7a90d13"
branch_labels = None
depends_on = None

COUNTERS = ("deaths", "failed_launches")


def upgrade() -> None:
    for name in COUNTERS:
        op.add_column("run", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
        op.alter_column("run", name, server_default=None)


def downgrade() -> None:
    for name in reversed(COUNTERS):
        op.drop_column("run", name)
