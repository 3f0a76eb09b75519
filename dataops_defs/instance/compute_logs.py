"""Where the output of runs is kept: below the platform's home, also when Dagster's own home is a temporary folder."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file

from dataops_defs.instance.in_worker import is_worker
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

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Write what the run prints into files.

        Dagster also shows it on the terminal, by four more processes for each run; a worker of ours has no terminal.
        """
        if not is_worker():
            with super().capture_logs(log_key) as context:
                yield context
            return
        output, errors = (
            self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[each])
            for each in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        ensure_file(output)
        ensure_file(errors)
        with redirect_to_file(sys.stdout, output), redirect_to_file(sys.stderr, errors):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))  # type: ignore[no-untyped-call]
