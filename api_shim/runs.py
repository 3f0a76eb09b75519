"""The one way to do work: a record, a launch, a wait, an answer. Source: ARCHITECTURE, "What goes through Dagster"."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family, Refusal, Refused, status_of
from api_shim.dependencies import actor_of, shim_of
from api_shim.schemas.executions import Accepted
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import audit
from dataops_defs.catalogue.idempotency import Claim, IdempotencyKeys
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind, RunState
from dataops_defs.errors import DataOpsError, DependencyUnavailable

SECONDS_BETWEEN_LOOKS = 0.1
JOBS = {
    RunKind.EXTRACT: "extract_dataset",
    RunKind.SYNC: "sync_mapping",
    RunKind.PIPELINE: "execute_pipeline",
    RunKind.REFRESH: "refresh_datamart",
    RunKind.IMPORT: "import_file",
}
LOG = structlog.get_logger()


@dataclass(frozen=True)
class Order:
    """Work that is asked for: what is done, and with which definition."""

    kind: RunKind
    subject_id: str
    subject_name: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """A run record with its steps, as it stands when the wait is over."""

    run: RunRow
    steps: list[RunStepRow]

    @property
    def status_url(self) -> str:
        """Where the execution is looked at later."""
        return f"/api/v1/dataops/executions/{self.run.id}"


Form = Callable[[Execution], BaseModel]


class Work:
    """Carries out orders for one request."""

    def __init__(self, request: Request) -> None:
        self._shim: Shim = shim_of(request)
        self._actor = actor_of(request)
        self._claim: Claim | None = getattr(request.state, "claim", None)
        wishes = request.headers.get("prefer", "").lower().replace(" ", "")
        self._at_once = "respond-async" in wishes.split(",")

    async def carry_out(self, find: Callable[[Session], Order], finished: Form, unfinished: Form) -> JSONResponse:
        """Record, launch and wait; the forms make the body of a 200 and of a 202.

        Args:
            find: looks up what is to be done; NotFound and the like refuse the request before anything is recorded.

        Raises:
            Refused: nobody could be found to do the work; the execution is recorded as failed.
        """
        order, run = await run_in_threadpool(self._record, find)
        await self._launch(order, run)
        execution = await self._wait(run.id)
        if execution.run.state.ended:
            return _json(200, finished(execution), {})
        headers = {"Location": execution.status_url, "Retry-After": "1"}
        if self._at_once:
            headers["Preference-Applied"] = "respond-async"
        return _json(202, unfinished(execution), headers)

    def _record(self, find: Callable[[Session], Order]) -> tuple[Order, RunRow]:
        with self._shim.platform.catalogue() as session:
            order = find(session)
            runs = Runs(session)
            if self._claim is not None and self._claim.run_id is not None:
                return order, runs.get(self._claim.run_id)
            run = runs.request(
                order.kind,
                order.subject_id,
                order.subject_name,
                requested_by=self._actor.name,
                request_id=self._actor.request_id,
                parameters=dict(order.parameters),
            )
            if self._claim is not None:
                IdempotencyKeys(session, self._shim.platform.keyring).note_run(self._claim.id, run.id)
            detail = {"name": order.subject_name, "executionId": run.id}
            audit(session, self._actor, order.action, order.subject_id, detail=detail)
        return order, run

    async def _launch(self, order: Order, run: RunRow) -> None:
        if run.dagster_run_id is not None or run.state is not RunState.QUEUED:
            return
        job = JOBS[order.kind]
        config = {"ops": {op_name(job): {"config": {"subject_id": order.subject_id, "run_id": run.id}}}}
        tags = {
            "dataops/run_id": run.id,
            "dataops/requested_by": self._actor.name,
            "dagster/max_runtime": str(self._shim.settings.max_runtime_seconds),
        }
        try:
            dagster_run_id = await self._shim.launcher.launch(run, job, config, tags)
        except Exception as error:
            await run_in_threadpool(self._give_up, run, error)
            raise self._not_launched(run, error) from error
        if dagster_run_id is not None:
            await run_in_threadpool(self._launched, run, dagster_run_id)

    def _launched(self, run: RunRow, dagster_run_id: str) -> None:
        with self._shim.platform.catalogue() as session:
            Runs(session).launched(run.id, dagster_run_id)

    def _give_up(self, run: RunRow, error: Exception) -> None:
        if not isinstance(error, DataOpsError):
            LOG.error("a launch failed", exc_info=error, run_id=run.id)
        with self._shim.platform.catalogue() as session:
            # Should the run start after all, its first act finds the record ended and it exits.
            Runs(session).finish(run.id, RunState.FAILED, error=_why(error), code=DependencyUnavailable.code)

    def _not_launched(self, run: RunRow, error: Exception) -> Refused:
        return Refused(
            Refusal(
                503,
                DependencyUnavailable.code,
                _why(error),
                headers={"Retry-After": "5"},
                extra={"executionId": run.id, "statusUrl": Execution(run, []).status_url},
            )
        )

    async def _wait(self, run_id: str) -> Execution:
        until = time.monotonic() + (0.0 if self._at_once else self._shim.settings.wait_seconds)
        while True:
            found = await run_in_threadpool(self._look, run_id)
            if found.run.state.ended or time.monotonic() >= until:
                return found
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    def _look(self, run_id: str) -> Execution:
        with self._shim.platform.catalogue() as session:
            runs = Runs(session)
            run = runs.get(run_id)
            return Execution(run, list(runs.steps(run_id)) if run.state.ended else [])


WorkDep = Annotated[Work, Depends(Work)]


def accepted(execution: Execution) -> Accepted:
    """The answer while work goes on."""
    run = execution.run
    return Accepted(execution_id=run.id, status_url=execution.status_url, status=DATAOPS_WORDS[run.state])


def succeeded(execution: Execution, family: Family) -> Execution:
    """Itself, when the execution succeeded.

    Raises:
        Refused: it did not; the status is that of the error which ended it.
    """
    run = execution.run
    if run.state is RunState.SUCCEEDED:
        return execution
    code = run.error_code or DataOpsError.code
    # What an error inside a run means to the caller: their source (4xx), or something behind this API (502, 503).
    status = 409 if run.state is RunState.CANCELLED else status_of(ERRORS.get(code, DataOpsError), family)
    raise Refused(
        Refusal(
            502 if status == 500 else status,
            code,
            run.error or f"The execution ended as {DATAOPS_WORDS[run.state]}",
            extra={"executionId": run.id, "statusUrl": execution.status_url},
        )
    )


def _errors_by_code() -> dict[str, type[DataOpsError]]:
    found: dict[str, type[DataOpsError]] = {}
    waiting: list[type[DataOpsError]] = [DataOpsError]
    while waiting:
        each = waiting.pop(0)
        found.setdefault(each.code, each)
        waiting += each.__subclasses__()
    return found


ERRORS = _errors_by_code()


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, DataOpsError) else "Dagster could not launch the run"
    return f"The run was not launched: {said}"


def _json(status: int, body: BaseModel, headers: Mapping[str, str]) -> JSONResponse:
    content = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    return JSONResponse(content, status, dict(headers))
