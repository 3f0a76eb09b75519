"""Copies in watched folders: no table lacks rows that belong to it, and none has them twice."""

import pytest

from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import ImportState, TargetFormat
from dataops_defs.errors import Conflict, FilesFailed
from tests.flows.import_scenes import Folder, imported, put
from tests.scenes import World

WEATHER = "station,temp\nEWR,39.02\nJFK,38.5\n"
ONE, TWO = "id,v\n1,1\n", "id,v\n2,2\n"


class TestAGatheringWatch:
    def test_adds_each_file(self, world: World) -> None:
        folder = Folder.of(world, target_table="weather")
        folder.put("jan.csv", WEATHER)
        folder.put("feb.csv", "station,temp\nLGA,30.1\n")
        folder.settle()
        assert world.sql("SELECT count(*) FROM raw.weather") == [(3,)]

    def test_takes_a_copy_under_another_name_for_what_it_is(self, world: World) -> None:
        folder = Folder.of(world, target_table="weather")
        folder.put("jan.csv", WEATHER)
        folder.put("copy.csv", WEATHER)
        folder.settle()
        assert sorted(folder.states().values()) == ["imported", "skipped_duplicate"]
        assert world.sql("SELECT count(*) FROM raw.weather") == [(2,)]

    def test_whose_files_swap_their_contents_has_their_rows_once(self, world: World) -> None:
        folder = Folder.of(world, target_table="both")
        swapped(folder)
        assert ids(world, "both") == [1, 2]

    def test_has_the_rows_of_a_file_that_another_store_holds_already(self, world: World) -> None:
        put(world, "in/a.csv", ONE)
        imported(world, "in/a.csv", "a", format=TargetFormat.PARQUET)
        folder = Folder.of(world, "b*.csv", target_table="all_b")
        folder.put("b.csv", ONE)
        folder.settle()
        assert (folder.states(), ids(world, "all_b")) == ({"b.csv": "imported"}, [1])

    def test_has_the_rows_of_a_file_that_another_table_holds_already(self, world: World) -> None:
        own, folder = Folder.of(world), Folder.of(world, target_table="gathered")
        folder.put("a.csv", ONE)
        own.settle()
        folder.put("b.csv", ONE)
        folder.settle()
        assert sorted(folder.states().values()) == ["imported", "skipped_duplicate"]
        assert ids(world, "gathered") == [1]

    def test_that_was_emptied_takes_copies_of_what_it_held(self, world: World) -> None:
        folder = Folder.of(world, target_table="emptied")
        folder.put("a.csv", ONE)
        folder.settle()
        world.sql("DELETE FROM raw.emptied RETURNING id")
        folder.put("b.csv", ONE)
        folder.settle()
        assert (folder.states()["b.csv"], ids(world, "emptied")) == ("imported", [1])


class TestAGatheringWatchThatIsMadeAgain:
    def test_goes_on_with_the_table_of_the_deleted_one(self, world: World) -> None:
        first = Folder.of(world, target_table="again")
        first.put("a.csv", ONE)
        first.settle()
        delete(first)
        first.put("new.csv", TWO)

        for options in ({}, {"has_header": True}):
            second = Folder.of(world, target_table="again", options=options)
            second.settle()
            assert second.states() == {"a.csv": "imported", "new.csv": "imported"}
            assert ids(world, "again") == [1, 2]
            delete(second)

        second = Folder.of(world, target_table="again")
        second.put("a.csv", "id,v\n3,3\n")
        second.settle()
        assert ids(world, "again") == [1, 2, 3]

    def test_leaves_nothing_to_a_run_of_the_deleted_one(self, world: World) -> None:
        first = Folder.of(world, target_table="again")
        first.put("a.csv", ONE)
        first.settle()
        first.put("b.csv", TWO)
        first.look()
        [late] = first.look()
        with world.platform.catalogue() as session:
            [row] = Imports(session).of_run(late.run_id)
        delete(first)
        second = Folder.of(world, target_table="again")
        second.settle()

        with pytest.raises(Exception, match="not found"):
            first.run(late)

        assert (second.states(), ids(world, "again")) == ({"a.csv": "imported", "b.csv": "imported"}, [1, 2])
        with world.platform.catalogue() as session:
            assert Imports(session).get(row.id).state is not ImportState.COMPLETED

    def test_takes_nothing_of_one_that_lives_or_of_a_file(self, world: World) -> None:
        living, late = Folder.of(world, target_table="taken"), Folder.of(world, target_table="taken")
        living.put("a.csv", ONE)
        living.settle()
        with pytest.raises(FilesFailed, match="gathers the files of a watched folder"):
            late.settle()
        assert ids(world, "taken") == [1]

    def test_is_what_an_import_by_hand_is_told_of(self, world: World) -> None:
        folder = Folder.of(world, target_table="again")
        folder.put("a.csv", ONE)
        folder.settle()
        delete(folder)
        with pytest.raises(Conflict, match="watched no more: watch it again into this table, or import into another"):
            imported(world, "in/a.csv", "again")


