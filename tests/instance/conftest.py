"""Dagster's processes on a small code location, with this project's instance, once for each launcher."""

import itertools
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, RunsFilter
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster_graphql.test.utils import execute_dagster_graphql

import dataops_defs.settings as settings_module
from dataops_defs.instance.warm.protocol import Message, NoAnswer, NoParent, ask
from dataops_defs.instance.worker import Process, Worker
from dataops_defs.services.bootstrap import OWNER
from dataops_defs.services.embedded import free_port
from dataops_defs.services.processes import end_groups, spawn, wait_until
from dataops_defs.settings import PROJECT, Settings
from tests.conftest import Server

NUMBERS = itertools.count(1)
BIN = Path(sys.executable).parent
LOCATION = Path(__file__).parent / "location.py"
GRACE = 1.0
LIMIT = 2
LAUNCHER = """
import sys
from pathlib import Path
from dataops_defs.instance.warm import parent
from dataops_defs.settings import Settings
parent.LAST_GRACE_SECONDS = 1.0
raise SystemExit(parent.WarmParent(Settings(), [Path(each) for each in sys.argv[1:]]).serve())
"""
LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "tests") { __typename } }
"""


class Platform:
    """The processes of one instance, and words for what a test does with them."""

    def __init__(self, server: Server, folder: Path, launcher: str) -> None:
        self.home = folder / "home"
        self.sources = folder / "sources"
        self.launcher_setting = launcher
        self._logs = folder / "logs"
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        for each in (self.home / "dagster", self.sources):
            each.mkdir(parents=True)
        (self.sources / "code.py").write_text("VERSION = 1\n")
        instance = (PROJECT / "dagster.yaml").read_text()
        (self.home / "dagster" / "dagster.yaml").write_text(
            instance.replace("max_concurrent_runs: 4", f"max_concurrent_runs: {LIMIT}")
        )
        name = f"instance_{next(NUMBERS)}_{launcher}"
        server.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        self.variables = {
            "DAGSTER_HOME": str(self.home / "dagster"),
            "DATAOPS_HOME": str(self.home),
            "DATAOPS_CATALOGUE_URL": server.url("catalogue"),
            "DATAOPS_INSTANCE_URL": server.url(name),
            "DATAOPS_RUN_LAUNCHER": launcher,
            "DATAOPS_TERMINATE_SECONDS": str(GRACE),
            "DATAOPS_MAX_WORKERS": "8",
        }

    def open(self) -> None:
        self._port = free_port()
        self.start_code_server()
        if self.launcher_setting == "warm":
            self.start_launcher()
        self.instance = self._stack.enter_context(DagsterInstance.get())
        server = f"{{host: 127.0.0.1, port: {self._port}, location_name: tests}}"
        (self.home / "workspace.yaml").write_text(f"load_from: [{{grpc_server: {server}}}]\n")
        self.load()

    def load(self) -> None:
        """See the code location; again after its server was started again."""
        target = GrpcServerTarget(host="127.0.0.1", port=self._port, socket=None, location_name="tests")

        def loaded() -> bool:
            with warnings.catch_warnings(action="ignore"):
                context = WorkspaceProcessContext(self.instance, target)
            entry = context.create_request_context().get_location_entry("tests")
            if entry is None or entry.code_location is None:
                context.__exit__(None, None, None)
                return False
            self.workspace = self._stack.enter_context(context)
            return True

        self.until(loaded, 60)

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """This process belongs to the platform, as a webserver of its own would."""
        with pytest.MonkeyPatch.context() as change:
            for name, value in self.variables.items():
                change.setenv(name, value)
            settings_module.settings.cache_clear()
            yield
        settings_module.settings.cache_clear()

    def close(self) -> None:
        self._stack.close()
        if "launcher" in self._started:
            end_groups([self.process("launcher").pid], signal.SIGTERM, 5)
        end_groups([each.pid for each in self._started.values()], signal.SIGKILL, 0)
        for each in self._started.values():
            each.wait()

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, **self.variables}
        self._started[name] = spawn(list(command), self._logs / f"{name}.log", env, cwd=PROJECT)
        return self._started[name]

    def start_code_server(self) -> None:
        self.start(
            "code-server", str(BIN / "dagster"), "code-server", "start", "-f", str(LOCATION), "-h", "127.0.0.1",
            "-p", str(self._port), "--location-name", "tests",
        )  # fmt: skip

    def start_launcher(self, **variables: str) -> subprocess.Popen[bytes]:
        self.variables |= variables
        started = self.start("launcher", sys.executable, "-c", LAUNCHER, str(self.sources))
        self.until(lambda: (self.ping() or {}).get("pid") == started.pid, 60)
        return started

    def with_launcher(self) -> subprocess.Popen[bytes]:
        """The launcher, started again where a test has ended it."""
        if self.process("launcher").poll() is None:
            return self.process("launcher")
        return self.start_launcher()

    def start_daemon(self) -> None:
        if "daemon" not in self._started:
            self.start("daemon", str(BIN / "dagster-daemon"), "run", "-w", str(self.home / "workspace.yaml"))

    def process(self, name: str) -> subprocess.Popen[bytes]:
        return self._started[name]

    def ping(self) -> Message | None:
        try:
            return ask(Settings(), 5, do="ping")
        except (NoParent, NoAnswer):
            return None

    def log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text()

    def launch(self, asset: str, tags: Mapping[str, str] | None = None) -> str:
        selector = {
            "repositoryLocationName": "tests",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
        }
        context = self.workspace.create_request_context()
        given = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        params = {"selector": selector, "mode": "default", "executionMetadata": given}
        answer = execute_dagster_graphql(context, LAUNCH, {"params": params})
        launched = answer.data["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def reload(self) -> None:
        execute_dagster_graphql(self.workspace.create_request_context(), RELOAD)

    def run(self, run_id: str) -> DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def status(self, run_id: str) -> str:
        return self.run(run_id).status.value

    def worker(self, run_id: str) -> Worker:
        """The worker of a run, once it says who it is."""
        self.until(lambda: Worker.from_tags(self.run(run_id).tags) is not None, 30)
        worker = Worker.from_tags(self.run(run_id).tags)
        assert worker is not None
        return worker

    def waiting_run(self) -> tuple[str, Worker]:
        """A run in the middle of its work, until it is let go."""
        for each in ("waiting", "go"):
            (self.home / each).unlink(missing_ok=True)
        run_id = self.launch("waiting")
        self.until((self.home / "waiting").exists, 30)
        return run_id, self.worker(run_id)

    def let_go(self) -> None:
        (self.home / "go").touch()

    def deaf_run(self) -> tuple[str, Worker, Process]:
        """A run that cannot be interrupted, its worker, and a process the worker has started."""
        note = self.home / "grandchild"
        note.unlink(missing_ok=True)
        run_id = self.launch("deaf")
        self.until(lambda: note.exists() and bool(note.read_text()), 30)
        grandchild = Process.of(int(note.read_text()))
        assert grandchild is not None
        return run_id, self.worker(run_id), grandchild

    def ends(self, run_id: str, status: str, seconds: float = 60) -> None:
        self.until(lambda: self.run(run_id).is_finished, seconds)
        assert self.status(run_id) == status

    def messages(self, run_id: str) -> str:
        return "\n".join(each.message for each in self.instance.all_logs(run_id))

    def unfinished(self) -> list[str]:
        return [each.run_id for each in self.instance.get_runs(RunsFilter()) if not each.is_finished]

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        assert wait_until(true, seconds), "".join(f"{path}:\n{path.read_text()}" for path in self._logs.iterdir())


def leftovers(platform: Platform) -> list[str]:
    """Processes of this platform that are none of those that were started for it, or a child of one's own."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.environ().get("DATAOPS_HOME") == str(platform.home):
                found.append(" ".join(each.cmdline()) or each.name())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture(scope="package")
def platforms(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Platform]]:
    """Made when a test first asks, kept for all tests of this folder."""
    made: dict[str, Platform] = {}

    class Made(dict[str, Platform]):
        def __missing__(self, launcher: str) -> Platform:
            self[launcher] = made[launcher] = Platform(server, tmp_path_factory.mktemp(launcher), launcher)
            with made[launcher].in_environment():
                made[launcher].open()
            return made[launcher]

    yield Made()
    for each in made.values():
        with each.in_environment():
            each.close()
    assert [left for each in made.values() for left in leftovers(each)] == []


@pytest.fixture(params=["warm", "default"])
def platform(platforms: dict[str, Platform], request: pytest.FixtureRequest) -> Iterator[Platform]:
    """The same processes with each launcher."""
    opened = platforms[request.param]
    with opened.in_environment():
        if request.param == "warm":
            opened.with_launcher()
        yield opened


@pytest.fixture
def warm(platforms: dict[str, Platform]) -> Iterator[Platform]:
    """The processes with the warm launcher, which listens whatever the test before has done to it."""
    opened = platforms["warm"]
    with opened.in_environment():
        opened.with_launcher()
        yield opened
