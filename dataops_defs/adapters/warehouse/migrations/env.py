"""Alembic's entry point for the warehouse's schema ``dataops``; the URL is handed over by ``migrate``."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

from dataops_defs.adapters.warehouse.tables import METADATA, SCHEMA


def _schemas(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == SCHEMA


with create_engine(
    context.config.attributes["url"], poolclass=NullPool, connect_args={"options": "-c search_path=public"}
).connect() as connection:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_schemas=True,
        include_name=_schemas,
        version_table_schema=SCHEMA,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
