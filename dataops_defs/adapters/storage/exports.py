"""Where exported files lie until they are fetched: a folder; a file appears there whole or not at all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.storage.raw_folder import PREFIX, FolderPlaces
from dataops_defs.errors import DependencyUnavailable, InsufficientStorage

_OURS = re.compile(r"[0-9a-f-]{36}\.\d+\.xlsx")


def place_of(export_id: str, epoch: int) -> str:
    """The name of a file. Workers of one run never share one: an earlier one may still be writing."""
    return f"{export_id}.{epoch}.xlsx"


class ExportStore:
    """Files below ``folder``, each by its ``place``, which is its name there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places = FolderPlaces(folder.parent)

    @contextmanager
    def create(self, place: str, writer: str) -> Iterator[BinaryIO]:
        """A file to write, in place at the end, gone on any failure; what ``writer`` had begun before goes first.

        Raises:
            InsufficientStorage: the disk is full.
            DependencyUnavailable: the folder cannot be written.
        """
        with _our_words(), self._places.create(self.folder.name, place, writer) as file:
            yield file

    def path(self, place: str) -> Path:
        """Where the file lies, for whoever sends it."""
        return self.folder / place

    def size(self, place: str) -> int:
        """Bytes of a file."""
        return (self.folder / place).stat().st_size

    def holds(self, place: str) -> bool:
        """Whether the file is there."""
        return self._places.exists(self._uri(place))

    def delete(self, place: str) -> None:
        """Remove a file, if it is there."""
        with _our_words():
            self._places.delete(self._uri(place))

    def discard(self, before: datetime, kept: frozenset[str]) -> list[int]:
        """Remove what has not changed since: files half-written, and exports whose place is not among ``kept``.

        Returns:
            The bytes of each.
        """
        uri = f"{PREFIX}{self.folder.name}"
        gone = self._places.discard_unfinished(uri, before)
        for copy in list(self._places.copies(uri)):
            if _OURS.fullmatch(copy.name) and copy.name not in kept and copy.written_at < before:
                self._places.delete(copy.uri)
                gone.append(copy.bytes)
        return gone

    def _uri(self, place: str) -> str:
        return self._places.uri(self.folder.name, place)


@contextmanager
def _our_words() -> Iterator[None]:
    try:
        yield
    except InsufficientStorage:
        raise InsufficientStorage("The disk of exports is full: make room on it, then try again") from None
    except DependencyUnavailable:
        raise DependencyUnavailable("The folder of exports cannot be written; try again shortly") from None
