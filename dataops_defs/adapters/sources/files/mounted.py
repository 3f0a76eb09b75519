"""Files below a mount as a source, by the paths that users know them by."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from dataops_defs.adapters.sources.files.source import FileSource
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.mount import plain_path
from dataops_defs.domain.source import Source


def mounted_source(
    source: Source, connect: Callable[[], AbstractContextManager[Files]], max_bytes: int = MAX_BYTES
) -> FileSource:
    """The source of a file, folder or pattern below a mount; nothing is connected yet.

    Args:
        connect: opens the mount's files.
        max_bytes: that are read of one file, packed or unpacked.
    """
    path = plain_path(str(source.connection["path"]))
    return FileSource(source, connect, path, format=FileFormat(str(source.type)), max_bytes=max_bytes)
