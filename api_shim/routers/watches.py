"""Watched folders: document 000, "Watch Folder" and "List Monitored Files"."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from api_shim.dependencies import PROTECTED, Change, ChangeDep, ReadingDep
from api_shim.grants import check_file_use
from api_shim.routers.imports import NO_HEADER, WITH_HEADER, check_csv_settings
from api_shim.schemas.base import refusals
from api_shim.schemas.imports import PREFIX
from api_shim.schemas.watches import FileList, FileOut, WatchDeleted, WatchList, WatchMade, WatchOut, WatchRequest
from api_shim.shim import Shim
from dataops_defs.adapters.sources.files.formats import format_by_name
from dataops_defs.adapters.storage.roots import check_pattern
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.sources import Sources
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.catalogue.watches import SHOWN, Watches
from dataops_defs.domain.importing import (
    DEFAULT_SCHEMA,
    ImportState,
    ImportTarget,
    TargetFormat,
    public_watch_id,
    target_of,
)
from dataops_defs.domain.naming import slug
from dataops_defs.domain.sql_types import sql_types
from dataops_defs.errors import Conflict, Duplicate, Invalid
from dataops_defs.flows.import_mail import NO_SERVER
from dataops_defs.flows.import_owner import check_may_gather
from dataops_defs.flows.places import identity, open_place

router = APIRouter(prefix=PREFIX, tags=["mvp: storage"], dependencies=PROTECTED)
CONNECTOR = "import_config.target_connector"
CONNECTOR_PREFIX = "conn_"
MAX_NAME = 80
MOST = 500


@router.post("/watch", responses=refusals(409, 503), response_model_exclude_none=True)
def watch_folder(body: WatchRequest, change: ChangeDep) -> WatchMade:
    """Watch a folder. A file counts once two looks have found it the same; each version is imported once."""
    config = body.import_config
    for pattern in body.file_patterns:
        check_pattern(pattern)
    sql_types(config.data_types, "import_config.data_types")
    check_csv_settings(config.delimiter, config.encoding, "import_config.")
    if config.has_header is not None and not any(map(_may_have_header, body.file_patterns)):
        raise Invalid.field("import_config.has_header", NO_HEADER)
    schema, table = _target(change.shim, body)
    if table is not None:
        _check_gathered(change, ImportTarget(TargetFormat.POSTGRES, schema, table))
    _check_connector(change.session, change.shim, config.target_connector)
    check_file_use(change.session, change.shim, change.caller, body.folder_path, folder=True)
    _check_folder(change.shim, body.folder_path)
    row = WatchRow(
        name=_name(body, identity(change.shim.platform, change.session, body.folder_path)),
        folder=body.folder_path,
        patterns=[{"pattern": each} for each in body.file_patterns],
        recursive=body.recursive,
        auto_import=body.auto_import,
        target_schema=schema,
        target_table=table,
        options=config.options().as_json(),
        notification_email=config.notification_email,
    )
    try:
        Watches(change.session).add(row)
    except Duplicate:
        raise Duplicate(f"{body.folder_path} is watched already, for the same files") from None
    change.define("watch.create", row)
    wants_mail = config.notification_email is not None and change.shim.settings.mail_server is None
    return WatchMade(
        watch_id=public_watch_id(row.id),
        folder_path=row.folder,
        patterns=body.file_patterns,
        notifications=NO_SERVER if wants_mail else None,
    )


@router.get("/watches", responses=refusals(), response_model_exclude_none=True)
def list_watches(
    session: ReadingDep,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> WatchList:
    """Watched folders, newest first, with what became of their files."""
    watches = Watches(session)
    rows, total = watches.page(limit=limit, offset=offset)
    counts = watches.counts([row.id for row in rows])
    return WatchList(watches=[WatchOut.of(row, counts.get(row.id, {})) for row in rows], total=total)


@router.delete("/watches/{watch_id}", responses=refusals(404))
def delete_watch(watch_id: str, change: ChangeDep) -> WatchDeleted:
    """Stop watching. What was imported stays: tables, imports and their runs."""
    watches = Watches(change.session)
    row = watches.get(watch_id, lock=True)
    id = row.id
    change.define("watch.delete", row)
    watches.remove(row)
    settle(change.session)
    counts = Imports(change.session).counts_of_watch(id)
    kept, failed = counts.get(ImportState.COMPLETED, 0), counts.get(ImportState.FAILED, 0)
    return WatchDeleted(watch_id=public_watch_id(id), imports_kept=kept, imports_failed=failed)


@router.get("/files", responses=refusals(), response_model_exclude_none=True)
def list_files(
    session: ReadingDep,
    watch_id: Annotated[str | None, Query(max_length=80)] = None,
    status: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> FileList:
    """Files of watched folders, newest first."""
    if status is not None and status not in SHOWN:
        raise Invalid.field("status", f"must be one of {', '.join(sorted(SHOWN))}")
    rows, total = Watches(session).files(watch_id=watch_id, status=status, limit=limit, offset=offset)
    return FileList(files=[FileOut.of(row) for row in rows], total_files=total)


def _target(shim: Shim, body: WatchRequest) -> tuple[str, str | None]:
    """Schema and table that a watch imports into; no table where each file has its own."""
    config, schemas = body.import_config, shim.settings.import_targets
    if config.target_table is not None:
        if config.target_schema is not None:
            raise Invalid.field(
                "import_config.target_schema",
                "is for tables named after their files; for one that gathers them, name it in target_table: raw.orders",
            )
        field = "import_config.target_table"
        found = target_of(TargetFormat.POSTGRES, config.target_table, "", schemas, field)
        return found.schema, found.table
    schema = config.target_schema or DEFAULT_SCHEMA
    target_of(TargetFormat.POSTGRES, f"{schema}.files", "", schemas, "import_config.target_schema")
    return schema, None


def _may_have_header(pattern: str) -> bool:
    """Whether a pattern matches files of a format that has headers, as far as its ending tells."""
    format = format_by_name(pattern)
    return format is None or format in WITH_HEADER


def _check_gathered(change: Change, target: ImportTarget) -> None:
    """A table gathers the files of one watch, and nothing else; those of one that is deleted are gone on with."""
    other = Watches(change.session).gathering(target.schema, target.table)
    if other is not None:
        raise Conflict(f"{target} gathers the files of another watch, of {other.folder}: name another table")
    check_may_gather(change.shim.platform, change.session, target)


def _check_folder(shim: Shim, path: str) -> None:
    if "*" in path:
        raise Invalid.field("folder_path", "is the path of one folder; file_patterns say which files in it")
    with open_place(shim.platform, path, field="folder_path") as place:
        found = place.files.entry(place.path)
    if found is None or not found.is_folder:
        raise Invalid.field("folder_path", f"{'not a folder' if found else 'no such folder'}: {path}")


def _check_connector(session: Session, shim: Shim, named: str | None) -> None:
    """Only the warehouse is loaded: a connector has to lead there."""
    if named is None:
        return
    row = _connector(Sources(session, shim.platform.keyring), named)
    if row is None:
        raise Invalid.field(CONNECTOR, f"there is no source '{named[:80]}'")
    warehouse = make_url(shim.settings.url("warehouse"))
    if row.type != "postgres" or not _same_database(row, warehouse.host, warehouse.port, warehouse.database):
        raise Invalid.field(CONNECTOR, f"'{row.name}' is another database; files are imported into the warehouse only")


def _connector(sources: Sources, named: str) -> SourceRow | None:
    id = as_uuid(named.removeprefix(CONNECTOR_PREFIX))
    if id is not None:
        return sources.find(id)
    try:
        return sources.by_slug(slug(named))
    except Invalid:
        return None


def _same_database(row: SourceRow, host: str | None, port: int | None, database: str | None) -> bool:
    here = {"127.0.0.1", "localhost", "::1"}
    given = str(row.connection.get("host"))
    same_host = given == host or {given, host or "127.0.0.1"} <= here
    return (
        same_host
        and int(row.connection.get("port") or 5432) == (port or 5432)
        and (row.connection.get("database") == database)
    )


def _name(body: WatchRequest, folder: str) -> str:
    """A name that tells watches apart: the folder, in its one spelling, and which files of it."""
    told = f"{folder}: {' '.join(sorted(set(body.file_patterns)))}"
    if len(told) <= MAX_NAME and told.isascii():
        return told
    return f"{told[: MAX_NAME - 10].rstrip()} {sha256(told.encode()).hexdigest()[:8]}"
