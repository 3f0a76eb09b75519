"""The rows of a CSV file as text, in batches; rows that cannot be read are set aside, never lost."""

import codecs
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dataops_defs.adapters.sources.csv.dialect import Dialect
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

BLOCK_SIZES = (1024 * 1024, 16 * 1024 * 1024)
MAX_RAW = 10_000
MAX_REJECTED = 100_000
REPLACED = "\ufffd"


class FileBytes(io.RawIOBase):
    """The bytes of an open file from ``start`` to ``end``, at a position of its own: several may read one file."""

    def __init__(self, file: BinaryIO, start: int = 0, end: int | None = None) -> None:
        super().__init__()
        self._descriptor = file.fileno()
        self._position = start
        self._end = end

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the file reaches."""
        wanted = memoryview(buffer)
        if self._end is not None:
            wanted = wanted[: max(self._end - self._position, 0)]
        count = os.preadv(self._descriptor, [wanted], self._position) if wanted else 0
        self._position += count
        return count


def is_utf8(file: BinaryIO, start: int = 0, end: int | None = None) -> bool:
    """Whether all bytes from ``start`` are UTF-8; with ``end`` the last character may be cut there."""
    stream, decoder = FileBytes(file, start, end), codecs.getincrementaldecoder("utf-8")()
    try:
        for block in iter(lambda: stream.read(BLOCK_SIZES[0]), b""):
            decoder.decode(block)
        decoder.decode(b"", final=end is None)
    except UnicodeDecodeError:
        return False
    return True


class _Transcoded(io.RawIOBase):
    """A stream of another encoding as UTF-8; what cannot be decoded becomes U+FFFD."""

    def __init__(self, source: io.RawIOBase, encoding: str) -> None:
        super().__init__()
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with UTF-8."""
        wanted = memoryview(buffer)
        while not self._ready and not self._ended:
            block = self._source.read(len(wanted)) or b""
            self._ended = not block
            self._ready = self._decoder.decode(block, final=self._ended).encode()
        part, self._ready = self._ready[: len(wanted)], self._ready[len(wanted) :]
        wanted[: len(part)] = part
        return len(part)


class RowTooLong(SourceError):
    """A row does not fit a block."""

    def __init__(self, block_bytes: int) -> None:
        super().__init__(f"a row is longer than {block_bytes // 2**20} MB; is a quote left open?")


