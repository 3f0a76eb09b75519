"""The embedded database for whoever needs it while no stack is up, such as a plain ``dagster dev``.

A detached process starts it and stops it again when the process that needed it is gone.
"""

import os
import signal
import sys
import time

import psutil
import psycopg2

from dataops_defs.errors import DataOpsError, DependencyUnavailable
from dataops_defs.services.databases import prepare_embedded
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.lock import home_lock
from dataops_defs.services.processes import is_alive, last_line, wait_until
from dataops_defs.services.supervisor import write_pid
from dataops_defs.settings import Settings

START_SECONDS = 90.0
POLL_SECONDS = 1.0


def ensure_database(settings: Settings) -> None:
    """Return once the databases answer; starts the embedded server when nobody runs it.

    Raises:
        DependencyUnavailable: it did not start; the message quotes its log.
    """
    if not settings.embedded or _answers(settings):
        return
    log = settings.home / "logs" / "guardian.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if os.fork() == 0:  # pragma: no cover - the child leaves this process's family for good
        _become_guardian(os.getppid(), log)
    if not wait_until(lambda: _answers(settings), START_SECONDS):
        raise DependencyUnavailable(f"The embedded database did not start: {last_line(log) or 'no reason was given'}")


def _become_guardian(needed_by: int, log: str | os.PathLike[str]) -> None:
    started = psutil.Process(needed_by).create_time()
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execv(sys.executable, [sys.executable, "-m", "dataops_defs.services.guardian", str(needed_by), str(started)])  # noqa: S606


def _answers(settings: Settings) -> bool:
    try:
        psycopg2.connect(settings.url("catalogue").replace("+psycopg2", ""), connect_timeout=3).close()
    except (DependencyUnavailable, psycopg2.OperationalError):
        return False
    return True


def main(needed_by: int, started: float) -> int:
    """Keep the embedded server up while the process of that pid and start time lives."""
    settings = Settings()
    stop = {"asked": False}
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.update(asked=True))
    try:
        with home_lock(settings.home):
            _serve(settings, needed_by, started, stop)
    except DataOpsError as error:
        print(error, flush=True)  # noqa: T201 - this is the log that people are pointed to
        return 1
    return 0


def _serve(settings: Settings, needed_by: int, started: float, stop: dict[str, bool]) -> None:
    postgres = EmbeddedPostgres(settings)
    postgres.start()
    try:
        write_pid(settings.run_folder, "postgres", postgres.process.pid if postgres.process else None)
        prepare_embedded(settings, postgres)
        while is_alive(needed_by, started) and postgres.running() and not stop["asked"]:
            time.sleep(POLL_SECONDS)
    finally:
        settings.stack_file.unlink(missing_ok=True)
        postgres.stop()
        (settings.run_folder / "postgres.pid").unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), float(sys.argv[2])))
