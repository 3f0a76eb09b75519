"""Processes that are known by more than their pid, and the socket that only the owner may use."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dataops_defs.errors import Conflict
from dataops_defs.instance.warm.protocol import NoParent, address, ask, socket_path
from dataops_defs.instance.warm.server import BACKLOG, bind
from dataops_defs.instance.worker import TAG, Process, Worker, place
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import Settings


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/usr/bin/sleep", "1000"]) as started:
        yield started
        started.kill()


class TestAProcess:
    def test_lives_until_it_ends_also_when_nobody_has_reaped_it(self, child: subprocess.Popen[bytes]) -> None:
        process = Process.of(child.pid)

        assert process is not None
        assert process.alive
        assert process.send(signal.SIGTERM)
        assert wait_until(lambda: not process.alive, 5)
        assert Process.of(child.pid) == process
        child.wait()
        assert Process.of(child.pid) is None
        assert not process.send(signal.SIGTERM)

    def test_is_not_another_one_with_its_pid(self, child: subprocess.Popen[bytes]) -> None:
        earlier = Process(child.pid, ticks=1)
        earlier.kill_with_descendants()

        assert not earlier.alive
        assert not earlier.send(signal.SIGKILL)
        assert child.poll() is None

    def test_is_killed_with_all_it_has_started(self) -> None:
        program = (
            "import subprocess as s; print(s.Popen(['sleep', '99'], start_new_session=True).pid, flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as started:
            assert started.stdout is not None
            family = [Process.of(int(started.stdout.readline())), Process.of(started.pid)]
            assert family[1] is not None
            family[1].kill_with_descendants()
            assert wait_until(lambda: not any(each and each.alive for each in family), 5)


class TestAWorker:
    def test_is_found_again_in_the_tags_of_its_run(self) -> None:
        worker = Worker.here(Process(5, 6), launcher=Process(7, 8))

        assert Worker.from_tags(worker.as_tags()) == worker
        assert Worker.from_tags({}) is None
        assert Worker.from_tags({TAG: "not ours"}) is None
        assert Worker.from_tags({TAG: json.dumps({"place": "here"})}) is None

    def test_is_dead_after_its_host_was_started_again_and_unknown_on_another(self) -> None:
        this = Process.of(os.getpid())
        assert this is not None
        worker = Worker.here(this)
        host, _, boot = place().partition(" ")

        assert worker.state == "alive"
        assert replace(worker, place=f"{host} another-boot").state == "dead"
        assert replace(worker, place=f"elsewhere {boot}").state == "unknown"


class TestTheSocket:
    def test_is_the_owners_alone_and_taken_once(self, tmp_path: Path) -> None:
        path = tmp_path / "run" / "launcher.sock"
        listener = bind(path)
        listener.listen(BACKLOG)

        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(Conflict, match="Another launcher"):
            bind(path)
        listener.close()
        bind(path).close()

    def test_may_lie_deeper_than_the_kernel_takes_paths(self, tmp_path: Path) -> None:
        settings = Settings(home=tmp_path / ("long" * 20) / ("home" * 20))
        with pytest.raises(NoParent):
            ask(settings, 1, do="ping")
        listener = bind(socket_path(settings))
        listener.listen(BACKLOG)
        with address(socket_path(settings)) as name:
            assert len(name) < 108 < len(str(socket_path(settings)))

        with pytest.raises(Conflict):
            bind(socket_path(settings))
        listener.close()
