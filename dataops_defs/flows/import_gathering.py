"""Files that are gathered in one target: all of the columns that it has, and their misfits are rejects."""

from dataclasses import dataclass, replace

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.importing.casting import Columns, cast_reading
from dataops_defs.adapters.importing.content import Content
from dataops_defs.adapters.sinks.table_shape import column_type, types_to_keep
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.adapters.warehouse import loaded_files
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.domain.importing import LoadMode, TargetFormat
from dataops_defs.domain.sql_types import SqlType, printed_type, stored_type
from dataops_defs.errors import Conflict


@dataclass(frozen=True)
class Gathering:
    """A file on its way into a target that may hold others already."""

    connection: Connection
    raw_store: RawStore
    row: ImportRow

    def fitted(self, content: Content) -> Content:
        """A CSV file whose columns have to be of types that the table has: rows that are not become rejects."""
        if self.row.mode is not LoadMode.APPEND or not content.is_csv:
            return content
        kept = self._types(content, content.proof().schema(content.dialect))
        return replace(content, of_table=kept) if kept else content

    def fitted_reading(self, content: Content, reading: Reading) -> Reading:
        """The same for any other file."""
        return cast_reading(reading, Columns(self._types(content, reading.schema)))

    def _types(self, content: Content, schema: pa.Schema) -> dict[str, SqlType]:
        target = self.row.target
        if target.format is not TargetFormat.POSTGRES:
            return {}
        with self.connection.cursor() as cursor:
            found = types_to_keep(cursor, target.schema, target.table, schema)
        given = content.given_types
        return {name: stored_type(printed_type(kind)) for name, kind in found.items() if name not in given}

    def check(self, schema: pa.Schema) -> None:
        """Files that are read together as Parquet are all of the same columns."""
        if self.row.mode is not LoadMode.APPEND or self.row.target_format is not TargetFormat.PARQUET:
            return
        first = loaded_files.earliest(self.connection, str(self.row.target))
        if first is None or first.uri is None:
            return
        before, _ = self.raw_store.open(first.uri)
        mine = {each.name: column_type(each.type) for each in schema}
        theirs = {each.name: column_type(each.type) for each in before}
        if other := sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)):
            raise Conflict(
                f"{self.row.target} gathers files of the columns of {first.path}; in {self.row.path} '{other[0]}' is"
                f" {mine.get(other[0], 'missing')}, there {theirs.get(other[0], 'missing')}"
            )
