"""How a mount is to be reached: decided once, when it is made."""

from collections.abc import Sequence
from pathlib import Path

from dataops_defs.adapters.storage.mounts.kernel import is_of, kernel_mount
from dataops_defs.adapters.storage.roots import is_folder
from dataops_defs.domain.mount import NetworkPlace, StorageType, Via, overlap
from dataops_defs.errors import Invalid


def way_to(local_path: str, place: NetworkPlace, roots: Sequence[Path]) -> Via:
    """A folder that the system has mounted there already is used as it is; else a client of ours, or a local folder.

    Raises:
        Invalid: the place cannot be reached from here, or the path is taken by something else.
    """
    found = kernel_mount(local_path)
    if found is not None:
        if not is_of(found, place):
            raise Invalid.field("local_path", "is where the system has mounted something else; take another path")
        return Via.KERNEL
    inside = any(overlap(local_path, str(root.absolute())) for root in roots)
    if place.type is StorageType.NFS:
        if inside and is_folder(roots, local_path, field="local_path"):
            return Via.FOLDER
        raise Invalid.field(
            "network_path",
            f"cannot be mounted from here: NFS takes the system's own mount. Have an administrator mount"
            f" {place.address} at {local_path}, then send this again: the folder is used as it is",
        )
    if inside:
        raise Invalid.field("local_path", "lies above or below a folder of local files; take another path")
    if place.type is StorageType.LOCAL:
        if not is_folder(roots, place.address, field="network_path"):
            raise Invalid.field("network_path", "names no folder that files may be read from")
        return Via.FOLDER
    return Via.CLIENT
