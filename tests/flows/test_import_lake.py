"""Imports into the lake: what an import says of its table is what the table holds, whoever else writes there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from dataops_defs.adapters.sinks.iceberg_upkeep import keep_up
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.domain.importing import LoadMode, TargetFormat
from dataops_defs.errors import Conflict
from dataops_defs.flows import import_load
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.import_lake import lake_of
from dataops_defs.flows.replay_import import replay_import
from tests.flows.import_scenes import asked, imported, put, rejects
from tests.scenes import World

HEADER, ONE, TWO = "id,v\n", "id,v\n1,a\n", "id,v\n1,a\n2,b\n"


def loaded(world: World, content: str, **more: Any) -> ImportRow:
    return imported(world, put(world, "f.csv", content), "t", format=TargetFormat.ICEBERG, **more)


def table(world: World) -> Any:
    return lake_of(world.platform).open().load_table("raw.t")


def ids(world: World) -> list[int]:
    return sorted(table(world).scan().to_arrow()["id"].to_pylist())


def test_versions_with_and_without_rows_replace_each_other(world: World) -> None:
    for content, expected in ((HEADER, []), (TWO, [1, 2]), (HEADER, []), (ONE, [1]), (TWO, [1, 2]), (ONE, [1])):
        done = loaded(world, content)
        assert (ids(world), done.rows_imported, done.unchanged) == (expected, len(expected), False)


@pytest.mark.parametrize("before", [HEADER, ONE])
def test_a_version_whose_worker_died_is_gone_when_the_one_before_it_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    loaded(world, before)
    with monkeypatch.context() as broken:
        broken.setattr(import_load, "keep_rejects", _dies)
        with pytest.raises(psycopg2.InterfaceError):
            loaded(world, TWO)
    assert ids(world) == [1, 2]

    done = loaded(world, before)

    assert (len(ids(world)), done.rows_imported, done.unchanged) == (
        before.count("\n") - 1,
        before.count("\n") - 1,
        False,
    )


def _dies(*_: Any) -> None:
    raise psycopg2.InterfaceError("the connection is gone")


CHANGES: dict[str, Callable[[Any], object]] = {
    "a row deleted": lambda table: table.delete("id = 1"),
    "all rows deleted": lambda table: table.delete(),
    "other rows": lambda table: table.overwrite(pa.table({"id": pa.array([8], pa.int64()), "v": ["x"]})),
    "a row more": lambda table: table.append(pa.table({"id": pa.array([8], pa.int64()), "v": ["x"]})),
    "a column less": lambda table: table.update_schema().delete_column("v").commit(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_table_that_somebody_else_has_changed_is_loaded_anew(world: World, change: Callable[[Any], object]) -> None:
    loaded(world, TWO)
    change(table(world))

    done = loaded(world, TWO)

    assert (done.unchanged, ids(world), table(world).scan().to_arrow().column_names) == (False, [1, 2], ["id", "v"])
    assert loaded(world, TWO).unchanged


def test_files_that_somebody_else_has_emptied_a_gathering_table_of_are_gathered_anew(world: World) -> None:
    loaded(world, TWO, mode=LoadMode.APPEND)
    table(world).delete()

    again = [loaded(world, TWO, mode=LoadMode.APPEND).unchanged for _ in range(2)]

    assert (again, ids(world)) == ([False, True], [1, 2])


def test_rows_that_were_repaired_are_part_of_it(world: World) -> None:
    done = loaded(world, "id,v\n1,10\n2,ten\n", data_types={"v": "INTEGER"})
    assert len(rejects(world, done.id)) == 1
    world.sql('UPDATE dataops.reject SET corrected = \'{"id": 2, "v": 20}\'')
    replay_import(world.work(), done)
    assert ids(world) == [1, 2]
    for _ in ("as it is", "with its first snapshot ended by age"):
        assert loaded(world, "id,v\n1,10\n2,ten\n", data_types={"v": "INTEGER"}).unchanged
        soon = datetime.now(UTC) + timedelta(minutes=1)
        keep_up(lake_of(world.platform), "raw.t", expired=soon, unwritten=soon)
        assert len(table(world).snapshots()) == 1
    assert ids(world) == [1, 2]


def test_a_table_that_somebody_made_in_place_of_ours_is_not_touched(world: World) -> None:
    loaded(world, TWO)
    catalogue = lake_of(world.platform).open()
    catalogue.drop_table("raw.t")
    catalogue.create_table("raw.t", pa.schema([("mine", pa.int64())])).append(pa.table({"mine": [1]}))
    id = asked(world, put(world, "f.csv", TWO), "t", format=TargetFormat.ICEBERG)
    with pytest.raises(Conflict, match="is not the table that was imported"):
        import_file(world.work(), id)
    assert table(world).scan().to_arrow().to_pylist() == [{"mine": 1}]
