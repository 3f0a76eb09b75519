"""datasets: what changes between extractions"""

revision = "d92e6b4f715c"
down_revision = "c81f5a3d604b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
