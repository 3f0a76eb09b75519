"""objects: how a mapping unfolds rows, how a type evolves"""

import sqlalchemy as sa
from alembic import op

revision = "e03a7c5d826f"
down_revision = "d92e6b4f715c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("object_type", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.alter_column("object_type", "version", server_default=None)
    op.add_column("mapping", sa.Column("explode", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("mapping", "explode")
    op.drop_column("object_type", "version")
