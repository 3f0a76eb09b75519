"""Whether an ETL pipeline could run: its target, its query, what it reads. Nothing is changed."""

from dataclasses import replace

from dataops_defs.adapters.sql.binding import bind
from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.catalogue.etl_pipelines import config_of
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.domain.etl import EtlMode, allowed_target
from dataops_defs.errors import Invalid, NotFound, SourceError, UnsafeQuery
from dataops_defs.flows.etl_source import etl_source
from dataops_defs.flows.platform import Platform


def check_pipeline(platform: Platform, row: EtlPipelineRow) -> None:
    """Refuse what cannot run; fills in which tables the query reads.

    Raises:
        TargetNotAllowed: the target is not on the list.
        UnsafeQuery: the query does more than read.
        Invalid: the source is unknown or no PostgreSQL, or the query does not give a key, or of an incremental
            pipeline the cursor (DECISIONS 28).
    """
    allowed_target(row.target_table, platform.settings.allowed_targets)
    query = bind(row.source_query, {})
    check_query(query, allowed_functions=platform.settings.allowed_functions, field="source_query")
    tables = [] if row.source_id else tables_of(query)
    row.upstream = [{"schema": schema or "public", "table": name} for schema, name in tables]
    config = replace(config_of(row), source_query=query)
    try:
        source = etl_source(platform, config)
        if row.mode is EtlMode.INCREMENTAL or row.key_columns:
            source.columns()
    except NotFound:
        raise Invalid.field("source_id", f"there is no source '{str(row.source_id)[:80]}'") from None
    except UnsafeQuery:
        raise
    except SourceError as error:
        raise Invalid.field("source_query", f"its columns cannot be found out: {error}") from None
