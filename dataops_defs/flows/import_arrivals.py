"""Import what a look into a watched folder has asked of a run: file after file, each complete or not at all."""

from collections.abc import Sequence

import structlog

from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import FileState, ImportState
from dataops_defs.errors import Conflict, DataOpsError, FilesFailed, InsufficientStorage, RunStopped, SourceUnavailable
from dataops_defs.flows.failures import named
from dataops_defs.flows.import_file import Outdated, end_import, load_file
from dataops_defs.flows.import_mail import tell
from dataops_defs.flows.places import MOST_AWAY
from dataops_defs.flows.work import UNFINISHED, Work, sentence

LOG = structlog.get_logger()
# These say nothing against a file: its watch asks for it again.
LATER = (SourceUnavailable, InsufficientStorage, Outdated)


def import_arrivals(work: Work, watch_id: str) -> None:
    """Load the files that this run is asked for; one that fails fails by itself.

    Source: document 000, "Watch Folder".

    Raises:
        FilesFailed: some were not imported; their rows say why.
        SourceUnavailable, InsufficientStorage: the files that are left wait for their watch, which asks again.
    """
    with work.platform.catalogue() as session:
        Watches(session).get(watch_id)
    rows = _of_run(work)
    if not rows:
        raise Conflict("No file waits for this run: a watch's sensor asks for the files that are new or have changed")
    work.expect_steps(len(rows))
    try:
        away = _import_all(work, rows)
    except (InsufficientStorage, RunStopped):
        tell(work.platform, _of_run(work))
        raise
    done = _of_run(work)
    tell(work.platform, done)
    _tell_failures(done)
    if away is not None:
        raise away


def _import_all(work: Work, rows: Sequence[ImportRow]) -> SourceUnavailable | None:
    """Import one after the other; returns why the last of those waits whose place did not answer."""
    in_a_row, last = 0, None
    for row in rows:
        if row.state.ended:
            continue
        work.lease.look()
        work.lease.check()  # a file that is not begun is none of what ends the run
        reason = _import_one(work, row)
        if isinstance(reason, InsufficientStorage):
            raise reason
        in_a_row, last = (in_a_row + 1, reason) if isinstance(reason, SourceUnavailable) else (0, last)
        if in_a_row == MOST_AWAY:
            break
    return last


def _import_one(work: Work, row: ImportRow) -> DataOpsError | None:
    """Import a file; returns why it has to wait."""
    try:
        load_file(work, row.id)
    except UNFINISHED:
        raise
    except LATER as error:
        with work.platform.catalogue() as session:
            if Imports(session).put_off(row.id, work.run_id):
                Watches(session).imported(row.id, FileState.PENDING, sentence(error))
        work.say(f"{row.path} waits: {sentence(error)}")
        return error
    except Exception as error:
        end_import(work, row.id, ImportState.FAILED, {}, sentence(error))
        if isinstance(error, RunStopped):
            raise
        if not isinstance(error, DataOpsError):
            LOG.error("an import failed", run_id=work.run_id, path=row.path, exc_info=error)
        work.say(f"{row.path} was not imported: {sentence(error)}")
    return None


def _of_run(work: Work) -> Sequence[ImportRow]:
    with work.platform.catalogue() as session:
        return Imports(session).of_run(work.run_id)


def _tell_failures(rows: Sequence[ImportRow]) -> None:
    failed = [row for row in rows if row.state is ImportState.FAILED]
    if not failed:
        return
    told = named([(row.path, (row.error or "").removeprefix(f"{row.path}: ")) for row in failed])
    raise FilesFailed(f"{len(failed)} of {len(rows)} files were not imported: {told}")
