"""The clock of a worker's machine jumps, or is wrong: leases and loads go by the database's (fault 27)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.settings import PROJECT
from tests.faults.workers import LONGEST_SECONDS
from tests.flows.etl_scenes import asked, pipeline, same
from tests.scenes import World

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: run 'make test-deps' as root")
WORKER = """
import sys, time
from functools import partial
from pathlib import Path
from tests.faults.injected import COMMITTED, at
from tests.faults.workers import work

clock, run_id, pipeline_id, *jumps = sys.argv[1:]

def jump(to):
    before = time.time()
    Path(clock).write_text(to)
    print(f"{time.time() - before:.0f}", flush=True)

work(run_id, pipeline_id, *(partial(at, COMMITTED, batch, partial(jump, to)) for batch, to in enumerate(jumps, 1)))
"""
DAY, HOUR = 86_400, 3_600


def carried_out(clock: Path, run: str, id: str, *jumps: str) -> list[int]:
    """The work of a process whose clock is told by a file, and jumps after a batch; by how much, each time."""
    assert LIBRARY is not None
    told = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(clock), run, id, *jumps],
        env={**os.environ, **told},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0
    return [int(line) for line in done.stdout.splitlines()]


def test_a_worker_whose_clock_jumps_keeps_its_lease_and_its_rows(films: World, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    id = pipeline(films, "incremental")
    run = asked(films, id)

    forth, back = carried_out(clock, run, id, "+1d", "-1h")

    assert abs(forth - DAY) < HOUR / 2
    assert abs(back + DAY + HOUR) < HOUR / 2
    assert same(films)
    assert films.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s", run) == [(1, 25)]
    with films.platform.catalogue() as session:
        row = Runs(session).get(run)
        assert (row.state, row.epoch) == (RunState.SUCCEEDED, 1)


def test_a_worker_whose_clock_is_an_hour_slow_reads_what_is_new_once(films: World, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("-1h")
    id = pipeline(films, "incremental", batch_size=25)
    run = asked(films, id)
    assert carried_out(clock, run, id) == []
    assert films.sql("SELECT sum(read) FROM dataops.ledger WHERE run_id = %s", run) == [(25,)]
    assert same(films)
