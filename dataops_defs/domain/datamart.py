"""A datamart: a query whose result is kept as a table or view of the warehouse."""

import re
from enum import StrEnum

from dataops_defs.domain.naming import slug
from dataops_defs.errors import Invalid

MAX_RELATION = 63
"""Bytes of a name in PostgreSQL; it cuts longer ones without a word."""


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


class RefreshMethod(StrEnum):
    """How a refresh put the new rows in place; of all of them only ``refresh`` makes readers wait for the query."""

    BUILD = "build"
    """The first one: there was nothing to replace."""
    CONCURRENTLY = "concurrently"
    """REFRESH MATERIALIZED VIEW CONCURRENTLY: by a unique index, only rows that differ are written."""
    SWAP = "swap"
    """Built beside, and renamed in an instant; indexes, grants, comments and views on it come along."""
    REFRESH = "refresh"
    """REFRESH MATERIALIZED VIEW: readers wait while the query runs."""
    MERGE = "merge"
    """Of a table: rows that differ are deleted and inserted in one transaction."""
    REPLACE = "replace"
    """CREATE OR REPLACE VIEW: a view holds no rows."""
    JOINED = "joined"
    """Another refresh began after this one was asked for, and has done its work."""


class VersionStatus(StrEnum):
    """Where a version of a versioned datamart stands."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


def relation_name(name: str) -> str:
    """The name of a datamart's table or view.

    Raises:
        Invalid: PostgreSQL would cut it.
    """
    made = slug(name)
    if len(made) > MAX_RELATION:
        raise Invalid.field("name", f"makes a table name of {len(made)} letters; {MAX_RELATION} are the most")
    return made


def version_table(datamart: str, version: str) -> str:
    """The table of a version, ``customer_segments__v2``; both arguments are slugs.

    Raises:
        Invalid: PostgreSQL would cut it.
    """
    made = f"{datamart}__{version}"
    if len(made) > MAX_RELATION:
        raise Invalid.field("version", f"makes a table name of {len(made)} letters; {MAX_RELATION} are the most")
    return made


def draft_name(datamart_id: str) -> str:
    """What a datamart is called while it is built beside the one in place."""
    return f"_building_{datamart_id.replace('-', '')}"


def columns_name(datamart_id: str) -> str:
    """What a view of its query is called for a moment, to learn its columns."""
    return f"{draft_name(datamart_id)}_columns"


DRAFTS = r"^_building_[0-9a-f]{32}$"


def is_draft_name(name: str) -> bool:
    """Whether a table of that name would be in the way of a refresh: nothing else may be written there."""
    return re.search(DRAFTS, name) is not None


def datamart_of_draft(name: str) -> str:
    """The id of the datamart that a draft is of, 32 hexadecimal digits."""
    return name.removeprefix("_building_")
