"""The embedded database for whoever needs it while no stack is up, such as a plain ``dagster dev``.

A detached process starts it, and stops it again when the last process that needed it is gone. Those who need it say
so by a file in ``<home>/run/users``.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg2

from dataops_defs.errors import Conflict, DataOpsError, DependencyUnavailable
from dataops_defs.services.databases import prepare_embedded
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.lock import home_lock
from dataops_defs.services.processes import is_alive, last_line, wait_until
from dataops_defs.services.supervisor import write_pid
from dataops_defs.settings import Settings

START_SECONDS = 90.0
POLL_SECONDS = 0.5
ANOTHER_HAS_THE_HOME = 3


def ensure_database(settings: Settings) -> None:
    """Return once the databases answer; starts the embedded server when nobody runs it.

    Raises:
        DependencyUnavailable: it did not start; the message quotes its log.
    """
    if not settings.embedded or (_answers(settings) and not (settings.run_folder / "guardian.pid").exists()):
        return
    _register(settings)
    if _answers(settings):
        return
    log = settings.home / "logs" / "guardian.log"
    guardian = _start(settings, log)
    failed = (0, ANOTHER_HAS_THE_HOME, None)
    if not wait_until(lambda: _answers(settings) or guardian.poll() not in failed, START_SECONDS) or not _answers(
        settings
    ):
        raise DependencyUnavailable(f"The embedded database did not start: {last_line(log) or 'it gave no reason'}")


def _start(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, "--while-pid", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "DATAOPS_HOME": str(settings.home)},
            start_new_session=True,
        )


def _register(settings: Settings) -> None:
    """Note that this process needs the database, unless one it descends from has done so: they end together."""
    users = _users_folder(settings)
    users.mkdir(parents=True, exist_ok=True)
    this = psutil.Process()
    if not any((users / _name(each)).exists() for each in this.parents()):
        (users / _name(this)).touch()


def _name(process: psutil.Process) -> str:
    """Pid and start time: a pid alone may soon be another process's."""
    return f"{process.pid}-{process.create_time()}"


def _users_folder(settings: Settings) -> Path:
    return settings.run_folder / "users"


def _answers(settings: Settings) -> bool:
    try:
        psycopg2.connect(settings.url("catalogue").replace("+psycopg2", "", 1), connect_timeout=3).close()
    except (DependencyUnavailable, psycopg2.OperationalError):
        return False
    return True


class Guardian:
    """Runs the server of one home while somebody needs it."""

    def __init__(self, settings: Settings, needed_by: int) -> None:
        self._settings = settings
        self._users = {needed_by}
        self._stopping = False
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, self._on_signal)

    def run(self) -> int:
        """Serve until nobody needs the database; the status to leave with."""
        try:
            with home_lock(self._settings.home) as name:
                name(self._words())
                self._serve(name)
        except Conflict as error:
            _log(error)
            return ANOTHER_HAS_THE_HOME
        except DataOpsError as error:
            _log(error)
            return 1
        return 0

    def _serve(self, name: Callable[[str], None]) -> None:
        settings, pids = self._settings, self._settings.run_folder
        postgres = EmbeddedPostgres(settings)
        try:
            postgres.start()
            write_pid(pids, "guardian")
            write_pid(pids, "postgres", postgres.process.pid if postgres.process else None)
            prepare_embedded(settings, postgres)
            while self._users and postgres.running() and not self._stopping:
                time.sleep(POLL_SECONDS)
                before, self._users = self._users, self._living()
                if self._users != before:
                    name(self._words())
        finally:
            settings.stack_file.unlink(missing_ok=True)
            postgres.stop()
            for each in ("postgres", "guardian"):
                (pids / f"{each}.pid").unlink(missing_ok=True)

    def _living(self) -> set[int]:
        """Pids of those who said that they need the database and still live; forgets the others."""
        living = set()
        for user in _users_folder(self._settings).iterdir():
            pid, _, started = user.name.partition("-")
            if is_alive(int(pid), float(started)):
                living.add(int(pid))
            else:
                user.unlink(missing_ok=True)
        return living

    def _words(self) -> str:
        """Whom to stop before something else can use the home."""
        return "Dagster, started as process " + " and ".join(str(pid) for pid in sorted(self._users))

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True


def _log(error: Exception) -> None:
    sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    raise SystemExit(Guardian(Settings(), int(sys.argv[2])).run())
