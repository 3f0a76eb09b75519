"""How far a pipeline's load is, and how one that is not wanted any more is cleared away."""

from dataops_defs.adapters.warehouse import checkpoint as checkpoints
from dataops_defs.adapters.warehouse.checkpoint import Checkpoint
from dataops_defs.catalogue.etl_pipelines import config_of
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.flows.etl_targets import sink_of
from dataops_defs.flows.platform import Platform


def checkpoint_of(platform: Platform, pipeline_id: str) -> Checkpoint | None:
    """The checkpoint beside a pipeline's data; None before its first run."""
    with platform.warehouse("dataops look") as connection:
        return checkpoints.look(connection, pipeline_id)


def clear_away(platform: Platform, row: EtlPipelineRow) -> None:
    """Remove what a deleted pipeline had gathered and not published; its target stays (DECISIONS 30)."""
    load = checkpoint_of(platform, row.id)
    if load is None:
        return
    with platform.warehouse("dataops etl") as connection:
        sink_of(platform, config_of(row), row.id, load).discard(connection)
        checkpoints.forget(connection, row.id)
    if load.spool is not None:
        platform.raw_store.delete(load.spool)
