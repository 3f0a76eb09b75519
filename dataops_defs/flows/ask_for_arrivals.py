"""Ask for the imports of what a look into a watched folder has found complete: many files in a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.orm import Session

from dataops_defs.adapters.storage.files import Files
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import FileState, LoadMode, TargetFormat, distinct_name, table_name
from dataops_defs.domain.run import BY_SENSOR, RunKind
from dataops_defs.errors import Conflict, SourceError, SourceUnavailable
from dataops_defs.flows.disk_space import is_full
from dataops_defs.flows.outbox import Launch, launch_of
from dataops_defs.flows.places import MOST_AWAY, identity
from dataops_defs.flows.platform import Platform

AT_ONCE = 300
FILES_A_RUN, BYTES_A_RUN = 100, 64 * 1024**2


@dataclass
class Asking:
    """For the files of one watch, in the caller's transaction; ``files`` is the place that holds them."""

    platform: Platform
    session: Session
    row: WatchRow
    files: Files
    _away: int = 0

    def launches(self) -> Iterator[Launch]:
        """The runs that are asked for: each has its record, with its files, before anybody is told of it."""
        settings = self.platform.settings
        if is_full(settings):
            return
        room = Outbox(self.session).room(settings.max_queued_runs, found=True)
        for share in islice(_shares(Watches(self.session).waiting(self.row.id, AT_ONCE)), room):
            imports = [made for file in share if (made := self._import(file)) is not None]
            if imports:
                yield self._run(imports)

    def _run(self, imports: Sequence[ImportRow]) -> Launch:
        limit = self.platform.settings.max_runtime_seconds
        run = Runs(self.session).request(
            RunKind.ARRIVALS,
            self.row.id,
            self.row.name,
            trigger=BY_SENSOR,
            requested_by=imports[0].requested_by,
            timeout_seconds=limit,
        )
        Outbox(self.session).hold(run)
        for made in imports:
            made.run_id = run.id
        self.session.flush()
        self.session.refresh(run)
        return launch_of(run, limit)

    def _import(self, file: WatchedFileRow) -> ImportRow | None:
        """The import of a file's newest version; None if it cannot be asked for now, which its row says."""
        if self._away == MOST_AWAY:
            return None
        if (reason := self._unreadable(file)) is not None:
            file.error, file.updated_at = reason, now()  # a later look tries again
            return None
        if file.import_id is not None:
            return Imports(self.session).get(file.import_id)
        try:
            made = self._made(file)
        except Conflict as error:
            file.status, file.error = FileState.FAILED, str(error)
            return None
        file.import_id, file.error = made.id, None
        return made

    def _unreadable(self, file: WatchedFileRow) -> str | None:
        """Why a file cannot be read yet."""
        try:
            reason = unreadable(self.files, file)
        except SourceUnavailable as error:
            self._away += 1
            return str(error)
        self._away = 0
        return reason

    def _made(self, file: WatchedFileRow) -> ImportRow:
        imports, row = Imports(self.session), self.row
        spelling = identity(self.platform, self.session, file.path)
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


def unreadable(files: Files, file: WatchedFileRow) -> str | None:
    """Why a file cannot be read yet; that it is not there as it was found is for its import to say.

    Raises:
        SourceUnavailable: its place does not answer, or somebody else has it open.
    """
    entry = files.entry(file.path)
    if entry is None or entry.mark != file.fingerprint:
        return None
    try:
        with files.opened(entry, 1, parts=True) as opened:
            opened.read(1)
    except SourceUnavailable:
        raise
    except (SourceError, OSError) as error:
        return str(error) if isinstance(error, SourceError) else f"may not be read: {file.path}"
    return None


def _shares(waiting: Sequence[WatchedFileRow]) -> Iterator[list[WatchedFileRow]]:
    """The files of one run each: small ones together, for a run costs more than they do."""
    share: list[WatchedFileRow] = []
    size = 0
    for file in waiting:
        if share and (len(share) == FILES_A_RUN or size + file.size_bytes > BYTES_A_RUN):
            yield share
            share, size = [], 0
        share.append(file)
        size += file.size_bytes
    if share:
        yield share
