"""Rejects of imports hold all that their row held, and a repair puts all of it into the table, or nothing."""

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataops_defs.adapters.warehouse.corrections import keep_corrections
from dataops_defs.adapters.warehouse.rejects import Filter, stream_rejects
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.replay_import import CHOSEN, replay_import
from dataops_defs.flows.work import Work
from tests.flows.import_scenes import imported, put
from tests.scenes import World

LONG = "customer_satisfaction_survey_answer_about_the_delivery_experience_q"


def rejected(world: World, done: ImportRow) -> list[Any]:
    with world.platform.warehouse() as connection:
        return list(stream_rejects(connection, Filter(done.id)))


def repaired(world: World, done: ImportRow, **given: Any) -> Outcome:
    """Replay the first reject of an import with these values."""
    first = rejected(world, done)[0]
    with world.platform.catalogue() as session:
        run = Runs(session).request(RunKind.REPLAY, done.id, "test", parameters={CHOSEN: 1}).id
    with world.platform.warehouse() as connection:
        keep_corrections(connection, run, {first.id: given})
    with world.platform.catalogue() as session:
        held = Leases(session).begin(run, new_id())
    assert held is not None
    return replay_import(Work(world.platform, Lease(world.platform, held), say=lambda _text: None), done)


def parquet(world: World, name: str, **columns: Any) -> str:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return put(world, name, made.getvalue())


class TestARepair:
    def test_keeps_what_stands_under_names_that_postgresql_changes(self, world: World) -> None:
        path = put(world, "survey.csv", f"{LONG}1,{LONG}2,ctid,v\n10,20,30,1\n11,21,31,x\n")
        done = imported(world, path, "survey", data_types={"v": "INTEGER"})
        [reject] = rejected(world, done)
        assert list(reject.raw) == list(done.inferred_schema or {})
        assert "ctid_2" in reject.raw
        assert repaired(world, done, v="5").ledger.inserted == 1
        assert world.sql("SELECT * FROM raw.survey ORDER BY 1") == [(10, 20, 30, 1), (11, 21, 31, 5)]

    def test_is_refused_for_a_value_that_has_no_column(self, world: World) -> None:
        path = put(world, "people.csv", "id,v\n1,1\n2,x\n")
        done = imported(world, path, "people", data_types={"v": "INTEGER"})
        world.sql("""UPDATE dataops.reject SET raw = '{"other": 7, "id": 2, "v": "x"}'""")
        assert repaired(world, done, v="5").ledger.rejected == 1
        assert rejected(world, done)[0].reason == "holds 'other', which is no column of raw.people"

    def test_of_a_line_that_is_no_row_takes_none_of_its_text_for_a_column(self, world: World) -> None:
        done = imported(world, put(world, "lines.csv", "line,b\nx,2\nonly\n"), "lines")
        assert rejected(world, done)[0].raw == {"line_2": "only"}
        assert repaired(world, done, b=3).ledger.inserted == 1
        assert world.sql("SELECT line, b FROM raw.lines ORDER BY b") == [("x", 2), (None, 3)]

    def test_keeps_long_texts_whole(self, world: World) -> None:
        path = put(world, "long.csv", "id,t,v\n1,short,1\n2," + "x" * 25_000 + ",bad\n")
        done = imported(world, path, "long", data_types={"v": "INTEGER"})
        repaired(world, done, v="5")
        assert world.sql("SELECT length(t), v FROM raw.long ORDER BY id") == [(5, 1), (25_000, 5)]

    def test_keeps_numbers_that_are_none_or_without_end(self, world: World) -> None:
        values = [0.1, float("inf"), float("-inf"), float("nan")]
        path = parquet(world, "f.parquet", f=values, s=["ok", "a\0", "b\0", "c\0"])
        done = imported(world, path, "floats")
        with world.platform.catalogue() as session:
            run = Runs(session).request(RunKind.REPLAY, done.id, "test").id
            session.flush()
            held = Leases(session).begin(run, new_id())
        assert held is not None
        world.sql("UPDATE dataops.reject SET raw = replace(raw::text, '\\u0000', '')::json")
        replay_import(Work(world.platform, Lease(world.platform, held), say=lambda _text: None), done)
        assert world.sql("SELECT f::text FROM raw.floats ORDER BY s") == [
            ("Infinity",),
            ("-Infinity",),
            ("NaN",),
            ("0.1",),
        ]

    def test_works_for_every_type_that_an_import_makes(self, world: World) -> None:
        path = parquet(
            world,
            "b.parquet",
            b=pa.array([b"ab", b"\x00\xff"]),
            d=pa.array([Decimal("1.5"), Decimal(10) ** 50], pa.decimal256(60, 2)),
            n=[[1], [2, 3]],
            s=["ok", "x\0"],
        )
        done = imported(world, path, "bytes")
        assert repaired(world, done, s="fixed").ledger.inserted == 1
        assert world.sql("SELECT b::text, d::text, n::text FROM raw.bytes WHERE s = 'fixed'") == [
            ("\\x00ff", f"1{'0' * 50}.00", "[2, 3]")
        ]

    def test_of_a_table_that_is_gone_or_another_one_says_so(self, world: World) -> None:
        path = put(world, "people.csv", "id,v\n1,1\n2,x\n")
        done = imported(world, path, "people", data_types={"v": "INTEGER"})
        world.sql("DROP TABLE raw.people")
        with pytest.raises(Conflict, match="no longer there"):
            repaired(world, done, v="5")
        world.sql("CREATE TABLE raw.people (id text, v text)")
        with pytest.raises(Conflict, match="is not the table that was imported"):
            repaired(world, done, v="5")
        assert world.sql("SELECT count(*) FROM raw.people") == [(0,)]


class TestATableThatSomebodyTouched:
    CONTENT = "id,v\n1,10\n2,20\n"

    @pytest.mark.parametrize(
        "touch",
        [
            "TRUNCATE raw.t",
            "DELETE FROM raw.t WHERE id = 1",
            "UPDATE raw.t SET v = 99 WHERE id = 1",
            "WITH gone AS (DELETE FROM raw.t WHERE id = 1) INSERT INTO raw.t VALUES (7, 7)",
            "ALTER TABLE raw.t DROP COLUMN v",
        ],
    )
    def test_is_made_whole_again(self, world: World, touch: str) -> None:
        path = put(world, "t.csv", self.CONTENT)
        imported(world, path, "t")
        assert imported(world, path, "t").unchanged
        world.sql(touch)
        assert not imported(world, path, "t").unchanged
        assert world.sql("SELECT id, v FROM raw.t ORDER BY id") == [(1, 10), (2, 20)]
        assert imported(world, path, "t").unchanged

    def test_or_made_anew_is_not_ours(self, world: World) -> None:
        path = put(world, "t.csv", self.CONTENT)
        imported(world, path, "t")
        world.sql("DROP TABLE raw.t")
        world.sql("CREATE TABLE raw.t AS SELECT 42 AS mine")
        with pytest.raises(Conflict, match="is not the table that was imported"):
            imported(world, path, "t")
        assert world.sql("SELECT mine FROM raw.t") == [(42,)]
