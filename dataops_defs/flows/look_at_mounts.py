"""A look at every mount: those that do not answer are shown as degraded, and as mounted again once they do."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.storage.mounts.opened import Look, Reach, look_at
from dataops_defs.adapters.storage.remote.address import Patience
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.domain.mount import Mount, MountStatus
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

SECONDS = 20.0
PATIENCE = Patience(connect=5, answer=10)
# Looks that the system holds up: a folder of a dead server can keep a thread for ever.
_HELD_UP: dict[str, "_Looking"] = {}


@dataclass(frozen=True)
class Seen:
    """What a look found; ``changed`` is its new status where that is another one."""

    local_path: str
    error: str | None
    changed: MountStatus | None


def look_at_mounts(platform: Platform, seconds: float = SECONDS) -> Sequence[Seen]:
    """Look at all mounts at the same time, so long at most, and keep what was found."""
    reach = replace(platform.reach, patience=PATIENCE)
    with platform.catalogue() as session:
        rows = platform.mounts(session).all()
        looks = [_begun(platform.mounts(session).opened, row, reach) for row in rows]
    until = time.monotonic() + seconds
    seen = []
    for each in looks:
        each.wait(until)
        with platform.catalogue() as session:
            free = each.found.free_bytes if each.found and not each.error else None
            changed = platform.mounts(session).note(each.id, each.address, each.error, free)
        seen.append(Seen(each.local_path, each.error, changed))
    return seen


class _Looking(threading.Thread):
    """A look at one mount, in a thread of its own that need not end."""

    def __init__(self, row: MountRow, reach: Reach) -> None:
        super().__init__(name="look-at-mount", daemon=True)
        self.id, self.address, self.local_path = row.id, row.address, row.local_path
        self.found: Look | None = None
        self._error: str | None = None
        self._given_up: str | None = None
        self._mount: Mount | None = None
        self._reach = reach
        self._lines: list[Line] = []

    @property
    def error(self) -> str | None:
        """Why it failed, or was given up, whatever becomes of it afterwards."""
        return self._given_up or self._error

    def give_up(self, reason: str) -> None:
        """Wait for it no longer, or do not even begin it."""
        self._given_up = reason

    def begin(self, mount: Mount) -> Self:
        """Begin it."""
        self._mount = mount
        self.start()
        return self

    def run(self) -> None:
        """Look; whatever happens is the mount's error."""
        try:
            assert self._mount is not None  # noqa: S101 - it was begun
            self.found = look_at(self._mount, self._reach, self._during)
        except DataOpsError as error:
            self._error = str(error)
        except Exception as error:
            self._error = f"it cannot be looked at ({type(error).__name__})"

    def wait(self, until: float) -> None:
        """Wait until then at most; what still waits is ended, as far as that is possible."""
        if self._mount is None:
            return
        self.join(max(0.0, until - time.monotonic()))
        if self.is_alive():
            self.give_up("it did not answer in time")
            for line in self._lines:
                line.cut()
            _HELD_UP[self.id] = self

    @contextmanager
    def _during(self, line: Line) -> Iterator[None]:
        self._lines.append(line)
        yield


def _begun(opened: Callable[[MountRow], Mount], row: MountRow, reach: Reach) -> _Looking:
    looking = _Looking(row, reach)
    before = _HELD_UP.get(row.id)
    if before is not None and before.is_alive() and before.address == row.address:
        looking.give_up("it did not answer in time, and the last look still waits")
        return looking
    _HELD_UP.pop(row.id, None)
    try:
        mount = opened(row)
    except DataOpsError as error:
        looking.give_up(str(error))
        return looking
    return looking.begin(mount)
