"""An answer that goes on: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api_shim.events import Events
from api_shim.subscriber import Subscriber
from dataops_defs.catalogue.run_lists import Wanted

RETRY_MILLISECONDS = 1000
SECONDS_TO_SEND = 60.0
KEEP_ALIVE = b": still here\n\n"
LOG = structlog.get_logger()


class EventStream(Response):
    """Tells a client of changed executions until it goes away, the server ends, or its token does not count any more.

    Args:
        since: the cursor that the client comes back with, if it does.
        still_counts: whether the client may be told more.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: Events, wanted: Wanted, since: datetime | None, still_counts: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        # An answer without an end has no length.
        del self.headers["content-length"]
        self._events, self._wanted, self._since, self._still_counts = events, wanted, since, still_counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream; a client that takes nothing for a minute is let go.

        Raises:
            Refused: there are too many; nothing has been sent then.
        """
        with self._events.subscribed(self._wanted, self._since) as subscriber:
            leaving = asyncio.create_task(_end_when_gone(receive, subscriber))
            try:
                await _send(send, type="http.response.start", status=self.status_code, headers=self.raw_headers)
                async for part in self._parts(subscriber):
                    await _send(send, type="http.response.body", body=part, more_body=True)
                await _send(send, type="http.response.body", body=b"", more_body=False)
            except _DoesNotRead:
                LOG.info("a follower of executions does not read, and is let go", seconds=SECONDS_TO_SEND)
            finally:
                leaving.cancel()

    async def _parts(self, subscriber: Subscriber) -> AsyncIterator[bytes]:
        cursor = cursor_text(subscriber.cursor)
        greeting = json.dumps({"lastEventId": cursor, "resumed": self._since is not None})
        yield f"retry: {RETRY_MILLISECONDS}\n".encode() + event("hello", cursor, greeting)
        async for state in self._events.states(subscriber):
            if state is None:
                yield KEEP_ALIVE
            elif await self._still_counts():
                yield event("run", cursor_text(subscriber.cursor), state.text)
            else:
                return


class _DoesNotRead(Exception):
    """The client has not taken what was sent before."""


async def _send(send: Send, **message: Any) -> None:
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            await send(message)
    except TimeoutError:
        raise _DoesNotRead from None


async def _end_when_gone(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()


FIRST_YEAR, LAST_YEAR = 2000, 9999


def event(name: str, id: str, data: str) -> bytes:
    """One event as it is sent; ``data`` is JSON in one line."""
    return f"event: {name}\nid: {id}\ndata: {data}\n\n".encode()


def cursor_text(moment: datetime) -> str:
    """A cursor as it is sent, with microseconds: ``2025-11-02T10:00:00.000000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cursor_of(text: str) -> datetime | None:
    """The cursor that a text names, or None when it names none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None or not FIRST_YEAR <= moment.year < LAST_YEAR:
        return None
    return min(moment, datetime.now(UTC))
