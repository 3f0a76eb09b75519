"""The raw store: untouched copies of what was extracted, as Parquet, in a local folder or in S3."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.storage.raw_copy import RawCopy, folder_of
from dataops_defs.adapters.storage.raw_folder import FolderPlaces
from dataops_defs.errors import Invalid, NotFound

ROW_GROUP_ROWS = 64 * 1024
ROW_GROUP_BYTES = 32 * 1024 * 1024
ZSTD_LEVEL = 1
MAX_KEY = 900
_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class RawFile:
    """One raw copy: where it is kept, how many rows and bytes it has, and its SHA-256 in hex."""

    uri: str
    rows: int
    bytes: int
    sha256: str


class Places(Protocol):
    """Where raw copies are kept. All raise DependencyUnavailable when the place does not answer."""

    def uri(self, bucket: str, key: str) -> str:
        """The address that users see."""
        ...

    def create(self, bucket: str, key: str, writer: str) -> Any:
        """A context with ``write``: visible when it ends well, gone when it ends with an error.

        Of a ``writer`` that began before and was killed, what it left half-written may be removed.
        """
        ...

    def open(self, uri: str) -> Any:
        """A context with an open file to read; NotFound when there is none."""
        ...

    def delete(self, uri: str) -> None:
        """Remove the copy, if it is there."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether the copy is there."""
        ...

    def copies(self, folder: str) -> Iterator[RawCopy]:
        """The copies directly in a folder, in no order; none in one that is not of this place."""
        ...

    def discard_unfinished(self, folder: str, before: datetime) -> list[int]:
        """Remove what writers that died left half-written before that moment; the bytes of each."""
        ...


