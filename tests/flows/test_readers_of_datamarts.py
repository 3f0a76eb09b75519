"""Whoever reads a datamart while it is refreshed: no empty table, no error, no waiting for what is no swap."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.datamarts import locks, relations
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import Conflict
from dataops_defs.flows import publish_version, refresh_datamart
from dataops_defs.services.processes import wait_until
from tests.flows.datamart_scenes import (
    Reader,
    being_read,
    define,
    leftovers,
    mart,
    method,
    refresh,
    version,
)
from tests.scenes import World

SALES = "CREATE TABLE content.sale AS SELECT n AS id, mod(n, 7) AS region FROM generate_series(1, 42) n"


@pytest.fixture(autouse=True)
def _sales(world: World) -> None:
    world.sql(SALES)


@contextmanager
def begun(world: World) -> Iterator[Connection]:
    """A transaction whose snapshot is of now, and which has looked nothing up yet."""
    with closing(psycopg2.connect(libpq_url(world.platform.settings.url("reader")))) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        connection.cursor().execute("SELECT now()")
        yield connection


def rows_seen(connection: Connection, table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        [(rows,)] = cursor.fetchall()
    return int(rows)


def versioned(world: World) -> str:
    return define(world, "kept", "SELECT 1 AS n", DatamartType.TABLE, versioned=True)


class TestATransactionThatBeganBefore:
    def test_reads_a_version_that_was_published_meanwhile(self, world: World) -> None:
        id = versioned(world)
        refresh(world, id, version_id=version(world, id, "v1", "SELECT * FROM content.sale"))

        with begun(world) as reader:
            refresh(world, id, version_id=version(world, id, "v2", "SELECT * FROM content.sale WHERE id <= 20"))
            assert rows_seen(reader, "analytics.kept") == 20
            assert rows_seen(reader, "analytics.kept__v1") == 42

        assert world.sql("SELECT count(*) FROM analytics.kept__v2") == [(20,)]

    def test_reads_a_version_with_other_columns_too(self, world: World) -> None:
        id = versioned(world)
        refresh(world, id, version_id=version(world, id, "v1", "SELECT id FROM content.sale"))

        with begun(world) as reader:
            refresh(world, id, version_id=version(world, id, "v2", "SELECT region FROM content.sale WHERE id < 9"))
            assert rows_seen(reader, "analytics.kept") == 8

    def test_reads_a_table_whose_columns_changed_meanwhile(self, world: World) -> None:
        id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.TABLE)
        refresh(world, id)
        world.sql("ALTER TABLE content.sale ADD COLUMN note text")

        with begun(world) as reader:
            assert method(refresh(world, id)) == "swap"
            assert rows_seen(reader, "analytics.sales") == 42


def test_readers_of_views_on_a_datamart_are_not_in_its_way(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale")
    refresh(world, id)
    world.sql(
        "CREATE VIEW public.lower AS SELECT id, region FROM analytics.sales;"
        "CREATE VIEW public.apart AS SELECT id FROM public.lower;"
        "CREATE VIEW public.upper AS SELECT s.id FROM analytics.sales s JOIN public.apart USING (id);"
        "GRANT SELECT ON public.lower, public.apart, public.upper TO PUBLIC"
    )
    views = [f"public.{each}" for each in ("lower", "apart", "upper")] * 2
    readers = [Reader(world, f"SELECT count(*) FROM {each}", "READ COMMITTED") for each in views]
    for each in readers:
        each.start()
    try:
        methods = [method(refresh(world, id)) for _ in range(4)]
    finally:
        for each in readers:
            each.over.set()
            each.join()

    assert methods == ["swap"] * 4
    assert [each.errors for each in readers] == [[]] * len(readers)
    assert {row for each in readers for row in each.seen} == {(42,)}


class Onlooker:
    """Reads a datamart at the beginning and the end of each piece of work, and notes where it had to wait."""

    def __init__(self, world: World, query: str) -> None:
        self._url = libpq_url(world.platform.settings.url("reader"))
        self._query = query
        self.waited: list[str] = []
        self.looked = False

    def watches(self, monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> None:
        act = getattr(place, name)

        def watched(*arguments: Any) -> Any:
            self._look(name)
            done = act(*arguments)
            self._look(name)
            return done

        monkeypatch.setattr(place, name, watched)

    def _look(self, at: str) -> None:
        with closing(psycopg2.connect(self._url, options="-c lock_timeout=500ms")) as connection:
            try:
                connection.cursor().execute(self._query)
            except psycopg2.errors.LockNotAvailable:
                self.waited.append(at)
        self.looked = True


def _swapped(world: World) -> Callable[[], Any]:
    id = define(world, "seen", "SELECT * FROM content.sale")
    refresh(world, id)
    return lambda: method(refresh(world, id))


def _rebuilt(world: World) -> Callable[[], Any]:
    id = define(world, "seen", "SELECT * FROM content.sale", DatamartType.TABLE)
    refresh(world, id)
    world.sql("ALTER TABLE content.sale ADD COLUMN note text")
    return lambda: method(refresh(world, id))


def _replaced(world: World) -> Callable[[], Any]:
    id = define(world, "seen", "SELECT id FROM content.sale", DatamartType.VIEW)
    refresh(world, id)
    return lambda: method(refresh(world, id))


def _published(world: World) -> Callable[[], Any]:
    id = define(world, "seen", "SELECT 1 AS n", DatamartType.TABLE, versioned=True)
    refresh(world, id, version_id=version(world, id, "v1", "SELECT * FROM content.sale"))
    second = version(world, id, "v2", "SELECT * FROM content.sale")
    return lambda: refresh(world, id, version_id=second).details["version"]


@pytest.mark.parametrize(
    ("scene", "done"), [(_swapped, "swap"), (_rebuilt, "swap"), (_replaced, "replace"), (_published, "v2")]
)
def test_rows_are_counted_sampled_and_traced_while_others_read(
    world: World, monkeypatch: pytest.MonkeyPatch, scene: Callable[[World], Callable[[], Any]], done: str
) -> None:
    act = scene(world)
    onlooker = Onlooker(world, "SELECT * FROM analytics.seen LIMIT 1")
    for place, name in [
        (relations, "content_of"),
        (relations, "content_of_query"),
        (relations, "analyze"),
        (refresh_datamart, "lineage_of"),
        (publish_version, "lineage_of"),
    ]:
        onlooker.watches(monkeypatch, place, name)

    assert act() == done
    assert onlooker.looked
    assert onlooker.waited == []


def have_read(readers: list[Reader], before: list[int]) -> bool:
    return all(each.reads > reads or each.errors for each, reads in zip(readers, before, strict=True))


@pytest.mark.parametrize(
    ("type", "concurrent", "wanted"),
    [
        (DatamartType.MATERIALIZED_VIEW, True, "concurrently"),
        (DatamartType.MATERIALIZED_VIEW, False, "swap"),
        (DatamartType.TABLE, False, "merge"),
        (DatamartType.VIEW, False, "replace"),
    ],
)
def test_readers_see_one_state_or_another_and_never_an_error(
    world: World, type: DatamartType, concurrent: bool, wanted: str
) -> None:
    world.sql("CREATE TABLE content.moment AS SELECT n AS id, 0 AS round FROM generate_series(1, 2000) n")
    id = define(world, "moments", "SELECT id, round FROM content.moment", type)
    refresh(world, id)

    with being_read(world, "SELECT count(*), min(round), max(round) FROM analytics.moments") as readers:
        for round in range(1, 9):
            world.sql("UPDATE content.moment SET round = %s", round)
            before = [each.reads for each in readers]
            assert method(refresh(world, id, concurrent=concurrent)) == wanted
            assert wait_until(partial(have_read, readers, before), 30)

    for each in readers:
        assert each.errors == []
        assert each.seen <= {(2000, round, round) for round in range(9)}
        assert len(each.seen) > 2


def test_a_long_reader_is_waited_for_and_others_read_meanwhile(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale")
    refresh(world, id)
    url = libpq_url(world.platform.settings.url("warehouse"))
    with closing(psycopg2.connect(url)) as slow, closing(psycopg2.connect(url)) as quick:
        slow.cursor().execute("SELECT count(*) FROM analytics.sales")  # and its transaction stays open
        refreshing = threading.Thread(target=refresh, args=(world, id))
        refreshing.start()
        reads = 0
        ends = time.monotonic() + 3
        quick.autocommit = True
        while time.monotonic() < ends:
            with quick.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM analytics.sales")
                reads += 1
        assert refreshing.is_alive()
        slow.rollback()
        refreshing.join(30)

    assert reads > 10
    assert mart(world, id).last_method == "swap"


def test_while_a_long_reader_is_waited_for_others_hardly_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 1.0)
    id = define(world, "regions", "SELECT region FROM content.sale")
    refresh(world, id)
    url = libpq_url(world.platform.settings.url("warehouse"))
    reads = 0
    with closing(psycopg2.connect(url)) as slow, closing(psycopg2.connect(url)) as quick:
        slow.cursor().execute("SELECT count(*) FROM analytics.regions")
        quick.autocommit = True
        quick.cursor().execute("SET lock_timeout = '500ms'")
        with ThreadPoolExecutor(1) as other:
            refreshing = other.submit(refresh, world, id)
            while not refreshing.done():
                quick.cursor().execute("SELECT count(*) FROM analytics.regions")
                reads += 1

    assert reads > 10
    assert isinstance(refreshing.exception(), Conflict)


def test_a_reader_without_end_makes_a_refresh_give_up_with_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 1.0)
    id = define(world, "regions", "SELECT region FROM content.sale")
    refresh(world, id)
    with closing(psycopg2.connect(libpq_url(world.platform.settings.url("warehouse")))) as slow:
        slow.cursor().execute("SELECT count(*) FROM analytics.regions")

        with pytest.raises(Conflict, match=r"analytics\.regions has been read"):
            refresh(world, id)

    assert leftovers(world) == []
    assert method(refresh(world, id)) == "swap"


def test_where_a_reader_has_no_end_rows_that_differ_are_written_if_there_is_a_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 1.0)
    id = define(world, "sales", "SELECT * FROM content.sale")
    refresh(world, id)
    world.sql("INSERT INTO content.sale VALUES (43, 1)")
    with closing(psycopg2.connect(libpq_url(world.platform.settings.url("warehouse")))) as slow:
        slow.cursor().execute("SELECT count(*) FROM analytics.sales")

        done = refresh(world, id)

    assert method(done) == "concurrently"
    assert "analytics.sales has been read" in done.details["reason"]
    assert world.sql("SELECT count(*) FROM analytics.sales") == [(43,)]
    assert leftovers(world) == []
