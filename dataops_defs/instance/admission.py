"""How many runs may be at work: decided by one process at a time, whichever process asks."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, DagsterRun
from dagster._core.storage.dagster_run import ACTIVE_RUN_STATUSES
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

# Any number, the same in every process; a lock of its own database (dagster) only.
LOCK = 6_230_114
LOCK_TIMEOUT = "10s"
UNLIMITED = -1
# PostgreSQL is being started again, or somebody holds the lock for too long.
DATABASE_ERRORS = (DBAPIError, DagsterPostgresException)


@contextmanager
def turn(instance: dg.DagsterInstance) -> Iterator[None]:
    """Wait until nobody else counts, and count alone: an advisory lock that PostgreSQL gives back however we end.

    Raises:
        DATABASE_ERRORS: it could not be had, or was lost.
    """
    storage = instance.run_storage
    if not isinstance(storage, PostgresRunStorage):
        raise TypeError("The coordinator needs the storage of dagster.yaml")
    with storage.connect() as connection:
        connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield


def has_room(instance: dg.DagsterInstance) -> bool:
    """Whether one more run may start now and none waits before it; to be asked in one's ``turn``."""
    limit = _limit(instance)
    if _count(instance, dg.DagsterRunStatus.QUEUED):
        return False
    return limit == UNLIMITED or _count(instance, *ACTIVE_RUN_STATUSES) < limit


def is_crowded(instance: dg.DagsterInstance) -> bool:
    """Whether more runs are at work than may be; to be asked in one's ``turn``."""
    limit = _limit(instance)
    return limit != UNLIMITED and _count(instance, *ACTIVE_RUN_STATUSES) > limit


def begin(instance: dg.DagsterInstance, run: DagsterRun) -> DagsterRun:
    """Count a run as at work, as the daemon does before it launches one."""
    event = DagsterEvent(event_type_value=DagsterEventType.PIPELINE_STARTING.value, job_name=run.job_name)
    instance.report_dagster_event(event, run_id=run.run_id)
    return instance.get_run_by_id(run.run_id) or run


def put_back(instance: dg.DagsterInstance, run: DagsterRun, reason: str) -> None:
    """Queue a run again; it has its old place, because the queue is in order of creation."""
    instance.report_engine_event(f"Back to the queue: {reason}", run)
    instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)


def _limit(instance: dg.DagsterInstance) -> int:
    queue = instance.get_concurrency_config().run_queue_config
    return queue.max_concurrent_runs if queue else UNLIMITED


def _count(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus) -> int:
    return instance.get_runs_count(dg.RunsFilter(statuses=statuses))
