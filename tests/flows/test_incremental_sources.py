"""Incremental extractions from MariaDB and from a REST API."""

from collections.abc import Iterator
from typing import Any

import pytest

from dataops_defs.errors import Invalid
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from tests.adapters.sources.rest_server import Asked, Reply, RestServer
from tests.flows.extraction_scenes import counts
from tests.mariadb import Shop
from tests.scenes import World


def copy(world: World, outcome: Outcome) -> list[dict[str, Any]]:
    _, batches = world.platform.raw_store.open(outcome.uri)
    return sorted((row for batch in batches for row in batch.to_pylist()), key=lambda row: repr(row["id"]))


class TestMariaDb:
    def dataset(self, world: World, shop: Shop, **how: Any) -> str:
        source = world.source("Shop", "mysql", **shop.connection, password=shop.password)
        incremental = {"cursorColumn": "changed", "keyColumns": ["id"], **how}
        return world.dataset(source, type="sql", query="SELECT * FROM wares", incremental=incremental)

    @pytest.mark.parametrize(
        "kind", ["DATETIME(6)", "TIMESTAMP(3)", "DATE", "INT UNSIGNED", "DECIMAL(20, 3)", "DOUBLE"]
    )
    def test_gives_what_is_new_and_what_is_gone(self, world: World, shop: Shop, kind: str) -> None:
        shop.sql(f"CREATE TABLE wares (id INT, `na``me` VARCHAR(10), changed {kind} NULL)")
        first, second = ("'2025-01-01'", "'2025-01-02'") if "TIME" in kind or kind == "DATE" else ("10", "20")
        shop.sql(f"INSERT INTO wares VALUES (1, 'a', {first}), (2, 'b', {first}), (3, 'c', NULL)")
        id = self.dataset(world, shop, deletions="keys")
        assert counts(extract_dataset(world.work(), id)) == (3, 3, 0, 0, 0, 0)
        shop.sql("DELETE FROM wares WHERE id = 1")
        shop.sql(f"INSERT INTO wares VALUES (4, 'd', {second})")

        outcome = extract_dataset(world.work(), id)

        assert counts(outcome) == (3, 1, 0, 2, 1, 0)
        assert [row["id"] for row in copy(world, outcome)] == [2, 3, 4]
        assert counts(extract_dataset(world.work(), id)) == (2, 0, 0, 2, 0, 0)

    @pytest.mark.parametrize(("before", "now"), [("DATETIME", "BIGINT"), ("DATE", "INT"), ("BIGINT", "DATETIME")])
    def test_reads_all_rows_when_the_cursor_has_another_type(
        self, world: World, shop: Shop, before: str, now: str
    ) -> None:
        shop.sql(f"CREATE TABLE wares (id INT, changed {before})")
        time = "" if before == "DATE" else "000000"
        shop.sql(f"INSERT INTO wares VALUES (1, 20250101{time}), (2, 20250102{time})")
        id = self.dataset(world, shop)
        extract_dataset(world.work(), id)
        shop.sql(f"ALTER TABLE wares MODIFY changed {now}, ADD extra VARCHAR(3) DEFAULT 'z'")

        outcome = extract_dataset(world.work(), id)

        assert (outcome.details["incremental"], outcome.ledger.read) == (False, 2)
        assert [each["name"] for each in outcome.details["drift"]["retyped"]] == ["changed"]
        assert [row["extra"] for row in copy(world, outcome)] == ["z", "z"]

    def test_keeps_numbers_of_what_it_cannot_read(self, world: World, shop: Shop) -> None:
        shop.sql("CREATE TABLE wares (id INT, since DATE, changed INT)")
        shop.sql(
            "INSERT INTO wares VALUES (1, '2020-01-01', 1), (2, '0000-00-00', 2), (NULL, NULL, 3), (4, NULL, 4)",
            init_command="SET sql_mode = ''",
        )
        id = self.dataset(world, shop)
        assert counts(extract_dataset(world.work(), id)) == (4, 2, 0, 0, 0, 2)
        assert world.sql("SELECT row_number, column_name FROM dataops.reject ORDER BY 1") == [(2, "since"), (3, "id")]

    def test_refuses_a_cursor_without_an_order_of_its_own(self, world: World, shop: Shop) -> None:
        shop.sql("CREATE TABLE wares (id INT, changed VARCHAR(10))")
        with pytest.raises(Invalid, match="'changed' is neither a number nor a date or time"):
            extract_dataset(world.work(), self.dataset(world, shop))


