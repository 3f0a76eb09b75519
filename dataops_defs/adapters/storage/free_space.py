"""How much room a file system has."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Space:
    """Sizes in bytes; free is what programs without root's reserve may use. ``inodes`` is 0 where there is no limit."""

    device: int
    bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int

    @property
    def free_percent(self) -> float:
        """Of the bytes."""
        return 100 * self.free_bytes / self.bytes if self.bytes else 100.0

    @property
    def free_inodes_percent(self) -> float:
        """Of the number of files that the file system can hold."""
        return 100 * self.free_inodes / self.inodes if self.inodes else 100.0


def space_of(path: Path) -> Space:
    """The room on the file system that holds a path, or would hold it once it is made. May take long on a network.

    Raises:
        OSError: the file system does not answer.
    """
    try:
        return _space(os.statvfs(path), path.stat().st_dev)
    except (FileNotFoundError, PermissionError):
        if path == path.parent:
            raise
        return space_of(path.parent)


def space_at(descriptor: int) -> Space:
    """The room on the file system of an open file or folder."""
    return _space(os.fstatvfs(descriptor), os.fstat(descriptor).st_dev)


def _space(found: os.statvfs_result, device: int) -> Space:
    return Space(
        device, found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    )
