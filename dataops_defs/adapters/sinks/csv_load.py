"""A clean CSV file straight into a table: PostgreSQL reads the file's own bytes while we prove what they are.

Types are told from eight places of the file; COPY begins with them, and a second thread proves every value meanwhile.
If the proof disagrees, or PostgreSQL could read a value otherwise than we do, all is undone and the rows go the long
way, through Arrow. The result is the same either way; only the time differs.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.sinks.table import (
    READ_BYTES,
    Block,
    BlockStream,
    Loaded,
    Progress,
    copy_in,
    copy_statement,
    load_table,
    unnoticed,
)
from dataops_defs.adapters.sinks.table_shape import Mode, prepare, refusals
from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.sources.csv.dialect import Dialect
from dataops_defs.adapters.sources.csv.file import (
    CsvSource,
    FileProof,
    check_unchanged,
    guess_file,
    prove_file,
    proven_reading,
)
from dataops_defs.adapters.sources.csv.rows import FileBytes
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.ledger import Ledger

_SAVEPOINT = "SAVEPOINT dataops_csv_load"
_RELEASE = "RELEASE SAVEPOINT dataops_csv_load"
_UNDO = "ROLLBACK TO SAVEPOINT dataops_csv_load"


def load_source(
    connection: Connection,
    schema: str,
    table: str,
    source: SourceAdapter,
    extraction: Extraction,
    *,
    mode: Mode,
    progress: Progress = unnoticed,
) -> tuple[Loaded, pa.Schema]:
    """Load all rows of a source the fastest way there is; see ``load_table``. Also returns the columns."""
    if isinstance(source, CsvSource):
        with source.opened(extraction, whole=True) as (file, dialect):
            return load_csv_file(connection, schema, table, file, dialect, mode=mode, progress=progress)
    with source.read(extraction) as reading:
        return load_table(connection, schema, table, reading, mode=mode, progress=progress), reading.schema


def load_csv_file(
    connection: Connection,
    schema: str,
    table: str,
    file: BinaryIO,
    dialect: Dialect,
    *,
    mode: Mode,
    progress: Progress = unnoticed,
) -> tuple[Loaded, pa.Schema]:
    """Load an open CSV file, in types proven over all of it; see ``load_table``. Also returns the columns.

    Raises:
        SourceError: the file cannot be read, or changed meanwhile.
    """
    load = _Load(connection, schema, table, file, dialect, mode, progress)
    proof, rows = load.straight_if_possible()
    columns = proof.schema(dialect)
    if rows is not None:
        check_unchanged(file, proof)
        return (Ledger(read=proof.rows, inserted=rows).balanced(), []), columns
    reading = proven_reading(file, dialect, proof)
    return load_table(connection, schema, table, reading, mode=mode, progress=progress), columns


@dataclass
class _Shared:
    """What the proving thread and COPY tell each other."""

    rows: int = 0
    stop_copy: bool = False
    stop_proof: bool = False


class _ProofStopped(Exception):
    """COPY failed for good: nobody waits for the proof."""


@dataclass
class _Load:
    connection: Connection
    schema: str
    table: str
    file: BinaryIO
    dialect: Dialect
    mode: Mode
    progress: Progress

    def straight_if_possible(self) -> tuple[FileProof, int | None]:
        """The proof of the whole file, and the rows that COPY took; None where they have to go the long way."""
        # In a file of one column an empty line is a row to PostgreSQL, and none to us.
        if not self.dialect.utf8 or len(self.dialect.columns) < 2:
            return prove_file(self.file, self.dialect), None
        guess = guess_file(self.file, self.dialect)
        proof, rows = self._beside_its_proof(guess)
        if rows is None and proof.plain and proof.schema(self.dialect) != guess.schema(self.dialect):
            rows = self._kept(self._copy(proof, _Shared()), proof)
        return proof, rows

    def _beside_its_proof(self, guess: FileProof) -> tuple[FileProof, int | None]:
        shared = _Shared()
        with ThreadPoolExecutor(1, "prove") as pool:
            proving = pool.submit(self._prove, guess, shared)
            try:
                rows = self._copy(guess, shared)
            except BaseException:
                shared.stop_proof = True
                raise
            proof = proving.result()
        agreed = proof.schema(self.dialect) == guess.schema(self.dialect)
        return proof, self._kept(rows if agreed else None, proof)

    def _prove(self, guess: FileProof, shared: _Shared) -> FileProof:
        wanted = [each.arrow for each in guess.columns]

        def watch(proof: FileProof) -> None:
            if shared.stop_proof:
                raise _ProofStopped
            joined = (mine.joined(theirs).arrow for mine, theirs in zip(guess.columns, proof.columns, strict=True))
            shared.rows = proof.rows
            shared.stop_copy = not proof.plain or list(joined) != wanted

        try:
            return prove_file(self.file, self.dialect, watch)
        except BaseException:
            shared.stop_copy = True
            raise

    def _copy(self, proof: FileProof, shared: _Shared) -> int | None:
        """COPY the file's bytes behind a savepoint; None when PostgreSQL reads a value otherwise."""
        mark = sql.Literal(self.dialect.delimiter).as_string(self.connection)
        with self.connection.cursor() as cursor:
            cursor.execute(_SAVEPOINT)
            names = prepare(cursor, self.schema, self.table, proof.schema(self.dialect), self.mode)
            options = f"FORMAT csv, HEADER {self.dialect.has_header}, ENCODING 'UTF8', DELIMITER {mark}"
            statement = copy_statement(self.schema, self.table, names, options)
            with refusals(self.schema, self.table):
                try:
                    return copy_in(cursor, statement, BlockStream(self._blocks(shared), self.progress))
                except psycopg2.DataError:
                    return None

    def _blocks(self, shared: _Shared) -> Iterator[Block]:
        stream = FileBytes(self.file, self.dialect.bom)
        while not shared.stop_copy and (block := stream.read(READ_BYTES)):
            yield block, shared.rows

    def _kept(self, rows: int | None, proof: FileProof) -> int | None:
        """The rows if all is as proven; else everything since the savepoint is undone."""
        good = proof.plain and rows == proof.rows
        with self.connection.cursor() as cursor:
            cursor.execute(_RELEASE if good else _UNDO)
        return rows if good else None
