"""Files on other machines as sources: CSV files and workbooks on SFTP, SMB and WebDAV servers."""

from contextlib import nullcontext
from functools import partial

from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.files.source import FileSource
from dataops_defs.adapters.storage.remote.address import PATIENCE, Patience, RemoteAddress, remote_files
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.connections import FileConnection
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.source import CONNECTIONS, Source


def remote_source(
    source: Source,
    address: RemoteAddress,
    *,
    listed: bool = True,
    during: During = nullcontext,
    max_bytes: int = MAX_BYTES,
    patience: Patience = PATIENCE,
) -> FileSource:
    """The source of a remote file, folder or pattern; nothing is connected yet.

    Args:
        listed: an administrator named the host; others must not be this machine itself.
        max_bytes: that are read of one file, packed or unpacked.
        during: told of the line as long as the server is needed.
    """
    given = CONNECTIONS[source.type].of({**source.connection, **source.secrets})
    assert isinstance(given, FileConnection)  # noqa: S101 - the domain gives only such sources a path
    connect = partial(
        remote_files, given, address, listed=listed, max_bytes=max_bytes, during=during, patience=patience
    )
    path = address.path.rstrip("/") or "/"
    return FileSource(source, connect, path, address.place, FileFormat(str(source.type)), max_bytes)
