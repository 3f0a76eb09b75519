"""Publish a version of a versioned datamart: its rows are kept once, and the datamart's view is put on them.

Going back to an older version is the same with rows that are there already. The table of a version belongs to the
platform's owner, so that what runs as the builder can read it and no more.
"""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import names, ours, relations, swap, turns
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.adapters.datamarts.views import replacing
from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType, VersionStatus, draft_name
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict
from dataops_defs.flows.build_draft import build_draft, clear_draft, draft_of, known
from dataops_defs.flows.datamart_outcome import datamart_outcome
from dataops_defs.flows.lineage import lineage_of
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.place_datamart import discard_draft
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import UNFINISHED, Step, Work, sentence
from dataops_defs.settings import BUILDER, READER


def publish_version(work: Work, row: DatamartRow, version_id: str | None) -> Outcome:
    """Have the datamart's view show that version, whose rows are read from its query if they are not kept yet.

    Raises:
        Conflict: no version is asked for, or its rows are gone.
        SourceError: PostgreSQL refuses the query.
    """
    if version_id is None:
        raise Conflict(f"'{row.name}' is versioned: what a version holds does not change; make a new version of it")
    with work.platform.catalogue() as session:
        version = DatamartVersions(session).get(version_id)
    work.say(f"Publishing version {version.version} of datamart {row.schema}.{row.slug}")
    try:
        outcome = work.do(RunKind.REFRESH, row.id, row.name, lambda step: _publish(work, step, row, version))
    except UNFINISHED:
        raise
    except Exception as error:
        _note_failure(work.platform, row.id, version.id, sentence(error))
        raise
    _note(work.platform, row.id, version.id, outcome)
    return outcome


def _publish(work: Work, step: Step, row: DatamartRow, version: DatamartVersionRow) -> Outcome:
    query = check_query(version.query, allowed_functions=work.platform.settings.allowed_functions)
    with work.warehouse("dataops publish") as owner, owner.cursor() as cursor:
        turns.take_turn(cursor, row.id)
        for name in (row.slug, version.table):
            names.refuse_where_a_type_is(cursor, row.schema, name)
        kept = relations.find(cursor, row.schema, version.table)
        if kept is None:
            if version.status not in (VersionStatus.BUILDING, VersionStatus.FAILED):
                raise Conflict(f"Version '{version.version}' of '{row.name}' is gone")
            _keep(work, cursor, row, version, query)
        elif not ours.is_of_version(cursor, kept, version.id):
            raise Conflict(_another(row, version))
        outcome = _outcome(work.platform, cursor, row, version, query, kept is not None)
        _point(cursor, row, version.table)
        entry = step.entry("datamart", row.id, f"{row.schema}.{version.table}")
        enter(owner, entry, outcome.ledger, outcome.as_json())
    return outcome


def _outcome(
    platform: Platform, cursor: Cursor, row: DatamartRow, version: DatamartVersionRow, query: str, kept_before: bool
) -> Outcome:
    """What the version holds; counted before the view is put on it, for readers wait from then on."""
    content = relations.content_of(cursor, known(relations.find(cursor, row.schema, version.table)))
    columns = relations.columns_of(cursor, tables_of(query))
    ledger = Ledger() if kept_before else Ledger(read=content.rows, inserted=content.rows)
    replaced = _version_shown(platform, cursor, row)
    details = {"version": version.version, "kept_before": kept_before, "replaced": replaced}
    return datamart_outcome(row, ledger, content, lineage_of(platform, query, columns), details)


def _keep(work: Work, cursor: Cursor, row: DatamartRow, version: DatamartVersionRow, query: str) -> None:
    """Read the version's rows into its table; nobody but the owner may change that from the moment it is seen."""
    build_draft(work, row, query, DatamartType.TABLE)
    name = sql.Identifier(row.schema, version.table)
    swap.name_it(cursor, draft_of(cursor, row), version.table)
    ours.mark(cursor, known(relations.find(cursor, row.schema, version.table)), version.id)
    cursor.execute(sql.SQL("ALTER TABLE {} OWNER TO CURRENT_USER").format(name))
    for role in (BUILDER, READER):
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(name, sql.Identifier(role)))
        cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(role)))
    cursor.execute(sql.SQL("ANALYZE {}").format(name))