@dataclass
class TextRows:
    """One pass over a file: ``batches`` gives every readable row as text, ``rejected`` fills on the way.

    Nothing between delimiters is null; quotes keep an empty text. ``read`` counts all rows met. With ``start`` the
    pass begins at a row inside the file, with ``end`` it ends there.
    """

    file: BinaryIO
    dialect: Dialect
    start: int = 0
    end: int | None = None
    block_bytes: int = BLOCK_SIZES[0]
    read: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)
    _ragged: list[int] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches of string columns, a block each; the parser reads up to 32 blocks ahead.

        Raises:
            RowTooLong: a row is longer than a block.
            SourceError: a quote is left open, or most of the file is of another encoding.
        """
        if self._is_header_only():
            return
        schema = pa.schema([pa.field(name, pa.string()) for name in self.dialect.columns])
        good, last = 0, None
        try:
            with self._reader() as reader:
                for batch in reader:
                    columns, bad = _decoded(batch, self.dialect.utf8)
                    readable = self._without(columns, bad, good, schema)
                    good += batch.num_rows
                    last = columns[-1][-1].as_py() if batch.num_rows else last
                    yield readable
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                raise RowTooLong(self.block_bytes) from None
            raise SourceError("the file cannot be read as CSV; is a quote left open?") from None
        self.read = good + len(self._ragged)
        self.rejected.sort(key=lambda row: row.number)
        self._check_last_quote(last or "")
        self._check_encoding()

    @property
    def undecoded(self) -> int:
        """So many rows were set aside for their bytes."""
        return len(self.rejected) - len(self._ragged)

    def _is_header_only(self) -> bool:
        """A first row without an end is no row cut short: there is none after it."""
        if self.start or not self.dialect.has_header:
            return False
        size = min(self.block_bytes, self.end or self.block_bytes)
        head = os.pread(self.file.fileno(), size, self.dialect.bom)
        return len(head) < self.block_bytes and b"\n" not in head and b"\r" not in head

    @property
    def _names(self) -> int:
        """How many rows name the columns."""
        return int(self.dialect.has_header)

    def _reader(self) -> csv.CSVStreamingReader:
        stream: io.RawIOBase = FileBytes(self.file, self.start or self.dialect.bom, self.end)
        if not self.dialect.utf8:
            stream = _Transcoded(stream, self.dialect.encoding)
        names = [str(place) for place in range(len(self.dialect.columns))]
        return csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=csv.ReadOptions(
                column_names=names,
                skip_rows_after_names=0 if self.start else self._names,
                block_size=self.block_bytes,
                use_threads=False,
            ),
            parse_options=csv.ParseOptions(
                delimiter=self.dialect.delimiter, newlines_in_values=True, invalid_row_handler=self._set_aside
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _set_aside(self, row: csv.InvalidRow) -> str:
        self._ragged.append(row.number)
        reason = f"expected {row.expected_columns} fields, found {row.actual_columns}"
        reason += "; is a quote left open?" if "\n" in row.text else ""
        self._reject(row.number - self._names, reason, {"line": row.text[:MAX_RAW]})
        return "skip"

    def _without(self, columns: list[pa.Array], bad: pa.Array | None, good: int, schema: pa.Schema) -> pa.RecordBatch:
        if bad is None:
            return pa.RecordBatch.from_arrays(columns, schema=schema)
        reason = f"holds bytes that are not {self.dialect.encoding}"
        for place in pc.indices_nonzero(bad).to_pylist():
            raw = {name: column[place].as_py() for name, column in zip(schema.names, columns, strict=True)}
            self._reject(self._number(good + place), reason, raw)
        return pa.RecordBatch.from_arrays(columns, schema=schema).filter(pc.invert(bad))

    def _number(self, place: int) -> int:
        """The data row's number, from its place among the rows of the right width."""
        number = place + 1
        for ragged in self._ragged:
            if ragged - self._names > number:
                break
            number += 1
        return number

    def _reject(self, number: int, reason: str, raw: dict[str, object]) -> None:
        if len(self.rejected) >= MAX_REJECTED:
            raise SourceError(f"more than {MAX_REJECTED} rows cannot be read; the first: {self.rejected[0].reason}")
        self.rejected.append(RejectedRow(number, reason, raw=raw))

    def _check_last_quote(self, last: str) -> None:
        """A quote that never closes takes the rest of the file as one value; the parser does not mind."""
        if "\n" not in last:
            return
        end = os.fstat(self.file.fileno()).st_size if self.end is None else self.end
        tail = last[-100:].encode(self.dialect.encoding, errors="replace")
        if os.pread(self.file.fileno(), len(tail), max(end - len(tail), 0)) == tail and self._quotes() % 2:
            raise SourceError("the file cannot be read as CSV: a quote is left open")

    def _quotes(self) -> int:
        stream = FileBytes(self.file, self.start, self.end)
        return sum(block.count(b'"') for block in iter(lambda: stream.read(self.block_bytes), b""))

    def _check_encoding(self) -> None:
        if self.undecoded > 10 and self.undecoded * 2 > self.read:
            raise SourceError(f"the file is not {self.dialect.encoding}; name its encoding in connection.encoding")


def _decoded(batch: pa.RecordBatch, utf8: bool) -> tuple[list[pa.Array], pa.Array | None]:
    """The columns as text, and a mask of the rows that hold undecodable bytes (None: no such row)."""
    columns: list[pa.Array] = []
    bad: pa.Array | None = None
    for column in batch.columns:
        text, found = _text(column) if utf8 else (column.cast(pa.string()), _replaced(column))
        columns.append(text)
        if found is not None:
            bad = found if bad is None else pc.or_(bad, found)
    return columns, bad


def _text(column: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    try:
        return column.cast(pa.string()), None
    except pa.ArrowInvalid:
        values = column.to_pylist()
    shown = [None if each is None else each.decode(errors="replace") for each in values]
    bad = [each is not None and (text or "").encode() != each for each, text in zip(values, shown, strict=True)]
    return pa.array(shown, pa.string()), pa.array(bad)


def _replaced(column: pa.Array) -> pa.Array | None:
    """Rows where the decoder put its mark for bytes that mean nothing."""
    found = pc.fill_null(pc.match_substring(column, REPLACED), False)
    return found if pc.any(found, min_count=0).as_py() else None
