"""The process that runs are forked from: it is killed, stopped, changed and pestered, and runs go on."""

import os
import signal
import socket
import subprocess
import time

import psutil
import pytest

from dataops_defs.instance.warm.protocol import address, ask, encode, socket_path
from dataops_defs.instance.worker import Process
from dataops_defs.settings import Settings
from tests.instance.conftest import BIN, Platform


def cold(warm: Platform, run_id: str) -> bool:
    return warm.worker(run_id).launcher is None


class TestTheParent:
    def test_has_one_thread_no_connection_and_forks_workers_of_its_own(self, warm: Platform) -> None:
        parent = psutil.Process(warm.process("launcher").pid)
        run_id, worker = warm.waiting_run()

        assert parent.num_threads() == 1
        assert parent.net_connections("inet") == []
        assert [each.pid for each in parent.children()] == [worker.process.pid]
        assert os.getpgid(worker.process.pid) == worker.process.pid
        warm.let_go()
        warm.ends(run_id, "SUCCESS")

    def test_is_the_only_one_of_its_home(self, warm: Platform) -> None:
        second = subprocess.run([BIN / "dataops", "launcher"], capture_output=True, text=True, check=False)

        assert second.returncode == 1
        assert len(second.stderr.splitlines()) == 1
        assert "Another launcher" in second.stderr
        assert (warm.ping() or {})["pid"] == warm.process("launcher").pid

    def test_reaps_and_reports_a_killed_worker(self, warm: Platform) -> None:
        parent = psutil.Process(warm.process("launcher").pid)
        run_id, worker, grandchild = warm.deaf_run()
        os.kill(worker.process.pid, signal.SIGKILL)

        warm.ends(run_id, "FAILURE")
        # A daemon that looks in the same moment may be the first to say so.
        assert any(told in warm.messages(run_id) for told in ("was killed by SIGKILL", "has died"))
        warm.until(lambda: parent.children() == [] and not grandchild.alive, 5)

    def test_refuses_more_workers_than_it_may_have_and_the_run_starts_cold(self, warm: Platform) -> None:
        warm.process("launcher").terminate()
        warm.process("launcher").wait()
        warm.start_launcher(DATAOPS_MAX_WORKERS="1")
        first, _ = warm.waiting_run()
        second = warm.launch("trivial")
        warm.ends(second, "SUCCESS")
        warm.let_go()
        warm.ends(first, "SUCCESS")

        assert "DATAOPS_MAX_WORKERS" in warm.messages(second)
        warm.process("launcher").terminate()
        warm.process("launcher").wait()
        warm.variables["DATAOPS_MAX_WORKERS"] = "8"


class TestAKilledParent:
    def test_takes_its_workers_along_and_runs_start_cold_until_the_next(self, warm: Platform) -> None:
        run_id, worker = warm.waiting_run()
        warm.process("launcher").kill()
        warm.process("launcher").wait()
        warm.until(lambda: not worker.process.alive, 10)
        during = warm.launch("trivial")
        warm.ends(during, "SUCCESS")
        warm.start_launcher()
        after = warm.launch("trivial")
        warm.ends(after, "SUCCESS")

        warm.ends(run_id, "FAILURE")
        assert cold(warm, during)
        assert "No warm start" in warm.messages(during)
        assert not cold(warm, after)

    def test_is_followed_by_one_that_ends_workers_who_did_not_listen(self, warm: Platform) -> None:
        run_id, worker, grandchild = warm.deaf_run()
        warm.process("launcher").kill()
        warm.process("launcher").wait()
        assert worker.process.alive
        warm.start_launcher()

        warm.ends(run_id, "FAILURE")
        warm.until(lambda: not worker.process.alive, 5)
        warm.until(lambda: not grandchild.alive, 5)

    def test_leaves_runs_that_can_still_be_terminated(self, warm: Platform) -> None:
        run_id, worker, _ = warm.deaf_run()
        warm.process("launcher").kill()
        warm.process("launcher").wait()

        assert warm.instance.run_coordinator.cancel_run(run_id)
        warm.ends(run_id, "CANCELED")
        warm.until(lambda: not worker.process.alive, 10)


class TestAStoppedParent:
    def test_ends_its_workers_first(self, warm: Platform) -> None:
        gentle, first = warm.waiting_run()
        deaf, second, _ = warm.deaf_run()
        warm.process("launcher").terminate()
        status = warm.process("launcher").wait(10)

        assert status == 0
        assert not first.process.alive
        assert not second.process.alive
        warm.ends(gentle, "FAILURE")
        warm.ends(deaf, "FAILURE")


class TestNewCode:
    def test_replaces_the_parent_in_place_while_a_run_is_under_way(self, warm: Platform) -> None:
        parent = warm.process("launcher").pid
        before = warm.log("launcher").count("ready")
        run_id, worker = warm.waiting_run()
        (warm.sources / "code.py").write_text("VERSION = 'two'\n")
        warm.until(lambda: warm.log("launcher").count("ready") > before, 30)
        next_run = warm.launch("trivial")
        warm.ends(next_run, "SUCCESS")
        known = ask(Settings(), 5, do="status", run_id=run_id)
        warm.let_go()

        warm.ends(run_id, "SUCCESS")
        assert (warm.ping() or {})["pid"] == parent
        assert known == {"pid": worker.process.pid, "started": worker.process.ticks}
        assert not cold(warm, next_run)
        warm.until(lambda: psutil.Process(parent).children() == [], 10)

    def test_that_cannot_be_read_is_not_taken_over_and_runs_start_cold_meanwhile(self, warm: Platform) -> None:
        parent = warm.process("launcher").pid
        (warm.sources / "code.py").write_text("VERSION = = 3\n")
        meanwhile = warm.launch("trivial")
        warm.ends(meanwhile, "SUCCESS")
        warm.until(lambda: "code.py" in str((warm.ping() or {}).get("refuses")), 10)
        (warm.sources / "code.py").write_text("VERSION = 3333\n")
        warm.until(lambda: (warm.ping() or {}).get("refuses") == "", 30)
        later = warm.launch("trivial")
        warm.ends(later, "SUCCESS")

        assert cold(warm, meanwhile)
        assert not cold(warm, later)
        assert warm.process("launcher").pid == parent


class TestAClient:
    def test_that_hangs_or_babbles_keeps_nobody_waiting(self, warm: Platform) -> None:
        hanging = [connected() for _ in range(20)]
        for each in hanging:
            each.sendall(b'{"do": "launch"')
        babbler = connected()
        babbler.sendall(b"\x00\xff not JSON\n")
        endless = connected()

        assert b"refused" in babbler.recv(1000)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            endless.sendall(b"x" * 10_000_000)
        assert (warm.ping() or {})["pid"] == warm.process("launcher").pid
        for each in hanging:
            each.settimeout(15)
            assert each.recv(1) == b""

    def test_that_has_gone_on_or_comes_late_gets_no_worker(self, warm: Platform) -> None:
        parent = Process.of(warm.process("launcher").pid)
        assert parent is not None
        parent.send(signal.SIGSTOP)
        gone = connected()
        gone.sendall(encode({"do": "launch", "run_id": "gone", "instance_ref": ""}))
        gone.close()
        late = connected()
        late.sendall(encode({"do": "launch", "run_id": "late", "instance_ref": "", "deadline": time.monotonic()}))
        parent.send(signal.SIGCONT)

        assert late.recv(1) == b""
        assert ask(Settings(), 5, do="ping")["workers"] == 0
        assert "gone" not in warm.log("launcher")


def connected() -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    with address(socket_path(Settings())) as name:
        connection.connect(name)
    return connection