def _another(row: DatamartRow, version: DatamartVersionRow) -> str:
    return (
        f"{row.schema}.{version.table} exists already and is not the table of version '{version.version}':"
        " rename or drop it, or take another name for the version"
    )


def _point(cursor: Cursor, row: DatamartRow, table: str) -> None:
    """Put the datamart's view on a table, in the caller's transaction: readers see one version or the other."""
    old = relations.find(cursor, row.schema, row.slug)
    if old is not None and not (old.type is DatamartType.VIEW and ours.is_made_by_us(cursor, old)):
        raise Conflict(f"{row.schema}.{row.slug} exists already and is not this datamart's view; rename or drop it")
    select = sql.SQL("SELECT * FROM {}").format(sql.Identifier(row.schema, table))
    _as_builder(cursor)
    if old is None:
        cursor.execute(sql.SQL("CREATE VIEW {} AS {}").format(sql.Identifier(row.schema, row.slug), select))
    elif not _replaced(cursor, old, select):
        clear_draft(cursor, row)
        draft = sql.Identifier(row.schema, draft_name(row.id))
        cursor.execute(sql.SQL("CREATE VIEW {} AS {}").format(draft, select))
        cursor.execute("RESET ROLE")
        swap.put_in_place(cursor, swap.make_heir(cursor, draft_of(cursor, row), old))
    cursor.execute("RESET ROLE")


def _replaced(cursor: Cursor, view: Relation, select: sql.Composable) -> bool:
    """Whether the view could take that query: not where columns differ from those of the version before."""
    replace = replacing(cursor, view.oid, select)
    try:
        patiently(cursor, view.address, lambda: cursor.execute(replace))
    except psycopg2.errors.InvalidTableDefinition:
        return False
    return True


def _as_builder(cursor: Cursor) -> None:
    """The view belongs to the builder, as all datamarts do; nothing of a user's text is run here."""
    cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(BUILDER)))


def _note(platform: Platform, id: str, version_id: str, done: Outcome) -> None:
    """Note that the version is complete; current is the one that the view shows now, whoever put it there last."""
    with platform.warehouse("dataops publish") as owner, owner.cursor() as cursor:
        turns.take_turn(cursor, id)
        with platform.catalogue() as session:
            row = Datamarts(session).get(id, lock=True)
            versions = DatamartVersions(session)
            version = versions.get(version_id)
            if version.status is not VersionStatus.READY:
                versions.built(version, now(), done.total_rows or 0, done.bytes or 0)
                version.columns = [each.as_json() for each in done.columns]
            shown = _shown(cursor, row)
            current = next((each for each in versions.of(id) if each.table == shown), version)
            row.current_version_id, row.query, row.upstream = current.id, current.query, current.upstream
            row.last_refreshed_at, row.last_error, row.columns = current.built_at, None, current.columns
            row.rows_count, row.size_bytes = current.rows_count, current.size_bytes


def _version_shown(platform: Platform, cursor: Cursor, row: DatamartRow) -> str | None:
    """The name of the version that the datamart's view is on."""
    shown = _shown(cursor, row)
    with platform.catalogue() as session:
        return next((each.version for each in DatamartVersions(session).of(row.id) if each.table == shown), None)


def _shown(cursor: Cursor, row: DatamartRow) -> str | None:
    """The table that the datamart's view is on."""
    cursor.execute(
        "SELECT t.relname FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid"
        " JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace"
        " JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid"
        " WHERE n.nspname = %s AND v.relname = %s AND t.oid <> v.oid LIMIT 1",
        (row.schema, row.slug),
    )
    found = cursor.fetchone()
    return found[0] if found else None


def _note_failure(platform: Platform, id: str, version_id: str, reason: str) -> None:
    with platform.catalogue() as session:
        row = Datamarts(session).find(id, lock=True)
        if row is None:
            return
        row.last_error = reason
        version = DatamartVersions(session).get(version_id)
        if version.status is VersionStatus.BUILDING:
            version.status = VersionStatus.FAILED
        version.error = reason
    discard_draft(platform, row)
