"""What can be killed: how each kind of process is found, and when it is back."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient

from tests.chaos.place import ANSWER_SECONDS, Place, command_line

WORKER = "worker"
# All daemons of a process note a heartbeat when they begin, then every half minute.
HEARTBEATS = "SELECT count(*) FROM daemon_heartbeats WHERE timestamp > to_timestamp(%s) AT TIME ZONE 'UTC'"


@dataclass(frozen=True)
class Target:
    """One kind of process: ``pids`` are those to kill now, ``answers`` whether one serves since a moment (epoch)."""

    name: str
    pids: Callable[[Place], Sequence[int]]
    answers: Callable[[Place, float], bool]


def targets(place: Place) -> dict[str, Target]:
    """All kinds that this stack has."""
    known = [
        Target(WORKER, workers, _always),
        Target("launcher", _noted("launcher"), _always),
        Target("code-server", _noted("code-server"), _code_answers),
        Target("code-grpc", _code_children, _code_answers),
        Target("daemon", _noted("daemon"), _daemon_answers),
        Target("webserver", _noted("webserver"), _webserver_answers),
        Target("api", _noted("api"), _api_answers),
        Target("postgres", _noted("postgres"), _postgres_answers),
    ]
    return {each.name: each for each in known if each.name != "launcher" or place.pid("launcher")}


def workers(place: Place) -> list[int]:
    """Pids of the processes that carry runs, whichever launcher started them, orphans too."""
    parent = place.pid("launcher")
    warm = command_line(psutil.Process(parent)) if parent and psutil.pid_exists(parent) else None
    return [each.pid for each in place.processes() if each.pid != parent and _carries_a_run(command_line(each), warm)]


def _carries_a_run(command: str, warm: str | None) -> bool:
    spawned = "multiprocessing.spawn" in command
    executes = " api execute_run" in command or " api resume_run" in command
    # A fork keeps the command line of its parent.
    return spawned or executes or (warm is not None and command == warm)


def _noted(name: str) -> Callable[[Place], Sequence[int]]:
    def pids(place: Place) -> Sequence[int]:
        pid = place.pid(name)
        return [pid] if pid and psutil.pid_exists(pid) else []

    return pids


def _code_children(place: Place) -> list[int]:
    parent = place.pid("code-server")
    with suppress(psutil.Error):
        return [each.pid for each in psutil.Process(parent).children() if " api grpc" in command_line(each)]
    return []


def _always(_place: Place, _since: float) -> bool:
    return True


def _code_answers(place: Place, _since: float) -> bool:
    with suppress(DagsterUserCodeUnreachableError):
        client = DagsterGrpcClient(port=place.code_port, host="127.0.0.1")
        return '"SerializableErrorInfo"' not in client.list_repositories()
    return False


def _daemon_answers(place: Place, since: float) -> bool:
    return bool(place.ask("instance", HEARTBEATS, since)[0][0] > 0)


def _webserver_answers(place: Place, _since: float) -> bool:
    return _serves(f"{place.urls['ui']}/graphql?query={{version}}")


def _api_answers(place: Place, _since: float) -> bool:
    return _serves(f"{place.urls['api']}/api/v1/dataops/sources?limit=1", Authorization=f"Bearer {place.token}")


def _serves(url: str, **headers: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False).is_success
    return False


def _postgres_answers(place: Place, _since: float) -> bool:
    return place.ask("superuser", "SELECT 1") == [(1,)]
