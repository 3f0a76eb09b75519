"""Iceberg tables as a sink: one write is one snapshot, and a write that is repeated counts once.

The catalogue of the tables lies in PostgreSQL, their files in a folder or in S3. A snapshot carries the id of its
write, so that whoever repeats a write after a crash finds it done.
Source: Iceberg table specification, "Snapshots"; COMPONENTS, "Iceberg".
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from dataops_defs.adapters.sinks.iceberg_history import MODE, RUN_ID, WRITE_ID, done_before, is_as_left_by
from dataops_defs.adapters.sinks.protocol import Written, counted, plain
from dataops_defs.adapters.sinks.table import Progress, unnoticed
from dataops_defs.adapters.sinks.table_shape import Mode, check_shared
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict, DependencyUnavailable, InsufficientStorage, Invalid

OWNER = "dataops.owner"
CATALOGUE = "dataops"
SCHEMA = "iceberg"
# Of rows in memory: so much is held before a file is written.
FILE_BYTES = 64 * 1024**2
_S3 = {
    "s3.access-key-id": "AWS_ACCESS_KEY_ID",
    "s3.secret-access-key": "AWS_SECRET_ACCESS_KEY",
    "s3.session-token": "AWS_SESSION_TOKEN",
    "s3.region": "AWS_DEFAULT_REGION",
}
_NAME = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True)
class Lake:
    """The Iceberg tables of the platform.

    Args:
        catalogue_url: SQLAlchemy URL of the database that keeps the catalogue, in a schema of its own.
        location: ``file:///folder`` or ``s3://bucket/prefix``; credentials of S3 come from the environment.
        s3_endpoint: URL of an S3-compatible server; None for AWS.
    """

    catalogue_url: str
    location: str
    s3_endpoint: str | None = None

    def open(self) -> Any:
        """The catalogue; pyiceberg takes a second to import, and only those who use it pay."""
        from pyiceberg.catalog.sql import SqlCatalog

        folder = urlsplit(self.location)
        if folder.scheme == "file":
            Path(unquote(folder.path)).mkdir(parents=True, exist_ok=True)
        mark = "&" if "?" in self.catalogue_url else "?"
        settings = {
            "uri": f"{self.catalogue_url}{mark}options=-csearch_path%3D{SCHEMA}",
            "warehouse": self.location,
            "pool_pre_ping": "true",
        }
        if self.s3_endpoint:
            settings["s3.endpoint"] = self.s3_endpoint
        settings |= {name: os.environ[variable] for name, variable in _S3.items() if os.environ.get(variable)}
        with refusals(self.location):
            return SqlCatalog(CATALOGUE, **settings)


@dataclass(frozen=True)
class IcebergSink:
    """A table of the lake; made when it is missing, and then ``owner``'s."""

    lake: Lake
    namespace: str
    table: str
    owner: str = ""
    run_id: str = ""

    def __post_init__(self) -> None:
        if not all(_NAME.fullmatch(each) for each in (self.namespace, self.table)):
            raise Invalid.field("target_table", "must be schema.table: letters, digits, _ and $")

    @property
    def name(self) -> str:
        """``namespace.table``."""
        return f"{self.namespace}.{self.table}"

    @property
    def uri(self) -> str:
        """How answers name it."""
        return f"iceberg:{self.name}"

    def write(self, reading: Reading, *, mode: Mode, writer: str, progress: Progress = unnoticed) -> Written:
        """Take all rows as one snapshot, unless a snapshot of that writer is there already."""
        with refusals(self.name):
            catalogue = self.lake.open()
            schema = lake_schema(reading.schema)
            made = self._made(catalogue, schema)
            if (done := done_before(made, writer, mode)) is not None:
                return self._written(reading, done, sum(batch.num_rows for batch in counted(reading, progress)))
            rows = _Rows(reading, schema, progress)
            snapshot = self._commit(made, schema, rows, mode, writer)
        return self._written(reading, snapshot, rows.taken)

    def found_owner(self) -> str | None:
        """Whose the table is; empty for one that was made elsewhere, None where there is none."""
        with refusals(self.name):
            catalogue = self.lake.open()
            if not catalogue.table_exists(self.name):
                return None
            return str(catalogue.load_table(self.name).properties.get(OWNER, ""))

    def is_as_left_by(self, writer: str) -> bool:
        """Whether the table is as that write has left it; what was repaired of its rows may have been added since."""
        with refusals(self.name):
            return is_as_left_by(self.lake.open().load_table(self.name), writer)

    def is_empty(self) -> bool:
        """Whether the table has no row."""
        with refusals(self.name):
            table = self.lake.open().load_table(self.name)
            return bool(table.scan().count() == 0)

    def _made(self, catalogue: Any, schema: pa.Schema) -> Any:
        catalogue.create_namespace_if_not_exists(self.namespace)
        properties = {"write.target-file-size-bytes": str(FILE_BYTES), "format-version": "2", OWNER: self.owner}
        return catalogue.create_table_if_not_exists(self.name, schema, properties=properties)

    def _commit(self, table: Any, schema: pa.Schema, rows: "_Rows", mode: Mode, writer: str) -> Any:
        from pyiceberg.exceptions import CommitFailedException
        from pyiceberg.io.pyarrow import _dataframe_to_data_files

        files: list[Any] = []
        try:
            with table.transaction() as transaction:
                _fit(transaction, table, schema, mode)
                properties = {WRITE_ID: writer, RUN_ID: self.run_id, MODE: mode}
                update = transaction.update_snapshot(snapshot_properties=properties)
                old = [task.file for task in table.scan().plan_files()] if mode == "replace" else []
                with update.overwrite() if old else update.fast_append() as snapshot:
                    reader = pa.RecordBatchReader.from_batches(schema, rows.batches())
                    made = _dataframe_to_data_files(
                        table_metadata=transaction.table_metadata,
                        df=reader,
                        io=table.io,
                        write_uuid=snapshot.commit_uuid,
                    )
                    for each in made:
                        files.append(each)
                        snapshot.append_data_file(each)
                    for each in old:
                        snapshot.delete_data_file(each)
        except BaseException as error:
            for each in files:
                with suppress(Exception):
                    table.io.delete(each.file_path)
            if isinstance(error, CommitFailedException):
                raise DependencyUnavailable(f"Another write to {self.uri} was in the way; try again shortly") from None
            raise
        return table.current_snapshot()

    def _written(self, reading: Reading, snapshot: Any, rows: int) -> Written:
        rejected = list(reading.rejected)
        ledger = Ledger(read=rows + len(rejected), inserted=rows, rejected=len(rejected)).balanced()
        size = int(snapshot.summary.additional_properties.get("added-files-size", 0)) if snapshot.summary else None
        return Written(ledger, reading.schema, self.uri, rejected, size)


