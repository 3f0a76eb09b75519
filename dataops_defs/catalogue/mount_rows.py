"""The table of mounts."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Json, Named, Row, now
from dataops_defs.domain.mount import MountStatus, StorageType, Via


class MountRow(Named, Row):
    """A mount. Its connection and secrets are kept as a source's are, see ``SourceRow`` and ``sealed_connections``.

    ``address`` is the one form of ``network_path``, which is kept as it was written. ``status_since`` is when the
    status became what it is; ``free_bytes`` is null where the place does not tell.
    """

    __tablename__ = "mount"
    local_path: Mapped[str] = mapped_column(unique=True)
    network_path: Mapped[str]
    address: Mapped[str]
    storage_type: Mapped[StorageType]
    via: Mapped[Via]
    connection: Mapped[Json]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_fields: Mapped[str] = mapped_column(default="")
    secret_references: Mapped[Json] = mapped_column(default=dict)
    status: Mapped[MountStatus] = mapped_column(default=MountStatus.MOUNTED)
    status_since: Mapped[datetime] = mapped_column(default=now)
    last_checked_at: Mapped[datetime] = mapped_column(default=now)
    last_error: Mapped[str | None]
    free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    mounted_at: Mapped[datetime] = mapped_column(default=now)
