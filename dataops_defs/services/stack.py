"""The whole stack behind ``make up``: PostgreSQL, launcher, code server, webserver, daemon, REST API."""

import os
import secrets
import shutil
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import yaml
from rich.console import Console

from dataops_defs.errors import Conflict, DataOpsError, DependencyUnavailable
from dataops_defs.services.databases import add_to_stack, prepare_embedded, prepare_given
from dataops_defs.services.embedded import EmbeddedPostgres, free_port
from dataops_defs.services.lock import home_lock
from dataops_defs.services.private_files import write_private
from dataops_defs.services.processes import end_groups, spawn
from dataops_defs.services.supervisor import Child, Supervisor, write_pid
from dataops_defs.settings import PROJECT, Settings

READY_SECONDS = 180.0
POSTGRES_SECONDS = 60.0
TOLD_EVERY_SECONDS = 5.0
# The function that the documents' examples call; with the demo user SQL may call it too (DECISIONS 21).
DEMO_FUNCTIONS = "calculate_metrics"


class Stack:
    """One start of everything in one home.

    Args:
        api: the REST API as uvicorn's factory.
    """

    def __init__(self, settings: Settings, api: str = "api_shim.app:create_app") -> None:
        self._settings = settings
        self._api = api
        self._console = Console(highlight=False, soft_wrap=True, markup=False)
        self._errors = Console(highlight=False, soft_wrap=True, markup=False, stderr=True)
        self._bin = Path(sys.executable).parent
        self._demo = False

    def up(self, *, demo: bool = False, once: bool = False) -> int:
        """Start all, run the demo if it is asked for, stay until a signal; the status to leave with."""
        self._demo = demo
        try:
            with home_lock(self._settings.home):
                return self._up(once)
        except DataOpsError as error:
            self._errors.print(str(error), style="red")
            return 1

    def _up(self, once: bool) -> int:
        self._refuse_taken_ports()
        shutil.rmtree(self._settings.run_folder, ignore_errors=True)  # of a stack that was killed outright
        began = time.monotonic()
        logs = self._settings.home / "logs"
        self._supervisor = Supervisor(self._settings.run_folder, logs, self._warn)
        self._supervisor.install_signals()
        write_pid(self._settings.run_folder, "supervisor")
        try:
            self._start()
            if not self._wait_ready():
                return 0 if self._supervisor.stopping else self._not_ready()
            # Runs, schedules and sensors need neither; what never came up was an error, to be seen at once.
            self._supervisor.can_do_without("api", "webserver")
            self._welcome(time.monotonic() - began)
            status = self._run_demo() if self._demo else 0
            if once:
                return status
            if not self._supervisor.stopping:
                self._say("Ctrl-C stops everything.")
            self._supervisor.watch_until(lambda: False)
            return 0
        finally:
            self._say("Stopping")
            self._supervisor.stop()
            self._settings.stack_file.unlink(missing_ok=True)
            (self._settings.run_folder / "supervisor.pid").unlink(missing_ok=True)

    def _start(self) -> None:
        """Everything in order; a signal in between ends it early."""
        self._settings.roots[0].mkdir(parents=True, exist_ok=True)
        if self._settings.run_launcher == "warm":  # first: its imports need no database, and a processor is idle now
            self._supervisor.add(replace(self._child("launcher", "dataops", "launcher"), without=True))
        if self._settings.embedded:
            postgres = self._start_postgres()
            if self._supervisor.stopping:
                return
            self._say("PostgreSQL: roles, databases, migrations")
            prepare_embedded(self._settings, postgres)
        else:
            self._say("PostgreSQL: databases and migrations on the given server")
            prepare_given(self._settings)
        add_to_stack(self._settings, api=self._settings.api_url, ui=self._settings.dagster_url)
        self._token()
        self._say("Dagster and the REST API: starting")
        for child in self._children():
            self._supervisor.add(child)

    def _start_postgres(self) -> EmbeddedPostgres:
        self._say("PostgreSQL: starting (the first start makes its data)")
        postgres = EmbeddedPostgres(self._settings)
        postgres.prepare()
        child = Child("postgres", postgres.log, ending=signal.SIGINT, stage=1, start=postgres.spawn)
        self._supervisor.add(child)
        if not self._supervisor.watch_until(postgres.answers, POSTGRES_SECONDS) and not self._supervisor.stopping:
            raise DependencyUnavailable(
                f"PostgreSQL does not answer after {POSTGRES_SECONDS:.0f} s: see {postgres.log}"
            )
        return postgres

    def _children(self) -> list[Child]:
        settings, child = self._settings, self._child
        code_port = free_port()
        home = settings.home / "dagster"
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
        workspace = home / "workspace.yaml"
        server = {"host": "127.0.0.1", "port": code_port, "location_name": "dataops"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        return [
            child("code-server", "dagster", "code-server", "start", "-m", "dataops_defs.definitions", "-h", "127.0.0.1",
                  "-p", str(code_port), "--location-name", "dataops"),
            child("api", "uvicorn", self._api, "--factory", "--host", settings.api_host, "--port",
                  str(settings.api_port), "--no-access-log", "--log-level", "warning",
                  "--timeout-graceful-shutdown", "8"),
            child("webserver", "dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p",
                  str(settings.dagster_port)),
            child("daemon", "dagster-daemon", "run", "-w", str(workspace)),
        ]  # fmt: skip

    def _child(self, name: str, *command: str) -> Child:
        """A program of this installation, in the environment all of them share."""
        log = self._settings.home / "logs" / f"{name}.log"
        env = self._environment(self._settings.home / "dagster")
        return Child(name, log, [str(self._bin / command[0]), *command[1:]], env, cwd=Path.cwd())

    def _environment(self, dagster_home: Path) -> dict[str, str]:
        settings = self._settings
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env |= {
            "DAGSTER_HOME": str(dagster_home),
            "DATAOPS_HOME": str(settings.home),
            "DATAOPS_API_PORT": str(settings.api_port),
            "DATAOPS_DAGSTER_PORT": str(settings.dagster_port),
            "PATH": f"{self._bin}:{env.get('PATH', '/usr/bin:/bin')}",
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
        }
        if self._demo and not settings.sql_functions:
            env["DATAOPS_SQL_FUNCTIONS"] = DEMO_FUNCTIONS
        env.pop("DATAOPS_ADMIN_TOKEN", None)
        return env

    def _token(self) -> None:
        """The first admin token reaches the REST API by its file, never by a command line."""
        given = self._settings.admin_token
        if given is not None:
            write_private(self._settings.token_path, given.get_secret_value() + "\n")
        elif not self._settings.token_path.exists():
            write_private(self._settings.token_path, f"dops_{secrets.token_urlsafe(32)}\n")

    def _wait_ready(self) -> bool:
        told = time.monotonic()

        def ready() -> bool:
            nonlocal told
            parts = self._health()
            if parts is None:
                return True
            if time.monotonic() - told > TOLD_EVERY_SECONDS:
                told = time.monotonic()
                self._say(f"  waiting for {parts}")
            return False

        return self._supervisor.watch_until(ready, READY_SECONDS)

    def _health(self) -> str | None:
        """None when everything is ready, else what is not."""
        try:
            answer = httpx.get(f"{self._settings.api_url}/health", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return "the REST API"
        if answer.status_code == httpx.codes.OK:
            return None
        parts = answer.json().get("parts", {}) if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else {}
        return ", ".join(name for name, state in parts.items() if state == "down") or "the REST API"

    def _not_ready(self) -> int:
        self._errors.print(f"Not ready after {READY_SECONDS:.0f} s: see {self._settings.home}/logs", style="red")
        return 1

    def _run_demo(self) -> int:
        """The demo in a process of its own, so that the children are watched meanwhile."""
        env = self._environment(self._settings.home / "dagster")
        process = spawn([str(self._bin / "dataops"), "demo"], None, env, cwd=Path.cwd())
        self._supervisor.watch_until(lambda: process.poll() is not None)
        if process.poll() is None:
            end_groups([process.pid], signal.SIGTERM, 5)
        return process.wait()

    def _welcome(self, seconds: float) -> None:
        token = self._settings.token_path.read_text().strip()
        self._console.print(f"Ready after {seconds:.1f} s", style="green")
        self._say(f"  Dagster UI   {self._settings.dagster_url}")
        self._say(f"  API docs     {self._settings.api_url}/docs")
        self._say(f"  Admin token  {token}")

    def _refuse_taken_ports(self) -> None:
        for host, port, variable in (
            (self._settings.api_host, self._settings.api_port, "DATAOPS_API_PORT"),
            ("127.0.0.1", self._settings.dagster_port, "DATAOPS_DAGSTER_PORT"),
        ):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    raise Conflict(f"Port {port} is taken; stop what uses it, or set {variable}") from None

    def _say(self, text: str) -> None:
        self._console.print(text)

    def _warn(self, text: str) -> None:
        self._console.print(text, style="yellow")
