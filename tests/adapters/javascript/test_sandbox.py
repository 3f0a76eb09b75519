"""The worker's process can do nothing but compute, and never outlives its parent."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from dataops_defs.adapters.javascript import process
from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import DependencyUnavailable

MEMORY = 192 * 1024 * 1024
BEGIN = """
import os, sys, socket, subprocess, errno
sys.path += {folders!r}
from dataops_defs.adapters.javascript import sandbox
{before}
held = sandbox.lock_down({memory}, os.getppid())
def attempt(what):
    try:
        what()
    except BaseException as error:
        return type(error).__name__
    return "done"
"""
ATTEMPTS = {
    "read a file": "open('/etc/hostname')",
    "write a file": "open('/tmp/dataops-sandbox-test', 'w')",
    "open a socket": "socket.socket()",
    "fork": "os.fork()",
    "run a program": "os.execv('/bin/true', ['/bin/true'])",
    "signal another process": "os.kill(os.getppid(), 0)",
    "list a folder": "os.listdir('/')",
    "make a pipe": "os.pipe()",
}
NEEDS_FILTER = {"fork", "run a program", "signal another process"}


def inside(code: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in a child that has locked itself in."""
    begin = BEGIN.format(folders=process.import_folders(), memory=MEMORY, before=before)
    return subprocess.run(
        [sys.executable, "-I", "-c", begin + textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )


def running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid: int) -> bool:
    for _ in range(200):
        if not running(pid):
            return True
        time.sleep(0.05)
    return False


class TestLockingIn:
    @pytest.mark.parametrize("attempt", ATTEMPTS)
    def test_the_filter_refuses(self, attempt):
        child = inside(f"print(held, attempt(lambda: {ATTEMPTS[attempt]}))")

        assert child.stdout in ("seccomp PermissionError\n", "seccomp OSError\n"), child.stderr

    def test_memory_ends_at_the_limit(self):
        child = inside("print(attempt(lambda: bytearray(300 * 1024 * 1024)))")

        assert child.stdout == "MemoryError\n"

    def test_the_time_zone_is_utc_whatever_the_machine_says(self):
        child = inside("import time; print(time.tzname[0])", before="os.environ['TZ'] = 'Asia/Tokyo'")

        assert child.stdout == "UTC\n"

    def test_the_filter_cannot_be_followed_by_executable_memory(self):
        child = inside("print(attempt(lambda: mmap.mmap(-1, 4096, prot=7)))", before="import mmap")

        assert child.stdout == "PermissionError\n"

    @pytest.mark.parametrize("attempt", sorted(set(ATTEMPTS) - NEEDS_FILTER))
    def test_without_a_filter_a_network_namespace_and_no_files_must_do(self, attempt):
        child = inside(f"print(held, attempt(lambda: {ATTEMPTS[attempt]}))", before="sandbox.allow_list = lambda: None")
        if "NoSandbox" in child.stderr:
            pytest.skip("this machine offers no network namespace")

        assert child.stdout == "network OSError\n"

    def test_with_neither_it_refuses(self):
        child = inside(
            "print('still here')",
            before=textwrap.dedent("""
                def refuse():
                    raise OSError(1, 'no filter')
                def stay():
                    raise sandbox.NoSandbox('no namespace')
                sandbox.allow_list, sandbox.leave_network = lambda: refuse, stay
            """),
        )

        assert child.stdout == ""
        assert "NoSandbox" in child.stderr


class TestStartingTheWorker:
    def test_it_gets_an_empty_environment_and_three_pipes(self, monkeypatch):
        monkeypatch.setenv("DATAOPS_ADMIN_TOKEN", "hush")
        with JavaScriptEngine([Transform("p", "v", "value")]) as engine:
            folder = Path(f"/proc/{engine.worker_pid}")
            status = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
            )

            assert status["Threads"] == "1"
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            if os.geteuid() == 0:
                assert (folder / "environ").read_bytes() == b""
                assert len(list((folder / "fd").iterdir())) == 3

    def test_a_machine_without_a_sandbox_gets_one_clear_sentence(self, monkeypatch):
        weaken = (
            "import dataops_defs.adapters.javascript.sandbox as s; s.allow_list = lambda: None; "
            "s.leave_network = lambda: (_ for _ in ()).throw(s.NoSandbox()); "
        )
        start = process.START.replace("from dataops_defs", weaken + "from dataops_defs", 1)
        monkeypatch.setattr(process, "START", start)

        with pytest.raises(DependencyUnavailable, match="Transforms do not run on this machine"):
            JavaScriptEngine([Transform("p", "v", "value")]).run({"v": [1]}, 1)

    def test_a_worker_that_cannot_start_gets_one_too(self, monkeypatch):
        monkeypatch.setattr(process, "START", "raise SystemExit(3)")

        with pytest.raises(DependencyUnavailable, match="ended while it was starting"):
            JavaScriptEngine([Transform("p", "v", "value")]).run({"v": [1]}, 1)


class TestEndingTheWorker:
    def test_it_ends_with_the_context(self):
        with JavaScriptEngine([Transform("p", "v", "value")]) as engine:
            pid = engine.worker_pid
            assert running(pid)

        assert not running(pid)

    def test_it_ends_when_its_transforms_are_refused(self):
        before = children()
        with pytest.raises(Exception, match="SyntaxError"):
            JavaScriptEngine([Transform("p", "v", "1 +")]).run({"v": [1]}, 1)

        assert children() == before

    @pytest.mark.parametrize("expression", ["value", "(() => { for (;;); })()"])
    def test_it_ends_with_its_parent(self, expression):
        code = f"""
            from dataops_defs.adapters.javascript.engine import JavaScriptEngine, Limits
            from dataops_defs.domain.transform import Transform
            with JavaScriptEngine([Transform("p", "v", {expression!r})], Limits(seconds_per_row=60)) as engine:
                print(engine.worker_pid, flush=True)
                engine.run({{"v": [1]}}, 1)
                input()
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as parent:
            pid = int(parent.stdout.readline())
            assert running(pid)
            parent.kill()

        assert ends(pid)


def children() -> set[str]:
    """Process ids of our children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
