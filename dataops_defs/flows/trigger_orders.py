"""What a trigger, or a person, asks of a pipeline: whether it may run now, and the execution that is then requested.

The caller owns the transaction: an occasion that is taken, and the run that is made for it, commit together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.models import EtlPipelineRow, RunRow
from dataops_defs.catalogue.pipeline_registry import Pipeline
from dataops_defs.catalogue.run_notices import RunNotices
from dataops_defs.catalogue.trigger_history import executed_at, history_of
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.domain.etl import EtlEvent, EtlState
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.trigger import Filled, Occasion, TriggerType, fill
from dataops_defs.errors import Conflict

RUN_PREFIX = "run_"


class Busy(Conflict):
    """The pipeline is at work already, or holds a run paused."""


@dataclass(frozen=True)
class RunOrder:
    """An execution to be requested, with its id and what its record says."""

    run_id: str
    pipeline: Pipeline
    type: TriggerType
    filled: Filled
    trigger: TriggerRow | None = None

    @property
    def kind(self) -> RunKind:
        """What it does."""
        return self.pipeline.kind

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of its record."""
        name = {"triggerName": self.trigger.name} if self.trigger else {}
        return {**self.filled.as_run_parameters(), **name}

    def noted(self, session: Session, run: RunRow) -> None:
        """To be called with the record: an ETL pipeline is that run's, and who wants mail is written down."""
        if isinstance(self.pipeline.row, EtlPipelineRow):
            self.pipeline.row.run_id = run.id
        if self.filled.email is not None:
            RunNotices(session).ask(run.id, self.filled.email)


def public_run_id(id: str) -> str:
    """A run's id as document 000 prints it."""
    return f"{RUN_PREFIX}{id.replace('-', '')}"


def order_of(
    session: Session,
    pipeline: Pipeline,
    kind: TriggerType,
    given: Mapping[str, Any],
    *,
    trigger: TriggerRow | None = None,
    moment: datetime,
    previous: datetime | None = None,
    file_path: str | None = None,
    payload: Any = None,
) -> RunOrder:
    """The execution of a pipeline with those parameters, filled in.

    Args:
        moment: the tick of a cron trigger, else now.
        previous: the tick before; that of the trigger's last run where it is None.
    Raises:
        Busy: an ETL pipeline runs already, or is paused within a run.
        Invalid: a parameter cannot be filled in.
    """
    _refuse_second(session, pipeline)
    run_id = new_id()
    occasion = Occasion(
        run_id=public_run_id(run_id),
        moment=moment,
        timezone=trigger.timezone if trigger else "UTC",
        previous=previous or _last_run(session, trigger),
        trigger_name=trigger.name if trigger else None,
        pipeline_name=pipeline.row.name,
        file_path=file_path,
        payload=payload,
    )
    return RunOrder(run_id, pipeline, kind, fill(given, kind, occasion), trigger)


def _refuse_second(session: Session, pipeline: Pipeline) -> None:
    """Of an ETL pipeline there is one run at a time; whoever asks locks its row first."""
    if not isinstance(pipeline.row, EtlPipelineRow):
        return
    pipelines = EtlPipelines(session)
    session.refresh(pipeline.row, with_for_update=True)
    state, _ = pipelines.ask(pipeline.row, EtlEvent.RUN)
    if state is EtlState.PAUSED:
        raise Busy(f"'{pipeline.row.name}' is paused within execution {pipeline.row.run_id}; let that one go on first")
    if state not in (EtlState.IDLE, EtlState.FAILED):
        raise Busy(f"'{pipeline.row.name}' is {state} already, as execution {pipeline.row.run_id}")


def _last_run(session: Session, trigger: TriggerRow | None) -> datetime | None:
    found = history_of(session, trigger.id, 1) if trigger is not None else []
    return executed_at(found[0]) if found else None
