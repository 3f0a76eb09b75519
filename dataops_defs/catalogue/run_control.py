"""What people ask of a run: cancel, pause, resume. The worker reads the flags between batches.

The caller owns the transaction.
"""

from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import WAITING, RunState
from dataops_defs.errors import Conflict, NotFound


class RunControl:
    """Each call locks the record, moves it by the state machine, and returns it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cancel(self, id: str) -> RunRow:
        """End a run: at once while nobody works at it, else between two batches.

        Raises:
            Conflict: the execution has ended.
        """
        row = self._open(id)
        row.cancel_requested = True
        if row.state in WAITING or row.state is RunState.PAUSED:
            error = "Cancelled while it was paused" if row.state is RunState.PAUSED else "Cancelled before it began"
            self._session.flush()
            Runs(self._session).finish(row.id, RunState.CANCELLED, error=error)
            self._session.refresh(row)
        else:
            row.state = RunState.CANCELLING
        return row

    def pause(self, id: str) -> RunRow:
        """Stop a run between two batches, or hold it back before it begins; ``resume`` lets it go on.

        Raises:
            Conflict: the execution has ended or is being cancelled.
        """
        row = self._open(id)
        if row.state is RunState.CANCELLING:
            raise Conflict(f"Execution {id} is being cancelled")
        if row.state in WAITING:
            row.state, row.dagster_run_id = RunState.PAUSED, None
        elif row.state is RunState.RUNNING:
            row.state = RunState.PAUSING
        row.pause_requested = True
        return row

    def resume(self, id: str) -> RunRow:
        """Let a paused run go on from what it has committed; one that was still to pause goes on as it is.

        Raises:
            Conflict: the execution is neither paused nor pausing.
        """
        row = self._open(id)
        if row.state is RunState.PAUSED:
            row.state, row.launch_at = RunState.QUEUED, now()
        elif row.state is RunState.PAUSING:
            row.state = RunState.RUNNING
        else:
            raise Conflict(f"Execution {id} is not paused ({row.state})")
        row.pause_requested, row.deaths, row.failed_launches = False, 0, 0
        return row

    def _open(self, id: str) -> RunRow:
        key = as_uuid(id)
        row = self._session.get(RunRow, key, with_for_update=True) if key else None
        if row is None:
            raise NotFound(f"Execution {id[:80]} not found")
        if row.state.ended:
            raise Conflict(f"Execution {id} has ended ({row.state})")
        return row
