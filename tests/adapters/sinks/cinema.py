"""Words to set a scene with: an index of films, and what a pipeline does with it."""

from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.sinks.etl_target import Written
from dataops_defs.adapters.sinks.index.client import open_client
from dataops_defs.adapters.sinks.index.reading import documents
from dataops_defs.adapters.sinks.index.target import IndexSink
from dataops_defs.domain.etl import EtlMode, SqlColumn
from dataops_defs.domain.ledger import Ledger

FILM = [SqlColumn("film_id", "bigint"), SqlColumn("title", "text"), SqlColumn("rating", "numeric(3,1)")]
NO_CONNECTION = cast(Connection, None)  # an index takes part in no transaction
FULL, INCREMENTAL = EtlMode.FULL, EtlMode.INCREMENTAL


def films(ids: Any, title: str = "Film") -> pa.RecordBatch:
    ids = list(ids)
    return pa.record_batch(
        {
            "film_id": pa.array(ids, pa.int64()),
            "title": [f"{title} {each}" for each in ids],
            "rating": pa.array([Decimal("7.5")] * len(ids), pa.decimal128(3, 1)),
        }
    )


class Cinema:
    """A server, and words for what a pipeline does with the alias ``film_dim`` on it."""

    def __init__(self, url: str) -> None:
        self.client = open_client(url, compatible=True)

    def load(
        self, mode: EtlMode, load: str = "a1", turn: int = 1, *, alias: str = "film_dim", keys: Any = ("film_id",)
    ) -> IndexSink:
        return IndexSink(self.client, alias, mode, keys, load, turn)

    def begin(self, *given: Any, columns: Any = FILM, **more: Any) -> IndexSink:
        sink = self.load(*given, **more)
        sink.prepare(NO_CONNECTION, columns)
        return sink

    def fully(self, batch: pa.RecordBatch, load: str = "a1", turn: int = 1, **more: Any) -> Ledger:
        sink = self.begin(FULL, load, turn, **more)
        write(sink, batch)
        return publish(sink)

    def all(self, *columns: str) -> dict[Any, Any]:
        """Every document by film_id, as readers find them; its title unless columns are named."""
        self.client.indices.refresh(index="film_dim")
        found = [
            each for page in documents(self.client, "film_dim", columns or ("film_id", "title"), 100) for each in page
        ]
        shown = {each["film_id"]: each if columns else each["title"] for each in found}
        assert len(shown) == len(found)
        return shown

    def indexes(self) -> list[str]:
        return sorted(self.client.indices.get(index="*"))


def write(sink: IndexSink, batch: pa.RecordBatch, first: int = 1) -> Written:
    written = sink.write(NO_CONNECTION, batch, first)
    counted = written.inserted + written.updated + written.unchanged + written.filtered + len(written.rejected)
    assert counted == batch.num_rows
    return written


def publish(sink: IndexSink) -> Ledger:
    return sink.publish(NO_CONNECTION, complete=True)
