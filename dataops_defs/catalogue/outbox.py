"""The outbox: requests that are rows and not yet Dagster runs. Source: ARCHITECTURE, "One currency, one ledger".

A row is claimed before it is launched, so that two launchers seldom take the same one; should it happen, the runs'
first act (`Leases.begin`) lets one of them work. The caller owns the transaction.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import MAX_ERROR, Runs
from dataops_defs.domain.run import BY_SENSOR, RunKind, RunState
from dataops_defs.errors import QueueFull

CLAIM = timedelta(seconds=20)
LONGEST_PAUSE_SECONDS = 30
# With the pauses between them: three quarters of an hour and more.
MOST_LAUNCHES = 100


class Outbox:
    """Claims requests that are to be launched, and notes what came of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def refuse_when_full(self, most: int) -> None:
        """Take on no more work when ``most`` requests wait.

        Raises:
            QueueFull: as many as that wait.
        """
        waiting = self._session.scalar(
            select(func.count())
            .select_from(RunRow)
            .where(RunRow.state == RunState.QUEUED, RunRow.finished_at.is_(None))
        )
        if (waiting or 0) >= most:
            raise QueueFull(f"{waiting} requests wait already; send it again when some are done")

    def room(self, most: int, *, found: bool = False) -> int:
        """How many more requests Dagster's queue may take, when it shall hold ``most`` of ours.

        Args:
            found: for what a sensor has found, which takes no room from what is asked for.
        """
        handed_over = (
            select(func.count())
            .select_from(RunRow)
            .where(RunRow.state == RunState.QUEUED, RunRow.finished_at.is_(None), RunRow.dagster_run_id.is_not(None))
        )
        if not found:
            handed_over = handed_over.where(RunRow.trigger != BY_SENSOR)
        return max(0, most - (self._session.scalar(handed_over) or 0))

    def claim(self, limit: int, of_assets: bool | None = None, *, found: bool | None = None) -> Sequence[RunRow]:
        """Requests that are due, oldest first; nobody else launches them for the next 20 seconds.

        Args:
            found: only those that a sensor has found, or none of these; None for both.

        What could not be launched, a hundred times in a row, ends as failed. How long ago it was asked for does not
        count: it may have been paused, at work, or waiting for room meanwhile.
        """
        due = (
            select(RunRow)
            .where(RunRow.state == RunState.QUEUED, RunRow.dagster_run_id.is_(None), RunRow.launch_at <= func.now())
            .order_by(RunRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if found is not None:
            due = due.where((RunRow.trigger == BY_SENSOR) == found)
        if of_assets is not None:
            due = due.where(RunRow.kind == RunKind.ASSETS if of_assets else RunRow.kind != RunKind.ASSETS)
        claimed = []
        for row in self._session.scalars(due).all():
            if self._hopeless(row):
                continue
            self.hold(row)
            claimed.append(row)
        self._session.flush()
        return claimed

    def hold(self, row: RunRow) -> None:
        """Claim one request."""
        row.attempts += 1
        row.launch_at = func.now() + cast(CLAIM, Interval)

    def launched(self, id: str, dagster_run_id: str) -> None:
        """Note which Dagster run carries the request, unless the run has noted it itself."""
        self._session.execute(
            update(RunRow)
            .where(RunRow.id == id, RunRow.dagster_run_id.is_(None), RunRow.state == RunState.QUEUED)
            .values(dagster_run_id=dagster_run_id, launch_error=None)
        )

    def postpone(self, id: str, reason: str, *, free_tries: int = 0) -> None:
        """Note why a launch failed; the next try comes after 1, 2, 4, … at most 30 seconds.

        Args:
            free_tries: as many come at once.
        """
        row = self._session.get(RunRow, id, with_for_update=True)
        if row is None or row.state is not RunState.QUEUED or row.dagster_run_id is not None:
            return
        row.launch_error = reason[:MAX_ERROR]
        row.failed_launches += 1
        tries = row.failed_launches - free_tries
        pause = min(2 ** min(tries - 1, 10), LONGEST_PAUSE_SECONDS) if tries > 0 else 0
        row.launch_at = func.now() + cast(timedelta(seconds=pause), Interval)

    def _hopeless(self, row: RunRow) -> bool:
        if row.failed_launches < MOST_LAUNCHES:
            return False
        error = f"The run could not be launched, {row.failed_launches} times: {row.launch_error}"
        Runs(self._session).finish(row.id, RunState.FAILED, error=error, code="UNAVAILABLE")
        return True