class RawStore:
    """Raw copies by bucket and key.

    Args:
        url: ``file:///folder`` (buckets are folders in it), ``s3://`` (buckets are S3 buckets, made when missing) or
            ``s3://bucket`` (buckets are prefixes in that one).
        endpoint: URL of an S3-compatible server; None for AWS. Credentials come from the environment as boto3
            finds them.
    """

    def __init__(self, url: str, endpoint: str | None = None) -> None:
        parts, folder = urlsplit(url), local_folder(url)
        if folder is not None:
            self._places: Places = FolderPlaces(folder)
        elif parts.scheme == "s3":
            # boto3 takes a third of a second to import: only those who use it pay.
            from dataops_defs.adapters.storage.raw_s3 import S3Places

            self._places = S3Places(parts.netloc, endpoint)
        else:
            raise Invalid.field("DATAOPS_RAW_STORE", "must be file:///folder, s3:// or s3://bucket")

    def write(
        self, bucket: str, key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], writer: str = ""
    ) -> RawFile:
        """Write all batches as one Parquet file; readers see all of it or nothing.

        Whatever the batches raise passes through, and nothing remains.

        Args:
            writer: an id of the work, letters, digits and hyphens; it is done by one at a time.

        Raises:
            Invalid: a bucket or key that cannot be a name.
            DependencyUnavailable: the place did not answer.
            InsufficientStorage: the place is full.
        """
        _check_bucket(bucket)
        _check_key(key)
        with self._places.create(bucket, key, writer) as file:
            counted = _Counted(file)
            rows = _write_parquet(counted, schema, batches)
        return RawFile(self._places.uri(bucket, key), rows, counted.bytes, counted.digest.hexdigest())

    def open(self, uri: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema of a raw copy and its batches of at most 65,536 rows; the file closes with the iterator.

        Raises:
            NotFound: there is no such copy (any more).
        """
        batches = self._batches(uri)
        schema = next(batches)
        return schema, batches

    @contextmanager
    def parquet(self, uri: str) -> Iterator[pq.ParquetFile]:
        """The file of a raw copy, for whoever reads parts of it.

        Raises:
            NotFound: there is no such copy (any more).
        """
        with self._places.open(uri) as file:
            yield _parquet(file, uri)

    def rows(self, uri: str, first: int, size: int) -> Iterator[pa.RecordBatch]:
        """The rows of a raw copy from number ``first`` (from 0) on, in batches of ``size``; smaller at a group's end.

        Raises:
            NotFound: there is no such copy (any more).
        """
        with self._places.open(uri) as file:
            parquet = _parquet(file, uri)
            for group in range(parquet.num_row_groups):
                rows = parquet.metadata.row_group(group).num_rows
                if first >= rows:
                    first -= rows
                    continue
                table = parquet.read_row_group(group)
                for start in range(first, rows, size):
                    yield table.slice(start, size).combine_chunks().to_batches()[0]
                first = 0

    def delete(self, uri: str) -> None:
        """Remove a raw copy; no error when there is none."""
        self._places.delete(uri)

    def exists(self, uri: str) -> bool:
        """Whether a raw copy is there."""
        return self._places.exists(uri)

    def folder(self, bucket: str, key: str) -> str:
        """The address of the folder that a copy of that key would be in."""
        return folder_of(self._places.uri(bucket, key))

    def copies(self, folder: str) -> Iterator[RawCopy]:
        """The copies directly in a folder, in no order; none where the folder is gone or is another store's.

        Raises:
            DependencyUnavailable: the place did not answer.
        """
        return self._places.copies(folder)

    def discard_unfinished(self, folder: str, before: datetime) -> list[int]:
        """Remove what writers that died left half-written in a folder before that moment; the bytes of each.

        Raises:
            DependencyUnavailable: the place did not answer.
        """
        return self._places.discard_unfinished(folder, before)

    def _batches(self, uri: str) -> Iterator[pa.Schema | pa.RecordBatch]:
        """The schema first, then the batches: one generator, so that one ``with`` holds the file."""
        with self._places.open(uri) as file:
            parquet = _parquet(file, uri)
            yield parquet.schema_arrow
            # Group by group: a reader of the whole file keeps what it needed for each until its end.
            for group in range(parquet.num_row_groups):
                yield from parquet.iter_batches(batch_size=BATCH_ROWS, row_groups=[group])


def _parquet(file: Any, uri: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid:
        raise NotFound(f"raw copy {uri} is damaged") from None


def local_folder(url: str) -> Path | None:
    """The folder of a ``file:///folder`` address; None for addresses of other kinds."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.path.startswith("/") else None


class _Counted:
    """Counts and hashes what is written."""

    closed = False

    def __init__(self, file: Any) -> None:
        self._file = file
        self.bytes = 0
        self.digest = sha256()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.bytes += view.nbytes
        self.digest.update(view)
        self._file.write(view)
        return view.nbytes

    def flush(self) -> None:
        """Nothing is held back here."""


def _write_parquet(file: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    rows = 0
    with pq.ParquetWriter(
        pa.PythonFile(file, mode="w"),
        schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        # Dictionaries cost a quarter of the time and save nothing on mixed data.
        use_dictionary=False,
    ) as writer:
        for group in _grouped(batches):
            table = pa.Table.from_batches(group, schema)
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            rows += table.num_rows
    return rows


def _grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches by row group: small ones cost space and time, large ones memory, here and for every reader."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if group and (rows + batch.num_rows > ROW_GROUP_ROWS or size + batch.nbytes > ROW_GROUP_BYTES):
            yield group
            group, rows, size = [], 0, 0
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if group:
        yield group


def _check_bucket(bucket: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise Invalid.field("storage.bucket", "must be 1 to 63 letters, digits, dots, hyphens or underscores")


def _check_key(key: str) -> None:
    parts = key.split("/")
    if not key or len(key.encode(errors="replace")) > MAX_KEY or any(part in ("", ".", "..") for part in parts):
        raise Invalid.field("storage.prefix", f"must be names separated by single slashes, at most {MAX_KEY} bytes")
    if not key.isprintable() or "\\" in key:
        raise Invalid.field("storage.prefix", "must not hold backslashes or control characters")
