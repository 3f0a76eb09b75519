"""The stream of run changes: one connection hears of them, each run is read once, all who want it are told."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Refusal, Refused
from api_shim.listening import Listener
from api_shim.schemas.executions import ExecutionOut
from api_shim.subscriber import State, Subscriber
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_lists import ListedRun, Position, RunLists, Wanted
from dataops_defs.catalogue.run_nodes import RunNodes
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

MOST_SUBSCRIBERS = 200
READ_AT_ONCE = 200
CATCH_UP_AT_ONCE = 2
SECONDS_TO_JOIN = 0.1
SECONDS_QUIET = 15.0
SECONDS_BEFORE_RETRY = 1.0
FULL = Refusal(
    429,
    "TOO_MANY_STREAMS",
    f"{MOST_SUBSCRIBERS} event streams are open already; close one, or try again later",
    headers={"Retry-After": "10"},
)
LOG = structlog.get_logger()


class Events:
    """Background work of the event loop, and the subscribers it serves."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._listener = Listener(platform, self._heard, self._regained)
        self._subscribers: set[Subscriber] = set()
        self._changed: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False
        self._readable = True

    def start(self) -> None:
        """Begin to listen; called in the event loop."""
        self._ended = False
        self._news = asyncio.Event()
        # News is read, and subscribers come to be told it, one after another: none is offered an older state after a
        # newer one.
        self._reading = asyncio.Lock()
        self._catching_up = asyncio.Semaphore(CATCH_UP_AT_ONCE)
        self._tasks = [asyncio.create_task(each) for each in (self._listener.listen(), self._serve())]

    async def stop(self) -> None:
        """End the background work."""
        self.end_streams()
        for each in self._tasks:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
        self._tasks = []

    def end_streams(self) -> None:
        """Let every open stream come to its end: its reader connects again, to a server that goes on."""
        self._ended = True
        for each in self._subscribers:
            each.end()

    @contextmanager
    def subscribed(self, wanted: Wanted, since: datetime | None) -> Iterator[Subscriber]:
        """A place among those who are told.

        Raises:
            Refused: there are too many already.
        """
        if len(self._subscribers) >= MOST_SUBSCRIBERS:
            raise Refused(FULL)
        subscriber = Subscriber(wanted, since, now())
        if self._ended:
            subscriber.end()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def states(self, subscriber: Subscriber) -> AsyncIterator[State | None]:
        """What a subscriber is to be told, until it is ended; None now and then while there is nothing to tell."""
        while not subscriber.ended:
            state = subscriber.take()
            if state is not None:
                yield state
            elif subscriber.behind is None:
                if not await subscriber.woken(SECONDS_QUIET):
                    yield None
            elif not await self._catch_up(subscriber):
                await asyncio.sleep(SECONDS_BEFORE_RETRY)
                yield None

    def _heard(self, run_id: str) -> None:
        # Anybody who may connect to the catalogue can send a NOTIFY.
        if as_uuid(run_id) is not None:
            self._changed.add(run_id)
            self._news.set()

    def _regained(self) -> None:
        for each in self._subscribers:
            each.fall_behind()

    async def _serve(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = sorted(self._changed), set()
            try:
                await self._tell(changed)
            except Exception as error:
                self._warn(error)
                self._changed.update(changed)
                self._news.set()
                await asyncio.sleep(SECONDS_BEFORE_RETRY)
            # What changes within this time is read together.
            await asyncio.sleep(SECONDS_TO_JOIN)

    async def _tell(self, changed: Sequence[str]) -> None:
        # What cannot be heard now is told from the records later, and that in the order of changes.
        if not self._subscribers or not self._listener.listening:
            return
        for first in range(0, len(changed), READ_AT_ONCE):
            async with self._reading:
                for run, state in await run_in_threadpool(self._read, changed[first : first + READ_AT_ONCE]):
                    for each in self._subscribers:
                        if each.wanted.takes(run):
                            each.offer(state)

    async def _catch_up(self, subscriber: Subscriber) -> bool:
        """Offer what the records tell next; False when that is not possible now.

        Much may have changed since then, so that is read beside the news for others. Only the last step, which little
        is left for, stands between two readings of news: no older state can come after it.
        """
        if not self._listener.listening:
            return False
        async with self._catching_up:
            try:
                if not subscriber.ended and await self._read_on(subscriber, last=False):
                    async with self._reading:
                        await self._read_on(subscriber, last=True)
            except Exception as error:
                self._warn(error)
                return False
        return True

    async def _read_on(self, subscriber: Subscriber, *, last: bool) -> bool:
        """Read one page for a subscriber that is behind; True when the records told all they have."""
        behind = subscriber.place()
        if behind is None:
            return False
        states = await run_in_threadpool(self._read_since, subscriber.wanted, behind)
        # Another tuple, even an equal one, says that it fell behind anew during the read.
        if subscriber.behind is not behind:
            return False
        all_read = len(states) < READ_AT_ONCE
        subscriber.catch_up(states, complete=last and all_read)
        return all_read

    def _warn(self, error: Exception) -> None:
        """Log an error, once until reads work again."""
        if self._readable:
            known = isinstance(error, DataOpsError)
            LOG.warning("changes of runs cannot be read", reason=str(error) if known else None, exc_info=not known)
        self._readable = False

    def _read(self, ids: Sequence[str]) -> list[tuple[RunRow, State]]:
        with self._platform.catalogue() as session:
            found = RunLists(session).of(ids)
            states = _states(session, found)
        self._readable = True
        return [(each.run, state) for each, state in zip(found, states, strict=True)]

    def _read_since(self, wanted: Wanted, behind: Position) -> list[State]:
        with self._platform.catalogue() as session:
            states = _states(session, RunLists(session).changed(wanted, behind, READ_AT_ONCE))
        self._readable = True
        return states


def _states(session: Session, found: Sequence[ListedRun]) -> list[State]:
    nodes = RunNodes(session).of([each.run for each in found])
    return [
        State(
            each.run.id,
            each.changed_at,
            ExecutionOut.listed(each, nodes=nodes.get(each.run.id)).model_dump_json(by_alias=True, exclude_none=True),
        )
        for each in found
    ]
