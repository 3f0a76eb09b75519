"""The run record: a row for each execution, a step for each piece of work in it. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_events import note_end
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import ALLOWED, RunKind, RunState
from dataops_defs.errors import NotFound

MAX_ERROR = 2000
OPEN_STATES = tuple(state for state in RunState if not state.ended)


class Runs:
    """All reads and writes of run records. State moves are compare-and-set, so two writers cannot both win."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(
        self,
        kind: RunKind,
        subject_id: str | None,
        subject_name: str | None,
        *,
        id: str | None = None,
        trigger: str = "rest",
        trigger_id: str | None = None,
        requested_by: str | None = None,
        request_id: str | None = None,
        parameters: dict[str, Any] | None = None,
        timeout_seconds: int | None = None,
    ) -> RunRow:
        """Make the record of an execution that is about to be launched."""
        row = RunRow(
            kind=kind,
            subject_id=subject_id,
            subject_name=subject_name,
            id=id or new_id(),
            trigger=trigger,
            trigger_id=trigger_id,
            requested_by=requested_by,
            request_id=request_id,
            parameters=parameters or {},
            timeout_seconds=timeout_seconds,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def get(self, id: str) -> RunRow:
        """The record of that id; NotFound when there is none."""
        key = as_uuid(id)
        row = self._session.get(RunRow, key) if key else None
        if row is None:
            raise NotFound(f"Execution {id[:80]} not found")
        return row

    def step(
        self,
        run_id: str,
        key: str,
        kind: RunKind,
        subject_id: str,
        subject_name: str,
        *,
        node_id: str | None = None,
        dry_run: bool = False,
    ) -> RunStepRow:
        """The step of that key: a new one, or the one that an earlier worker of the run began."""
        query = select(RunStepRow).where(RunStepRow.run_id == run_id, RunStepRow.key == key)
        found = self._session.scalar(query)
        if found is not None:
            if found.state is not RunState.SUCCEEDED:
                found.state, found.finished_at, found.error = RunState.RUNNING, None, None
            return found
        row = RunStepRow(
            run_id=run_id,
            key=key,
            kind=kind,
            subject_id=subject_id,
            subject_name=subject_name,
            node_id=node_id,
            dry_run=dry_run,
        )
        self._session.add(row)
        self._session.execute(
            update(RunRow).where(RunRow.id == run_id, RunRow.subject_name.is_(None)).values(subject_name=subject_name)
        )
        self._session.flush()
        return row

    def expect_steps(self, run_id: str, steps: int) -> None:
        """Note how many steps the run will have."""
        self._session.execute(update(RunRow).where(RunRow.id == run_id).values(steps_total=steps))

    def progress(
        self,
        step_id: str,
        rows_done: int,
        rows_total: int | None,
        batches_done: int,
        so_far: Ledger | None = None,
    ) -> None:
        """Note how far a step is, and what it has committed by then; that keeps its run alive."""
        committed = {} if so_far is None else {"ledger": so_far.as_json()}
        moved = self._session.execute(
            update(RunStepRow)
            .where(RunStepRow.id == step_id)
            .values(rows_done=rows_done, rows_total=rows_total, batches_done=batches_done, **committed)
            .returning(RunStepRow.run_id)
        ).first()
        if moved and so_far is not None:
            self.got_on(moved.run_id)

    def note_committed(self, run_id: str, subject_id: str, ledger: Ledger) -> None:
        """Set what a worker that died had committed for a definition, in its step and in the run's sums."""
        step = and_(RunStepRow.run_id == run_id, RunStepRow.subject_id == subject_id)
        self._session.execute(update(RunStepRow).where(step).values(ledger=ledger.as_json(), rows_done=ledger.read))
        read, succeeded, rejected = self._sums(run_id)
        sums = {"records_processed": read, "records_succeeded": succeeded, "records_failed": rejected}
        self._session.execute(update(RunRow).where(RunRow.id == run_id).values(**sums))

    def asset_ended(
        self, run_id: str, asset: str, error: tuple[str, str] | None = None, skipped: Sequence[str] = ()
    ) -> tuple[int, tuple[str, str] | None]:
        """Note that an asset of the run is done, or its error's text and code and which others it keeps from running.

        Returns:
            How many assets are accounted for, and the first error of any of them.
        """
        row = self._session.get_one(RunRow, run_id, with_for_update=True)
        done = set(row.result.get("assetsDone", []))
        failed = {**row.result.get("assetsFailed", {})}
        if error is None:
            done.add(asset)
            failed.pop(asset, None)
        else:
            failed[asset] = list(error)
        left_out = (set(row.result.get("assetsSkipped", [])) | set(skipped)) - done - set(failed)
        row.result = {
            **row.result,
            "assetsDone": sorted(done),
            "assetsFailed": failed,
            "assetsSkipped": sorted(left_out),
        }
        first = next(((text, code) for text, code in failed.values()), None)
        return len(done) + len(failed) + len(left_out), first

    def end_step(
        self,
        step_id: str,
        state: RunState,
        ledger: Ledger | None,
        result: dict[str, Any],
        error: str | None = None,
    ) -> None:
        """Close a step with what it counted, unless it is closed already."""
        step = self._session.get_one(RunStepRow, step_id, with_for_update=True)
        if step.finished_at is not None:
            return
        step.state, step.finished_at, step.result = state, now(), result
        step.ledger = ledger.as_json() if ledger else {}
        step.rows_done = ledger.read if ledger else step.rows_done
        step.error = error[:MAX_ERROR] if error else None
        if state is RunState.SUCCEEDED:
            self.got_on(step.run_id)

    def got_on(self, run_id: str) -> None:
        """Note that something was committed: what died before it counts no longer."""
        self._session.execute(update(RunRow).where(RunRow.id == run_id, RunRow.deaths > 0).values(deaths=0))

    def finish(
        self, id: str, state: RunState, *, error: str | None = None, code: str | None = None, epoch: int | None = None
    ) -> RunState | None:
        """End an execution; its counts are the sums over its steps.

        None when it had ended already, or when the worker of that ``epoch`` is no longer the one that counts.
        """
        came_from = [each for each, nexts in ALLOWED.items() if state in nexts]
        read, succeeded, rejected = self._sums(id)
        moved = self._session.execute(
            update(RunRow)
            .where(RunRow.id == id, RunRow.state.in_(came_from), RunRow.epoch == (epoch or RunRow.epoch))
            .values(
                state=state,
                finished_at=now(),
                lease_until=None,
                error=error[:MAX_ERROR] if error else None,
                error_code=code,
                records_processed=read,
                records_succeeded=succeeded,
                records_failed=rejected,
            )
            .returning(RunRow.id)
        )
        if moved.first() is None:
            return None
        if state is not RunState.SUCCEEDED:
            self._close_steps(id, state, error)
        note_end(self._session, id)
        return state

    def pause(self, id: str, epoch: int) -> bool:
        """Stop a run where that worker is; what it has committed stays, open steps are gone on with later.

        False when nobody wants it to pause any more, or another worker is at it: nothing has changed then.
        """
        moved = self._session.execute(
            update(RunRow)
            .where(
                RunRow.id == id,
                RunRow.epoch == epoch,
                RunRow.pause_requested,
                RunRow.state.in_((RunState.RUNNING, RunState.PAUSING)),
            )
            .values(state=RunState.PAUSED, lease_until=None, dagster_run_id=None)
            .returning(RunRow.id)
        )
        return moved.first() is not None

    def steps(self, run_id: str) -> Sequence[RunStepRow]:
        """Steps in the order they began."""
        query = select(RunStepRow).where(RunStepRow.run_id == run_id).order_by(RunStepRow.id).limit(1000)
        return self._session.scalars(query).all()

    def history(self, subject_id: str, *, limit: int, offset: int = 0) -> Sequence[RunStepRow]:
        """The steps done for a dataset or mapping, whatever run they were part of, newest first."""
        query = (
            select(RunStepRow)
            .where(RunStepRow.subject_id == subject_id)
            .order_by(RunStepRow.id.desc())
            .limit(limit)
            .offset(offset)
        )
        return self._session.scalars(query).all()

    def count_history(self, subject_id: str) -> int:
        """Number of steps done for a dataset or mapping."""
        query = select(func.count()).select_from(RunStepRow).where(RunStepRow.subject_id == subject_id)
        return self._session.scalar(query) or 0

    def by_dagster_run(self, dagster_run_id: str) -> RunRow | None:
        """The record that a Dagster run belongs to."""
        return self._session.scalar(select(RunRow).where(RunRow.dagster_run_id == dagster_run_id).limit(1))

    def by_ids(self, ids: Sequence[str]) -> dict[str, RunRow]:
        """The records of those ids, as far as they exist."""
        keys = [key for key in map(as_uuid, ids) if key]
        return {row.id: row for row in self._session.scalars(select(RunRow).where(RunRow.id.in_(keys)))}

    def carried(self, limit: int = 500) -> Sequence[RunRow]:
        """Executions that have not ended and that a Dagster run carries: food for the reconciler."""
        query = (
            select(RunRow)
            .where(RunRow.state.in_(OPEN_STATES), RunRow.dagster_run_id.is_not(None))
            .order_by(RunRow.id)
            .limit(limit)
        )
        return self._session.scalars(query).all()

    def _close_steps(self, run_id: str, state: RunState, error: str | None) -> None:
        """End the steps that a dead worker left open."""
        self._session.execute(
            update(RunStepRow)
            .where(RunStepRow.run_id == run_id, RunStepRow.finished_at.is_(None))
            .values(state=state, finished_at=now(), error=error[:MAX_ERROR] if error else None)
        )

    def _sums(self, run_id: str) -> tuple[int, int, int]:
        def total(*names: str) -> Any:
            return sum(func.coalesce(RunStepRow.ledger[name].as_integer(), 0) for name in names)

        query = select(
            func.coalesce(func.sum(total("read")), 0),
            func.coalesce(func.sum(total("inserted", "updated", "unchanged", "filtered")), 0),
            func.coalesce(func.sum(total("rejected")), 0),
        ).where(RunStepRow.run_id == run_id)
        read, succeeded, rejected = self._session.execute(query).one()
        return int(read), int(succeeded), int(rejected)
