"""Extractions from MariaDB whose connection is lost in mid-fetch (fault 40), and from one that keeps silent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.errors import RunStopped, SourceUnavailable
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.work import Work
from dataops_defs.services.processes import wait_until
from tests.mariadb import Shop
from tests.relay import Relay
from tests.scenes import World

ROWS = 60_000
ENDLESS = "SELECT a.* FROM orders AS a CROSS JOIN orders AS b"
LONGEST_WAIT = 30.0


@pytest.fixture
def orders(shop: Shop) -> Shop:
    shop.sql(f"CREATE TABLE orders AS SELECT seq AS id, REPEAT(MD5(seq), 3) AS note FROM seq_1_to_{ROWS}")
    return shop


@pytest.fixture
def relay(orders: Shop) -> Iterator[Relay]:
    with closing(Relay("127.0.0.1", orders.server.port)) as made:
        yield made


def dataset(world: World, shop: Shop, relay: Relay, query: str = "SELECT * FROM `orders`") -> str:
    connection = shop.connection | {"port": relay.port, "password": shop.password}
    return world.dataset(world.source("Orders", "mysql", **connection), "Orders", type="sql", query=query)


def raw_files(world: World) -> list[Path]:
    return [path for path in world.platform.settings.home.glob("raw/**/*") if path.is_file()]


class TestALineCutInMidFetch:
    def test_the_extraction_is_done_again_and_every_row_lands_once(self, world: World, orders: Shop, relay: Relay):
        id = dataset(world, orders, relay)
        relay.cut_after(2_000_000)

        outcome = extract_dataset(world.work(), id)

        assert (relay.cuts, outcome.total_rows) == (1, ROWS)
        [file] = raw_files(world)
        assert sorted(pq.read_table(file)["id"].to_pylist()) == list(range(1, ROWS + 1))

    @pytest.mark.parametrize("ended_by", ["network", "server"])
    def test_one_that_fails_every_time_leaves_nothing(
        self, world: World, orders: Shop, relay: Relay, monkeypatch: pytest.MonkeyPatch, ended_by: str
    ):
        monkeypatch.setattr("dataops_defs.flows.work.TRIES", 2)
        id = dataset(world, orders, relay, ENDLESS)
        tries: list[str] = []
        lose = self._losing(ended_by, orders, relay)

        def said(text: str) -> None:
            tries.append(text)
            lose()

        work = world.work()
        work.say = said
        with pytest.raises(SourceUnavailable, match=r"connection to MariaDB was lost|Connection was killed"):
            extract_dataset(work, id)

        assert [text for text in tries if "trying again" in text]
        assert raw_files(world) == []
        assert world.sql("SELECT count(*) FROM dataops.ledger") == [(0,)]

    @staticmethod
    def _losing(ended_by: str, shop: Shop, relay: Relay) -> Callable[[], None]:
        if ended_by == "network":
            return lambda: relay.cut_after(2_000_000)

        def kill() -> None:
            wait_until(lambda: "orders" in str(shop.sessions()), LONGEST_WAIT)
            for id, *_ in shop.sessions():
                shop.server.sql(f"KILL {id}")

        return lambda: threading.Thread(target=kill, daemon=True).start()


class TestAServerThatKeepsSilent:
    def test_does_not_keep_a_run_that_has_to_end(self, world: World, orders: Shop, relay: Relay):
        silent = "SELECT COUNT(*) AS c FROM orders AS a JOIN orders AS b ON a.note <> b.note"
        id = dataset(world, orders, relay, silent)
        work = world.work()
        errors: list[BaseException] = []
        reader = threading.Thread(target=self._kept, args=(work, id, errors), daemon=True)
        reader.start()
        assert wait_until(lambda: "JOIN" in str(orders.sessions()), LONGEST_WAIT)
        relay.swallow()
        with world.platform.catalogue() as session:
            RunControl(session).cancel(work.run_id)

        reader.join(LONGEST_WAIT)
        assert [type(error) for error in errors] == [RunStopped]
        for number, *_ in orders.sessions():
            orders.server.sql(f"KILL {number}")

    @staticmethod
    def _kept(work: Work, id: str, errors: list[BaseException]) -> None:
        try:
            with work.lease.kept():
                extract_dataset(work, id)
        except BaseException as error:
            errors.append(error)
