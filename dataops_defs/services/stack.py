"""The whole stack behind ``make up``: PostgreSQL, code server, webserver, daemon, REST API."""

import os
import secrets
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import yaml
from rich.console import Console

from dataops_defs.errors import Conflict, DataOpsError, DependencyUnavailable
from dataops_defs.services.databases import migrate, prepare_embedded
from dataops_defs.services.embedded import EmbeddedPostgres, free_port
from dataops_defs.services.lock import home_lock
from dataops_defs.services.private_files import write_private
from dataops_defs.services.processes import end_groups, spawn
from dataops_defs.services.supervisor import Child, Supervisor, write_pid
from dataops_defs.settings import PROJECT, Settings

READY_SECONDS = 180.0
_POSTGRES_ENDS = signal.SIGINT


class Stack:
    """One start of everything in one home."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._console = Console(highlight=False, soft_wrap=True)
        self._supervisor = Supervisor(settings.run_folder, lambda text: self._console.print(f"[yellow]{text}[/yellow]"))
        self._bin = Path(sys.executable).parent

    def up(self, *, demo: bool = False, once: bool = False) -> int:
        """Start all, run the demo if it is asked for, stay until a signal; the status to leave with."""
        try:
            with home_lock(self._settings.home):
                return self._up(demo, once)
        except DataOpsError as error:
            self._console.print(f"[red]{error}[/red]")
            return 1

    def _up(self, demo: bool, once: bool) -> int:
        self._refuse_taken_ports()
        write_pid(self._settings.run_folder, "supervisor")
        self._supervisor.install_signals()
        began = time.monotonic()
        try:
            self._start()
            if not self._wait_ready():
                return 0 if self._supervisor.stopping else self._not_ready()
            self._welcome(time.monotonic() - began)
            status = self._run_demo() if demo else 0
            if not once:
                self._console.print("Ctrl-C stops everything.")
                self._supervisor.watch_until(lambda: False)
                status = 0
            return status
        finally:
            self._say("Stopping")
            self._supervisor.stop()
            self._settings.stack_file.unlink(missing_ok=True)
            (self._settings.run_folder / "supervisor.pid").unlink(missing_ok=True)

    def _start(self) -> None:
        self._settings.roots[0].mkdir(parents=True, exist_ok=True)
        if self._settings.embedded:
            self._say("PostgreSQL: starting (the first start makes its data)")
            postgres = EmbeddedPostgres(self._settings)
            postgres.prepare()
            self._supervisor.add(Child("postgres", postgres.log, ending=_POSTGRES_ENDS, start=postgres.spawn))
            if not self._supervisor.watch_until(postgres.answers, 60):
                raise DependencyUnavailable("PostgreSQL did not start in time; its log is in the home's logs folder")
            self._say("PostgreSQL: roles, databases, migrations")
            prepare_embedded(self._settings, postgres)
        else:
            self._say("PostgreSQL: migrations on the given server")
            migrate(self._settings)
        self._token()
        self._say("Dagster and the REST API: starting")
        for child in self._children():
            self._supervisor.add(child)

    def _children(self) -> list[Child]:
        settings, logs = self._settings, self._settings.home / "logs"
        code_port = free_port()
        home = settings.home / "dagster"
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "dagster.yaml", home / "dagster.yaml")
        workspace = home / "workspace.yaml"
        server = {"host": "127.0.0.1", "port": code_port, "location_name": "dataops"}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        env = self._environment(home)

        def child(name: str, *command: str) -> Child:
            program = str(self._bin / command[0])
            return Child(name, logs / f"{name}.log", [program, *command[1:]], env, cwd=settings.home)

        return [
            child("code-server", "dagster", "code-server", "start", "-m", "dataops_defs.definitions", "-h", "127.0.0.1",
                  "-p", str(code_port), "--location-name", "dataops"),
            child("api", "uvicorn", "api_shim.app:create_app", "--factory", "--host", settings.api_host, "--port",
                  str(settings.api_port), "--no-access-log", "--log-level", "warning"),
            child("webserver", "dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p",
                  str(settings.dagster_port)),
            child("daemon", "dagster-daemon", "run", "-w", str(workspace)),
        ]  # fmt: skip

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
            if time.monotonic() - told > 5:
                told = time.monotonic()
                self._say(f"  waiting for {parts}")
            return False

        return self._supervisor.watch_until(ready, READY_SECONDS)

    def _health(self) -> str | None:
        """None when everything is ready, else what is not."""
        try:
            answer = httpx.get(f"{self._settings.api_url}/health", timeout=5)
        except httpx.HTTPError:
            return "the REST API"
        if answer.status_code == httpx.codes.OK:
            return None
        parts = answer.json().get("parts", {})
        down = [name for name, part in parts.items() if (part if isinstance(part, str) else part.get("status")) != "up"]
        return ", ".join(down) or "the REST API"

    def _not_ready(self) -> int:
        self._console.print(
            f"[red]Not ready after {READY_SECONDS:.0f} s; the logs are in {self._settings.home}/logs[/red]"
        )
        return 1

    def _run_demo(self) -> int:
        """The demo in a process of its own, so that the children are watched meanwhile."""
        env = self._environment(self._settings.home / "dagster")
        process = spawn([str(self._bin / "dataops"), "demo"], None, env, cwd=self._settings.home)
        self._supervisor.watch_until(lambda: process.poll() is not None)
        if process.poll() is None:
            end_groups([process.pid], signal.SIGTERM, 5)
        return process.wait()

    def _welcome(self, seconds: float) -> None:
        token = self._settings.token_path.read_text().strip()
        self._console.print(f"[green]Ready after {seconds:.1f} s[/green]")
        self._console.print(f"  Dagster UI   {self._settings.dagster_url}")
        self._console.print(f"  API docs     {self._settings.api_url}/docs")
        self._console.print(f"  Admin token  {token}")

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
