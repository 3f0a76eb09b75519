"""Whether the code that the warm parent has imported is still the code on disk."""

import os
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dataops_defs

SETTLED_SECONDS = 0.5
Fingerprint = frozenset[tuple[str, int, int]]


def own_sources() -> list[Path]:
    """Our package, and the folder of installed packages, whose own entry changes with every installation."""
    return [Path(dataops_defs.__file__).parent, Path(sysconfig.get_paths()["purelib"])]


class SourceWatch:
    """Compares files with what they were: names, sizes and times, which takes about two milliseconds.

    Args:
        folders: the first is looked at with all below it; of the others only the folder itself.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._imported = self._latest = self._look()
        self._latest_since = 0.0

    def changed(self) -> bool:
        """Whether anything differs from what was imported."""
        now = self._look()
        if now != self._latest:
            self._latest, self._latest_since = now, time.monotonic()
        return now != self._imported

    @property
    def settled(self) -> bool:
        """Whether the change looks complete: a checkout or an installation writes one file after another."""
        return time.monotonic() - self._latest_since >= SETTLED_SECONDS

    def problem(self) -> str | None:
        """Why a changed file cannot be imported, such as one that is half written; None when all can be read."""
        if not self._latest:
            return "the code is gone"
        before = {entry[0]: entry for entry in self._imported}
        for name, *rest in self._latest:
            if name.endswith(".py") and before.get(name) != (name, *rest):
                try:
                    compile(Path(name).read_bytes(), name, "exec", dont_inherit=True)
                except (OSError, SyntaxError, ValueError) as error:
                    return f"{name}: {error}"
        return None

    def _look(self) -> Fingerprint:
        code, *others = self._folders
        try:
            return frozenset((*_files_below(str(code)), *(_entry(str(each), each.stat()) for each in others)))
        except FileNotFoundError:  # a folder is being replaced
            return frozenset()


def _files_below(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for each in entries:
            if each.is_dir(follow_symlinks=False):
                if each.name != "__pycache__":
                    yield from _files_below(each.path)
            else:
                try:
                    yield _entry(each.path, each.stat())
                except FileNotFoundError:
                    continue


def _entry(path: str, stat: os.stat_result) -> tuple[str, int, int]:
    return path, stat.st_mtime_ns, stat.st_size
