"""Executions: document 004, table ``captify-core-pipeline-execution``."""

from collections.abc import Callable
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.dependencies import PROTECTED, ActorDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, SortedPage, count
from api_shim.schemas.base import refusals
from api_shim.schemas.executions import ExecutionOut
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.run_lists import Filter, RunLists
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind, RunState
from dataops_defs.errors import DependencyUnavailable

router = APIRouter(prefix="/api/v1/dataops/executions", tags=["dataops: executions"], dependencies=PROTECTED)
LOG = structlog.get_logger()
Order = Callable[[RunControl, str], RunRow]


class ExecutionPage(SortedPage):
    """Filters of the list."""

    status: Literal["running", "paused", "completed", "failed", "cancelled"] | None = None
    state: RunState | None = Field(default=None, description="The exact word, where status is too wide")
    kind: RunKind | None = None
    subject_id: str | None = Field(default=None, max_length=80, description="The dataset, mapping, pipeline, … itself")
    app: str | None = Field(default=None, max_length=80, description="App of what the execution works at")
    since: AwareDatetime | None = Field(default=None, description="Those asked for at that moment or later")

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
def get_execution(execution_id: str, session: ReadingDep) -> ExecutionOut:
    """One execution with its progress and its steps."""
    return _shown(session, execution_id)


@router.post("/{execution_id}/cancel", responses=refusals(404, 409), response_model_exclude_none=True)
async def cancel_execution(execution_id: str, shim: ShimDep, actor: ActorDep) -> ExecutionOut:
    """Stop an execution: at once while it waits, between two batches while it works. Nothing half-done is published."""
    return await _order(shim, actor, execution_id, "cancel", RunControl.cancel)


@router.post("/{execution_id}/pause", responses=refusals(404, 409), response_model_exclude_none=True)
async def pause_execution(execution_id: str, shim: ShimDep, actor: ActorDep) -> ExecutionOut:
    """Hold an execution: before it begins, or between two batches. Steps that are finished stay finished."""
    return await _order(shim, actor, execution_id, "pause", RunControl.pause)


@router.post("/{execution_id}/resume", responses=refusals(404, 409), response_model_exclude_none=True)
async def resume_execution(execution_id: str, shim: ShimDep, actor: ActorDep) -> ExecutionOut:
    """Let a paused execution go on from what it has finished."""
    return await _order(shim, actor, execution_id, "resume", RunControl.resume)


async def _order(shim: Shim, actor: Actor, execution_id: str, name: str, give: Order) -> ExecutionOut:
    execution, idle = await run_in_threadpool(_give, shim, actor, execution_id, name, give)
    if idle is not None:
        try:
            await shim.launcher.terminate(idle)
        except DependencyUnavailable as error:
            # By its record, a run that starts late does nothing.
            LOG.warning("a run stays in Dagster's queue", run_id=execution.id, reason=str(error))
    return execution


def _give(shim: Shim, actor: Actor, execution_id: str, name: str, give: Order) -> tuple[ExecutionOut, str | None]:
    """The execution after the order, and its Dagster run when that has nothing to do any more.

    That of a paused one is left alone: should it still begin, it finds the pause; and resumed, the record may have
    become its again.
    """
    with shim.platform.catalogue() as session:
        carrier = Runs(session).get(execution_id).dagster_run_id
        row = give(RunControl(session), execution_id)
        audit(session, actor, f"execution.{name}", row.id, detail={"name": row.subject_name})
        session.flush()
        return _shown(session, row.id), carrier if row.state is RunState.CANCELLED else None


def _shown(session: Session, execution_id: str) -> ExecutionOut:
    found = RunLists(session).get(execution_id)
    return ExecutionOut.listed(found, list(Runs(session).steps(found.run.id)))
