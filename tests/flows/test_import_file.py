"""Files of a watched folder: each version once, complete or not at all."""

import pytest

from dataops_defs.catalogue.models import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.look_into_folder import look_into_folder
from tests.scenes import World

WEATHER = "station,temp\nEWR,39.02\nJFK,38.5\n"


def a_watch(world: World, **more: object) -> str:
    (world.files / "in").mkdir(exist_ok=True)
    with world.platform.catalogue() as session:
        row = WatchRow(name="Weather", folder="in", patterns=[{"pattern": "*.csv"}], **more)
        return Watches(session).add(row).id


def arrive(world: World, watch: str, name: str, content: str) -> list[str]:
    """Put a file there, look, and return the ids of what waits."""
    (world.files / "in" / name).write_text(content)
    found = look_into_folder(world.platform, watch)
    with world.platform.catalogue() as session:
        return [row.id for row in Watches(session).note(watch, found)]


def status(world: World, file: str) -> str:
    with world.platform.catalogue() as session:
        return str(session.get_one(WatchedFileRow, file).status)


class TestANewFile:
    def test_is_imported_with_a_balanced_ledger(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        [file] = arrive(world, watch, "jan.csv", WEATHER)
        outcome = import_file(world.work(), file)
        assert outcome is not None
        assert (outcome.ledger.read, outcome.ledger.inserted) == (2, 2)
        assert world.sql("SELECT station, temp::text FROM raw.weather ORDER BY 1") == [
            ("EWR", "39.02"),
            ("JFK", "38.50"),
        ]
        assert world.sql("SELECT read FROM dataops.ledger WHERE target = 'raw.weather'") == [(2,)]
        assert status(world, file) == "imported"

    def test_of_another_month_is_added(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        for name, content in (("jan.csv", WEATHER), ("feb.csv", "station,temp\nLGA,30.1\n")):
            [file] = arrive(world, watch, name, content)
            import_file(world.work(), file)
        assert world.sql("SELECT count(*) FROM raw.weather") == [(3,)]

    def test_goes_to_a_table_of_its_name_when_the_watch_names_none(self, world: World) -> None:
        watch = a_watch(world)
        [file] = arrive(world, watch, "Stations 2013.csv", WEATHER)
        import_file(world.work(), file)
        assert world.sql("SELECT count(*) FROM raw.stations_2013") == [(2,)]


class TestTheSameContentAgain:
    def test_under_another_name_is_skipped_and_says_so(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        [first] = arrive(world, watch, "jan.csv", WEATHER)
        import_file(world.work(), first)
        [copy] = arrive(world, watch, "copy.csv", WEATHER)
        assert import_file(world.work(), copy) is None
        assert status(world, copy) == "skipped_duplicate"
        assert world.sql("SELECT count(*) FROM raw.weather") == [(2,)]


class TestWhatCannotBeImported:
    def test_a_file_that_vanished_is_failed_with_a_reason(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        [file] = arrive(world, watch, "gone.csv", WEATHER)
        (world.files / "in" / "gone.csv").unlink()
        with pytest.raises(DataOpsError, match=r"gone\.csv"):
            import_file(world.work(), file)
        assert status(world, file) == "failed"

    def test_ragged_rows_are_kept_beside_what_was_imported(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        [file] = arrive(world, watch, "ragged.csv", WEATHER + "LGA\n")
        outcome = import_file(world.work(), file)
        assert outcome is not None
        assert (outcome.ledger.inserted, outcome.ledger.rejected) == (2, 1)
        assert world.sql("SELECT row_number FROM dataops.reject") == [(3,)]

    def test_a_folder_that_is_missing_is_noted_with_the_watch(self, world: World) -> None:
        watch = a_watch(world, target_table="weather")
        (world.files / "in").rmdir()
        with pytest.raises(DataOpsError):
            look_into_folder(world.platform, watch)
        with world.platform.catalogue() as session:
            assert Watches(session).get(watch).last_error
