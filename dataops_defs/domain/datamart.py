"""A datamart: a query whose result is kept as a table or view of the warehouse."""

from enum import StrEnum


class DatamartType(StrEnum):
    """What PostgreSQL keeps."""

    MATERIALIZED_VIEW = "materialized_view"
    TABLE = "table"
    VIEW = "view"


class RefreshStrategy(StrEnum):
    """When it is filled again; ``on_commit`` is an automation condition in Dagster."""

    ON_DEMAND = "on_demand"
    ON_COMMIT = "on_commit"
    SCHEDULED = "scheduled"
