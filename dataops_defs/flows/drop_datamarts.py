"""Drop what deleted datamarts hold: all of it, or nothing where something else is built on it."""

from collections.abc import Iterator, Mapping, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import ours, relations, swap, turns
from dataops_defs.adapters.datamarts.dependants import all_of, dependants_of
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import draft_name
from dataops_defs.errors import Conflict
from dataops_defs.flows.platform import Platform

PATIENCE_SECONDS = 8.0
"""Somebody waits for the answer."""
Versions = Mapping[str, Mapping[str, str]]
"""By the datamart's id, the tables of its versions with the versions' ids."""


def drop_datamarts(platform: Platform, rows: Sequence[DatamartRow], versions: Versions) -> list[str]:
    """Drop tables and views, in that order of the datamarts; the names of what was dropped.

    What has the name of a datamart or a version and was made by somebody else stays.

    Raises:
        Conflict: one is being refreshed or read, or something that is no datamart is built on one; nothing was dropped.
    """
    dropped: list[str] = []
    with platform.warehouse("dataops drop") as owner, owner.cursor() as cursor:
        for row in rows:
            if not turns.take_free_turn(cursor, row.id):
                raise Conflict(f"Datamart '{row.name}' is being refreshed: wait for that")

        def drop() -> None:
            dropped[:] = [name for row in rows for name in _drop(cursor, row, versions.get(row.id, {}))]

        names = ", ".join(f"{row.schema}.{row.slug}" for row in rows)
        patiently(cursor, names, drop, PATIENCE_SECONDS)
    return dropped


def _drop(cursor: Cursor, row: DatamartRow, versions: Mapping[str, str]) -> Iterator[str]:
    for found in _holdings(cursor, row, versions):
        readers = all_of(dependants_of(cursor, found))
        if readers:
            raise Conflict(f"{found.schema}.{found.name} is read by {', '.join(readers)}; drop these first")
        swap.drop(cursor, found)
        yield f"{found.schema}.{found.name}"


def _holdings(cursor: Cursor, row: DatamartRow, versions: Mapping[str, str]) -> Iterator[Relation]:
    """The datamart's view or table first: it is built on a version's table."""
    for name in (row.slug, *versions, draft_name(row.id)):
        found = relations.find(cursor, row.schema, name)
        if found is None or found.type is None:
            continue
        version = versions.get(name)
        if ours.is_of_version(cursor, found, version) if version else ours.is_made_by_us(cursor, found):
            yield found
