"""The supervisor with small children, in a process of its own where it has to be killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.processes import is_alive, wait_until
from dataops_defs.services.supervisor import MAX_DEATHS, Child, Supervisor

FOREVER = ["/usr/bin/sleep", "1000"]
WITH_A_GRANDCHILD = ["/bin/sh", "-c", "sleep 1000 & echo $! > grandchild; wait"]


class Stage:
    """A supervisor, what it said, and the pids of its children."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(folder / "run", folder / "logs", self.said.append)

    def add(self, name: str, command: list[str]) -> Child:
        child = Child(name, self.folder / f"{name}.log", command, dict(os.environ), cwd=self.folder)
        self.supervisor.add(child)
        return child

    def pid(self, name: str) -> int:
        return int((self.folder / "run" / f"{name}.pid").read_text())

    def grandchild(self) -> int:
        assert wait_until(lambda: (self.folder / "grandchild").exists(), 5)
        assert wait_until(lambda: bool((self.folder / "grandchild").read_text()), 5)
        return int((self.folder / "grandchild").read_text())

    def until(self, true: Callable[[], bool]) -> None:
        assert self.supervisor.watch_until(true, 10)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Stage(tmp_path)
    yield made
    made.supervisor.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


class TestAKilledChild:
    @pytest.mark.parametrize("name", ["worker", "watchdog"])
    def test_is_started_again_and_named(self, stage: Stage, name: str) -> None:
        stage.add("worker", FOREVER)
        first = stage.pid(name)
        os.kill(first, signal.SIGKILL)
        stage.until(lambda: stage.pid(name) != first)

        assert is_alive(stage.pid(name))
        assert stage.said == [f"{name} was killed (SIGKILL); starting it again"]

    def test_leaves_its_own_children_at_work_until_all_stops(self, stage: Stage) -> None:
        child = stage.add("worker", WITH_A_GRANDCHILD)
        grandchild = stage.grandchild()
        (stage.folder / "grandchild").unlink()
        first = child.process.pid
        os.kill(first, signal.SIGKILL)
        stage.until(lambda: stage.pid("worker") != first)
        assert is_alive(grandchild)
        stage.supervisor.stop()

        assert not is_alive(grandchild)


class TestAChildThatKeepsDying:
    def test_is_named_with_the_last_line_of_its_log(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dataops_defs.services.supervisor.MAX_DEATHS", 3)
        stage.add("worker", ["/bin/sh", "-c", "echo no such table; exit 3"])

        with pytest.raises(DependencyUnavailable, match=r"worker keeps dying \(ended with status 3\).*no such table"):
            stage.supervisor.watch_until(lambda: False, 30)

    def test_that_the_others_can_do_without_is_said_loudly_and_tried_now_and_then(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dataops_defs.services.supervisor.MAX_DEATHS", 2)
        monkeypatch.setattr("dataops_defs.services.supervisor.REST_SECONDS", 0.2)
        worker = stage.add("worker", FOREVER)
        api = stage.add("api", ["/bin/sh", "-c", "test -f mended && exec sleep 1000; echo port is taken; exit 3"])
        stage.supervisor.can_do_without("api")

        stage.until(lambda: sum("WITHOUT api" in said for said in stage.said) == 3)
        assert stage.said[0] == "api ended with status 3; starting it again"
        assert all("port is taken" in said for said in stage.said[1:])
        (stage.folder / "mended").touch()
        stage.until(lambda: api.start_again_at is None and not api.ended())

        assert is_alive(worker.process.pid)
        assert worker.deaths == []

    def test_and_then_lives_for_long_is_started_again_at_once(self, stage: Stage) -> None:
        child = stage.add("api", FOREVER)
        child.deaths = [time.monotonic() - 600] * MAX_DEATHS
        child.started_at = time.monotonic() - 500
        first = stage.pid("api")
        os.kill(first, signal.SIGKILL)
        stage.until(lambda: stage.pid("api") != first)

        assert stage.said == ["api was killed (SIGKILL); starting it again"]


class TestStopping:
    def test_ends_children_and_grandchildren_and_removes_the_pid_files(self, stage: Stage) -> None:
        child = stage.add("worker", WITH_A_GRANDCHILD)
        grandchild = stage.grandchild()
        stage.supervisor.stop()

        assert not is_alive(child.process.pid)
        assert not is_alive(grandchild)
        assert list((stage.folder / "run").iterdir()) == []

    def test_kills_a_child_that_does_not_listen(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dataops_defs.services.supervisor.GRACE_SECONDS", 0.3)
        child = stage.add("deaf", ["/bin/sh", "-c", "trap '' TERM; touch deaf; while :; do sleep 0.1; done"])
        stage.until((stage.folder / "deaf").exists)
        stage.supervisor.stop()

        assert child.process.returncode == -signal.SIGKILL

    def test_later_stages_live_until_the_earlier_have_ended(self, stage: Stage) -> None:
        database = Child("database", stage.folder / "log", FOREVER, stage=1)
        stage.supervisor.add(database)
        says = "trap 'kill -0 $0 && touch database-was-there; exit' TERM; touch ready; while :; do sleep 0.1; done"
        stage.add("client", ["/bin/sh", "-c", says, str(database.process.pid)])
        stage.until((stage.folder / "ready").exists)
        stage.supervisor.stop()

        assert (stage.folder / "database-was-there").exists()


class TestASupervisorThatIsKilled:
    def test_takes_its_children_and_grandchildren_along(self, tmp_path: Path) -> None:
        program = f"""
            import os, sys, time
            from pathlib import Path
            from dataops_defs.services.supervisor import MAX_DEATHS, Child, Supervisor
            folder = Path({str(tmp_path)!r})
            supervisor = Supervisor(folder / "run", folder / "logs", print)
            supervisor.add(Child("worker", folder / "log", {WITH_A_GRANDCHILD!r}, dict(os.environ), folder))
            print("up", flush=True)
            time.sleep(1000)
        """
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            assert wait_until(lambda: bool((tmp_path / "grandchild").exists()), 5)
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()

        assert len(family) >= 3
        assert wait_until(lambda: not any(is_alive(each.pid) for each in family), 15)
