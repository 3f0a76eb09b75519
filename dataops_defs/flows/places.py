"""Where files are read from: a path as a user writes it lies below a mount, or else below a root of local files."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from sqlalchemy.orm import Session

from dataops_defs.adapters.line import During
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.mounts.opened import mounted_files
from dataops_defs.adapters.storage.roots import check_path, components, one_spelling
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.mount import StorageType, Via, check_slashes, plain_path
from dataops_defs.errors import Invalid
from dataops_defs.flows.platform import Platform

MOST_NAMED = 10
MOST_AWAY = 3
"""So many files in a row that cannot be reached: their place is away, and the others wait."""


class Place(NamedTuple):
    """An open place of files, and a path to be asked of it; entries have paths as users write them too."""

    files: Files
    path: str


@contextmanager
def open_place(
    platform: Platform, path: str, *, field: str = "file_path", during: During = nullcontext
) -> Iterator[Place]:
    """The place where a path leads, connected to; to be used by one thread at a time, but for ``files.at_once``.

    Args:
        field: of the request, that a refusal names.
        during: told of the line to a mount's server.
    Raises:
        Invalid: the path lies below no mount and no root, climbs, or is none.
        SourceUnavailable: the mount does not answer. SourceError: it refused.
    """
    names = components(path, field)
    mount = platform.mount_above(path) if path.startswith("/") else None
    if mount is None:
        _check_root(platform, path, field)
        local = RootFiles(platform.settings.roots, field)
        yield Place(local, plain_path(path) if path.startswith("/") else "/".join(names) or ".")
        return
    check_slashes(path, field, mount.place.type)
    with mounted_files(mount, platform.reach, during) as files:
        yield Place(files, plain_path(path))


def check_place(platform: Platform, session: Session, path: str, *, field: str = "file_path") -> None:
    """Refuse a path that lies below no mount and no root; nothing is connected to."""
    components(path, field)
    mount = platform.mounts(session).above(plain_path(path)) if path.startswith("/") else None
    if mount is None:
        _check_root(platform, path, field)
    else:
        check_slashes(path, field, mount.storage_type)


def identity(platform: Platform, session: Session, path: str) -> str:
    """A path in the one form by which files are told apart, wherever it comes from: see `one_spelling`.

    A mount of a folder of this machine is another name of that folder.
    """
    mount = platform.mounts(session).above(plain_path(path)) if path.startswith("/") else None
    if mount is not None and (mount.storage_type, mount.via) == (StorageType.LOCAL, Via.FOLDER):
        path = mount.address + plain_path(path).removeprefix(mount.local_path)
    return one_spelling(platform.settings.roots, path)


def _check_root(platform: Platform, path: str, field: str) -> None:
    """Refuse a path below no root; of the mounts it could lie below instead, some are named."""
    try:
        check_path(platform.settings.roots, path, field=field)
    except Invalid as error:
        with platform.catalogue() as session:
            mounts = [row.local_path for row in platform.mounts(session).all()]
        told = f"; mounted are {', '.join(mounts[:MOST_NAMED])}" if mounts else "; nothing is mounted"
        raise Invalid.field(field, f"{error.fields[0].message}{told}") from None
