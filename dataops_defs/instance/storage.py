"""Dagster's storage from the environment: one ``dagster.yaml`` serves ``make up``, ``dagster dev`` and production."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

from dagster import DagsterEvent
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, set_pg_statement_timeout
from sqlalchemy import event as engine_event
from sqlalchemy import text
from sqlalchemy.engine import Engine

from dataops_defs.instance.in_worker import is_worker
from dataops_defs.services.guardian import ensure_database
from dataops_defs.settings import settings

RECYCLED_SECONDS = 600
KEPT_CONNECTIONS = 3
# Any number, the same in every process: the first key of the advisory locks of runs.
RUN_LOCKS = 6_230_115
TURN = text("SELECT pg_advisory_xact_lock(:space, hashtext(:run))")


class EnvStorage(DagsterPostgresStorage, ConfigurableClass):
    """PostgreSQL at the instance URL of the settings; the embedded server is started when nothing else runs it."""

    def __init__(self, url: str, inst_data: ConfigurableClassData | None, *, create: bool) -> None:
        super().__init__(postgres_url=url, should_autocreate_tables=create, inst_data=inst_data)
        self._run_storage = RunStorage(url)
        self._event_log_storage = EventLogStorage(url)
        self._schedule_storage = ScheduleStorage(url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: nothing of a database's address stands in ``dagster.yaml``."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]
    ) -> "EnvStorage":
        """The storage; called by Dagster in every process that opens the instance."""
        if is_worker():  # whoever launched it has started the database and made the tables
            return cls(settings().url("instance"), inst_data, create=False)
        ensure_database(settings())
        return cls(settings().url("instance"), inst_data, create=True)


class _SharedConnections:
    """All storages of a process use the same few connections, where Dagster opens one for each query.

    Opening one takes six milliseconds, and a run makes a hundred queries. Dagster has no setting for it.
    """

    postgres_url: str
    _engine: Any

    def __init__(self, url: str) -> None:
        super().__init__(url, should_autocreate_tables=False)  # type: ignore[call-arg]
        self._engine = engine(url)

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """The same connections with the webserver's limit on a statement, in milliseconds."""
        self._engine = engine(self.postgres_url, statement_timeout)


class RunStorage(_SharedConnections, PostgresRunStorage):
    """Runs. Which columns their table has is asked once: Dagster asks at each event of a run.

    Dagster changes a run by reading it, changing it and writing all of it: of a tag and an event at the same moment
    one would be lost. Here they take turns.
    """

    _has_stats_columns = _has_backfill_column = False

    def has_run_stats_index_cols(self) -> bool:
        """Whether the table has the columns for start and end."""
        self._has_stats_columns = self._has_stats_columns or super().has_run_stats_index_cols()
        return self._has_stats_columns

    def has_backfill_id_column(self) -> bool:
        """Whether the table has the column for the backfill."""
        self._has_backfill_column = self._has_backfill_column or super().has_backfill_id_column()
        return self._has_backfill_column

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Add tags to a run, or change them."""
        with self._turn(run_id):
            super().add_run_tags(run_id, new_tags)

    def handle_run_event(self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Note in the run what an event says about its state."""
        with self._turn(run_id):
            super().handle_run_event(run_id, event, update_timestamp)

    @contextmanager
    def _turn(self, run_id: str) -> Iterator[None]:
        with self.connect() as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                connection.execute(TURN, {"space": RUN_LOCKS, "run": run_id})
                yield


class EventLogStorage(_SharedConnections, PostgresEventLogStorage):
    """Events of runs."""


class ScheduleStorage(_SharedConnections, PostgresScheduleStorage):
    """State of schedules and sensors."""


@lru_cache
def engine(url: str, statement_timeout: int = 0) -> Engine:
    """The engine of this process: some connections are kept for the next query, more are opened when needed.

    Whether a kept one still lives is asked first, so that a server that was started again goes unnoticed.

    Args:
        statement_timeout: milliseconds; 0 is no limit.
    """
    made = create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_pre_ping=True,
        pool_recycle=RECYCLED_SECONDS,
    )
    if statement_timeout:
        engine_event.listen(
            made, "connect", lambda connection, _: set_pg_statement_timeout(connection, statement_timeout)
        )
    return made
