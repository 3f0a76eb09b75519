"""What becomes of imports whose run has ended without them. The caller owns the transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.catalogue.watch_rows import WatchedFileRow
from dataops_defs.domain.importing import FileState, ImportState
from dataops_defs.domain.run import RunState

CANCELLED = "Its run was cancelled before it began"
OUTDATED = "Its file changed or went before it was imported"
_FAILED = {"state": ImportState.FAILED}
_COUNTS = {
    "rows_imported": RunStepRow.ledger["inserted"].as_integer() + RunStepRow.ledger["unchanged"].as_integer(),
    "rows_rejected": RunStepRow.ledger["rejected"].as_integer(),
}


def settle(session: Session) -> None:
    """Note what became of imports that are under way by their row and whose run has ended without it.

    What was committed is completed. What a watch had asked for and its run did not come to waits for the next run,
    unless somebody has cancelled it. The rest has failed.
    """
    ended = and_(ImportRow.run_id == RunRow.id, RunRow.finished_at.is_not(None))
    not_begun = and_(
        ImportRow.finished_at.is_(None), ImportRow.state == ImportState.PENDING, ImportRow.watch_id.is_not(None)
    )
    written = and_(
        ended,
        RunStepRow.run_id == RunRow.id,
        RunStepRow.subject_id == ImportRow.id,
        RunStepRow.ledger["read"].is_not(None),
    )
    of_nobody = and_(not_begun, ImportRow.run_id.is_(None), ~exists().where(WatchedFileRow.import_id == ImportRow.id))
    completed = {"state": ImportState.COMPLETED, "finished_at": RunRow.finished_at, **_COUNTS}
    _end(session, written, FileState.IMPORTED, completed)
    session.execute(
        update(ImportRow)
        .where(not_begun, ended, RunRow.state != RunState.CANCELLED)
        .values(run_id=None)
        .execution_options(synchronize_session=False)
    )
    why = func.coalesce(RunRow.error, CANCELLED)
    _end(session, ended, FileState.FAILED, {**_FAILED, "error": why, "finished_at": RunRow.finished_at})
    _end(session, of_nobody, FileState.FAILED, {**_FAILED, "error": OUTDATED, "finished_at": func.now()})
    session.expire_all()


def _end(session: Session, found: ColumnElement[bool], state: FileState, values: Mapping[str, Any]) -> None:
    statement = (
        update(ImportRow)
        .where(ImportRow.finished_at.is_(None), found)
        .values(values)
        .returning(ImportRow.id, ImportRow.error)
        .execution_options(synchronize_session=False)
    )
    for id, error in session.execute(statement).all():
        session.execute(
            update(WatchedFileRow)
            .where(WatchedFileRow.import_id == id)
            .values(status=state, error=error, updated_at=now())
        )
