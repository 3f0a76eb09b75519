"""Mounts: places of files that are read below a path of the platform's own.

A mount is reached in one of three ways: by a client of ours (``CLIENT``), through a folder at which the system itself
has mounted it (``KERNEL``), or it stands for another folder that files may be read from (``FOLDER``).
Source: document 000, "Mount Network Drive"; DECISIONS 12.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from dataops_defs.domain.source import SourceType
from dataops_defs.errors import Invalid

MAX_PATH = 1024
MAX_DEPTH = 16
# Nothing that a shell, an option of mount(8) or a pattern could take for something else.
_NAME = re.compile(r"\w(?:[\w .+@-]{0,98}[\w+@-])?")
_NFS = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]):(/[\w /.+@-]*)")
_SMB = re.compile(r"//([^/]*)(/.*)?", re.DOTALL)


class StorageType(StrEnum):
    """What a mount is made of."""

    SMB = "smb"
    NFS = "nfs"
    S3 = "s3"
    SFTP = "sftp"
    WEBDAV = "webdav"
    LOCAL = "local"


class MountStatus(StrEnum):
    """Whether it answered when it was last looked at."""

    MOUNTED = "mounted"
    DEGRADED = "degraded"


class Via(StrEnum):
    """How a mount is reached; see the module."""

    CLIENT = "client"
    KERNEL = "kernel"
    FOLDER = "folder"


class NetworkPlace(NamedTuple):
    """What a network path names; ``address`` is its one form: a URL, ``host:/export``, or an absolute path."""

    type: StorageType
    address: str


@dataclass(frozen=True)
class Mount:
    """A mount with its secrets in the clear: made only where it is opened, never printed.

    ``connection`` holds the settings of a source at that place, but for the secret ones.
    """

    id: str
    local_path: str
    place: NetworkPlace
    via: Via
    connection: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


_SCHEMES = {
    "smb": StorageType.SMB,
    "s3": StorageType.S3,
    "sftp": StorageType.SFTP,
    "webdav": StorageType.WEBDAV,
    "webdavs": StorageType.WEBDAV,
}
# Whose connections a mount's are like.
SOURCE_TYPES = {
    StorageType.SMB: SourceType.CSV,
    StorageType.SFTP: SourceType.CSV,
    StorageType.WEBDAV: SourceType.CSV,
    StorageType.S3: SourceType.S3,
}


def local_path_of(
    given: str, mount_points: Sequence[str], name: str = "local_path", *, folders: Sequence[str] = ()
) -> str:
    """A path that something may be mounted at, without needless slashes.

    Args:
        mount_points: folders below which it must lie, as a refusal says.
        folders: others below which it may lie; a refusal does not tell where on the server they are.
    Raises:
        Invalid: it is none, naming the field ``name``.
    """
    if not given.startswith("/") or len(given) > MAX_PATH:
        raise Invalid.field(name, f"must be an absolute path of at most {MAX_PATH} characters")
    made = plain_path(given)
    names = made.split("/")[1:]
    if len(names) > MAX_DEPTH or not all(_NAME.fullmatch(each) for each in names):
        raise Invalid.field(name, "must be made of names of letters, digits, blanks and . _ - + @")
    if not any(is_below(made, each.rstrip("/")) and made != each.rstrip("/") for each in (*mount_points, *folders)):
        said = f"below {' or '.join(mount_points)}" if mount_points else "below a folder of files"
        raise Invalid.field(name, f"must lie {said}; an admin sets DATAOPS_MOUNT_POINTS")
    return made


def plain_path(given: str) -> str:
    """An absolute path without needless slashes and dots."""
    return "/" + "/".join(part for part in given.split("/") if part not in ("", "."))


def check_slashes(path: str, field: str, kind: StorageType = StorageType.SMB) -> None:
    """Refuse a backslash in a path on an SMB server: there it separates folders, where all else takes it for a letter.

    Raises:
        Invalid: naming ``field``.
    """
    if kind is StorageType.SMB and "\\" in path:
        raise Invalid.field(field, "must be written with slashes: a backslash is no part of a name on an SMB server")


def is_below(path: str, folder: str) -> bool:
    """Whether a path is this folder, or lies in it; both without needless slashes."""
    return path == folder or path.startswith(f"{folder}/")


def overlap(one: str, other: str) -> bool:
    """Whether one of two paths lies below the other."""
    return is_below(one, other) or is_below(other, one)


def network_place(given: str, wanted: StorageType | None = None, name: str = "network_path") -> NetworkPlace:
    """What a network path names; without ``wanted`` its form tells the type.

    Raises:
        Invalid: it is of no known form, or of another type's; naming the field ``name``.
    """
    if not given.strip() or len(given) > MAX_PATH or any(ord(each) < 32 or ord(each) == 127 for each in given):
        raise Invalid.field(name, f"must have 1 to {MAX_PATH} characters, none of them control characters")
    found = _place(given.replace("\\", "/") if given.startswith("\\\\") else given, wanted, name)
    if wanted not in (None, found.type):
        raise Invalid.field(name, f"is of the type {found.type}, not {wanted}: give another storage_type, or none")
    if "@" in found.address.partition("://")[2].partition("/")[0]:
        raise Invalid.field(name, "must not hold a user or password: give them in credentials")
    if ".." in unquote(found.address).replace("\\", "/").split("/") or "*" in unquote(found.address):
        raise Invalid.field(name, "must not hold '..' or stars")
    return found


def _place(given: str, wanted: StorageType | None, name: str) -> NetworkPlace:
    scheme, slashes, rest = given.partition("://")
    if slashes and scheme.isalnum():
        kind = _SCHEMES.get(scheme.lower())
        if kind is None and wanted is StorageType.WEBDAV and scheme.lower() in ("http", "https"):
            return NetworkPlace(wanted, f"webdav{'s' if scheme.lower() == 'https' else ''}://{rest}")
        if kind is None:
            known = ", ".join(f"{each}://" for each in _SCHEMES)
            raise Invalid.field(name, f"'{scheme[:20]}://' is not served; use //host/share, host:/export, {known}")
        return NetworkPlace(kind, f"{scheme.lower()}://{rest}")
    if found := _SMB.fullmatch(given):
        # As people write it, without percent signs that stand for something.
        return NetworkPlace(StorageType.SMB, f"smb://{found[1]}{quote(found[2] or '/')}")
    if found := _NFS.fullmatch(given):
        if wanted is StorageType.SFTP:
            return NetworkPlace(wanted, f"sftp://{found[1]}{quote(found[2])}")
        return NetworkPlace(StorageType.NFS, f"{found[1].lower()}:/{found[2].strip('/')}")
    if given.startswith("/") and wanted in (None, StorageType.LOCAL):
        return NetworkPlace(StorageType.LOCAL, plain_path(given))
    raise Invalid.field(name, "must be //host/share, host:/export, s3://bucket, sftp://, webdav://, or a folder's path")


def connection_of(place: NetworkPlace, credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The connection of a source at that place, by the names of sources' settings.

    Args:
        credentials: by the names of mounts' settings, without empty ones.
    Raises:
        Invalid: a credential that this type has no use for.
    """
    given = dict(credentials)
    made: dict[str, Any] = {}
    if place.type is StorageType.S3:
        bucket, _, prefix = place.address.removeprefix("s3://").partition("/")
        made = {"bucket": bucket, "prefix": prefix.strip("/")}
    elif place.type in SOURCE_TYPES:
        made = {"path": place.address}
    if place.type is StorageType.SMB and "domain" in given:
        given["username"] = f"{given.pop('domain')}\\{given.get('username', '')}"
    known = CREDENTIALS[place.type]
    for name in given:
        if name not in known:
            said = f"; {', '.join(known)} are" if known else ""
            raise Invalid.field(f"credentials.{name}", f"is of no use for {place.type}{said}")
    return made | {known[name]: value for name, value in given.items()}


_OF_SERVERS = {"username": "username", "password": "password"}
# What a mount's credentials are called in a source's connection.
CREDENTIALS: Mapping[StorageType, Mapping[str, str]] = {
    StorageType.SMB: _OF_SERVERS,
    StorageType.WEBDAV: _OF_SERVERS,
    StorageType.SFTP: {**_OF_SERVERS, "private_key": "privateKey", "host_key": "hostKey"},
    StorageType.S3: {
        "access_key_id": "accessKeyId",
        "secret_access_key": "secretAccessKey",
        "session_token": "sessionToken",
        "region": "region",
        "endpoint": "endpoint",
    },
    # The system has mounted it with its own, and a folder needs none.
    StorageType.NFS: {},
    StorageType.LOCAL: {},
}
