"""Purge versions of datamarts whose time is over, and what refreshes left that died half-way."""

from datetime import datetime
from uuid import UUID

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import ours, relations, swap, turns
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DRAFTS, VersionStatus, datamart_of_draft
from dataops_defs.errors import Conflict, DependencyUnavailable
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge import NOTHING, Purged, Say

LOCK_TIMEOUT = "5s"
"""For a turn; who waits for that holds up no reader."""
PATIENCE_SECONDS = 10.0


def purge_versions(platform: Platform, say: Say, moment: datetime) -> Purged:
    """Drop the tables of versions whose time is over; a current one stays until another one takes its place.

    One that is being read, or that something else is built on, stays for the next night.
    """
    gone = NOTHING
    with platform.catalogue() as session:
        over = DatamartVersions(session).over(moment)
    for version, datamart in over:
        try:
            gone += _purge(platform, version, datamart, moment)
        except (Conflict, DependencyUnavailable) as error:
            say(f"Version {version.version} of datamart '{datamart.name}' stays: {error}")
    say(f"{gone.items} versions of datamarts removed")
    return gone


def _purge(platform: Platform, version: DatamartVersionRow, datamart: DatamartRow, moment: datetime) -> Purged:
    with platform.warehouse("dataops retention") as owner, owner.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        turns.take_turn(cursor, datamart.id)
        with platform.catalogue() as session:
            # Under its turn nobody publishes: what is not the current version now will not become it meanwhile.
            row = Datamarts(session).find(datamart.id, lock=True)
            found = DatamartVersions(session).get(version.id)
            if row is None or row.current_version_id == found.id or found.status is not VersionStatus.READY:
                return NOTHING
            table = relations.find(cursor, row.schema, found.table)
            if table is not None:
                if not ours.is_of_version(cursor, table, found.id):
                    raise Conflict(f"{table.address} is not known as its table; rename or drop it")
                _drop(cursor, table)
            found.status, found.removed_at = VersionStatus.EXPIRED, moment
            return Purged(1, found.size_bytes)


def purge_drafts(platform: Platform, say: Say) -> Purged:
    """Drop what refreshes were building when their workers died, unless one is at work."""
    gone = 0
    with platform.warehouse("dataops retention") as owner, owner.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname ~ %s AND c.relkind IN ('r', 'v', 'm')",
            (DRAFTS,),
        )
        drafts = cursor.fetchall()
    for schema, name in drafts:
        try:
            with platform.warehouse("dataops retention") as owner, owner.cursor() as cursor:
                if turns.take_free_turn(cursor, str(UUID(datamart_of_draft(name)))):
                    draft = relations.find(cursor, schema, name)
                    if draft is not None and ours.is_made_by_us(cursor, draft):
                        _drop(cursor, draft)
                        gone += 1
        except (psycopg2.Error, Conflict, DependencyUnavailable):
            say(f"The unfinished {schema}.{name} stays: it is in use")
    return Purged(gone)


def _drop(cursor: Cursor, found: Relation) -> None:
    patiently(cursor, f"{found.schema}.{found.name}", lambda: swap.drop(cursor, found), PATIENCE_SECONDS)
