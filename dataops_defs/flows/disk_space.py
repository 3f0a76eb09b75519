"""Whether the disks of the platform have room: told before PostgreSQL, which stops on a full one, finds out itself."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dataops_defs.adapters.storage.free_space import Space, space_of
from dataops_defs.adapters.storage.raw_store import local_folder
from dataops_defs.errors import DependencyUnavailable, InsufficientStorage
from dataops_defs.settings import Settings

ADVICE = (
    "remove files from it, enlarge it, move the raw copies (DATAOPS_RAW_STORE), or keep less (DATAOPS_RAW_DAYS,"
    " DATAOPS_RAW_KEEP, DATAOPS_EVENT_LOG_DAYS) and run the job 'retention' in Dagster"
)


class Room(StrEnum):
    """``low`` warns; while a disk is ``full`` no new work is begun."""

    UP = "up"
    LOW = "low"
    FULL = "full"


@dataclass(frozen=True)
class Disk:
    """One file system of this machine: what of the platform it holds, and how it is."""

    holds: tuple[str, ...]
    space: Space
    room: Room

    @property
    def message(self) -> str | None:
        """What a person has to know and do, unless all is well."""
        if self.room is Room.UP:
            return None
        meaning = "nothing new is begun until there is room" if self.room is Room.FULL else "it will soon be full"
        *others, last = self.holds
        held = f"{', '.join(others)} and {last}" if others else last
        return f"The disk that holds {held} has {self._free} free, {meaning}: {ADVICE}"

    @property
    def _free(self) -> str:
        if self.space.free_inodes_percent < self.space.free_percent:
            return f"{self.space.free_inodes:,} ({self.space.free_inodes_percent:.1f} %) of its inodes"
        return f"{self.space.free_bytes / 1e9:,.2f} GB ({self.space.free_percent:.1f} %)"


def is_full(settings: Settings) -> bool:
    """Whether nothing new may be begun, for want of room on one of the disks."""
    return any(disk.room is Room.FULL for disk in disks(settings))


def disks(settings: Settings) -> list[Disk]:
    """The file systems that hold the state folder, the embedded database and the raw copies, each once.

    Of a database on a server of its own, and of S3, nothing can be known from here.

    Raises:
        DependencyUnavailable: a file system does not answer.
    """
    held: dict[int, tuple[Space, list[str]]] = {}
    for name, folder in _folders(settings).items():
        try:
            space = space_of(folder)
        except OSError as error:
            raise DependencyUnavailable(
                f"The disk that holds {name} does not answer: {os.strerror(error.errno or 0).lower()}"
            ) from None
        held.setdefault(space.device, (space, []))[1].append(name)
    return [Disk(tuple(names), space, room_of(space, settings)) for space, names in held.values()]


def room_of(space: Space, settings: Settings) -> Room:
    """How a file system stands to the thresholds of the settings; inodes count like bytes."""
    if _below(space, settings.disk_full_percent, settings.disk_full_bytes):
        return Room.FULL
    return Room.LOW if _below(space, settings.disk_low_percent, settings.disk_low_bytes) else Room.UP


def ensure_room(found: Iterable[Disk]) -> None:
    """Refuse to begin work that writes while one of these is full.

    Raises:
        InsufficientStorage: says which, and what to do.
    """
    for disk in found:
        if disk.room is Room.FULL:
            raise InsufficientStorage(disk.message or "")


def _below(space: Space, percent: float, size: int) -> bool:
    few_bytes = space.free_bytes < min(space.bytes * percent / 100, size)
    return few_bytes or space.free_inodes_percent < percent


def _folders(settings: Settings) -> dict[str, Path]:
    raw = local_folder(settings.raw_store_url)
    database = _database_folder(settings)
    return {
        "the state folder": settings.home,
        **({"the database": database} if database else {}),
        **({"raw copies": raw} if raw else {}),
        "exports": settings.exports_path,
    }


def _database_folder(settings: Settings) -> Path | None:
    """Where the embedded server keeps its data; it notes that itself, since a closed home makes it go elsewhere."""
    if not settings.embedded:
        return None
    try:
        return Path(json.loads((settings.home / "postgres.json").read_text())["data"])
    except (OSError, ValueError, KeyError):
        return settings.home / "postgres"
