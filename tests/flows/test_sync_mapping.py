"""Rows become objects: counted, fitted, checked, and never lost."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Invalid, LedgerImbalance, RunStopped
from dataops_defs.flows import sync_mapping as flow
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.scenes import World

PLANES = "tailnum,year,seats,price\nN1,2001,55,12.30\nN2,,182,7.05\nN3,1998,20,0.10\n"
PROPERTIES: dict[str, Any] = {
    "tail": {"type": "string", "pattern": "^N"},
    "year": {"type": "integer", "minimum": 1990},
    "size": {"enum": ["small", "large"]},
    "price": {"type": "number"},
}
COLUMNS: dict[str, Any] = {
    "tail": "tailnum",
    "year": {"sourceColumn": "year", "transform": "parseInt"},
    "size": {"sourceColumn": "seats", "transform": 'value > 100 ? "large" : "small"'},
    "price": "price",
}


def scene(world: World, text: str = PLANES, columns: dict[str, Any] = COLUMNS, **sync: str) -> tuple[str, str]:
    """A dataset of a CSV file and a mapping of it to ``plane``; ids of both."""
    dataset = world.dataset(world.csv("planes.csv", text))
    kind = world.object_type("plane", "tail", PROPERTIES, required=["tail"])
    return dataset, world.mapping(dataset, kind, columns, **sync)


def again(world: World, dataset: str, mapping: str, text: str) -> Any:
    (world.files / "planes.csv").write_text(text)
    extract_dataset(world.work(), dataset)
    return sync_mapping(world.work(), mapping).ledger


class TestAFirstSync:
    def test_extracts_first_and_makes_an_object_of_every_row(self, world: World) -> None:
        _, mapping = scene(world)
        ledger = sync_mapping(world.work(), mapping).ledger
        assert (ledger.read, ledger.inserted) == (3, 3)
        assert world.sql("SELECT tail, year, size, price FROM objects.plane ORDER BY tail") == [
            ("N1", 2001, "small", Decimal("12.30")),
            ("N2", None, "large", Decimal("7.05")),
            ("N3", 1998, "small", Decimal("0.10")),
        ]

    def test_the_ledger_stands_beside_the_objects(self, world: World) -> None:
        _, mapping = scene(world)
        work = world.work()
        sync_mapping(work, mapping)
        rows = world.sql(
            "SELECT read, inserted, target FROM dataops.ledger WHERE run_id = %s AND subject_id = %s",
            work.run_id,
            mapping,
        )
        assert rows == [(3, 3, "objects.plane")]

    def test_the_record_has_a_step_for_each_piece_of_work(self, world: World) -> None:
        _, mapping = scene(world)
        work = world.work()
        sync_mapping(work, mapping)
        with world.platform.catalogue() as session:
            steps = [(step.kind, step.state, step.ledger["read"]) for step in Runs(session).steps(work.run_id)]
        assert steps == [("extract", "succeeded", 3), ("sync", "succeeded", 3)]


class TestASecondSync:
    def test_of_the_same_rows_changes_nothing(self, world: World) -> None:
        dataset, mapping = scene(world)
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, PLANES)
        assert (ledger.read, ledger.unchanged) == (3, 3)

    def test_counts_what_is_new_what_changed_and_what_did_not(self, world: World) -> None:
        dataset, mapping = scene(world)
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, PLANES.replace("12.30", "12.31") + "N4,2010,10,1\n")
        assert (ledger.read, ledger.inserted, ledger.updated, ledger.unchanged) == (4, 1, 1, 2)

    def test_in_replace_mode_deletes_what_the_dataset_no_longer_holds(self, world: World) -> None:
        dataset, mapping = scene(world, mode="replace")
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, "tailnum,year,seats,price\nN1,2001,55,12.30\n")
        assert (ledger.read, ledger.unchanged, ledger.deleted) == (1, 1, 2)
        assert world.sql("SELECT tail FROM objects.plane") == [("N1",)]

    def test_in_replace_mode_deletes_nothing_while_rows_are_rejected(self, world: World) -> None:
        dataset, mapping = scene(world, mode="replace")
        sync_mapping(world.work(), mapping)
        (world.files / "planes.csv").write_text(PLANES.replace("N3,1998", "N3,1889"))
        extract_dataset(world.work(), dataset)
        outcome = sync_mapping(world.work(), mapping)
        assert (outcome.ledger.rejected, outcome.ledger.deleted) == (1, 0)
        assert not next(check for check in outcome.checks if check.name == "replaced_completely").passed
        assert world.sql("SELECT count(*) FROM objects.plane") == [(3,)]

    def test_in_append_mode_sets_aside_what_exists(self, world: World) -> None:
        dataset, mapping = scene(world, mode="append")
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, PLANES + "N4,2010,10,1\n")
        assert (ledger.read, ledger.inserted, ledger.rejected) == (4, 1, 3)

    def test_that_skips_keeps_the_objects_values_and_counts_the_rows_it_passed_over(self, world: World) -> None:
        dataset, mapping = scene(world, onConflict="skip")
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, PLANES.replace("12.30", "99"))
        assert (ledger.filtered, ledger.unchanged) == (1, 2)
        assert world.sql("SELECT price FROM objects.plane WHERE tail = 'N1'") == [(Decimal("12.30"),)]

    def test_that_merges_does_not_empty_what_is_filled(self, world: World) -> None:
        dataset, mapping = scene(world, onConflict="merge")
        sync_mapping(world.work(), mapping)
        ledger = again(world, dataset, mapping, PLANES.replace("N1,2001", "N1,").replace("0.10", "5"))
        assert (ledger.updated, ledger.unchanged) == (1, 2)
        assert world.sql("SELECT year FROM objects.plane WHERE tail = 'N1'") == [(2001,)]


class TestBadRows:
    def test_are_kept_with_number_reason_column_and_content_and_the_rest_goes_on(self, world: World) -> None:
        text = PLANES + "X9,2000,1,1\nN5,1889,1,1\nN1,2002,3,3\n"
        _, mapping = scene(world, text)
        ledger = sync_mapping(world.work(), mapping).ledger
        assert (ledger.read, ledger.inserted, ledger.rejected) == (6, 3, 3)
        kept = world.sql("SELECT row_number, column_name, reason, raw FROM dataops.reject ORDER BY row_number")
        assert [row[0] for row in kept] == [4, 5, 6]
        assert kept[0][1] == "tailnum"
        assert kept[0][3]["tailnum"] == "X9"
        assert "1889 is less than the minimum" in kept[1][2]
        assert "same key" in kept[2][2]

    def test_a_transform_that_throws_rejects_its_row_only(self, world: World) -> None:
        columns = {**COLUMNS, "year": {"sourceColumn": "year", "transform": "value.missing.deep"}}
        _, mapping = scene(world, columns=columns)
        ledger = sync_mapping(world.work(), mapping).ledger
        assert ledger.rejected + ledger.inserted == 3
        assert ledger.rejected > 0

    def test_a_number_too_large_for_the_column_is_set_aside(self, world: World) -> None:
        columns = {**COLUMNS, "year": {"sourceColumn": "year", "transform": "value ? 9007199254740993n * 4096n : 1999"}}
        _, mapping = scene(world, columns=columns)
        ledger = sync_mapping(world.work(), mapping).ledger
        assert (ledger.inserted, ledger.rejected) == (1, 2)

    def test_what_is_no_number_in_json_is_set_aside_not_emptied(self, world: World, operations_url: str) -> None:
        parts = urlsplit(operations_url)
        source = world.source(
            "Ops",
            "postgres",
            host=parts.hostname,
            port=parts.port,
            database=parts.path[1:],
            username=parts.username,
            password=parts.password,
        )
        query = "SELECT 'N1' AS k, 'NaN'::float8 AS v UNION ALL SELECT 'N2', 'Infinity' UNION ALL SELECT 'N3', 0.1"
        dataset = world.dataset(source, type="sql", query=query)
        kind = world.object_type("reading", "k", {"k": {"type": "string"}, "v": {"type": "number"}})
        ledger = sync_mapping(world.work(), world.mapping(dataset, kind, {"k": "k", "v": "v"})).ledger
        assert (ledger.inserted, ledger.rejected) == (1, 2)
        assert world.sql("SELECT v FROM objects.reading") == [(Decimal("0.1"),)]

    def test_a_row_without_its_key_is_set_aside(self, world: World) -> None:
        _, mapping = scene(world, PLANES + ",2000,1,1\n")
        sync_mapping(world.work(), mapping)
        assert world.sql("SELECT row_number, reason FROM dataops.reject") == [
            (4, 'object: "tail" is a required property')
        ]


class TestDefaults:
    def test_stand_in_for_null_also_after_a_transform(self, world: World) -> None:
        columns = {**COLUMNS, "year": {"sourceColumn": "year", "transform": "parseInt", "defaultValue": 1999}}
        _, mapping = scene(world, columns=columns)
        sync_mapping(world.work(), mapping)
        assert world.sql("SELECT year FROM objects.plane WHERE tail = 'N2'") == [(1999,)]


class TestReferences:
    def test_objects_without_a_partner_are_counted_by_a_check(self, world: World) -> None:
        _, planes = scene(world)
        sync_mapping(world.work(), planes)
        flights = world.dataset(world.csv("flights.csv", "id,tailnum\n1,N1\n2,N9\n3,\n"), "Flights")
        properties = {"id": {"type": "integer"}, "tail": {"type": "string", "x-references": "plane"}}
        kind = world.object_type("flight", "id", properties)
        outcome = sync_mapping(world.work(), world.mapping(flights, kind, {"id": "id", "tail": "tailnum"}))
        check = next(each for each in outcome.checks if each.name == "reference_tail")
        assert not check.passed
        assert check.counts == {"withoutPartner": 2, "empty": 1, "unknown": 1}


class TestReaders:
    """A `replace` of 3 planes by 5 others: whoever reads sees the 3 or the 5."""

    OLD, NEW = [(3, "N1", "N3")], [(5, "N5", "N9")]
    OTHERS = "tailnum,year,seats,price\n" + "".join(f"N{n},2000,10,1\n" for n in range(5, 10))
    LOOK = "SELECT count(*), min(tail), max(tail) FROM objects.plane"

    def test_neither_wait_for_a_replace_nor_see_half_of_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        dataset, mapping = scene(world, mode="replace")
        sync_mapping(world.work(), mapping)
        seen, enter = [], flow.enter

        def enter_while_somebody_looks(*args: Any) -> None:
            seen.append(world.sql(f"SET statement_timeout = '10s'; {self.LOOK}"))
            enter(*args)

        monkeypatch.setattr(flow, "enter", enter_while_somebody_looks)
        again(world, dataset, mapping, self.OTHERS)

        assert seen == [self.OLD]
        assert world.sql(self.LOOK) == self.NEW

    def test_in_a_loop_see_nothing_in_between(self, world: World) -> None:
        dataset, mapping = scene(world, mode="replace")
        sync_mapping(world.work(), mapping)
        seen: set[Any] = set()
        over = Event()

        def look() -> None:
            while not over.is_set():
                seen.update(world.sql(self.LOOK))

        with ThreadPoolExecutor() as pool:
            looking = pool.submit(look)
            for text in (self.OTHERS, PLANES) * 3:
                again(world, dataset, mapping, text)
            over.set()
            looking.result()

        assert seen <= {*self.OLD, *self.NEW}
        assert seen >= set(self.OLD)

    def test_of_a_sync_that_fails_at_its_last_act_find_all_as_it_was(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset, mapping = scene(world, PLANES + "X9,2000,1,1\n", mode="replace")
        sync_mapping(world.work(), mapping)
        everything = (
            "SELECT to_jsonb(p)::text FROM objects.plane p UNION ALL SELECT r::text FROM dataops.reject r"
            " UNION ALL SELECT l::text FROM dataops.ledger l WHERE subject_kind = 'mapping' ORDER BY 1"
        )
        before = world.sql(everything)
        enter = flow.enter

        def enter_too_much(connection: Any, entry: Any, ledger: Ledger, outcome: Any) -> None:
            enter(connection, entry, dataclasses.replace(ledger, inserted=ledger.inserted + 1), outcome)

        monkeypatch.setattr(flow, "enter", enter_too_much)
        with pytest.raises(LedgerImbalance):
            again(world, dataset, mapping, self.OTHERS)

        assert world.sql(everything) == before


class TestWhenItCannotWork:
    def test_a_column_that_vanished_fails_with_its_name_and_publishes_nothing(self, world: World) -> None:
        dataset, mapping = scene(world)
        (world.files / "planes.csv").write_text("other\n1\n")
        extract_dataset(world.work(), dataset)
        with pytest.raises(Invalid, match="no longer has the column"):
            sync_mapping(world.work(), mapping)
        assert world.sql("SELECT to_regclass('objects.plane')") == [(None,)]

    def test_a_cancelled_run_stops_before_its_next_step(self, world: World) -> None:
        _, mapping = scene(world)
        work = world.work()
        with world.platform.catalogue() as session:
            RunControl(session).cancel(work.run_id)
        with pytest.raises(RunStopped):
            sync_mapping(work, mapping)
