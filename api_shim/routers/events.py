"""Changes of executions as they happen, for pages that show them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi import Request as HttpRequest
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api_shim.auth import given_token
from api_shim.dependencies import PROTECTED, ShimDep
from api_shim.event_stream import EventStream, cursor_of
from api_shim.schemas.base import Id, Request, refusals
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.run_lists import Wanted
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import DataOpsError, Invalid

router = APIRouter(prefix="/api/v1/dataops/events", tags=["dataops: executions"], dependencies=PROTECTED)
EXAMPLE = """\
retry: 1000
event: hello
id: 2025-11-02T10:00:00.000000Z
data: {"lastEventId": "2025-11-02T10:00:00.000000Z", "resumed": false}

event: run
id: 2025-11-02T10:00:02.031415Z
data: {"id":"0192f3a1-0000-7000-8000-000000000007","kind":"extract","status":"running","state":"running",\
"progress":{"rowsDone":600,"rowsTotal":1234,"batchesDone":1,"stepsDone":0,"stepsTotal":1,"percent":48.6,\
"secondsLeft":2.1,"rowsPerSecond":300.0},"startedAt":"2025-11-02T10:00:00.000Z", …}

: still here

"""
REFUSED = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **{status: {"description": each["description"], "content": REFUSED} for status, each in refusals().items()},
    200: {
        "description": "Goes on until the client or the server ends it",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
    },
    429: {"description": "As many streams as the server serves are open; see Retry-After", "content": REFUSED},
}


class Following(Request):
    """Which executions are followed, and from where on."""

    execution_id: Id | None = None
    subject_id: Id | None = Field(default=None, description="The dataset, mapping, pipeline, … itself")
    kind: RunKind | None = None
    last_event_id: str | None = Field(
        default=None, max_length=40, description="Instead of the header, for clients that cannot send it"
    )

    def wanted(self) -> Wanted:
        """The filter in the catalogue's words; Invalid for what can be no id."""
        return Wanted(_id("executionId", self.execution_id), _id("subjectId", self.subject_id), self.kind)


@router.get("", status_code=200, response_class=EventStream, responses=ANSWERS)
async def follow_executions(
    request: HttpRequest,
    shim: ShimDep,
    following: Annotated[Following, Query()],
    last_event_id: Annotated[str | None, Header(description="Id of the last event that was received")] = None,
) -> EventStream:
    """Follow executions: an event `run` for every change, its data the execution as lists show it, of a
    pipeline with its nodes.

    An event is a state, not a difference: quick changes are joined, and a slow reader is told the newest state of each
    execution only, but always the last one. A client that comes back with `Last-Event-ID` is first told everything
    that changed since then, and what changed in the 30 seconds before: a repeat does no harm. Without it the stream
    begins now: read the list after `hello`, and nothing is missed. A comment is sent after 15 quiet seconds.
    """
    token = given_token(request.headers) or ""

    async def still_counts() -> bool:
        # As costly, and as quick after a revocation, as for every request.
        try:
            found = shim.tokens.remembered(token) or await run_in_threadpool(shim.tokens.look_up, token)
        except DataOpsError:
            return False
        return found is not None

    since = _since(last_event_id or following.last_event_id)
    return EventStream(shim.events, following.wanted(), since, still_counts)


def _id(name: str, given: str | None) -> str | None:
    found = None if given is None else as_uuid(given)
    if given is not None and found is None:
        raise Invalid.field(name, "is not an id")
    return found


def _since(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = cursor_of(text)
    if moment is None:
        raise Invalid.field("lastEventId", "is not the id of an event of this stream")
    return moment
