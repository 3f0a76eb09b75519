"""import runs: the imports of a run, those that are open, and those nobody was told of, are found quickly"""

import sqlalchemy as sa
from alembic import op

revision = "7b9c3eef1bf2"
down_revision = "6a8b2ddf0ae1"
branch_labels = None
depends_on = None

UNTOLD = "notification_email IS NOT NULL AND notified_at IS NULL AND notification_error IS NULL"


def upgrade() -> None:
    op.create_index("ix_file_import_run_id", "file_import", ["run_id"])
    op.create_index("ix_file_import_open", "file_import", ["state"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index("ix_file_import_untold", "file_import", ["watch_id"], postgresql_where=sa.text(UNTOLD))


def downgrade() -> None:
    op.drop_index("ix_file_import_untold", "file_import")
    op.drop_index("ix_file_import_open", "file_import")
    op.drop_index("ix_file_import_run_id", "file_import")
