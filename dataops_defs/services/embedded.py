"""The PostgreSQL server that comes with the installation, run as a direct child of ours."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.account import Account
from dataops_defs.services.passwords import SUPERUSER, role_passwords
from dataops_defs.services.placement import Placement, place
from dataops_defs.services.private_files import read_json, write_private, write_private_json
from dataops_defs.services.processes import end_groups, last_line, spawn, wait_until
from dataops_defs.settings import Settings

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_wal_size": "1GB",
}
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedPostgres:
    """One server per home: its data, port and superuser password are kept there between starts.

    Args:
        no_fsync: leave durability out; for tests, which throw the data away.
    """

    def __init__(self, settings: Settings, *, no_fsync: bool = False) -> None:
        self._settings = settings
        self._no_fsync = no_fsync
        self._account = Account.for_server()
        self._state = settings.home / "postgres.json"
        self.log = settings.home / "logs" / "postgres.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._where: Placement | None = None

    @property
    def password(self) -> str:
        """The superuser's."""
        return role_passwords(self._settings)[SUPERUSER]

    def url(self, role: str, password: str, database: str) -> str:
        """SQLAlchemy URL of a database of this server."""
        return f"postgresql+psycopg2://{role}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    @property
    def superuser_url(self) -> str:
        """SQLAlchemy URL of the maintenance database as superuser."""
        return self.url(SUPERUSER, self.password, "postgres")

    def start(self) -> None:
        """Make the data folder if there is none, start the server and wait until it answers.

        Raises:
            DependencyUnavailable: the server ends at once, or does not answer in time; says what its log says.
        """
        self.prepare()
        self.spawn()
        answered = wait_until(lambda: self.answers() or not self.running(), START_SECONDS)
        if not answered or not self.running():
            self.stop()
            raise DependencyUnavailable(f"PostgreSQL did not start: {last_line(self.log) or 'its log is empty'}")

    def prepare(self) -> None:
        """Find the folders, make the data once, end a server that an earlier process left, choose the port."""
        kept = read_json(self._state)
        self._settings.home.mkdir(parents=True, exist_ok=True)
        chosen = os.environ.get("DATAOPS_POSTGRES_BIN")
        data = Path(kept["data"]) if "data" in kept else None
        self._account = Account.for_server(data)
        self._where = place(self._settings.home, self._account, Path(chosen) if chosen else None, data)
        if not (self._where.data / "PG_VERSION").exists():
            self._initialise(self._where)
        _end_leftover(self._where.data)
        port = kept.get("port")
        self.port = port if isinstance(port, int) and _is_free(port) else free_port()
        write_private_json(self._state, {"port": self.port, "data": str(self._where.data)})

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server process on the port of this home; it may not answer yet."""
        where = self._prepared
        options = SETTINGS | {"port": str(self.port)} | (UNSAFE_BUT_FAST if self._no_fsync else {})
        command = [str(where.binaries / "postgres"), "-D", str(where.data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.process = spawn(command, self.log, _environment(where), self._account, signal.SIGINT)
        return self.process

    def running(self) -> bool:
        """Whether the server process lives."""
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        """Whether the superuser can log in."""
        try:
            psycopg2.connect(self.superuser_url.replace("+psycopg2", ""), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End the server with a fast shutdown: open sessions are cut, nothing committed is lost."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                end_groups([self.process.pid], signal.SIGQUIT, 5)
                self.process.wait()
        self.process = None

    def destroy(self) -> None:
        """End the server at once, and remove the data and whatever was put outside the home for it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None
        where = self._prepared
        shutil.rmtree(where.data, ignore_errors=True)
        if where.base != self._settings.home:
            shutil.rmtree(where.base, ignore_errors=True)

    @property
    def _prepared(self) -> Placement:
        if self._where is None:
            raise RuntimeError("prepare() comes first")
        return self._where

    def _initialise(self, where: Placement) -> None:
        fresh, secret = where.base / "postgres.new", where.base / "postgres.password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        write_private(secret, self.password)
        self._account.own(secret)
        command = [str(where.binaries / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--locale-provider=libc", "--locale=C.UTF-8"]
        try:
            child = spawn(command + (["-N"] if self._no_fsync else []), self.log, _environment(where), self._account)
            if child.wait() != 0:
                raise DependencyUnavailable(f"PostgreSQL's data could not be made: {last_line(self.log)}")
        finally:
            secret.unlink(missing_ok=True)
        fresh.rename(where.data)


def _environment(where: Placement) -> dict[str, str]:
    """What the server sees of our environment: nothing that could steer it elsewhere (``PG*`` above all)."""
    return {"PATH": f"{where.binaries}:/usr/bin:/bin", "HOME": str(where.data), "LC_ALL": "C.UTF-8"}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _end_leftover(data: Path) -> None:
    """End a server that still runs on this folder because whoever started it was killed."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.name() != "postgres" or Path(process.cwd()) != data:
            return
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return
