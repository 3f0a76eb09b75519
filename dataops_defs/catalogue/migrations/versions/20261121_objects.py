"""objects: how a mapping unfolds rows, how a type evolves"""

revision = "e03a7c5d826f"
down_revision = "d92e6b4f715c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
