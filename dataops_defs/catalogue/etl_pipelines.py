"""ETL pipelines in the catalogue: what they are, where they stand, whose run it is. The caller owns the transaction.

Whoever asks something of a pipeline locks its row first, then its run: askers come one after the other, and a worker
moves the run by compare-and-set. Source: document 003, "Pipeline States"; DECISIONS 3 and 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions, as_uuid
from dataops_defs.catalogue.models import EtlPipelineRow, RunRow, RunStepRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.triggers import triggers_of
from dataops_defs.domain.etl import MOVES, STATE_OF_RUN, EtlConfig, EtlEvent, EtlMode, EtlState, Refused
from dataops_defs.domain.run import FULL, RunKind, RunState
from dataops_defs.errors import Conflict, Duplicate, NotFound

CONFIGURATION = "pipeline"


@dataclass(frozen=True)
class EtlRun:
    """A run of a pipeline, and the step of it that is this pipeline's: a run of assets has others beside it."""

    run: RunRow
    step: RunStepRow | None

    @property
    def state(self) -> RunState:
        """Where this pipeline's part of the run stands."""
        of_others = self.run.kind is not RunKind.ETL
        if of_others and self.step is not None and self.step.finished_at is not None:
            return self.step.state
        return self.run.state

    @property
    def has_begun(self) -> bool:
        """Whether a worker has come to it; one that ended without counts as well."""
        return self.run.started_at is not None or self.run.finished_at is not None


def pipelines_reading(session: Session, source_id: str) -> Sequence[EtlPipelineRow]:
    """The ETL pipelines that read a source."""
    query = select(EtlPipelineRow).where(EtlPipelineRow.source_id == source_id).limit(MOST_NAMED)
    return session.scalars(query).all()


