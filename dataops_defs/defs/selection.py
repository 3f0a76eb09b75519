"""Which rows a run's worker builds assets from: those its run selects, so that a launch costs the same with 20 assets
as with 2,000.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dataops_defs.domain import naming

Row = Mapping[str, Any]
State = Mapping[str, Any]
Paths = frozenset[naming.AssetPath]

KEYS: dict[str, Callable[[Row], naming.AssetPath]] = {
    "sources": lambda row: naming.source_key(row["app"], row["slug"]),
    "datasets": lambda row: naming.dataset_key(row["app"], row["slug"]),
    "mappings": lambda row: naming.mapping_key(row["app"], row["slug"]),
    "object_types": lambda row: naming.object_type_key(row["app"], row["slug"]),
    "etl_pipelines": lambda row: naming.etl_key(row["app"], row["slug"]),
    "datamarts": lambda row: naming.table_key(row["schema"], row["slug"]),
}
"""Asset keys of the rows that are assets; those of watched folders are external and never run."""

PIPELINE_PREFIX = naming.pipeline_job_name("")


@dataclass(frozen=True)
class Selected:
    """What a run selects: assets, and the pipeline graph whose job it is."""

    assets: Paths = frozenset()
    pipeline: str | None = None

    @classmethod
    def of_run(cls, job: str, assets: Iterable[tuple[str, ...]]) -> "Selected":
        """The selection of a run of that job; a static job selects nothing."""
        pipeline = job.removeprefix(PIPELINE_PREFIX) if job.startswith(PIPELINE_PREFIX) else None
        return cls(frozenset(assets), pipeline)

    def takes(self, kind: str, row: Row) -> bool:
        """Whether the row is part of it."""
        if kind == "pipelines":
            return bool(row["slug"] == self.pipeline)
        return kind in KEYS and KEYS[kind](row) in self.assets


_selected: Selected | None = None


def work_for(job: str, assets: Iterable[tuple[str, ...]]) -> None:
    """From now on this process works for one run only: it builds what that run selects."""
    global _selected
    _selected = Selected.of_run(job, assets)


def selected() -> Selected | None:
    """What this process's run selects; None in a process that serves all of them."""
    return _selected
