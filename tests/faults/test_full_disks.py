"""No room, and writes that fail: on the warehouse's disk and on the disk of raw copies (faults 11, 12 and 13)."""

import errno
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.errors import InsufficientStorage
from dataops_defs.flows import work as working
from dataops_defs.flows.etl_state import checkpoint_of
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.services.account import Account
from dataops_defs.settings import OWNER
from tests.conftest import Server
from tests.faults.injected import files_up_to, one_try, refused
from tests.faults.workers import Fault, ended, started
from tests.flows.etl_scenes import TABLE, asked, finish, lease_ends, pipeline, ran, same, worker
from tests.scenes import World

NO_ROOM = """
CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM analytics.film_dim) >= 20 THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER no_room BEFORE INSERT ON analytics.film_dim FOR EACH ROW EXECUTE FUNCTION public.no_room()
"""
TARGET = (
    "CREATE TABLE analytics.film_dim (film_id int PRIMARY KEY, title text, rating numeric(3,1), updated_at timestamptz)"
)
WIDE = """
INSERT INTO content.film_work
SELECT n, md5('a' || n) || md5('b' || n) || md5('c' || n), 1, now() FROM generate_series(1, 3000) n
"""
SHORT = 65_536
MANY_ROWS = 100_000
MANY = f"""
INSERT INTO content.film_work SELECT n, repeat(md5(n::text), 2), 1, now() FROM generate_series(1, {MANY_ROWS}) n
"""


@pytest.mark.parametrize(("mode", "position", "left"), [("full", 25, 25), ("incremental", 20, 5 + 1)])
def test_a_full_disk_of_the_warehouse_fails_the_run_and_the_next_succeeds_once_there_is_room(
    films: World, monkeypatch: pytest.MonkeyPatch, mode: str, position: int, left: int
) -> None:
    """PostgreSQL's own answer, raised by a trigger, also at the very end of a load."""
    monkeypatch.setattr(working, "TRIES", 1)
    films.sql(TARGET)
    films.sql(NO_ROOM)
    id = pipeline(films, mode)
    work = worker(films, asked(films, id))
    with pytest.raises(InsufficientStorage, match="disk of the warehouse is full"):
        run_etl(work, id)
    finish(films, work, RunState.FAILED)
    load = checkpoint_of(films.platform, id)
    assert load is not None
    assert load.position == position

    films.sql("DROP TRIGGER no_room ON analytics.film_dim")
    outcome = ran(films, id)
    assert outcome.ledger.read == left  # an incremental run ends with the row at the mark, once more
    assert same(films)


class SmallDisk:
    """A file system of some megabytes, where mounting one is allowed."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dataops-disk-", dir="/var/tmp"))  # the server must reach it
        if not self._mount("size=8m"):
            self.folder.rmdir()
            pytest.xfail("this machine lets nobody mount a file system; the story below has PostgreSQL's answer only")
        Account.for_server().own(self.folder)

    def grow(self) -> None:
        assert self._mount("remount,size=64m")

    def close(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)
        self.folder.rmdir()

    def _mount(self, options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(server: Server, world: World) -> Iterator[SmallDisk]:
    """Where the warehouse puts its new tables from now on."""
    disk = SmallDisk()
    warehouse = urlsplit(world.platform.settings.url("warehouse")).path[1:]
    world.sql(TABLE)
    world.sql(MANY)
    server.execute(
        f"CREATE TABLESPACE small OWNER {OWNER} LOCATION '{disk.folder}'",
        f"ALTER ROLE {OWNER} IN DATABASE {warehouse} SET default_tablespace = small",
    )
    yield disk
    server.execute(f"DROP DATABASE {warehouse} WITH (FORCE)", "DROP TABLESPACE small")
    disk.close()


# A full load is gone on with by its own run only: what an ended one had gathered may be old.
@pytest.mark.parametrize(("mode", "next_run"), [("full", "begins anew"), ("incremental", "Going on with row")])
def test_a_disk_of_the_warehouse_that_fills_fails_the_run_and_the_next_succeeds_when_it_has_grown(
    world: World, small_disk: SmallDisk, mode: str, next_run: str
) -> None:
    id = pipeline(world, mode, batch_size=10_000)
    work = worker(world, asked(world, id))
    with pytest.raises(InsufficientStorage, match="disk of the warehouse is full"):
        run_etl(work, id)
    finish(world, work, RunState.FAILED)
    load = checkpoint_of(world.platform, id)
    assert load is not None
    assert 0 < load.position < MANY_ROWS

    small_disk.grow()
    said: list[str] = []
    next_work = worker(world, asked(world, id))
    next_work.say = said.append
    run_etl(next_work, id)
    finish(world, next_work)
    assert any(next_run in each for each in said)
    assert same(world)


class TestTheDiskOfRawCopies:
    @pytest.fixture
    def wide(self, world: World) -> World:
        """Films that take more than one block of a file."""
        world.sql(TABLE)
        world.sql(WIDE)
        return world

    def test_that_is_full_fails_the_run_and_keeps_nothing_of_it(self, wide: World) -> None:
        id = pipeline(wide, batch_size=1000)
        run = asked(wide, id)
        assert ended(started(run, id, partial(refused, "write", errno.ENOSPC))) == 1

        assert record(wide, run) == (RunState.FAILED, InsufficientStorage.code)
        assert raw_files(wide) == []
        ran(wide, id)
        assert same(wide)

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (partial(refused, "write", errno.EIO), "input/output error"),
            (partial(refused, "fsync", errno.EIO), "input/output error"),
            (partial(files_up_to, SHORT), "file too large"),
        ],
        ids=["at the first write", "at the last moment", "in the middle"],
    )
    def test_that_fails_leaves_the_run_to_the_next_worker(self, wide: World, fault: Fault, reason: str) -> None:
        id = pipeline(wide, batch_size=1000)
        run = asked(wide, id)
        assert ended(started(run, id, one_try, fault)) == 1

        with wide.platform.catalogue() as session:
            assert Runs(session).get(run).launch_error == f"the raw store cannot be written: {reason}"
        assert raw_files(wide) == []
        assert wide.sql("SELECT count(*) FROM analytics.film_dim") == [(0,)]
        lease_ends(wide)
        work = worker(wide, run)
        run_etl(work, id)
        finish(wide, work)
        assert same(wide)


def record(world: World, run: str) -> tuple[RunState, str | None]:
    with world.platform.catalogue() as session:
        row = Runs(session).get(run)
        return row.state, row.error_code


def raw_files(world: World) -> list[Path]:
    return [each for each in world.platform.settings.home.glob("raw/**/*") if each.is_file()]
