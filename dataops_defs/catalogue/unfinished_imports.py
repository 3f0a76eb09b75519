"""What becomes of imports whose run has ended without them. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.import_rows import OPEN, ImportRow
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.watch_rows import WatchedFileRow
from dataops_defs.domain.importing import FileState, ImportState
from dataops_defs.domain.run import RunState

CANCELLED = "Its run was cancelled before it began"
OUTDATED = "Its file changed or went before it was imported"
_RUN_ENDED = and_(ImportRow.run_id == RunRow.id, RunRow.finished_at.is_not(None))


def settle(session: Session) -> Sequence[ImportRow]:
    """Note as failed what is under way by its row and whose run has ended without it; returns those.

    What a watch had asked for and its run did not come to waits for the next run, unless somebody has cancelled it.
    """
    session.execute(
        update(ImportRow)
        .where(
            ImportRow.state == ImportState.PENDING,
            ImportRow.watch_id.is_not(None),
            _RUN_ENDED,
            RunRow.state != RunState.CANCELLED,
        )
        .values(run_id=None)
        .execution_options(synchronize_session=False)
    )
    left_behind = and_(ImportRow.state.in_(OPEN), _RUN_ENDED)
    of_nobody = and_(
        ImportRow.state == ImportState.PENDING,
        ImportRow.watch_id.is_not(None),
        ImportRow.run_id.is_(None),
        ~exists().where(WatchedFileRow.import_id == ImportRow.id),
    )
    ids = _fail(session, left_behind, error=func.coalesce(RunRow.error, CANCELLED), finished_at=RunRow.finished_at)
    ids += _fail(session, of_nobody, error=OUTDATED, finished_at=func.now())
    session.expire_all()
    return session.scalars(select(ImportRow).where(ImportRow.id.in_(ids)).order_by(ImportRow.id)).all() if ids else []


def _fail(session: Session, lost: ColumnElement[bool], **values: Any) -> list[str]:
    statement = (
        update(ImportRow)
        .where(lost)
        .values(state=ImportState.FAILED, **values)
        .returning(ImportRow.id, ImportRow.error)
        .execution_options(synchronize_session=False)
    )
    failed = session.execute(statement).all()
    for id, error in failed:
        session.execute(
            update(WatchedFileRow)
            .where(WatchedFileRow.import_id == id)
            .values(status=FileState.FAILED, error=error, updated_at=now())
        )
    return [id for id, _ in failed]
