"""Files as a source, wherever they lie: one of them, or all that match a pattern as one result."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.excel.container import MAX_FILE as EXCEL_BYTES
from dataops_defs.adapters.sources.files.ahead import opened_ahead
from dataops_defs.adapters.sources.files.formats import format_of
from dataops_defs.adapters.sources.files.heads import HEADS, Head, as_one, first_rows
from dataops_defs.adapters.sources.files.reading import Openable, Wanted, reading_of
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.storage.files import Entry, Files, found_by
from dataops_defs.adapters.storage.glob import check_below, is_pattern
from dataops_defs.adapters.storage.spool import MAX_BYTES, check_size, unpacked
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction, ExtractionType, FileFormat
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError

PREVIEWED_FILES = 10
MAX_COUNTED = 1000
_NOTHING = Extraction(ExtractionType.FILE)


@dataclass(frozen=True)
class FileSource:
    """Files at one place; ``base`` is the folder, the file or the pattern that the source names.

    Args:
        connect: opens the connection to the place.
        format: of all its files; None: the extraction or the files' names say it.
        shown: how messages name the place; what stands before a path there.
        max_bytes: that a packed file may unfold to.
    """

    source: Source
    connect: Callable[[], AbstractContextManager[Files]]
    base: str
    shown: str = ""
    format: FileFormat | None = None
    max_bytes: int = MAX_BYTES

    def test(self) -> str:
        """Connect; count the files of a folder or a pattern, or read the first rows of the only file."""
        with self.connect() as files:
            found = None if is_pattern(self.base) else files.entry(self.base)
            if found is None or found.is_folder:
                return self._counted(files, found)
            columns = len(self._preview(files, [found], self._wanted(_NOTHING, [found]), 1).columns)
        return f"file {self.shown}{self.base} has {columns} {'column' if columns == 1 else 'columns'}"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows, of the first files; columns and types are those that these show."""
        with self.connect() as files:
            found = self._found(files, extraction)
            return self._preview(files, found, self._wanted(extraction, found), limit)

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows of all files; the connection is closed before the first row is given."""
        with ExitStack() as kept:
            with self.connect() as files:
                found = self._found(files, extraction)
                wanted = self._wanted(extraction, found)
                each_by_name = [Openable(each.path, partial(self._opened, files, each)) for each in found]
                with opened_ahead(each_by_name, files.at_once) as openable:
                    reading = reading_of(openable, wanted, kept)
            yield reading

    def _found(self, files: Files, extraction: Extraction) -> Sequence[Entry]:
        """The files that are asked for, by path; at least one."""
        path = self.base
        if extraction.path:
            check_below(extraction.path)
            path = f"{path.rstrip('/')}/{extraction.path}" if path else extraction.path
        if is_pattern(path):
            matching = found_by(files, path)
            if not matching:
                raise SourceError(f"no file matches {self.shown}{path}")
            return matching
        found = files.entry(path)
        if found is None:
            raise SourceError(f"no such file: {self.shown}{path}")
        if found.is_folder:
            told = "must name a file in it, or a pattern such as *" if extraction.path else "is required"
            raise Invalid.field("extraction.path", f"{told}: {self.shown}{path} is a folder")
        return [found]

    def _wanted(self, extraction: Extraction, found: Sequence[Entry]) -> Wanted:
        said = self.format or extraction.format
        kind = said or format_of(found)
        for each in found if kind is FileFormat.EXCEL else ():
            check_size(each.size, each.path, EXCEL_BYTES)
        return Wanted(kind, said is None, extraction.sheet, self.source.connection)

    def _counted(self, files: Files, folder: Entry | None) -> str:
        if folder is None:
            count = len(found_by(files, self.base)) if is_pattern(self.base) else 0
            if not count:
                raise SourceError(f"no such file: {self.shown}{self.base}")
            return f"{count} {'file matches' if count == 1 else 'files match'} {self.shown}{self.base}"
        inside = list(islice(files.entries(self.base), MAX_COUNTED + 1))
        count = sum(not each.is_folder for each in inside)
        more = "more than " if len(inside) > MAX_COUNTED else ""
        return f"folder {self.shown}{self.base} holds {more}{count} {'file' if count == 1 else 'files'}"

    def _preview(self, files: Files, found: Sequence[Entry], wanted: Wanted, limit: int) -> Preview:
        heads: list[Head] = []
        for each in found[:PREVIEWED_FILES]:
            heads.append(self._head(files, each, wanted, limit + 1 - sum(head.rows for head in heads)))
            if sum(head.rows for head in heads) > limit:
                break
        shown = preview_of(*as_one(heads), limit)
        more = len(heads) < len(found) or any(head.cut for head in heads)
        notes = [note for head in heads for note in head.notes]
        return Preview(shown.columns, shown.rows, shown.truncated or more, notes)

    @contextmanager
    def _opened(self, files: Files, entry: Entry) -> Iterator[BinaryIO]:
        """A file's content, unpacked where it is packed."""
        with files.opened(entry) as file, unpacked(file, entry.path, max_bytes=self.max_bytes) as content:
            yield content

    def _head(self, files: Files, entry: Entry, wanted: Wanted, rows: int) -> Head:
        """The first rows of a file; no more of it is fetched than they need."""
        parts = wanted.format is FileFormat.PARQUET and not entry.name.endswith(".gz")
        size = HEADS.get(wanted.format)
        with files.opened(entry, size, parts=parts) as file:
            if parts:
                return first_rows(file, entry.path, wanted, rows, cut=False)
            with unpacked(file, entry.path, size, self.max_bytes) as content:
                cut = os.fstat(file.fileno()).st_size < entry.size
                cut = cut or (content is not file and size is not None and os.fstat(content.fileno()).st_size >= size)
                return first_rows(content, entry.path, wanted, rows, cut=cut)
