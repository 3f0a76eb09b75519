"""The lease of a run record: which worker may do its work, and until when. Source: SAFETY design, section 2.

All times are the database's: workers' clocks may differ. The caller owns the transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import AT_WORK, WAITING, RunState, after_death

LEASE = timedelta(seconds=30)
PAUSES_BETWEEN_WORKERS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4))
DIED = "The run's worker died before it could finish, {workers} times in a row; what it had committed stays"
GAVE_UP = "The run could not go on, {workers} times in a row; the last time: {reason}"
NEVER_BEGAN = "The Dagster run ended before its work began; its log in Dagster says why"
LATE = "The run took longer than its limit of {seconds} s; what it had committed stays"


@dataclass(frozen=True)
class Held:
    """The right to do a run's work: the how-manieth worker this is, and how many seconds are left, if limited."""

    run_id: str
    epoch: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class Buried:
    """A run whose worker of that epoch is gone, and what became of it."""

    run_id: str
    epoch: int
    state: RunState


@dataclass(frozen=True)
class Orders:
    """What was asked of the run."""

    cancel: bool
    pause: bool


class Leases:
    """Taking, renewing and ending leases; every move is a compare-and-set."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, run_id: str, dagster_run_id: str) -> Held | None:
        """A Dagster run's first act: the right to work, or None when the record is ended or another run's."""
        moved = self._session.execute(
            update(RunRow)
            .where(
                RunRow.id == run_id,
                RunRow.state.in_(WAITING),
                (RunRow.dagster_run_id.is_(None)) | (RunRow.dagster_run_id == dagster_run_id),
            )
            .values(
                state=RunState.RUNNING,
                epoch=RunRow.epoch + 1,
                dagster_run_id=dagster_run_id,
                started_at=func.coalesce(RunRow.started_at, func.now()),
                lease_until=_after(LEASE),
                launch_error=None,
                failed_launches=0,
            )
            .returning(RunRow.id)
        )
        return self._held(run_id) if moved.first() else None

    def join(self, run_id: str, dagster_run_id: str) -> Held | None:
        """The right to work that this Dagster run has taken already: its assets share one record.

        None while the record waits, for whoever continues it has to begin it, and once it has ended.
        """
        query = select(RunRow.id).where(
            RunRow.id == run_id, RunRow.dagster_run_id == dagster_run_id, RunRow.state.in_(AT_WORK)
        )
        return self._held(run_id) if self._session.scalar(query) else None

    def renew(self, held: Held) -> Orders | None:
        """Keep the right to work and hear what is asked of the run; None when another worker has taken over."""
        found = self._session.execute(
            update(RunRow)
            .where(RunRow.id == held.run_id, RunRow.epoch == held.epoch)
            .values(lease_until=_after(LEASE))
            .returning(RunRow.cancel_requested, RunRow.pause_requested)
        ).first()
        return Orders(found.cancel_requested, found.pause_requested) if found else None

    def release(self, held: Held, reason: str | None = None) -> None:
        """Give the right back with work left to do, and say why: another worker continues at once."""
        self._session.execute(
            update(RunRow)
            .where(RunRow.id == held.run_id, RunRow.epoch == held.epoch, RunRow.state.in_(AT_WORK))
            .values(lease_until=func.now(), launch_error=reason)
        )

    def release_of(self, dagster_run_id: str) -> None:
        """The same for a Dagster run that is known to be dead; one that died before it began is launched again."""
        self._session.execute(
            update(RunRow)
            .where(RunRow.dagster_run_id == dagster_run_id, RunRow.state.in_(AT_WORK))
            .values(lease_until=func.now())
        )
        query = select(RunRow).where(RunRow.dagster_run_id == dagster_run_id, RunRow.state.in_(WAITING))
        for row in self._session.scalars(query.with_for_update()):
            row.dagster_run_id, row.state = None, RunState.QUEUED
            Outbox(self._session).postpone(row.id, NEVER_BEGAN, free_tries=2)

    def reap(self, limit: int = 100) -> Sequence[Buried]:
        """Decide for every run whose lease has ended."""
        query = (
            select(RunRow)
            .where(RunRow.state.in_(AT_WORK), RunRow.lease_until <= func.now())
            .order_by(RunRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        moment = self._session.scalar(select(func.now()))
        assert moment is not None  # noqa: S101 - a database always knows the time
        return [self._bury(row, moment) for row in self._session.scalars(query).all()]

    def _bury(self, row: RunRow, moment: datetime) -> Buried:
        overdue = _seconds_left(row, moment)
        state = after_death(row.state, row.deaths + 1, overdue is not None and overdue <= 0)
        runs = Runs(self._session)
        if state is RunState.QUEUED:
            row.launch_at = moment + PAUSES_BETWEEN_WORKERS[min(row.deaths, len(PAUSES_BETWEEN_WORKERS) - 1)]
            row.deaths += 1
            row.dagster_run_id, row.lease_until, row.state = None, None, state
        elif state is RunState.PAUSED:
            runs.pause(row.id, row.epoch)
        elif state is RunState.FAILED:
            reason = GAVE_UP if row.launch_error else DIED
            told = reason.format(workers=row.deaths + 1, reason=row.launch_error)
            runs.finish(row.id, state, error=told, code="WORKER_DIED")
        elif state is RunState.TIMED_OUT:
            runs.finish(row.id, state, error=LATE.format(seconds=row.timeout_seconds), code="RUN_TIMED_OUT")
        else:
            runs.finish(row.id, state, error="The run was cancelled", code="RUN_STOPPED")
        return Buried(row.id, row.epoch, state)

    def _held(self, run_id: str) -> Held:
        row, moment = self._session.execute(
            select(RunRow, func.now()).where(RunRow.id == run_id).execution_options(populate_existing=True)
        ).one()
        return Held(run_id, row.epoch, _seconds_left(row, moment))


def _seconds_left(row: RunRow, moment: datetime) -> float | None:
    if row.timeout_seconds is None or row.started_at is None:
        return None
    return row.timeout_seconds - (moment - row.started_at).total_seconds()


def _after(span: timedelta) -> ColumnElement[datetime]:
    return func.now() + cast(span, Interval)
