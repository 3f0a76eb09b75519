"""Disks as they are, measured; the thresholds are what the stories move."""

import errno
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.storage.free_space import space_of
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.errors import InsufficientStorage
from dataops_defs.flows.disk_space import Room, disks, ensure_room, room_of
from dataops_defs.settings import Settings

EVERYTHING = 2**62


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", _env_file=None)  # type: ignore[call-arg]


def with_limits(settings: Settings, **limits: Any) -> Settings:
    return settings.model_copy(update=limits)


class TestADisk:
    def test_is_measured_where_the_platform_keeps_things(self, here: Settings, tmp_path: Path) -> None:
        [disk] = disks(here)
        assert disk.holds == ("the state folder", "the database", "raw copies", "exports")
        assert 0 < disk.space.free_bytes < disk.space.bytes
        assert disk.space.bytes == space_of(tmp_path).bytes

    def test_holds_no_database_and_no_raw_copies_that_are_elsewhere(self, here: Settings) -> None:
        elsewhere = with_limits(here, raw_store="s3://company", catalogue_url="postgresql://db/catalogue")
        assert [disk.holds for disk in disks(elsewhere)] == [("the state folder", "exports")]

    def test_is_looked_for_where_the_database_says_it_is(self, here: Settings) -> None:
        here.home.mkdir()
        (here.home / "postgres.json").write_text('{"data": "/proc/self"}')
        ours = ("the state folder", "raw copies", "exports")
        assert {disk.holds for disk in disks(here)} == {ours, ("the database",)}

    def test_is_up_low_or_full_by_the_smaller_of_percent_and_bytes(self, here: Settings) -> None:
        cases = [
            ({"disk_low_percent": 100, "disk_low_bytes": EVERYTHING}, Room.LOW),
            ({"disk_low_percent": 100, "disk_low_bytes": 1}, None),
            ({"disk_low_percent": 0, "disk_low_bytes": EVERYTHING}, Room.UP),
            ({"disk_full_percent": 100, "disk_full_bytes": EVERYTHING}, Room.FULL),
        ]
        plenty = {"disk_low_percent": 0, "disk_full_percent": 0}
        for limits, room in cases:
            space = replace(disks(here)[0].space, inodes=0)
            wanted = room or Room.UP
            assert room_of(space, with_limits(here, **(plenty | limits))) is wanted, limits

    def test_without_inodes_is_full_however_many_bytes_are_free(self, here: Settings) -> None:
        space = replace(space_of(Path("/")), inodes=1000, free_inodes=10)
        assert room_of(space, here) is Room.FULL

    def test_says_what_it_holds_how_much_is_free_and_what_to_do(self, here: Settings) -> None:
        [disk] = disks(with_limits(here, disk_full_percent=100, disk_full_bytes=EVERYTHING))
        with pytest.raises(InsufficientStorage) as refused:
            ensure_room([disk])
        for part in ("the database, raw copies and exports", " GB (", "DATAOPS_RAW_DAYS", "nothing new is begun"):
            assert part in str(refused.value)
        ensure_room(disks(with_limits(here, disk_low_percent=100, disk_low_bytes=EVERYTHING)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where mounting one is allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.xfail("this machine lets nobody mount a file system; the stories above move the thresholds instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class TestADiskThatRunsFull:
    def test_is_told_beside_the_others_and_the_raw_store_says_so_too(self, here: Settings, small_disk: Path) -> None:
        settings = with_limits(here, raw_store=(small_disk / "raw").as_uri())
        assert {disk.holds: disk.room for disk in disks(settings)}[("raw copies",)] is Room.UP
        with pytest.raises(OSError) as full:
            (small_disk / "ballast").write_bytes(b"x" * 2_000_000)
        assert full.value.errno == errno.ENOSPC
        assert {disk.holds: disk.room for disk in disks(settings)}[("raw copies",)] is Room.FULL
        schema = pa.schema([("noise", pa.binary())])
        with pytest.raises(InsufficientStorage, match="raw store is full"):
            RawStore(settings.raw_store_url).write("b", "k", schema, [pa.record_batch([[b"x"]], schema=schema)])
