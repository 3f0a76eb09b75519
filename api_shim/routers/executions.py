"""Executions: document 004, table ``captify-core-pipeline-execution``."""

import structlog
from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.dependencies import PROTECTED, ActorDep, ReadingDep, ShimDep
from api_shim.schemas.base import refusals
from api_shim.schemas.executions import ExecutionOut
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.errors import DependencyUnavailable

router = APIRouter(prefix="/api/v1/dataops/executions", tags=["dataops: executions"], dependencies=PROTECTED)
LOG = structlog.get_logger()


@router.get("/{execution_id}", responses=refusals(404), response_model_exclude_none=True)
def get_execution(execution_id: str, session: ReadingDep) -> ExecutionOut:
    """One execution with its steps."""
    return _shown(session, execution_id)


@router.post("/{execution_id}/cancel", responses=refusals(404, 409), response_model_exclude_none=True)
async def cancel_execution(execution_id: str, shim: ShimDep, actor: ActorDep) -> ExecutionOut:
    """Stop an execution: at once while it waits, between two batches while it works. Nothing half-done is published."""
    execution, waited = await run_in_threadpool(_ask_to_cancel, shim, actor, execution_id)
    if waited and execution.dagster_run_id is not None:
        try:
            await shim.launcher.terminate(execution.dagster_run_id)
        except DependencyUnavailable as error:
            # The record is cancelled, and a run that starts late exits by it.
            LOG.warning("a cancelled run stays in Dagster's queue", run_id=execution.id, reason=str(error))
    return execution


def _ask_to_cancel(shim: Shim, actor: Actor, execution_id: str) -> tuple[ExecutionOut, bool]:
    with shim.platform.catalogue() as session:
        row = RunControl(session).cancel(execution_id)
        audit(session, actor, "execution.cancel", row.id, detail={"name": row.subject_name})
        session.flush()
        return _shown(session, row.id), row.state is RunState.CANCELLED


def _shown(session: Session, execution_id: str) -> ExecutionOut:
    runs = Runs(session)
    row = runs.get(execution_id)
    return ExecutionOut.of(row, list(runs.steps(row.id)))
