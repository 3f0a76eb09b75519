"""A look into a watched folder: what lies there is noted, and the imports of what is complete are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from sqlalchemy.orm import Session

from dataops_defs.adapters.storage.files import MAX_DEPTH, Entry, Files
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.mounts.files import MountedFiles
from dataops_defs.adapters.storage.roots import one_spelling
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.domain.importing import FileState, LoadMode, TargetFormat, distinct_name, table_name
from dataops_defs.domain.run import BY_SENSOR, RunKind
from dataops_defs.errors import Conflict, DataOpsError, SourceError, SourceUnavailable
from dataops_defs.flows.import_mail import tell
from dataops_defs.flows.outbox import Launch, launch_of
from dataops_defs.flows.places import Place, open_place
from dataops_defs.flows.platform import Platform

AT_ONCE = 300
FILES_A_RUN, BYTES_A_RUN = 100, 64 * 1024**2
MAX_FILES = 100_000
FIELD = "folder_path"


@dataclass(frozen=True)
class Look:
    """What a look found: how many files match, and the imports it has asked for."""

    matching: int
    launches: Sequence[Launch]


def look_into_folder(platform: Platform, watch_id: str) -> Look:
    """Look once. A folder that cannot be looked into leaves its watch degraded, and its files as they are.

    Raises:
        DataOpsError: it cannot be looked into; the reason is kept with the watch.
    """
    with platform.catalogue() as session:
        row = Watches(session).get(watch_id)
    try:
        with open_place(platform, row.folder, field=FIELD) as place:
            patterns = [each["pattern"] for each in row.patterns]
            found = list_folder(place, patterns, recursive=row.recursive)
            left_out = _left_out(place, patterns, recursive=row.recursive)
            with platform.catalogue() as session:
                Watches(session).note(watch_id, found, left_out)
            with platform.catalogue() as session:
                failed = settle(session)
            tell(platform, failed)
            with platform.catalogue() as session:
                launches = list(_asked(platform, session, row, place.files))
    except DataOpsError as error:
        with platform.catalogue() as session:
            Watches(session).degrade(watch_id, str(error))
        raise
    return Look(len(found), launches)


def list_folder(place: Place, patterns: Sequence[str], *, recursive: bool) -> list[FoundFile]:
    """The files of a folder whose name matches one of the patterns, each with a mark that changes when it changes.

    Raises:
        SourceError: there is no such folder, or it holds too many files. SourceUnavailable: its place does not answer.
    """
    folder = place.files.entry(place.path)
    if folder is None or not folder.is_folder:
        raise SourceError(f"no such folder: {place.path}")
    depth = "/**/*" if recursive else "/*"
    found = []
    for each in place.files.matching(Glob(f"{place.path.rstrip('/')}{depth}")):
        if not each.is_folder and any(fnmatchcase(each.name, pattern) for pattern in patterns) and _near(place, each):
            found.append(FoundFile(each.path, each.mark, each.size))
        if len(found) > MAX_FILES:
            raise SourceError(f"folder {place.path} holds more than {MAX_FILES:,} matching files")
    return found


def _left_out(place: Place, patterns: Sequence[str], *, recursive: bool) -> str | None:
    """Which files can never be imported, in a sentence."""
    if not isinstance(place.files, RootFiles | MountedFiles):
        return None
    names = place.files.left_out(place.path, patterns, recursive=recursive)
    if not names:
        return None
    shown = ", ".join(f"'{each[:100]}'" for each in names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} left out, rename to import: names with control characters, or not in UTF-8: {shown}"


def _near(place: Place, found: Entry) -> bool:
    return found.path.count("/") - place.path.count("/") <= MAX_DEPTH


def _asked(platform: Platform, session: Session, row: WatchRow, files: Files) -> Iterator[Launch]:
    """Ask for the imports of complete files: each share has its run record before anybody is told of it."""
    room = Outbox(session).room(platform.settings.max_queued_runs, found=True)
    for share in islice(_shares(Watches(session).waiting(row.id, AT_ONCE)), room):
        imports = [made for file in share if (made := _asked_for(platform, session, row, files, file)) is not None]
        if not imports:
            continue
        run = Runs(session).request(
            RunKind.ARRIVALS,
            row.id,
            row.name,
            trigger=BY_SENSOR,
            requested_by=imports[0].requested_by,
            timeout_seconds=platform.settings.max_runtime_seconds,
        )
        Outbox(session).hold(run)
        for made in imports:
            made.run_id = run.id
        session.flush()
        session.refresh(run)
        yield launch_of(run, platform.settings.max_runtime_seconds)


def _shares(waiting: Sequence[WatchedFileRow]) -> Iterator[list[WatchedFileRow]]:
    """The files of one run each: small ones together, for a run costs more than they do."""
    share: list[WatchedFileRow] = []
    for file in waiting:
        size = sum(each.size_bytes for each in share) + file.size_bytes
        if share and (len(share) == FILES_A_RUN or size > BYTES_A_RUN):
            yield share
            share = []
        share.append(file)
    if share:
        yield share


def _asked_for(
    platform: Platform, session: Session, row: WatchRow, files: Files, file: WatchedFileRow
) -> ImportRow | None:
    """The import of a file's newest version; None if it cannot be asked for, which its row says."""
    if (reason := _unreadable(files, file)) is not None:
        file.error = reason  # the next look tries again
        return None
    if file.import_id is not None:
        return Imports(session).get(file.import_id)
    try:
        made = _import_of(Imports(session), row, file, one_spelling(platform.settings.roots, file.path))
    except Conflict as error:
        file.status, file.error = FileState.FAILED, str(error)
        return None
    file.import_id, file.error = made.id, None
    return made


def _unreadable(files: Files, file: WatchedFileRow) -> str | None:
    """Why a file cannot be read yet."""
    entry = files.entry(file.path)
    if entry is None or entry.mark != file.fingerprint:
        return None  # the import says so
    try:
        with files.opened(entry, 1, parts=True) as opened:
            opened.read(1)
    except SourceUnavailable:
        raise
    except (SourceError, OSError) as error:
        return str(error) if isinstance(error, SourceError) else f"may not be read: {file.path}"
    return None


def _import_of(imports: Imports, row: WatchRow, file: WatchedFileRow, spelling: str) -> ImportRow:
    gathers = row.target_table is not None
    owner = f"watch:{row.id}" if gathers else f"file:{spelling}"
    table = row.target_table or table_name(file.path)
    if not gathers and imports.name_taken(row.target_schema, table, owner):
        table = distinct_name(table, spelling)
    return imports.add(
        ImportRow(
            app=row.app,
            path=file.path,
            fingerprint=file.fingerprint,
            watch_id=row.id,
            target_format=TargetFormat.POSTGRES,
            target_schema=row.target_schema,
            target_table=table,
            mode=LoadMode.APPEND if gathers else LoadMode.REPLACE,
            owner=owner,
            options=row.options,
            requested_by=f"watch {row.name}",
            notification_email=row.notification_email,
        )
    )