class EtlPipelines(Definitions[EtlPipelineRow]):
    """All reads and writes of ETL pipelines."""

    row = EtlPipelineRow
    noun = "pipeline"

    def get(self, id: str, *, lock: bool = False) -> EtlPipelineRow:
        """The pipeline of that id or name.

        Raises:
            NotFound: there is none.
        """
        found = self.find(id, lock=lock)
        if found is None:
            raise NotFound("Pipeline not found")
        return found

    def find(self, id: str, *, lock: bool = False) -> EtlPipelineRow | None:
        """The pipeline of that id, else of that name, or None."""
        key = as_uuid(id)
        query = select(EtlPipelineRow).where(EtlPipelineRow.id == key if key else EtlPipelineRow.name == id)
        return self.session.scalar(query.with_for_update() if lock else query)

    def dependants(self, row: EtlPipelineRow) -> Sequence[Named]:
        """Triggers that run it."""
        return triggers_of(self.session, row)

    def states(self, rows: Sequence[EtlPipelineRow]) -> dict[str, EtlState]:
        """Where pipelines stand, by their id; one query for all."""
        query = (
            select(EtlPipelineRow.id, RunRow, RunStepRow)
            .join(RunRow, RunRow.id == EtlPipelineRow.run_id)
            .outerjoin(RunStepRow, and_(RunStepRow.run_id == RunRow.id, RunStepRow.subject_id == EtlPipelineRow.id))
            .where(EtlPipelineRow.id.in_([each.id for each in rows]))
        )
        found = {id: STATE_OF_RUN[EtlRun(run, step).state] for id, run, step in self.session.execute(query)}
        return {each.id: found.get(each.id, EtlState.IDLE) for each in rows}

    def state(self, row: EtlPipelineRow) -> EtlState:
        """Where one pipeline stands."""
        return self.states([row])[row.id]

    def ask(self, row: EtlPipelineRow, event: EtlEvent) -> tuple[EtlState, EtlState]:
        """Where a pipeline stands, and where it comes to by what is asked; its run cannot move meanwhile.

        Raises:
            Conflict: its state forbids it.
        """
        if row.run_id is not None:
            self.session.get(RunRow, row.run_id, with_for_update=True, populate_existing=True)
        now = self.state(row)
        then = MOVES[now][event]
        if isinstance(then, Refused):
            raise Conflict(f"{then}: '{row.name}' is {now}")
        return now, then

    def pause(self, row: EtlPipelineRow) -> EtlState:
        """Stop between two batches; nothing happens to a pipeline that does not run."""
        now, then = self.ask(row, EtlEvent.PAUSE)
        if now is not then and row.run_id is not None:
            RunControl(self.session).pause(row.run_id)
        return then

    def resume(self, row: EtlPipelineRow) -> tuple[EtlState, bool]:
        """Let a paused pipeline go on, or take a pause back; where it stands then, and whether a new run is needed."""
        now, then = self.ask(row, EtlEvent.RUN)
        if now in (EtlState.PAUSED, EtlState.PAUSE_REQUESTED) and row.run_id is not None:
            RunControl(self.session).resume(row.run_id)
        return then, now in (EtlState.IDLE, EtlState.FAILED)

    def remove(self, row: EtlPipelineRow) -> None:
        """Delete a pipeline; the run of a paused one is cancelled.

        Raises:
            Conflict: it runs.
        """
        now, _ = self.ask(row, EtlEvent.DELETE)
        if now is EtlState.PAUSED and row.run_id is not None:
            RunControl(self.session).cancel(row.run_id)
        super().remove(row)

    def claim(self, id: str, run_id: str) -> EtlConfig:
        """A worker's first act: the pipeline is this run's, and what the run works by from now on.

        Raises:
            Conflict: another run is at work on it, or holds it paused.
        """
        row = self.get(id, lock=True)
        if row.run_id != run_id:
            self._refuse_second(row)
            row.run_id = run_id
        run = self.session.get_one(RunRow, run_id, with_for_update=True)
        kept = run.parameters.get(CONFIGURATION, {})
        if row.id not in kept:
            config = config_of(row)
            if run.kind is RunKind.ETL and run.parameters.get(FULL):
                config = replace(config, mode=EtlMode.FULL)
            kept = {**kept, row.id: config.as_json()}
            run.parameters = {**run.parameters, CONFIGURATION: kept}
        return EtlConfig.from_json(kept[row.id])

    def runs(self, row: EtlPipelineRow, limit: int) -> list[EtlRun]:
        """Its runs that have begun, or ended without, newest first; one that is only asked for is none yet."""
        mine = or_(RunRow.subject_id == row.id, RunStepRow.subject_id == row.id)
        seen = or_(RunRow.started_at.is_not(None), RunRow.finished_at.is_not(None))
        query = self._runs_of(row).where(mine, seen).order_by(RunRow.id.desc()).limit(limit)
        return [EtlRun(run, step) for run, step in self.session.execute(query)]

    def newest_run(self, row: EtlPipelineRow) -> EtlRun | None:
        """The run that says where the pipeline stands."""
        found = self.session.execute(self._runs_of(row).where(RunRow.id == row.run_id)).first()
        return EtlRun(*found) if found else None

    @staticmethod
    def _runs_of(row: EtlPipelineRow) -> Select[RunRow, RunStepRow]:
        step = and_(RunStepRow.run_id == RunRow.id, RunStepRow.subject_id == row.id)
        return select(RunRow, RunStepRow).outerjoin(RunStepRow, step)

    def _refuse_second(self, row: EtlPipelineRow) -> None:
        state = self.state(row)
        if state not in (EtlState.IDLE, EtlState.FAILED):
            raise Conflict(f"'{row.name}' is {state} already, as execution {row.run_id}")

    def _twin(self, name: str, twin: EtlPipelineRow) -> Duplicate:
        if twin.name == name:
            return Duplicate(f"Duplicate pipeline name: Pipeline with this name already exists: '{name}'")
        return Duplicate(f"Duplicate pipeline name: '{name}' makes the same identifier as '{twin.name}': {twin.slug}")


def config_of(row: EtlPipelineRow) -> EtlConfig:
    """What a run that begins now works by."""
    return EtlConfig(
        name=row.name,
        mode=row.mode,
        target_table=row.target_table,
        batch_size=row.batch_size,
        source_query=row.source_query,
        source_id=row.source_id,
        cursor_column=row.cursor_column,
        key_columns=tuple(row.key_columns),
        lag_seconds=row.lag_seconds,
    )
