"""Requests for exports in the platform's words: queries checked, names looked up, files named."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from psycopg2 import Error
from sqlalchemy.orm import Session

from api_shim.datamart_reads import held_by, unreadable
from api_shim.datamart_requests import described
from api_shim.schemas.exports import ExportDatamart, ExportQuery, ExportReport, SectionIn
from api_shim.shim import Shim
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.exports import Exports
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.export import (
    ChartType,
    ExportKind,
    Section,
    SectionType,
    Wanted,
    datamart_file_name,
    file_name,
)
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Conflict, Invalid
from dataops_defs.settings import Settings

DATE = "%Y_%m_%d"
_FIND = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND n.nspname = coalesce(%(schema)s, n.nspname)
    AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY n.nspname = 'analytics' DESC, n.nspname = 'public' DESC, n.nspname LIMIT 1
"""


def query_wanted(settings: Settings, body: ExportQuery) -> tuple[Wanted, str]:
    """What is wanted of a query, and the name of its file.

    Raises:
        UnsafeQuery: it does more than read.
    """
    asked, query = body.output_config, body.data_source.query
    check_query(query, allowed_functions=settings.allowed_functions, field="data_source.query")
    name = file_name(asked.file_name or f"export_{datetime.now(UTC):{DATE}}")
    wanted = Wanted(
        ExportKind.QUERY,
        title=name.removesuffix(".xlsx"),
        sections=[Section(asked.sheet_name, SectionType.TABLE, query)],
        template=asked.template,
        max_rows=asked.max_rows,
        summary=asked.include_summary,
        charts=(asked.chart_types or list(ChartType)) if asked.include_charts else (),
    )
    return wanted, name


def datamart_wanted(session: Session, shim: Shim, name: str, body: ExportDatamart) -> tuple[Wanted, str]:
    """What is wanted of a datamart, and the name of its file.

    Raises:
        NotFound: there is none of that name, or it lies in another schema.
        Conflict: it was never filled, its table is gone or may not be read, or what has its name is not the datamart's.
    """
    row = Datamarts(session).named(name, body.schema_name)
    with shim.platform.warehouse("dataops exports", role="reader") as connection, connection.cursor() as cursor:
        held = held_by(cursor, row)
    if held is None:
        raise Conflict(f"Datamart '{row.name}' is empty: refresh it first")
    if _schema_of(shim, row.schema, row.slug) is None:
        raise unreadable(row)
    filled = f"last filled at {row.last_refreshed_at:%Y-%m-%d %H:%M:%S} UTC" if row.last_refreshed_at else "live"
    of = f"datamart {row.schema}.{row.slug}, {filled}"
    wanted = Wanted(
        ExportKind.DATAMART,
        title=row.name,
        sections=[Section(row.name, SectionType.TABLE, _all_of(row.schema, row.slug), of)],
        template=body.template,
        max_rows=body.max_rows,
        summary=body.include_summary,
        charts=list(ChartType) if body.include_charts else (),
    )
    return wanted, datamart_file_name(row.name, datetime.now(UTC).date())


def report_wanted(session: Session, shim: Shim, body: ExportReport) -> tuple[Wanted, str]:
    """What is wanted of a report, and the name of its file.

    Raises:
        UnsafeQuery, Invalid: a query does more than read, or a chart's data is not there; ``fields`` names where.
    """
    sections = [_section(session, shim, each, f"sections.{place}") for place, each in enumerate(body.sections)]
    wanted = Wanted(ExportKind.REPORT, title=body.report_name, sections=sections, template=body.template)
    return wanted, file_name(_file_stem(body.report_name))


def refuse_locked(shim: Shim, wanted: Wanted) -> None:
    """Say of a lock at once what is known at once: the run would wait for its end, and try again.

    Raises:
        DependencyUnavailable: somebody holds a lock on what a section reads.
    """
    for query in (each.query for each in wanted.sections if each.query):
        guarded = check_query(query, allowed_functions=shim.settings.allowed_functions)
        with (
            suppress(Error),  # which the run tells, with the section's name
            shim.platform.warehouse("dataops exports", role="reader") as connection,
            connection.cursor() as cursor,
        ):
            described(cursor, guarded)


def add_export(session: Session, settings: Settings, asked: tuple[Wanted, str], requested_by: str) -> ExportRow:
    """The row of a new export; it expires with its file, whichever of the two ends first."""
    wanted, name = asked
    days = min(settings.export_link_days, settings.export_days or settings.export_link_days)
    return Exports(session).add(
        ExportRow(
            kind=wanted.kind,
            title=wanted.title,
            file_name=name,
            wanted=wanted.as_json(),
            requested_by=requested_by,
            expires_at=datetime.now(UTC) + timedelta(days=days),
            sheets=[],
        )
    )


def _section(session: Session, shim: Shim, given: SectionIn, field: str) -> Section:
    if given.type is SectionType.SUMMARY:
        return Section(given.name, given.type, values=given.data or {})
    if given.type is SectionType.TABLE:
        query = given.query or ""
        check_query(query, allowed_functions=shim.settings.allowed_functions, field=f"{field}.query")
        return Section(given.name, given.type, query)
    source = given.data_source or ""
    row = _datamart(session, source)
    schema, _, name = source.rpartition(".") if row is None else (row.schema, ".", row.slug)
    found = _schema_of(shim, schema or None, name)
    if found is None:
        raise Invalid.field(f"{field}.data_source", f"there is no filled datamart, table or view '{source}' to read")
    return Section(given.name, given.type, _all_of(found, name), of=f"{found}.{name}", chart=given.chart_type)


def _datamart(session: Session, name: str) -> DatamartRow | None:
    try:
        return Datamarts(session).by_slug(slug(name))
    except Invalid:
        return None


def _schema_of(shim: Shim, schema: str | None, name: str) -> str | None:
    """The schema in which the reader role may read a table or view of that name."""
    with shim.platform.warehouse("dataops exports", role="reader") as connection, connection.cursor() as cursor:
        cursor.execute(_FIND, {"name": name, "schema": schema})
        found = cursor.fetchone()
    return str(found[0]) if found else None


def _all_of(schema: str, name: str) -> str:
    quoted = ('"{}"'.format(each.replace('"', '""')) for each in (schema, name))
    return f"SELECT * FROM {'.'.join(quoted)}"  # noqa: S608 - names of the warehouse's own


def _file_stem(title: str) -> str:
    try:
        return slug(title)
    except Invalid:
        return title
