"""What deleted definitions left behind is dropped when somebody asks for it, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dataops_defs.adapters.storage.raw_copy import folder_of
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.leftover import LEFTOVERS, Leftover, LeftoverKind
from dataops_defs.domain.run import RunState
from dataops_defs.errors import Conflict
from dataops_defs.flows.drop_data import drop_data
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.datamart_scenes import define, refresh
from tests.scenes import World

TEXT = {"type": "string"}


def drop(world: World, *leftovers: Leftover) -> Sequence[dict[str, int]]:
    """The ledgers of the run's steps."""
    work = world.work()
    with world.platform.catalogue() as session:
        Runs(session).get(work.run_id).parameters = {LEFTOVERS: [each.as_json() for each in leftovers]}
    drop_data(work, leftovers[0].subject_id)
    with world.platform.catalogue() as session:
        steps = Runs(session).steps(work.run_id)
        assert {step.state for step in steps} == {RunState.SUCCEEDED}
        return [step.ledger for step in steps]


@pytest.fixture
def plane(world: World) -> tuple[str, str]:
    """Two aircraft among the objects, and what made them: the ids of the dataset and of the type."""
    dataset = world.dataset(world.csv("planes.csv", "tail,name\nN1,One\nN2,Two\n"))
    kind = world.object_type("plane", "tail", {"tail": TEXT, "name": TEXT})
    mapping = world.mapping(dataset, kind, {"tail": "tail", "name": "name"}, mode="upsert", keyField="tail")
    extract_dataset(world.work(), dataset)
    sync_mapping(world.work(), mapping)
    with world.platform.catalogue() as session:
        mappings, types = Mappings(session), ObjectTypes(session)
        mappings.remove(mappings.get(mapping))
        types.remove(types.get(kind))
    return dataset, kind


def table_of(kind: str) -> Leftover:
    return Leftover(LeftoverKind.RELATION, kind, "plane", "objects.plane")


class TestATable:
    def test_is_gone_and_its_rows_are_counted(self, world: World, plane: tuple[str, str]) -> None:
        [ledger] = drop(world, table_of(plane[1]))

        assert ledger["deleted"] == 2
        assert world.sql("SELECT to_regclass('objects.plane')") == [(None,)]
        entered = "SELECT deleted FROM dataops.ledger WHERE subject_kind = 'drop' AND target = 'objects.plane'"
        assert world.sql(entered) == [(2,)]

    def test_that_is_gone_already_counts_no_row(self, world: World, plane: tuple[str, str]) -> None:
        drop(world, table_of(plane[1]))

        assert drop(world, table_of(plane[1]))[0]["deleted"] == 0

    def test_stays_while_a_view_reads_it(self, world: World, plane: tuple[str, str]) -> None:
        world.sql("CREATE VIEW analytics.fleet AS SELECT tail FROM objects.plane")

        with pytest.raises(Conflict, match=r"analytics\.fleet depends on"):
            drop(world, table_of(plane[1]))

        assert world.sql("SELECT count(*) FROM analytics.fleet") == [(2,)]

    def test_stays_when_its_type_was_made_again_meanwhile(self, world: World, plane: tuple[str, str]) -> None:
        world.object_type("Plane", "tail", {"tail": TEXT})

        with pytest.raises(Conflict, match="object type 'Plane', which was made since"):
            drop(world, table_of(plane[1]))

        assert world.sql("SELECT count(*) FROM objects.plane") == [(2,)]


class TestADatamart:
    def test_that_was_made_anew_under_that_name_stays(self, world: World) -> None:
        refresh(world, define(world, "daily", "SELECT 1 AS n"))

        with pytest.raises(Conflict, match="datamart 'daily', which was made since"):
            drop(world, Leftover(LeftoverKind.DATAMART, new_id(), "daily", "analytics.daily"))

        assert world.sql("SELECT n FROM analytics.daily") == [(1,)]


class TestRawCopies:
    def test_are_gone_and_a_strangers_file_stays(self, world: World, plane: tuple[str, str]) -> None:
        dataset = plane[0]
        uri = extract_dataset(world.work(), dataset).uri
        folder = next(world.platform.settings.home.rglob(f"{dataset}"))
        assert len(list(folder.glob("*.parquet"))) == 2
        (folder / "notes.txt").write_text("mine")

        drop(world, Leftover(LeftoverKind.RAW_COPIES, dataset, "Aircraft", folder_of(uri)))

        assert names(folder) == ["notes.txt"]

    def test_of_another_dataset_stay(self, world: World, plane: tuple[str, str]) -> None:
        other = world.dataset(world.csv("others.csv", "tail\nN9\n"), "Others")
        kept = extract_dataset(world.work(), other).uri
        uri = extract_dataset(world.work(), plane[0]).uri

        drop(world, Leftover(LeftoverKind.RAW_COPIES, plane[0], "Aircraft", folder_of(uri)))

        assert world.platform.raw_store.exists(kept)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
