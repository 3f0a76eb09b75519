"""The content of a file that is imported: opened once, hashed as it is read, and read in the types it proves."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.importing.casting import Columns, cast_reading
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv.dialect import Dialect, settings_named
from dataops_defs.adapters.sources.csv.file import FileProof, dialect_in, prove_file, proven_reading
from dataops_defs.adapters.sources.csv.types import Kind, Proven
from dataops_defs.adapters.sources.excel.container import MAX_FILE as EXCEL_BYTES
from dataops_defs.adapters.sources.files.formats import format_by_content, format_by_name
from dataops_defs.adapters.sources.files.reading import Openable, Wanted, naming, reading_of
from dataops_defs.adapters.sources.json.records import NO_RECORDS
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.roots import MAX_NAME
from dataops_defs.adapters.storage.spool import check_size, unpacked
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.importing import PACKED, ImportOptions
from dataops_defs.domain.sql_types import SqlType, sql_types
from dataops_defs.errors import Invalid, SourceError

BLOCK = 1024 * 1024
CUT = "its last line has no end: the file may be cut off"
MANIFEST = ".sha256"
MAX_MANIFEST = 4096
TOLD_BY = 16
_LINES = (FileFormat.CSV, FileFormat.JSONL)
_JSON = (FileFormat.JSON, FileFormat.JSONL)
_DIGEST = re.compile(rb"\s*([0-9a-fA-F]{64})\b")


class NothingFits(Exception):
    """Not one row could be taken; ``rejected`` are all of them."""

    def __init__(self, rejected: list[RejectedRow]) -> None:
        super().__init__(f"{len(rejected)} rows were rejected, and none was taken")
        self.rejected = rejected


@dataclass(frozen=True)
class Content:
    """An open file; ``file`` is unpacked, ``given`` is as it lies there, and ``digest`` the SHA-256 of that.

    ``of_table`` are types by column that the target has already, and that its values have to be of.
    ``notes`` is what reading a workbook has told.
    """

    name: str
    format: FileFormat
    options: ImportOptions
    given: BinaryIO
    file: BinaryIO
    digest: str
    mark: tuple[int, int]
    of_table: Mapping[str, SqlType] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """In bytes, as it lies there."""
        return self.mark[0]

    @cached_property
    def columns(self) -> Columns:
        """What becomes of its columns."""
        return Columns({**self.of_table, **self.given_types}, not self.options.infer_schema)

    @cached_property
    def given_types(self) -> Mapping[str, SqlType]:
        """The types that the request gives columns."""
        return sql_types(self.options.data_types)

    @cached_property
    def suspect(self) -> str | None:
        """Why it may be cut off; None for a file that has its own end, or a line's end."""
        if self.format not in _LINES:
            return None
        size = os.fstat(self.file.fileno()).st_size
        last = os.pread(self.file.fileno(), 4, max(size - 4, 0))
        return None if b"\n" in last or b"\r" in last or not last else CUT

    @cached_property
    def dialect(self) -> Dialect:
        """How a CSV file is written."""
        with naming(self.name), settings_named():
            return dialect_in(self.file, self.options.connection, whole=True)

    @property
    def note(self) -> str | None:
        """What people should know of how it is read."""
        notes = list(self.dialect.notes if self.is_csv else self.notes)
        if self.format is not format_by_name(self.name.rpartition("/")[2]):
            notes.insert(0, f"it is read as {self.format}, as its content shows, whatever its name says")
        return "; ".join(notes) or None

    @property
    def is_csv(self) -> bool:
        """Whether its values are text, of which types have to be proven."""
        return self.format is FileFormat.CSV

    @property
    def is_plain_csv(self) -> bool:
        """Whether it is a CSV file whose columns all keep the types that are proven for them."""
        return self.format is FileFormat.CSV and self.options.infer_schema and not self.columns.wanted

    def proof(self) -> FileProof:
        """What the values of a CSV file are; columns that are given a type are read as text."""
        with naming(self.name):
            proof = prove_file(self.file, self.dialect)
        if not self.options.infer_schema:
            proof.columns = [Proven(Kind.TEXT)] * len(proof.columns)
        for place, name in enumerate(self.dialect.columns):
            if name in self.columns.wanted:
                proof.columns[place] = Proven(Kind.TEXT)
        return proof

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """All rows, in the types they are given."""
        with ExitStack() as kept:
            if self.format is FileFormat.CSV:
                given = proven_reading(self.file, self.dialect, self.proof())
            else:
                wanted = Wanted(self.format, True, self.options.sheet, self.options.connection)
                given = reading_of([Openable(self.name, lambda: nullcontext(self.file))], wanted, kept)
                self.notes[:] = given.notes
                if self.format in _JSON and not given.schema.names:
                    raise Invalid.field("file_path", NO_RECORDS)
            self.check_columns(given.schema.names)
            made = cast_reading(given, self.columns)
            made.batches = self._whole(made, made.batches)
            yield made

    def _whole(self, reading: Reading, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches; before their end, at which a sink may commit, it is seen whether it should."""
        self.check_unchanged()
        taken = 0
        for batch in batches:
            taken += batch.num_rows
            yield batch
        self.check_unchanged()
        if not taken and reading.rejected:
            raise NothingFits(list(reading.rejected))

    def check_columns(self, names: list[str] | tuple[str, ...]) -> None:
        """Refuse types for columns that the file does not have.

        Raises:
            Invalid: naming the first of them.
        """
        if missing := self.columns.missing(names):
            shown = ", ".join(f"'{name}'" for name in names[:20])
            raise Invalid.field(f"data_types.{missing[0][:60]}", f"is not a column of {self.name}; it has {shown}")

    def check_unchanged(self) -> None:
        """SourceError when the file is no longer the one that was hashed."""
        if _mark(self.given) != self.mark:
            raise SourceError(f"{self.name} changed while it was read")


@contextmanager
def opened_content(files: Files, path: str, options: ImportOptions, max_bytes: int) -> Iterator[Content]:
    """Open a file for an import. One that is replaced meanwhile is read as it was.

    Where its first bytes prove another format than its name tells, it is read as that.

    Raises:
        Invalid: the name does not tell a format that is read.
        SourceError: there is no such file, it cannot be unpacked, or it is not what its manifest says.
    """
    found = files.entry(path)
    if found is None or found.is_folder:
        raise SourceError(f"no such file: {path}" if found is None else f"not a file: {path}")
    kind = checked_format(path)
    if kind is FileFormat.EXCEL:
        check_size(found.size, path, EXCEL_BYTES)
    with files.opened(found) as given:
        mark = _mark(given)
        digest = _digest(given)
        check_manifest(files, path, digest)
        with unpacked(given, path, max_bytes=max_bytes) as file:
            kind = format_by_content(os.pread(file.fileno(), TOLD_BY, 0)) or kind
            yield Content(path, kind, options, given, file, digest, mark)


def checked_format(path: str, field: str = "file_path") -> FileFormat:
    """The format that a file's name tells; Invalid when it tells none."""
    kind = format_by_name(path.rpartition("/")[2])
    if kind is None:
        told = "ends in .csv, .tsv, .txt, .json, .jsonl, .xlsx or .parquet"
        raise Invalid.field(field, f"{told}, and may be compressed: {', '.join(PACKED)}")
    return kind


def check_manifest(files: Files, path: str, digest: str) -> None:
    """Where ``<file>.sha256`` lies beside a file, it must name this content: a file that was cut off is not imported.

    Raises:
        SourceError: it names another content, or none.
    """
    if len(f"{path.rpartition('/')[2]}{MANIFEST}".encode()) > MAX_NAME:
        return  # no file can have that name
    found = files.entry(path + MANIFEST)
    if found is None or found.is_folder:
        return
    with files.opened(found) as file:
        said = _DIGEST.match(file.read(MAX_MANIFEST))
    if said is None or said[1].decode().lower() != digest:
        raise SourceError(f"{path} is not the file that {path}{MANIFEST} names: it is cut off, changed or not complete")


def _digest(file: BinaryIO) -> str:
    found, place = sha256(), 0
    while block := os.pread(file.fileno(), BLOCK, place):
        found.update(block)
        place += len(block)
    return found.hexdigest()


def _mark(file: BinaryIO) -> tuple[int, int]:
    seen = os.fstat(file.fileno())
    return seen.st_size, seen.st_mtime_ns
