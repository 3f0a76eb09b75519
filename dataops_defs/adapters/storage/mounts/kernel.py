"""What the system itself has mounted from the network. Source: proc_pid_mountinfo(5)."""

import re
from dataclasses import dataclass
from pathlib import Path

from dataops_defs.domain.mount import NetworkPlace, StorageType

# Nothing of the machine's own (proc, sysfs, overlay, tmpfs, ext4, ...): no path may open those to users.
NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "beegfs", "davfs", "9p", "virtiofs")
)
_TABLE = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_OPTIONS = 6


@dataclass(frozen=True)
class KernelMount:
    """A file system of the network at a folder; ``source`` is what its tool was told, such as ``host:/export``."""

    path: str
    kind: str
    source: str


def kernel_mount(path: str, table: str | None = None) -> KernelMount | None:
    """What is mounted from the network at exactly this folder; None for nothing.

    Args:
        table: the text of a table of mounts, in place of this process's own.
    """
    lines = (_TABLE.read_text() if table is None else table).splitlines()
    found = [each for line in lines if (each := _mount(line)) is not None and each.path == path]
    if not found:
        return None
    last = found[-1]  # a later one hides those before it
    return last if last.kind in NETWORK_FILE_SYSTEMS or last.kind.startswith("fuse.") else None


def is_of(found: KernelMount, place: NetworkPlace) -> bool:
    """Whether the system has mounted what a network path names; a local path may also name the folder itself."""
    address = place.address.removeprefix("smb:") if place.type is StorageType.SMB else place.address
    meant = {found.source, found.path} if place.type is StorageType.LOCAL else {found.source}
    return address.rstrip("/").lower() in {each.rstrip("/").lower() for each in meant}


def _mount(line: str) -> KernelMount | None:
    before, separator, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not separator or len(fields) < _OPTIONS or len(rest) < 2:
        return None
    return KernelMount(_plain(fields[4]), rest[0], _plain(rest[1]))


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
