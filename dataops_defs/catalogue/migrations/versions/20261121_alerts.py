"""alerts: who is told of what, and what was sent"""

revision = "c81f5a3d604b"
down_revision = "b4c07d1e92a3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
