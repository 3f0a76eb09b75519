"""Dagster's storage from the environment: one ``dagster.yaml`` serves ``make up``, ``dagster dev`` and production."""

from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage

from dataops_defs.services.guardian import ensure_database
from dataops_defs.settings import settings


class EnvStorage(DagsterPostgresStorage, ConfigurableClass):
    """PostgreSQL at the instance URL of the settings; the embedded server is started when nothing else runs it."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: nothing of a database's address stands in ``dagster.yaml``."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]
    ) -> DagsterStorage:
        """The storage; called by Dagster in every process that opens the instance."""
        ensure_database(settings())
        return DagsterPostgresStorage(
            postgres_url=settings().url("instance"), should_autocreate_tables=True, inst_data=inst_data
        )
