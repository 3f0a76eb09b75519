"""Mounts of document 000; snake_case, as printed."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from api_shim.schemas.base import Moment
from api_shim.schemas.datamarts import Snake
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.mounts import public_id
from dataops_defs.domain.mount import MountStatus, StorageType, Via

GIGABYTE = 1024**3
ASKED: dict[str, Any] = {
    "local_path": "/mnt/network_share",
    "network_path": "//fileserver.company.com/data",
    "credentials": {"username": "etl_user", "password": "secure_password", "domain": "COMPANY"},
    "storage_type": "smb",
}
MOUNTED: dict[str, Any] = {
    "status": "mounted",
    "local_path": "/mnt/network_share",
    "network_path": "//fileserver.company.com/data",
    "available_space_gb": 2048,
    "mount_time": "2024-06-30T10:00:00.000Z",
    "mount_id": "mount_0192f3a100007000800000000000001f",
    "storage_type": "smb",
    "via": "client",
}


def _plain_user(given: str) -> str:
    """Refuse what another program could take for an option, or for the end of one. Source: SAFETY, "Mounts"."""
    if given.startswith("-") or "," in given or any(ord(each) < 32 or 127 <= ord(each) < 160 for each in given):
        raise ValueError("must not begin with '-', nor hold commas or control characters")
    return given


User = Annotated[str, Field(max_length=255), AfterValidator(_plain_user)]
Word = Annotated[str, Field(max_length=1024)]
SECRET = "May be secret:NAME"  # noqa: S105 - no password


class Credentials(BaseModel):
    """With what its server lets us in; of these each storage type takes its own."""

    model_config = ConfigDict(extra="forbid")
    username: User | None = None
    password: Word | None = Field(default=None, description=f"{SECRET}. Of a private key its passphrase")
    domain: User | None = Field(default=None, description="Of Windows; smb only")
    private_key: Annotated[str, Field(max_length=16_384)] | None = Field(default=None, description=f"{SECRET}; sftp")
    host_key: Word | None = Field(
        default=None,
        validation_alias=AliasChoices("host_key", "hostKey"),
        description="The key that the server must show, as in known_hosts; sftp",
    )
    access_key_id: Word | None = Field(default=None, description="s3; without it the server's own credentials count")
    secret_access_key: Word | None = Field(default=None, description=f"{SECRET}; s3")
    session_token: Word | None = Field(default=None, description=f"{SECRET}; s3")
    region: Word | None = Field(default=None, description="s3")
    endpoint: Word | None = Field(default=None, description="Of another server that speaks S3")

    def given(self) -> dict[str, str]:
        """Those that say anything."""
        return {name: value for name, value in self.model_dump().items() if value}


class MountRequest(BaseModel):
    """A place of files, and the path below which they are to be read. Source: document 000, "Mount Network Drive"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ASKED]})
    local_path: str = Field(min_length=1, max_length=1024, description="An absolute path; nothing is made there")
    network_path: str = Field(
        min_length=1,
        max_length=1024,
        description="//host/share, host:/export, s3://bucket/prefix, sftp://host/path, webdav://, webdavs://, a folder",
    )
    credentials: Credentials | None = Field(
        default=None, description="For a path that is mounted already: left out, those it has stay"
    )
    storage_type: StorageType | None = Field(default=None, description="Told by network_path when left out")


class MountOut(Snake):
    """A mount; its credentials never leave. Source: document 000, "Mount Network Drive"."""

    model_config = ConfigDict(json_schema_extra={"examples": [MOUNTED]})
    status: MountStatus
    local_path: str
    network_path: str
    available_space_gb: float | None = Field(
        description="In 1,073,741,824 bytes; null where the place does not tell (S3, some servers)"
    )
    mount_time: Moment
    mount_id: str
    storage_type: StorageType
    via: Via = Field(description="client: by this server; kernel: a folder the system has mounted; folder: local files")

    @classmethod
    def of(cls, row: MountRow) -> Self:
        """The form of a row."""
        return cls(**_values(row))


class MountShown(MountOut):
    """A mount as it was when it was last looked at."""

    status_since: Moment
    last_checked_at: Moment
    reason: str | None = Field(description="Why it is degraded")

    @classmethod
    def of(cls, row: MountRow) -> Self:
        """The form of a row."""
        since, checked = row.status_since, row.last_checked_at
        return cls(**_values(row), status_since=since, last_checked_at=checked, reason=row.last_error)


class MountList(Snake):
    """All mounts, by path."""

    mounts: list[MountShown]
    total: int


class Unmounted(Snake):
    """A mount that is gone, and with `cascade` what read from it; its files stay where they lie."""

    mount_id: str
    local_path: str
    status: str = "unmounted"
    unmounted_at: Moment
    deleted: list[str] = Field(default=[], description="All that was deleted: watches, triggers, sources, the mount")

    @classmethod
    def of(cls, row: MountRow, moment: datetime) -> Self:
        """The form of a row."""
        return cls(mount_id=public_id(row.id), local_path=row.local_path, unmounted_at=moment)


def _values(row: MountRow) -> dict[str, Any]:
    same = ("status", "local_path", "network_path", "storage_type", "via")
    return {
        **{name: getattr(row, name) for name in same},
        "available_space_gb": None if row.free_bytes is None else round(row.free_bytes / GIGABYTE, 2),
        "mount_time": row.mounted_at,
        "mount_id": public_id(row.id),
    }
