"""The one way to do work: a record, a launch, a wait, an answer. Source: ARCHITECTURE, "What goes through Dagster"."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Query, Request
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
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.run_nodes import NodeOfRun, RunNodes
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind, RunState
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.outbox import Launch, launch_of

SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Order:
    """Work that is asked for: what is done, and with which definition."""

    kind: RunKind
    subject_id: str
    subject_name: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    noted: Callable[[RunRow], None] = lambda _run: None
    """Told of the record, in the transaction that makes it."""
    run_id: str | None = None
    trigger: str = "rest"
    trigger_id: str | None = None


@dataclass(frozen=True)
class Execution:
    """A run record with its steps, and of a pipeline its nodes, as it stands when the wait is over."""

    run: RunRow
    steps: list[RunStepRow]
    nodes: list[NodeOfRun] | None = None

    @property
    def status_url(self) -> str:
        """Where the execution is looked at later."""
        return f"/api/v1/dataops/executions/{self.run.id}"


Form = Callable[[Execution], BaseModel]
TimeLimit = Annotated[
    int | None,
    Query(alias="timeoutSeconds", ge=1, le=31_536_000, description="The run is ended when it takes longer"),
]


class Work:
    """Carries out orders for one request."""

    def __init__(self, request: Request, timeout_seconds: TimeLimit = None) -> None:
        self._shim: Shim = shim_of(request)
        self._time_limit = timeout_seconds
        self._actor = actor_of(request)
        self._claim: Claim | None = getattr(request.state, "claim", None)
        wishes = request.headers.get("prefer", "").lower().replace(" ", "")
        self._at_once = "respond-async" in wishes.split(",")

    async def carry_out(self, find: Callable[[Session], Order], finished: Form, unfinished: Form) -> JSONResponse:
        """Record, have it launched and wait; the forms make the body of a 200 and of a 202.

        Args:
            find: looks up what is to be done; NotFound and the like refuse the request before anything is recorded.

        Raises:
            QueueFull: too many requests wait already.
            InsufficientStorage: a disk is full.
        """
        run_id = await self._begin(find)
        assert run_id is not None  # noqa: S101 - an order was found
        execution = await self._wait(run_id)
        if execution.run.state.ended:
            return _json(200, finished(execution), {})
        headers = {"Location": execution.status_url, "Retry-After": "1"}
        if self._at_once:
            headers["Preference-Applied"] = "respond-async"
        return _json(202, unfinished(execution), headers)

    async def begin(self, find: Callable[[Session], Order | None]) -> str | None:
        """Record and have it launched, without waiting; nothing where ``find`` sees that nothing is to be done.

        Returns:
            The id of the record, also of one that an earlier request with the same idempotency key has made.

        Raises:
            As `carry_out` does.
        """
        return await self._begin(find)

    async def _begin(self, find: Callable[[Session], Order | None]) -> str | None:
        await self._shim.health.ensure_room()
        async with self._shim.changes:
            run_id, launch = await run_in_threadpool(self._record, find)
        if launch is not None:
            # However long Dagster takes, the caller has what it asked for: the request is kept.
            self._shim.outbox.launch_soon(launch)
        return run_id

    def _record(self, find: Callable[[Session], Order | None]) -> tuple[str | None, Launch | None]:
        settings = self._shim.settings
        with self._shim.platform.catalogue() as session:
            keys = IdempotencyKeys(session, self._shim.platform.keyring)
            if self._claim is not None and (made := keys.run_of(self._claim.id)) is not None:
                return made, None
            order = find(session)
            if order is None:
                return None, None
            runs, outbox = Runs(session), Outbox(session)
            outbox.refuse_when_full(settings.max_waiting_runs)
            run = runs.request(
                order.kind,
                order.subject_id,
                order.subject_name,
                id=order.run_id,
                trigger=order.trigger,
                trigger_id=order.trigger_id,
                requested_by=self._actor.name,
                request_id=self._actor.request_id,
                parameters=dict(order.parameters),
                timeout_seconds=self._time_limit or settings.max_runtime_seconds,
            )
            if self._claim is not None:
                keys.note_run(self._claim.id, run.id)
            order.noted(run)
            detail = {"name": order.subject_name, "executionId": run.id, **order.parameters}
            audit(session, self._actor, order.action, order.subject_id, detail=detail)
            if self._shim.outbox.busy or not outbox.room(settings.max_queued_runs):
                return run.id, None
            outbox.hold(run)
            session.flush()
            return run.id, launch_of(run, settings.max_runtime_seconds)

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
            steps = list(runs.steps(run_id)) if run.state.ended else []
            return Execution(run, steps, RunNodes(session).of([run]).get(run_id))


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


def _json(status: int, body: BaseModel, headers: Mapping[str, str]) -> JSONResponse:
    content = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    return JSONResponse(content, status, dict(headers))
