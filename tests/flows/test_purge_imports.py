"""What later versions of an imported file superseded goes by policy; what a target consists of never does."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from dataops_defs.catalogue.models import RunRow
from dataops_defs.domain.importing import TargetFormat
from dataops_defs.domain.run import RunState
from dataops_defs.flows.import_lake import lake_of
from dataops_defs.flows.purge_imports import purge_lake, purge_superseded_files
from tests.flows.import_scenes import imported, put
from tests.scenes import World

LATER = datetime.now(UTC) + timedelta(days=100)
SOON = datetime.now(UTC) + timedelta(days=3)


def quiet(_text: str) -> None: ...


def versions(world: World, format: TargetFormat) -> Iterator[str]:
    for number in (1, 2, 3):
        path = put(world, "people.csv", f"id,name\n{number},Ann\n")
        yield imported(world, path, "people", format=format).uri or ""


def all_runs_ended(world: World) -> None:
    with world.platform.catalogue() as session:
        session.execute(update(RunRow).values(state=RunState.SUCCEEDED, finished_at=datetime.now(UTC)))


def files(world: World) -> set[Path]:
    return {each for each in (world.platform.settings.home / "lake").rglob("*") if each.is_file()}


class TestParquetFiles:
    def test_of_earlier_versions_go_when_their_days_are_over(self, world: World) -> None:
        *before, current = versions(world, TargetFormat.PARQUET)
        store = world.platform.raw_store

        assert purge_superseded_files(world.platform, quiet, SOON).items == 0
        gone = purge_superseded_files(world.platform, quiet, LATER)

        assert (gone.items, gone.bytes > 0) == (2, True)
        assert [store.exists(each) for each in (*before, current)] == [False, False, True]
        assert purge_superseded_files(world.platform, quiet, LATER).items == 0


class TestTheLake:
    def test_keeps_the_current_snapshot_and_all_its_files(self, world: World) -> None:
        list(versions(world, TargetFormat.ICEBERG))
        table = lake_of(world.platform).open().load_table("raw.people")
        assert len(table.snapshots()) == 3
        assert purge_lake(world.platform, quiet, LATER).items == 0  # a run may still be writing
        all_runs_ended(world)

        gone = purge_lake(world.platform, quiet, LATER)

        table = table.refresh()
        assert (len(table.snapshots()), gone.items > 3) == (1, True)
        assert table.scan().to_arrow().to_pylist() == [{"id": 3, "name": "Ann"}]
        assert len([each for each in files(world) if each.suffix == ".parquet"]) == 1

    def test_loses_what_a_killed_worker_wrote_and_nobody_refers_to(self, world: World) -> None:
        list(versions(world, TargetFormat.ICEBERG))
        all_runs_ended(world)
        kept = files(world)
        left = next(iter(each for each in kept if each.suffix == ".parquet")).with_name("left.parquet")
        for each, days in ((left, 2), (left.with_name("young.parquet"), 0)):
            each.write_bytes(b"half")
            moment = datetime.now(UTC).timestamp() - days * 86_400
            os.utime(each, (moment, moment))

        assert purge_lake(world.platform, quiet, datetime.now(UTC)).items == 1
        assert files(world) == {*kept, left.with_name("young.parquet")}

    def test_stays_as_it_is_when_files_are_missing(self, world: World) -> None:
        list(versions(world, TargetFormat.ICEBERG))
        next(iter(each for each in files(world) if each.suffix == ".parquet")).unlink()
        kept, said = files(world), list[str]()

        assert purge_lake(world.platform, said.append, SOON).items == 0
        assert files(world) == kept
        assert "Files are missing of iceberg:raw.people" in said[0]

    def test_of_others_is_not_touched(self, world: World) -> None:
        list(versions(world, TargetFormat.ICEBERG))
        table = lake_of(world.platform).open().load_table("raw.people")
        with table.transaction() as change:
            change.remove_properties("dataops.owner")
        kept = files(world)

        assert purge_lake(world.platform, quiet, LATER).items == 0
        assert files(world) == kept
