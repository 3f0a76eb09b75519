"""import notes: what people should know of how an imported file was read"""

import sqlalchemy as sa
from alembic import op

revision = "6a8b2ddf0ae1"
down_revision = "5f7a1cdce9d0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("file_import", sa.Column("note", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("file_import", "note")
