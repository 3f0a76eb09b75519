"""Alembic's entry point for the catalogue; the URL is handed over by ``migrate``."""

from alembic import context
from sqlalchemy import NullPool, create_engine

from dataops_defs.catalogue import (
    access_rows,
    alert_rows,
    datamart_rows,
    export_rows,
    import_rows,
    models,
    mount_rows,
    run_node_rows,
    trigger_rows,
)
from dataops_defs.catalogue.base import Row

# They register themselves on import.
TABLES = (
    access_rows,
    alert_rows,
    datamart_rows,
    export_rows,
    import_rows,
    models,
    mount_rows,
    run_node_rows,
    trigger_rows,
)

with create_engine(context.config.attributes["url"], poolclass=NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=Row.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
