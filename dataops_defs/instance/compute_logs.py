"""Where the output of runs is kept: below the platform's home, also when Dagster's own home is a temporary folder."""

from typing import Any, Self

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

from dataops_defs.settings import settings


class HomeComputeLogs(LocalComputeLogManager):
    """Local files in ``<home>/dagster/storage``."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: the folder follows from the settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, Any]) -> Self:  # type: ignore[override]
        """The log manager of this home."""
        return cls(base_dir=str(settings().home / "dagster" / "storage"), inst_data=inst_data)
