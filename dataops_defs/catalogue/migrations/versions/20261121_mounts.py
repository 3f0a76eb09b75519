"""mounts: places of files that are mounted by name"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1b36d0f8a59c"
down_revision = "0a25c9e7f48b"
branch_labels = None
depends_on = None


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=32)


def upgrade() -> None:
    json, moment = postgresql.JSONB(), sa.DateTime(timezone=True)
    op.create_table(
        "mount",
        sa.Column("local_path", sa.Text(), nullable=False),
        sa.Column("network_path", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("storage_type", _words("storagetype", "smb", "nfs", "s3", "sftp", "webdav", "local"), nullable=False),
        sa.Column("via", _words("via", "client", "kernel", "folder"), nullable=False),
        sa.Column("connection", json, nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("secret_fields", sa.Text(), nullable=False),
        sa.Column("secret_references", json, nullable=False),
        sa.Column("status", _words("mountstatus", "mounted", "degraded"), nullable=False),
        sa.Column("status_since", moment, nullable=False),
        sa.Column("last_checked_at", moment, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("free_bytes", sa.BigInteger(), nullable=True),
        sa.Column("mounted_at", moment, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mount")),
        sa.UniqueConstraint("local_path", name=op.f("uq_mount_local_path")),
        sa.UniqueConstraint("slug", name=op.f("uq_mount_slug")),
    )
    op.create_index(op.f("ix_mount_app"), "mount", ["app"])


def downgrade() -> None:
    op.drop_table("mount")
