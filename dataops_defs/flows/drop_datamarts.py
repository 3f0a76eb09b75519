"""Drop what deleted datamarts hold: all of it, or nothing where something else is built on it."""

from collections.abc import Mapping, Sequence

from dataops_defs.adapters.datamarts import relations, swap, turns
from dataops_defs.adapters.datamarts.dependants import all_of, dependants_of
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import draft_name
from dataops_defs.errors import Conflict
from dataops_defs.flows.platform import Platform

LOCK_TIMEOUT = "5s"


def drop_datamarts(platform: Platform, rows: Sequence[DatamartRow], versions: Mapping[str, Sequence[str]]) -> list[str]:
    """Drop tables and views, in that order of the datamarts; the names of what was dropped.

    Args:
        versions: by the datamart's id, the tables of its versions.

    Raises:
        Conflict: one is being refreshed, or something that is no datamart is built on one; nothing was dropped.
        DependencyUnavailable: somebody reads one.
    """
    dropped = []
    with platform.warehouse("dataops drop") as owner, owner.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        for row in rows:
            if not turns.take_free_turn(cursor, row.id):
                raise Conflict(f"Datamart '{row.name}' is being refreshed: wait for that")
            for name in (row.slug, *versions.get(row.id, ()), draft_name(row.id)):
                found = relations.find(cursor, row.schema, name)
                if found is None or found.type is None:
                    continue
                readers = all_of(dependants_of(cursor, found))
                if readers:
                    raise Conflict(f"{row.schema}.{name} is read by {', '.join(readers)}; drop these first")
                swap.drop(cursor, found)
                dropped.append(f"{row.schema}.{name}")
    return dropped