@dataclass
class _Rows:
    """The reading's rows in the lake's types, counted."""

    reading: Reading
    schema: pa.Schema
    progress: Progress
    taken: int = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in counted(self.reading, self.progress):
            self.taken += batch.num_rows
            yield pa.RecordBatch.from_arrays(
                [column.cast(each.type) for column, each in zip(batch.columns, self.schema, strict=True)],
                schema=self.schema,
            )


def lake_schema(schema: pa.Schema) -> pa.Schema:
    """The columns in types that Iceberg has, none of which loses anything.

    Raises:
        Invalid: naming the first column for which it has none.
    """
    for each in schema:
        if any(test(each.type) for test in _UNKNOWN):
            raise Invalid.field(
                f"data_types.{each.name[:60]}", f"is needed: Iceberg has no type that keeps {each.type}; TEXT would"
            )
    return pa.schema([pa.field(each.name, _lake_type(each.type)) for each in plain(schema)])


# Of numbers, Iceberg's have 38 digits at most.
_UNKNOWN = (pa.types.is_decimal256, pa.types.is_duration, pa.types.is_interval, pa.types.is_union)


def _lake_type(kind: pa.DataType) -> pa.DataType:
    for test, found in _TYPES:
        if test(kind):
            return found
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz and "UTC")
    return kind


_TYPES = (
    (pa.types.is_uint64, pa.decimal128(20, 0)),
    (pa.types.is_uint32, pa.int64()),
    (pa.types.is_int64, pa.int64()),
    (pa.types.is_integer, pa.int32()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_time, pa.time64("us")),
    (pa.types.is_null, pa.string()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
)


def _fit(transaction: Any, table: Any, schema: pa.Schema, mode: Mode) -> None:
    """Bring the table's columns to those of the rows: new ones are added; of a replaced table those that differ go."""
    if mode == "replace":
        wanted = {each.name: each.type for each in schema}
        present = {each.name: _lake_type(each.type) for each in table.schema().as_arrow()}
        with transaction.update_schema() as change:
            for name in [name for name, kind in present.items() if wanted.get(name) != kind]:
                change.delete_column(name)
    else:
        check_shared([each.name for each in table.schema().fields], schema.names, ".".join(table.name()))
    with transaction.update_schema() as change:
        change.union_by_name(schema)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """What pyiceberg and its database refuse, in the platform's words."""
    from pyiceberg.exceptions import ResolveError, ValidationError, ValidationException
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        raise DependencyUnavailable("The catalogue of Iceberg tables does not answer; try again shortly") from error
    except (ResolveError, ValidationError, ValidationException) as error:
        raise Conflict(f"iceberg:{name} cannot change its columns: {error}") from None
    except OSError as error:
        if error.errno in (28, 122):
            raise InsufficientStorage("The disk of the Iceberg tables is full: make room, then try again") from None
        raise DependencyUnavailable(f"The files of iceberg:{name} cannot be reached; try again shortly") from error
