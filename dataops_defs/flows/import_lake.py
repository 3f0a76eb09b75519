"""The tables of the lake that imports write."""

from dataops_defs.adapters.sinks.iceberg import IcebergSink, Lake
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work


def iceberg_of(work: Work, row: ImportRow) -> IcebergSink:
    """The table of the lake that an import writes."""
    return IcebergSink(lake_of(work.platform), row.target_schema, row.target_table, row.owner, work.run_id)


def lake_of(platform: Platform) -> Lake:
    """The Iceberg tables of the platform."""
    settings = platform.settings
    return Lake(settings.url("catalogue"), settings.lake_url, settings.s3_endpoint)
