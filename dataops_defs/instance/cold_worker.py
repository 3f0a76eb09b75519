"""Finds the process that Dagster's code server has started for a run: Dagster tells it in the run's log only."""

import json
import re
from collections.abc import Mapping

from dagster import DagsterEventType, DagsterInstance
from dagster._core.storage.tags import GRPC_INFO_TAG

from dataops_defs.instance.worker import Process, Worker

STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FIRST_EVENTS = 20


def note(instance: DagsterInstance, run_id: str) -> Worker | None:
    """Tag the run with its worker; None while it has none, when it has ended, or when the code server is elsewhere."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished or not _is_here(run.tags):
        return None
    events = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT, limit=FIRST_EVENTS).records
    for each in events:
        found = STARTED.search(each.event_log_entry.message)
        process = Process.of(int(found[1])) if found else None
        if process is not None:
            worker = Worker.here(process)
            instance.add_run_tags(run_id, worker.as_tags())
            return worker
    return None


def _is_here(tags: Mapping[str, str]) -> bool:
    """Whether the code server that started the run is on this host."""
    server = json.loads(tags.get(GRPC_INFO_TAG, "{}"))
    return "socket" in server or server.get("host") in LOOPBACK
