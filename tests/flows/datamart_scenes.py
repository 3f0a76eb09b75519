"""Words to set a scene with datamarts: define, refresh as a request would, read while it is refreshed."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.datamart import DatamartType, version_table
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.flows.work import Work
from tests.scenes import World

MATERIALIZED = DatamartType.MATERIALIZED_VIEW


def define(world: World, name: str, query: str, type: DatamartType = MATERIALIZED, **more: Any) -> str:
    """A datamart; its id."""
    with world.platform.catalogue() as session:
        return Datamarts(session).add(DatamartRow(name=name, type=type, query=query, **more)).id


def work_for(world: World, **parameters: Any) -> Work:
    with world.platform.catalogue() as session:
        row = Runs(session).request(RunKind.REFRESH, None, "test", parameters=parameters)
        held = Leases(session).begin(row.id, new_id())
    assert held is not None
    return Work(world.platform, Lease(world.platform, held), say=lambda _text: None)


def refresh(world: World, id: str, **parameters: Any) -> Outcome:
    return refresh_datamart(work_for(world, **parameters), id)


def method(outcome: Outcome) -> str:
    return str(outcome.details["method"])


def mart(world: World, id: str) -> DatamartRow:
    with world.platform.catalogue() as session:
        return Datamarts(session).get(id)


def version(world: World, datamart_id: str, name: str, query: str, days: int | None = None) -> str:
    """A version that has still to be built; its id."""
    with world.platform.catalogue() as session:
        row = Datamarts(session).get(datamart_id)
        made = DatamartVersionRow(
            datamart_id=row.id,
            version=name,
            slug=name,
            table=version_table(row.slug, name),
            query=query,
            retention_days=days,
        )
        return DatamartVersions(session).add(made).id


def leftovers(world: World) -> Sequence[tuple[Any, ...]]:
    return world.sql("SELECT relname FROM pg_class WHERE relname ~ '^_building' AND relkind IN ('r', 'v', 'm')")


class Reader(threading.Thread):
    """Somebody who reads the same thing again and again, and keeps what was seen, and every error."""

    def __init__(self, world: World, query: str, isolation: str) -> None:
        super().__init__(daemon=True)
        self._url = libpq_url(world.platform.settings.url("reader"))
        self._query, self._isolation = query, isolation
        self.over = threading.Event()
        self.seen: set[Any] = set()
        self.reads = 0
        self.errors: list[str] = []

    def run(self) -> None:
        connection = psycopg2.connect(self._url)
        connection.set_session(isolation_level=self._isolation)
        try:
            while not self.over.is_set():
                with connection, connection.cursor() as cursor:
                    if self._isolation == "REPEATABLE READ":
                        cursor.execute("SELECT now()")  # the transaction is older than what it then looks up
                        time.sleep(0.2)
                    cursor.execute(self._query)
                    self.seen |= set(cursor.fetchall())
                    self.reads += 1
        except psycopg2.Error as error:
            self.errors.append(str(error))
        finally:
            connection.close()


@contextmanager
def being_read(world: World, query: str) -> Iterator[list[Reader]]:
    """Two readers are at it, each with another isolation."""
    readers = [Reader(world, query, each) for each in ("READ COMMITTED", "REPEATABLE READ")]
    for each in readers:
        each.start()
    try:
        yield readers
    finally:
        for each in readers:
            each.over.set()
            each.join()
