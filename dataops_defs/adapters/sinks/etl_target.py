"""What a target of an ETL pipeline can do: a table of the warehouse, or an index of Elasticsearch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.domain.ledger import Ledger


@dataclass(frozen=True)
class Written:
    """What became of the rows of one batch; ``filtered`` gave way to a later row with the same key.

    In full mode rows are ``inserted`` into what readers do not see yet.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    rejected: Sequence[RejectedRow] = field(default_factory=list)


class EtlSink(Protocol):
    """One load of one pipeline. Every call happens in a transaction on the warehouse that holds the run's fence.

    All raise DependencyUnavailable where the target did not answer, InsufficientStorage where it is full, and
    SchemaChanged where the query's columns do not fit it.
    """

    def exists(self, connection: Connection) -> bool:
        """Whether there is a target already; one that was removed has lost what earlier loads brought."""
        ...

    def prepare(self, connection: Connection, columns: Sequence[SqlColumn]) -> bool:
        """Make the target if it is missing, check that the columns fit it, and make what the load is gathered in.

        Called by each worker of a load. False when what earlier workers had written of this load is not there (any
        more): the load begins with its first row again.
        """
        ...

    def write(self, connection: Connection, batch: pa.RecordBatch, first: int) -> Written:
        """Take a batch; its rows are numbered from ``first`` in the load. Doing it again has the same effect."""
        ...

    def publish(self, connection: Connection, *, complete: bool) -> Ledger:
        """After the last batch: let readers see a full load at once; how its rows changed the target.

        ``read`` is left to the caller. Empty in incremental mode. Where not ``complete`` (rows were rejected) no row of
        a table is deleted for being absent; an index is replaced as a whole all the same.
        """
        ...

    def rows(self, connection: Connection) -> int:
        """How many rows readers of the target find."""
        ...

    def discard(self, connection: Connection) -> None:
        """Remove what a load is gathered in, published or not."""
        ...
