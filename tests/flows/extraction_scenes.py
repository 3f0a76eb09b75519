"""Words for stories of extractions that change from one to the next: a user's PostgreSQL, a dataset, its copies."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import DatasetRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.drift import SchemaPolicy
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.extract_dataset import FULL, extract_dataset
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.work import Work
from tests.scenes import World

QUERY = "SELECT * FROM orders"
BY_TIME: Mapping[str, Any] = {"cursorColumn": "changed", "keyColumns": ["id"]}
TABLE = "CREATE TABLE orders (id int, name text, changed timestamptz)"


@dataclass
class Orders:
    """A table of a user's database and the dataset of it. ``said`` is what the last extraction told in its log."""

    world: World
    url: str
    name: str = "Orders"
    source: str = ""
    id: str = ""
    said: list[str] = field(default_factory=list)

    def sql(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []

    def put(self, *rows: tuple[Any, ...]) -> None:
        """Rows of id, name and day of January 2025 (None: no cursor)."""
        for id, name, day in rows:
            self.sql("DELETE FROM orders WHERE id = %s", id)
            self.sql(
                "INSERT INTO orders (id, name, changed)"
                " VALUES (%s, %s, timestamptz '2024-12-31Z' + %s * interval '1 day')",
                id,
                name,
                day,
            )

    def connect(self) -> str:
        parts = urlsplit(self.url)
        connection = {"host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/")}
        login = {"username": parts.username, "password": parts.password}
        return self.world.source(f"Shop of {self.name}", "postgres", **connection, **login)

    def dataset(self, **how: Any) -> str:
        """An incremental dataset of the table."""
        return self.define(incremental={**BY_TIME, **how})

    def define(self, policy: SchemaPolicy = SchemaPolicy.EVOLVE, name: str = "", **extraction: Any) -> str:
        self.source = self.source or self.connect()
        self.id = self.world.dataset(self.source, name or self.name, **{"type": "sql", "query": QUERY, **extraction})
        self.change(schema_policy=policy)
        return self.id

    def change(self, **values: Any) -> None:
        with self.world.platform.catalogue() as session:
            row = Datasets(session).get(self.id)
            for name, value in values.items():
                setattr(row, name, value)

    @property
    def row(self) -> DatasetRow:
        with self.world.platform.catalogue() as session:
            return Datasets(session).get(self.id)

    def work(self, *, full: bool = False) -> Work:
        with self.world.platform.catalogue() as session:
            run = Runs(session).request(RunKind.EXTRACT, self.id, "test", parameters={FULL: True} if full else {})
            held = Leases(session).begin(run.id, new_id())
        assert held is not None
        self.said.clear()
        return Work(self.world.platform, Lease(self.world.platform, held), say=self.said.append)

    def extract(self, *, full: bool = False) -> Outcome:
        return extract_dataset(self.work(full=full), self.id)

    def copy(self, uri: str | None = None) -> pa.Table:
        """The rows of the current copy, or of another."""
        schema, batches = self.world.platform.raw_store.open(uri or self.row.raw_uri or "")
        return pa.Table.from_batches(batches, schema)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Those of the current copy, in no order."""
        table = self.copy().select(columns) if columns else self.copy()
        return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)

    def same(self, query: str = QUERY) -> bool:
        """Whether the copy holds what the source gives."""
        return self.rows() == sorted(self.sql(query), key=repr)

    @property
    def copies(self) -> set[str]:
        """All raw copies of the dataset."""
        return {each.uri for each in self.world.platform.raw_store.copies(f"raw:raw/default/{self.id}")}

    def ledgers(self) -> int:
        """How many writes were accounted for."""
        [(found,)] = self.world.sql("SELECT count(*) FROM dataops.ledger WHERE subject_id = %s", self.id)
        return int(found)

    def rejects(self, state: str = "open") -> Sequence[tuple[Any, ...]]:
        return self.world.sql(
            "SELECT row_number, column_name, reason, raw FROM dataops.reject WHERE subject_id = %s AND state = %s"
            " ORDER BY id",
            self.id,
            state,
        )


def counts(outcome: Outcome) -> tuple[int, ...]:
    """Rows read, inserted, updated, unchanged, deleted, rejected."""
    told = outcome.ledger
    return told.read, told.inserted, told.updated, told.unchanged, told.deleted, told.rejected
