"""Rejected rows are downloaded, mended, uploaded and replayed: all or nothing, once, and nothing is lost on the way."""

import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.warehouse.rejects import Reject
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import Invalid
from dataops_defs.flows import replay_rejects as flow
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.purge_rejects import purge_rejects
from dataops_defs.flows.replay_rejects import replay_rejects
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.api_shim.following import wait_for
from tests.flows.reject_scenes import DEFECT_COUNT, MAPPED, PEOPLE, Register, mended, people, spoiled, worker
from tests.flows.test_continuation import continued, dies_after
from tests.scenes import World

CLEAN = people()
RIGHT = dict(enumerate(CLEAN, start=1))
FEW = CLEAN[:6]
MAPPED_IN_FULL = {name: {"sourceColumn": each} if isinstance(each, str) else each for name, each in MAPPED.items()}
KILLED_BEFORE_ITS_COMMIT = """
import os, signal, sys
from dataops_defs.flows import replay_rejects as flow
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import settings
from tests.flows.reject_scenes import worker

flow.enter = lambda *_args: os.kill(os.getpid(), signal.SIGKILL)
flow.replay_rejects(worker(Platform(settings()), sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def register(world: World) -> Register:
    """1,200 people, 137 of them spoiled, synced once."""
    made = Register(world, spoiled(CLEAN))
    assert sync_mapping(world.work(), made.mapping).ledger.rejected == DEFECT_COUNT
    return made


@pytest.fixture
def few(world: World) -> Register:
    """Six people: the second has no number for an age, the fourth has the key of the first; synced once."""
    return synced(world)


def synced(world: World, **sync: str) -> Register:
    rows = [dict(row) for row in FEW]
    rows[1]["age"] = "thirty"
    rows[3]["code"] = rows[0]["code"]
    made = Register(world, rows, **sync)
    ledger = sync_mapping(world.work(), made.mapping).ledger
    assert (ledger.inserted, ledger.rejected) == (4, 2)
    return made


def of_row(register: Register, number: int) -> Reject:
    [found] = [each for each in register.rejects(None) if each.row_number == number]
    return found


class TestTheStoryOf137Defects:
    def test_ends_with_the_objects_of_the_clean_file(self, world: World, register: Register) -> None:
        rejects = register.rejects()
        assert len(rejects) == DEFECT_COUNT
        assert Counter(each.column for each in rejects) == {
            "age": 30,
            "salary": 17,
            "born": 25,
            "name": 27,
            "status": 20,
            "code": 13,
            "note": 5,
        }
        file = mended(register.download(), RIGHT)

        ledger = register.replay(file).ledger

        assert (ledger.read, ledger.inserted, ledger.rejected) == (DEFECT_COUNT, DEFECT_COUNT, 0)
        oracle = Register(world, CLEAN, "oracle")
        sync_mapping(world.work(), oracle.mapping)
        assert len(oracle.objects()) == PEOPLE
        assert register.objects() == oracle.objects()
        repaired = register.rejects(RejectState.REPAIRED)
        assert len(repaired) == DEFECT_COUNT
        assert {each.settled_by for each in repaired} == {
            run for (run,) in world.sql("SELECT run_id::text FROM dataops.ledger WHERE subject_kind = 'replay'")
        }

        before = register.objects("_updated_at", "_run_id")
        again = register.replay(file).ledger

        assert (again.read, again.unchanged) == (DEFECT_COUNT, DEFECT_COUNT)
        assert register.objects("_updated_at", "_run_id") == before

    def test_goes_by_way_of_a_workbook_without_losing_a_character(self, register: Register) -> None:
        contents = {each.id: each.content for each in register.rejects()}

        ledger = register.replay(register.workbook()).ledger

        assert (ledger.read, ledger.rejected) == (DEFECT_COUNT, DEFECT_COUNT)
        assert {each.id: each.content for each in register.rejects()} == contents
        assert not any(each.corrected for each in register.rejects())


class TestACrash:
    @pytest.fixture
    def run(self, few: Register) -> str:
        return few.request({of_row(few, 2).id: {"age": "21"}, of_row(few, 4).id: {"code": "000003"}})

    def test_in_mid_replay_leaves_nothing_and_the_next_worker_does_all(self, few: Register, run: str) -> None:
        before = few.objects("_updated_at"), few.rejects(None)
        killed = subprocess.run([sys.executable, "-c", KILLED_BEFORE_ITS_COMMIT, run, few.mapping], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert (few.objects("_updated_at"), few.rejects(None)) == before

        ledger = replay_rejects(continued(few.world, run), few.mapping).ledger

        assert (ledger.read, ledger.inserted) == (2, 2)
        assert few.rejects() == []

    def test_after_the_commit_leaves_all_and_the_next_worker_does_nothing(self, few: Register, run: str) -> None:
        dies_after(few.world, run, replay_rejects, few.mapping)
        after = few.objects("_updated_at"), few.rejects(None)
        assert [each.state for each in after[1]] == [RejectState.REPAIRED] * 2

        outcome = replay_rejects(continued(few.world, run), few.mapping)

        assert outcome.counts == {"rejects_repaired": 2, "rejects_still_open": 0}
        assert (few.objects("_updated_at"), few.rejects(None)) == after
        assert few.world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(1,)]


class TestAReplay:
    def test_types_what_was_given_as_text_and_keeps_what_fails_again_open_with_its_new_reason(
        self, world: World
    ) -> None:
        dataset = world.dataset(world.csv("a.csv", "k,n,d\nA,-1,2001-01-01\nB,-2,2002-02-02\nC,3,2003-03-03\n"))
        number, day = {"type": "integer", "minimum": 0}, {"type": "string", "format": "date"}
        kind = world.object_type("thing", "k", {"k": {"type": "string"}, "n": number, "d": day})
        mapping = world.mapping(
            dataset, kind, {"k": "k", "n": {"sourceColumn": "n", "transform": "value + 1"}, "d": "d"}
        )
        made = Register.of(world, dataset, mapping, "thing")
        sync_mapping(world.work(), mapping)
        [bad] = made.rejects()

        for wrong, said in [("ten", "n: 'ten' is no whole number"), ([1], "n: '[1]' is no whole number")]:
            assert made.replay({bad.id: {"n": wrong}}).ledger.rejected == 1
            [still] = made.rejects()
            assert (still.reason, still.column, still.content["n"]) == (said, "n", wrong)
        assert made.replay({bad.id: {"n": "+09", "d": "2012-12-12"}}).ledger.inserted == 1

        assert world.sql("SELECT n, d::text FROM objects.thing WHERE k = 'B'") == [(10, "2012-12-12")]

    def test_begins_where_the_last_one_ended(self, few: Register) -> None:
        id = of_row(few, 2).id
        few.replay({id: {"age": "21", "status": "asleep"}})
        assert "asleep" in of_row(few, 2).reason

        assert b"asleep" in few.download()

        assert few.replay({id: {"status": "Active"}}).ledger.inserted == 1

        assert few.world.sql("SELECT age, status FROM objects.people WHERE code = '000001'") == [(21, "active")]

    def test_without_rows_tries_all_open_ones_by_the_mapping_as_it_is_now(self, few: Register) -> None:
        few.change(
            mappings={**MAPPED_IN_FULL, "age": {"sourceColumn": "age", "transform": 'value == "thirty" ? 30 : +value'}}
        )

        ledger = few.replay().ledger

        assert (ledger.read, ledger.inserted, ledger.rejected) == (2, 1, 1)
        assert few.world.sql("SELECT age FROM objects.people WHERE code = '000001'") == [(30,)]

    def test_does_not_let_a_duplicate_take_the_place_of_the_row_before_it(self, few: Register) -> None:
        id = of_row(few, 4).id
        before = few.objects("_updated_at")

        assert few.replay({id: {"name": "Somebody else"}}).ledger.rejected == 1

        assert few.objects("_updated_at") == before
        assert "same key" in of_row(few, 4).reason
        assert few.replay({id: {"code": "000003"}}).ledger.inserted == 1
        assert few.world.sql("SELECT name FROM objects.people WHERE code = '000003'") == [("Somebody else",)]

    def test_of_two_rows_that_get_one_key_takes_the_first(self, few: Register) -> None:
        ledger = few.replay({of_row(few, n).id: {"code": "000009", "age": "5"} for n in (2, 4)}).ledger

        assert (ledger.inserted, ledger.rejected) == (1, 1)
        assert few.replay().ledger.rejected == 1
        assert few.world.sql("SELECT name FROM objects.people WHERE code = '000009'") == [("Person 1",)]

    def test_deletes_nothing_where_the_mapping_replaces(self, world: World) -> None:
        made = synced(world, mode="replace")

        ledger = made.replay({of_row(made, 2).id: {"age": "21"}}).ledger

        assert (ledger.inserted, ledger.deleted) == (1, 0)
        assert len(made.objects()) == 5

    def test_only_adds_where_the_mapping_appends(self, world: World) -> None:
        made = synced(world, mode="append")
        asked = {of_row(made, 2).id: {"age": "21"}, of_row(made, 4).id: {"code": "000002"}}

        ledger = made.replay(asked).ledger

        assert (ledger.inserted, ledger.rejected) == (1, 1)
        assert "only appends" in of_row(made, 4).reason

    def test_at_the_same_time_as_another_repairs_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        made = synced(world, mode="append")
        runs = [made.request({of_row(made, 2).id: {"age": "21"}}) for _ in range(2)]
        enter, calls = flow.enter, count()

        def enter_when_the_other_waits(*args: Any) -> None:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%%objects%%'"
            if next(calls) == 0:
                wait_for(lambda: world.sql(waiting) == [(1,)])
            enter(*args)

        monkeypatch.setattr(flow, "enter", enter_when_the_other_waits)
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda run: replay_rejects(worker(world.platform, run), made.mapping).ledger, runs))

        assert sorted((ledger.inserted, ledger.unchanged) for ledger in done) == [(0, 1), (1, 0)]
        assert "only appends" not in of_row(made, 2).reason

    def test_mends_what_only_postgresql_refused_from_what_the_row_held(self, world: World) -> None:
        text = "k,seen\nA,2001-01-01T00:00:00+20:00\nB,never\n"
        dataset = world.dataset(world.csv("seen.csv", text))
        seen = {"type": "string", "format": "date-time"}
        kind = world.object_type("sighting", "k", {"k": {"type": "string"}, "at": seen})
        mapping = world.mapping(dataset, kind, {"k": "k", "at": "seen"})
        sync_mapping(world.work(), mapping)
        made = Register.of(world, dataset, mapping, "sighting")
        [first, second] = made.rejects()
        assert "PostgreSQL" in first.reason
        assert [each.raw for each in (first, second)] == [
            {"k": "A", "seen": "2001-01-01T00:00:00+20:00"},
            {"k": "B", "seen": "never"},
        ]

        assert made.replay({first.id: {"seen": "2001-01-01"}, second.id: {"seen": None}}).ledger.inserted == 2

    def test_does_not_make_a_null_of_what_is_no_number(self, world: World) -> None:
        (world.files / "r.csv").write_text("k,v\nA,1.5\nB,2.5\n")
        dataset = world.dataset(world.source("R", path="r.csv"))
        kind = world.object_type("reading", "k", {"k": {"type": "string"}, "v": {"type": "number"}})
        mapping = world.mapping(dataset, kind, {"k": "k", "v": "v"})
        table = pa.table({"k": ["A", "B"], "v": [1.5, float("nan")]})
        extract_dataset(world.work(), dataset)
        newest = world.platform.raw_store.write("raw", "r/nan.parquet", table.schema, table.to_batches())
        with world.platform.catalogue() as session:
            Datasets(session).get(dataset, lock=True).raw_uri = newest.uri
        sync_mapping(world.work(), mapping)
        made = Register.of(world, dataset, mapping, "reading")
        [bad] = made.rejects()
        assert bad.raw == {"k": "B", "v": "nan"}

        assert made.replay().ledger.rejected == 1
        assert made.replay({bad.id: {"v": None}}).ledger.inserted == 1


class TestASyncAfterwards:
    def test_supersedes_what_is_open_and_leaves_what_is_repaired(self, few: Register) -> None:
        few.replay({of_row(few, 2).id: {"age": "21"}})

        work = few.world.work()
        sync_mapping(work, few.mapping)

        old = {each.row_number: each.state for each in few.rejects(None) if each.run_id != work.run_id}
        assert old == {2: RejectState.REPAIRED, 4: RejectState.SUPERSEDED}
        assert {each.row_number for each in few.rejects()} == {2, 4}

        few.change(mappings={**MAPPED_IN_FULL, "note": {"sourceColumn": "vanished"}})
        with pytest.raises(Invalid):
            sync_mapping(few.world.work(), few.mapping)
        assert len(few.rejects()) == 2

    def test_leaves_out_what_was_asked_for_before_it(self, few: Register) -> None:
        run = few.upload(few.download())
        sync_mapping(few.world.work(), few.mapping)

        ledger = replay_rejects(worker(few.world.platform, run), few.mapping).ledger

        assert (ledger.read, ledger.filtered) == (2, 2)

    def test_of_another_extraction_supersedes_the_datasets_own_rejects(self, world: World) -> None:
        dataset = world.dataset(world.csv("ragged.csv", "a,b\n1,2\n3,4,5\n"))
        for _ in range(2):
            extract_dataset(world.work(), dataset)

        states = world.sql("SELECT state, count(*) FROM dataops.reject GROUP BY 1 ORDER BY 1")
        assert states == [("open", 1), ("superseded", 1)]

    def test_retention_keeps_the_open_rejects_of_the_newest_sync_after_a_replay(self, few: Register) -> None:
        few.replay({of_row(few, 2).id: {"age": "21"}})
        few.world.sql("UPDATE dataops.reject SET rejected_at = now() - interval '900 days'")

        purge_rejects(few.world.platform, lambda _text: None, datetime.now(UTC) - timedelta(days=365))

        assert len(few.rejects(None)) == 2
