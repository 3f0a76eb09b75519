"""Mounts are opened here: each reading has a connection of its own, which no other one can break."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from dataops_defs.adapters.hosts import addresses_of, is_listed
from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.http.guard import is_endpoint_listed
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.mounts.files import MountedFiles
from dataops_defs.adapters.storage.mounts.kernel import is_of, kernel_mount
from dataops_defs.adapters.storage.remote.address import PATIENCE, Patience, RemoteAddress, remote_files
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.connections import FileConnection, S3Connection
from dataops_defs.domain.mount import SOURCE_TYPES, Mount, StorageType, Via
from dataops_defs.domain.source import CONNECTIONS
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable


@dataclass(frozen=True)
class Reach:
    """What may be reached: folders of files, hosts (see ``sources.registry``), so many bytes of a file."""

    roots: Sequence[Path]
    hosts: Collection[str] = ()
    max_bytes: int = MAX_BYTES
    patience: Patience = field(default=PATIENCE)


@dataclass(frozen=True)
class Look:
    """What a look at a mount found."""

    free_bytes: int | None


@contextmanager
def mounted_files(mount: Mount, reach: Reach, during: During = nullcontext) -> Iterator[MountedFiles]:
    """The files of a mount that was made before; ``during`` is told of the line to its server.

    Raises:
        SourceUnavailable: it does not answer, or the system has it mounted no longer.
        SourceError: it refused, or its host may not be reached any more.
    """
    with ExitStack() as held:
        try:
            files = held.enter_context(_connected(mount, reach, during))
        except Invalid as error:
            # What is wrong with the mount is not wrong with the request that names a file below it.
            raise SourceError(f"The mount at {mount.local_path} cannot be opened: {error}") from None
        yield files


def look_at(mount: Mount, reach: Reach, during: During = nullcontext) -> Look:
    """Connect, list the root and ask for the free space.

    Raises:
        Invalid: its host may not be reached, or a setting does not fit; named as sources name it.
        SourceUnavailable, SourceError: as for `mounted_files`.
    """
    with _connected(mount, reach, during) as files:
        list(islice(files.entries(mount.local_path), 1))
        # Not every server tells; that one does not is no fault of the mount.
        with suppress(SourceError):
            return Look(files.free_bytes(mount.local_path))
    return Look(None)


@contextmanager
def _connected(mount: Mount, reach: Reach, during: During) -> Iterator[MountedFiles]:
    with ExitStack() as held:
        files, base = _there(mount, reach, during, held)
        yield MountedFiles(files, mount.local_path, base)


def _there(mount: Mount, reach: Reach, during: During, held: ExitStack) -> tuple[Files, str]:
    """The files at their own place, and what their paths begin with there."""
    if mount.via is Via.KERNEL:
        _check_mounted(mount)
        return RootFiles((Path(mount.local_path),)), f"{mount.local_path}/"
    if mount.via is Via.FOLDER:
        path = mount.place.address if mount.place.type is StorageType.LOCAL else mount.local_path
        return RootFiles(reach.roots), f"{path}/"
    given = CONNECTIONS[SOURCE_TYPES[mount.place.type]].of({**mount.connection, **mount.secrets})
    if isinstance(given, S3Connection):
        return _bucket(given, mount, reach, during, held)
    assert isinstance(given, FileConnection)  # noqa: S101 - all other mounts have one
    address = RemoteAddress.of(given.path)
    if address is None:
        raise Invalid.field("connection.path", "must be the address of a server")
    listed = is_listed(address.host, address.port, reach.hosts, "connection.path")
    files = remote_files(
        given, address, listed=listed, max_bytes=reach.max_bytes, during=during, patience=reach.patience
    )
    return held.enter_context(files), f"{address.path.rstrip('/')}/"


def _bucket(given: S3Connection, mount: Mount, reach: Reach, during: During, held: ExitStack) -> tuple[Files, str]:
    # boto3 takes a third of a second to import: only those who use it pay.
    from dataops_defs.adapters.storage.bucket import Bucket
    from dataops_defs.adapters.storage.bucket import Patience as BucketPatience

    if given.endpoint and not is_endpoint_listed(mount.connection, reach.hosts):
        url = urlsplit(given.endpoint)
        addresses_of(url.hostname or "", url.port or 443, "connection.endpoint", listed=False, private=True)
    patience = BucketPatience(connect=reach.patience.connect, read=reach.patience.answer)
    bucket = Bucket(given, patience, reach.max_bytes)
    held.enter_context(during(bucket.line))
    prefix = given.prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


def _check_mounted(mount: Mount) -> None:
    """An empty folder where something was mounted must not look as if all files were deleted."""
    found = kernel_mount(mount.local_path)
    if found is None:
        raise SourceUnavailable(f"{mount.local_path} is no longer mounted: have the system mount it again")
    if not is_of(found, mount.place):
        raise SourceError(f"something else is mounted at {mount.local_path} now; delete the mount, and make it anew")