class TestACopyWithATableOfItsOwn:
    def test_is_imported_once_its_original_is_another_file(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("a.csv", WEATHER)
        folder.settle()
        folder.put("b.csv", WEATHER)
        folder.settle()
        assert folder.states() == {"a.csv": "imported", "b.csv": "skipped_duplicate"}
        folder.put("a.csv", "station,temp\nEWR,7\n")
        folder.settle()
        folder.settle()
        assert folder.states() == {"a.csv": "imported", "b.csv": "imported"}
        assert world.sql("SELECT (SELECT count(*) FROM raw.a), (SELECT count(*) FROM raw.b)") == [(1, 2)]

    def test_of_what_somebody_has_imported_is_known_as_one(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        imported(world, "in/jan.csv", "jan")
        folder.put("copy.csv", WEATHER)
        folder.settle()
        assert folder.states() == {"jan.csv": "imported", "copy.csv": "skipped_duplicate"}

        folder.put("jan.csv", WEATHER + "LGA,1\n")
        imported(world, "in/jan.csv", "jan")
        folder.settle()
        assert folder.states() == {"jan.csv": "imported", "copy.csv": "imported"}
        assert world.sql("SELECT count(*) FROM raw.copy") == [(2,)]

    def test_of_another_file_s_new_version_is_no_copy(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("a.csv", ONE)
        folder.settle()
        folder.put("a.csv", TWO)
        folder.settle()
        folder.put("b.csv", ONE)
        folder.settle()
        assert (folder.states(), ids(world, "b")) == ({"a.csv": "imported", "b.csv": "imported"}, [1])

    def test_that_has_a_table_already_is_its_new_version(self, world: World) -> None:
        folder = Folder.of(world)
        swapped(folder)
        assert (ids(world, "a"), ids(world, "b")) == ([2], [1])
        folder.put("a.csv", ONE)
        folder.settle()
        assert (ids(world, "a"), ids(world, "b")) == ([1], [1])

    def test_under_a_new_name_alone_is_a_copy_of_what_its_table_holds(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("a.csv", ONE)
        folder.settle()
        (world.files / "in" / "a.csv").rename(world.files / "in" / "renamed.csv")
        folder.settle()
        assert folder.states() == {"a.csv": "imported", "renamed.csv": "skipped_duplicate"}
        folder.put("a.csv", TWO)
        folder.settle()
        folder.settle()
        assert (ids(world, "a"), ids(world, "renamed")) == ([2], [1])

    def test_of_rows_that_nobody_has_any_more_is_imported(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("a.csv", ONE)
        folder.settle()
        world.sql("DROP TABLE raw.a; SELECT 1")
        folder.put("b.csv", ONE)
        folder.settle()
        assert ids(world, "b") == [1]

    def test_is_imported_where_only_another_kind_of_target_has_its_rows(self, world: World) -> None:
        gathering, folder = Folder.of(world, target_table="gathered"), Folder.of(world, "b*.csv")
        folder.put("a.csv", ONE)
        gathering.settle()
        imported(world, "in/a.csv", "a", format=TargetFormat.PARQUET)
        folder.put("b.csv", ONE)
        folder.settle()
        assert (folder.states(), ids(world, "b")) == ({"b.csv": "imported"}, [1])


def swapped(folder: Folder) -> None:
    """Two files, imported, whose contents change places."""
    folder.put("a.csv", ONE)
    folder.put("b.csv", TWO)
    folder.settle()
    folder.put("a.csv", TWO)
    folder.put("b.csv", ONE)
    folder.settle()


def delete(folder: Folder) -> None:
    with folder.world.platform.catalogue() as session:
        watches = Watches(session)
        watches.remove(watches.get(folder.watch))


def ids(world: World, table: str) -> list[int]:
    return [id for (id,) in world.sql(f"SELECT id FROM raw.{table} ORDER BY 1")]