class Fleet:
    """An API of aircraft that gives those changed after ``since``, two at a time."""

    def __init__(self, rest: RestServer) -> None:
        self.items: dict[int, dict[str, Any]] = {}
        self.asked: list[str | None] = []
        rest.routes["/aircraft"] = self._answer

    def put(self, id: int, changed: str | None, **more: Any) -> None:
        self.items[id] = {"id": id, "changed": changed, **more}

    def _answer(self, asked: Asked) -> Reply:
        since, page = asked.query.get("since"), int(asked.query.get("page", 1))
        if page == 1:
            self.asked.append(since)
        found = [each for each in self.items.values() if since is None or str(each["changed"]) > since]
        return Reply(found[2 * page - 2 : 2 * page])


@pytest.fixture
def rest() -> Iterator[RestServer]:
    with RestServer().running() as server:
        yield server


class TestAnApi:
    @pytest.fixture
    def fleet(self, rest: RestServer) -> Fleet:
        made = Fleet(rest)
        for number in range(1, 6):
            made.put(number, f"2025-01-0{number}T00:00:00Z", price=number + 0.5, note=None)
        return made

    @pytest.fixture
    def open_world(self, world: World, rest: RestServer) -> World:
        settings = world.platform.settings.model_copy(update={"allowed_hosts": f"127.0.0.1:{rest.port}"})
        return World(Platform(settings), world.files)

    def dataset(self, world: World, rest: RestServer, **how: Any) -> str:
        source = world.source("Fleet", "api", endpoint=rest.url)
        incremental = {"cursorColumn": "changed", "keyColumns": ["id"], "param": "since", "lagSeconds": 86_400, **how}
        paging = {"type": "page", "param": "page"}
        return world.dataset(source, type="api", endpoint="/aircraft", paging=paging, incremental=incremental)

    def test_is_asked_from_the_mark_on(self, open_world: World, rest: RestServer, fleet: Fleet) -> None:
        id = self.dataset(open_world, rest)
        extract_dataset(open_world.work(), id)
        fleet.put(2, "2025-01-07T00:00:00Z", price=9.25)
        fleet.put(6, "2025-01-06T00:00:00.5Z", price=7)

        outcome = extract_dataset(open_world.work(), id)

        assert fleet.asked == [None, "2025-01-03T23:59:59Z"]
        assert counts(outcome) == (4, 1, 1, 2, 0, 0)
        assert outcome.details["mark"] == "2025-01-07T00:00:00Z"
        rows = {row["id"]: row for row in copy(open_world, outcome)}
        assert (str(rows[2]["price"]), str(rows[6]["price"])) == ("9.25", "7.00")

    def test_whose_records_have_a_new_field_is_read_anew(
        self, open_world: World, rest: RestServer, fleet: Fleet
    ) -> None:
        id = self.dataset(open_world, rest)
        extract_dataset(open_world.work(), id)
        for item in fleet.items.values():
            item["owner"] = "ACME"

        outcome = extract_dataset(open_world.work(), id)

        assert fleet.asked[-1] is None
        assert outcome.details["drift"]["added"] == [{"name": "owner", "type": "string"}]
        assert {row["owner"] for row in copy(open_world, outcome)} == {"ACME"}

    def test_whose_records_lack_what_others_have_has_no_drift(
        self, open_world: World, rest: RestServer, fleet: Fleet
    ) -> None:
        id = self.dataset(open_world, rest)
        extract_dataset(open_world.work(), id)
        fleet.items = {7: {"id": 7, "changed": "2025-01-08T00:00:00Z", "price": 3}}

        outcome = extract_dataset(open_world.work(), id)

        assert (counts(outcome), outcome.checks[0].passed) == ((1, 1, 0, 0, 0, 0), True)
        fleet.items = {}
        assert counts(extract_dataset(open_world.work(), id)) == (0, 0, 0, 0, 0, 0)

    def test_whose_values_are_of_another_kind_is_read_anew(
        self, open_world: World, rest: RestServer, fleet: Fleet
    ) -> None:
        id = self.dataset(open_world, rest)
        extract_dataset(open_world.work(), id)
        fleet.put(6, "2025-01-06T00:00:00Z", price="on request")

        outcome = extract_dataset(open_world.work(), id)

        assert (outcome.details["incremental"], outcome.ledger.read, outcome.total_rows) == (False, 6, 6)
        assert fleet.asked[-1] is None
        assert copy(open_world, outcome)[0]["price"] == "1.5"
