"""What every purge has in common, and the purge of folders by age. Run records, ledgers and audit are never purged."""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

A_DAY = timedelta(days=1)
FOLDERS_AT_ONCE = 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Purged:
    """How many things a purge removed, and how many bytes they took."""

    items: int = 0
    bytes: int = 0

    def __add__(self, other: "Purged") -> "Purged":
        return Purged(self.items + other.items, self.bytes + other.bytes)


NOTHING = Purged()


def days_before(now: datetime, days: int) -> datetime | None:
    """The moment that many days ago; None for 0 days, which keep things for ever."""
    return now - timedelta(days=days) if days else None


def purge_folder(folder: Path, before: datetime, say: Say) -> Purged:
    """Remove files last changed before that moment, and folders that have been empty since; links are not followed.

    A file that cannot be removed is told and left. A folder that is not there has nothing to remove.
    """
    gone = NOTHING
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            gone += _removed(Path(place, name), before, say)
        for name in folders:
            with suppress(OSError):  # not empty
                _remove_if_old(Path(place, name), before, Path.rmdir)
    return gone


def purge_run_folders(
    storage: Path, known: Callable[[Sequence[str]], Collection[str]], before: datetime, say: Say
) -> Purged:
    """Remove what runs printed that are no more: folders named by a run's id and older than that moment.

    Args:
        storage: the folder that holds them, ``<home>/dagster/storage``.
        known: which of some run ids are still on record.
    """
    gone = NOTHING
    folders = [each for each in _run_folders(storage) if each.stat().st_mtime < before.timestamp()]
    for start in range(0, len(folders), FOLDERS_AT_ONCE):
        some = folders[start : start + FOLDERS_AT_ONCE]
        kept = known([each.name for each in some])
        for each in some:
            if each.name not in kept:
                size = sum(path.lstat().st_size for path in each.rglob("*") if path.is_file())
                shutil.rmtree(each)
                gone += Purged(1, size)
        say(f"{gone.items} folders of deleted runs removed so far")
    return gone


def _removed(file: Path, before: datetime, say: Say) -> Purged:
    try:
        size = _remove_if_old(file, before, Path.unlink)
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        say(f"{file.name} stays, it cannot be removed: {os.strerror(error.errno or 0).lower()}")
        return NOTHING
    return NOTHING if size is None else Purged(1, size)


def _remove_if_old(path: Path, before: datetime, remove: Callable[[Path], None]) -> int | None:
    """The bytes of what was removed; None when it is younger."""
    found = path.lstat()
    if found.st_mtime >= before.timestamp():
        return None
    remove(path)
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _run_folders(storage: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        for each in storage.iterdir():
            with suppress(ValueError):
                if each.is_dir() and str(UUID(each.name)) == each.name:
                    yield each
