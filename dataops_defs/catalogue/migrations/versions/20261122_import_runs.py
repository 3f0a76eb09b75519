"""import runs: the imports of a run, and those that are open, are found quickly"""

import sqlalchemy as sa
from alembic import op

revision = "7b9c3eef1bf2"
down_revision = "6a8b2ddf0ae1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_file_import_run_id", "file_import", ["run_id"])
    op.create_index("ix_file_import_open", "file_import", ["state"], postgresql_where=sa.text("finished_at IS NULL"))


def downgrade() -> None:
    op.drop_index("ix_file_import_open", "file_import")
    op.drop_index("ix_file_import_run_id", "file_import")
