"""Which sink takes a pipeline's rows."""

from dataops_defs.adapters.sinks.etl_table import TableSink
from dataops_defs.adapters.sinks.etl_target import EtlSink
from dataops_defs.adapters.sinks.index.client import client_of
from dataops_defs.adapters.sinks.index.target import IndexSink
from dataops_defs.adapters.warehouse.checkpoint import Checkpoint
from dataops_defs.domain.etl import EtlConfig, EtlMode, keys_of
from dataops_defs.flows.platform import Platform


def sink_of(platform: Platform, config: EtlConfig, pipeline_id: str, load: Checkpoint) -> EtlSink:
    """The sink of one load.

    Raises:
        SourceError: Elasticsearch is not configured.
    """
    if config.target.schema is not None:
        return TableSink(config.target, config.mode, config.key_columns, pipeline_id, load.load)
    keys = config.key_columns
    if config.mode is EtlMode.INCREMENTAL and load.columns:
        keys = keys_of(keys, (), load.columns)
    client = client_of(platform.settings)
    return IndexSink(client, config.target.name, config.mode, keys, load.load, load.turn)
