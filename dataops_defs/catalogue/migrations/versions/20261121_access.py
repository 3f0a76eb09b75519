"""access: secrets by name, grants on sources"""

revision = "b4c07d1e92a3"
down_revision = "f19d3b6c8e70"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
