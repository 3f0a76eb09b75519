"""Alembic's entry point for the catalogue; the URL is handed over by ``migrate``."""

from importlib import import_module

from alembic import context
from sqlalchemy import NullPool, create_engine

from dataops_defs.catalogue.base import Row

# Tables register themselves on import.
for name in (
    "access_rows",
    "alert_rows",
    "datamart_rows",
    "export_rows",
    "import_rows",
    "models",
    "mount_rows",
    "run_node_rows",
    "trigger_rows",
    "watch_rows",
):
    import_module(f"dataops_defs.catalogue.{name}")

with create_engine(context.config.attributes["url"], poolclass=NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=Row.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
