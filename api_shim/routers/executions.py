"""Executions: document 004, table ``captify-core-pipeline-execution``."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.auth import Caller
from api_shim.dependencies import PROTECTED, ActorDep, CallerDep, ReadingDep, ShimDep
from api_shim.grants import check_use
from api_shim.paging import LISTED, SortedPage, count
from api_shim.schemas.base import MomentIn, refusals
from api_shim.schemas.executions import ExecutionOut
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.grants import Reads
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.run_lists import Filter, RunLists
from dataops_defs.catalogue.run_nodes import RunNodes
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind, RunState
from dataops_defs.errors import DependencyUnavailable, Forbidden
from dataops_defs.flows.rehearsal import discard_copies

router = APIRouter(prefix="/api/v1/dataops/executions", tags=["dataops: executions"], dependencies=PROTECTED)
LOG = structlog.get_logger()
Order = Callable[[RunControl, str], RunRow]
Who = tuple[Actor, Caller]


class ExecutionPage(SortedPage):
    """Filters of the list."""

    status: Literal["running", "paused", "completed", "failed", "cancelled"] | None = None
    state: RunState | None = Field(default=None, description="The exact word, where status is too wide")
    kind: RunKind | None = None
    subject_id: str | None = Field(default=None, max_length=80, description="The dataset, mapping, pipeline, … itself")
    app: str | None = Field(default=None, max_length=80, description="App of what the execution works at")
    since: MomentIn | None = Field(default=None, description="Those asked for at that moment or later")
    dry_run: bool | None = Field(default=None, description="Dry runs only, or none of them")

    def filter(self) -> Filter:
        """The filters in the catalogue's words."""
        states = {each for each, word in DATAOPS_WORDS.items() if self.status in (None, word)}
        states &= set(RunState) if self.state is None else {self.state}
        narrowed = self.status is not None or self.state is not None
        return Filter(
            subject_id=self.subject_id,
            kind=self.kind,
            states=frozenset(states) if narrowed else None,
            app=self.app,
            since=self.since,
            dry_run=self.dry_run,
        )


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_executions(
    page: Annotated[ExecutionPage, Query()], session: ReadingDep, response: Response
) -> list[ExecutionOut]:
    """All executions with their progress, newest first."""
    sort: str = page.arguments()["sort"]
    found, total = RunLists(session).page(page.filter(), limit=page.limit, offset=page.offset, sort=sort)
    count(response, total)
    return [ExecutionOut.listed(each) for each in found]


@router.get("/{execution_id}", responses=refusals(404), response_model_exclude_none=True)
def get_execution(execution_id: str, session: ReadingDep, caller: CallerDep) -> ExecutionOut:
    """One execution with its progress, its steps and, of a pipeline, its nodes."""
    return _shown(session, caller, execution_id)


@router.post("/{execution_id}/cancel", responses=refusals(404, 409), response_model_exclude_none=True)
async def cancel_execution(execution_id: str, shim: ShimDep, actor: ActorDep, caller: CallerDep) -> ExecutionOut:
    """Stop an execution: at once while it waits, between two batches while it works. Nothing half-done is published."""
    return await _order(shim, (actor, caller), execution_id, "cancel", RunControl.cancel)


@router.post("/{execution_id}/pause", responses=refusals(404, 409), response_model_exclude_none=True)
async def pause_execution(execution_id: str, shim: ShimDep, actor: ActorDep, caller: CallerDep) -> ExecutionOut:
    """Hold an execution: before it begins, or between two batches. Steps that are finished stay finished."""
    return await _order(shim, (actor, caller), execution_id, "pause", RunControl.pause)


@router.post("/{execution_id}/resume", responses=refusals(404, 409), response_model_exclude_none=True)
async def resume_execution(execution_id: str, shim: ShimDep, actor: ActorDep, caller: CallerDep) -> ExecutionOut:
    """Let a paused execution go on from what it has finished."""
    return await _order(shim, (actor, caller), execution_id, "resume", RunControl.resume)


async def _order(shim: Shim, who: Who, execution_id: str, name: str, give: Order) -> ExecutionOut:
    execution, idle = await run_in_threadpool(_give, shim, who, execution_id, name, give)
    if idle is not None:
        try:
            await shim.launcher.terminate(idle)
        except DependencyUnavailable as error:
            # By its record, a run that starts late does nothing.
            LOG.warning("a run stays in Dagster's queue", run_id=execution.id, reason=str(error))
    return execution


def _give(shim: Shim, who: Who, execution_id: str, name: str, give: Order) -> tuple[ExecutionOut, str | None]:
    """The execution after the order, and its Dagster run when that has nothing to do any more.

    That of a paused one is left alone: should it still begin, it finds the pause; and resumed, the record may have
    become its again.
    """
    actor, caller = who
    with shim.platform.catalogue() as session:
        carrier = Runs(session).get(execution_id).dagster_run_id
        row = give(RunControl(session), execution_id)
        audit(session, actor, f"execution.{name}", row.id, detail={"name": row.subject_name})
        session.flush()
        if row.state is RunState.CANCELLED:  # no worker ends it
            discard_copies(shim.platform, session, row.id)
        return _shown(session, caller, row.id), carrier if row.state is RunState.CANCELLED else None


def _shown(session: Session, caller: Caller, execution_id: str) -> ExecutionOut:
    found = RunLists(session).get(execution_id)
    nodes = RunNodes(session).of([found.run]).get(found.run.id)
    steps = Runs(session).steps(found.run.id)
    made = ExecutionOut.listed(found, steps, nodes)
    if made.dry_run and not _may_see_rows(session, caller, steps):
        for step in made.steps or []:
            step.rejects = None
    return made


def _may_see_rows(session: Session, caller: Caller, steps: Sequence[RunStepRow]) -> bool:
    of = {kind: [step.subject_id for step in steps if step.kind is kind] for kind in (RunKind.EXTRACT, RunKind.SYNC)}
    try:
        check_use(session, caller, *Reads(session).rows(of[RunKind.EXTRACT], of[RunKind.SYNC]))
    except Forbidden:
        return False
    return True
