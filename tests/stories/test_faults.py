"""Whatever is killed, the platform comes back, and a run whose worker is killed is continued."""

import os
import signal
from typing import Any

import psutil

from tests.stories.conftest import RunningStack, wait_for

BASE = "/api/v1/dataops"


def pipeline_id(stack: RunningStack) -> str:
    pipelines = stack.api.get(f"{BASE}/pipelines").json()
    return str(next(each["id"] for each in pipelines if each["name"] == "Aircraft Data Pipeline"))


def execute(stack: RunningStack) -> str:
    path = f"{BASE}/pipelines/{pipeline_id(stack)}/execute"
    answer = stack.api.post(path, headers={"Prefer": "respond-async"}).json()
    return str(answer.get("executionId") or answer["id"])


def execution(stack: RunningStack, id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.api.get(f"{BASE}/executions/{id}").json()
    return found


def syncing_worker(stack: RunningStack) -> int | None:
    """Pid of the process whose sync is under way, found by its connection; None while there is none."""
    query = "SELECT client_port FROM pg_stat_activity WHERE application_name LIKE 'dataops sync %%'"
    ports = {port for (port,) in stack.sql("WAREHOUSE", query)}
    owners = [each.pid for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port in ports]
    return next((pid for pid in owners if pid and psutil.Process(pid).name() != "postgres"), None)


class TestAKilledWorker:
    def test_is_followed_by_another_that_continues_the_run(self, stack: RunningStack) -> None:
        before = stack.sql("WAREHOUSE", "SELECT count(*) FROM objects.flight")
        id = execute(stack)

        def syncing_flights() -> bool:
            steps = execution(stack, id).get("steps") or []
            return any(step["name"] == "Flights to flight" and step["status"] == "running" for step in steps)

        os.kill(wait_for(lambda: syncing_flights() and syncing_worker(stack), 60), signal.SIGKILL)

        wait_for(lambda: execution(stack, id)["status"] == "completed", 120)
        [(workers,)] = stack.sql("CATALOGUE", "SELECT epoch FROM run WHERE id = %s", id)
        assert workers == 2
        [(ledgers, steps)] = stack.sql(
            "WAREHOUSE", "SELECT count(*), count(DISTINCT step_id) FROM dataops.ledger WHERE run_id = %s", id
        )
        assert (ledgers, steps) == (8, 8)
        assert stack.sql("WAREHOUSE", "SELECT count(*) FROM objects.flight") == before


class TestAKilledServer:
    def test_of_each_kind_is_started_again_and_the_platform_is_healthy(self, stack: RunningStack) -> None:
        for name in ("launcher", "api", "webserver", "daemon", "code-server", "postgres"):
            old = stack.pid(name)
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: stack.pid(name) != old, 30)  # noqa: B023 - asked at once
        stack.wait_ready()

    def test_also_the_one_behind_the_code_server_that_nobody_else_would_start(self, stack: RunningStack) -> None:
        stack.wait_ready()

        def definitions() -> list[psutil.Process]:
            server = psutil.Process(stack.pid("code-server"))
            living = [each for each in server.children() if each.status() != psutil.STATUS_ZOMBIE]
            return [each for each in living if "grpc" in each.cmdline()]

        killed = definitions()
        for each in killed:
            each.kill()

        wait_for(lambda: any(each not in killed for each in definitions()), 60)
        stack.wait_ready()
        id = execute(stack)
        wait_for(lambda: execution(stack, id)["status"] == "completed", 120)
