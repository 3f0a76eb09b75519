"""Clients as they should be: each request has a key of its own, and is repeated with it until it is accepted."""

import json
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.place import Place

# Enough that some are free while others repeat a request that is refused for long.
CLIENTS = 32
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
OUR_FAULT = range(400, 500)


@dataclass
class Request:
    """One thing that is asked for, and what became of asking.

    ``writes`` are the catalogue ids of the definitions that it writes for: one ledger row each when it succeeds.
    It may write for those in ``may_write`` too: a sync extracts its dataset first if nobody has done so yet.
    """

    kind: str
    path: str
    writes: Sequence[str]
    body: dict[str, Any] | None = None
    may_write: Sequence[str] = ()
    id: str = ""
    execution_id: str | None = None
    tries: int = 0
    waited: float = 0.0
    last: str = ""
    refused: bool = False


@dataclass
class Clients:
    """A few threads that send what is put into their queue.

    Args:
        patience: seconds a request is repeated for before its client gives up.
    """

    place: Place
    patience: float
    sent: list[Request] = field(default_factory=list)
    _waiting: "queue.Queue[Request | None]" = field(default_factory=queue.Queue)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to send."""
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(CLIENTS)]
        for each in self._threads:
            each.start()

    def send(self, request: Request) -> None:
        """Have a request sent, by whichever client is free."""
        self.sent.append(request)
        self._waiting.put(request)

    def accepted(self) -> int:
        """Number of requests that have an execution id."""
        return sum(request.execution_id is not None for request in self.sent)

    def finish(self) -> None:
        """Give up what is not accepted yet."""
        self._over.set()
        for _ in self._threads:
            self._waiting.put(None)
        for each in self._threads:
            each.join()

    def _serve(self) -> None:
        token = {"Authorization": f"Bearer {self.place.token}"}
        with httpx.Client(base_url=self.place.urls["api"], headers=token, timeout=30, trust_env=False) as http:
            while (request := self._waiting.get()) is not None:
                self._carry(http, request)

    def _carry(self, http: httpx.Client, request: Request) -> None:
        began, pause = time.monotonic(), FIRST_PAUSE
        while request.execution_id is None and not request.refused and not self._over.is_set():
            _ask(http, request)
            request.waited = time.monotonic() - began
            if request.waited > self.patience:
                return
            if request.execution_id is None:
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)


def _ask(http: httpx.Client, request: Request) -> None:
    """One try. Whatever may be tried again leaves the request as it is."""
    request.tries += 1
    headers = {"Idempotency-Key": request.id, "X-Request-ID": request.id, "Prefer": "respond-async"}
    try:
        answer = http.post(request.path, json=request.body, headers=headers)
    except httpx.HTTPError as error:
        request.last = f"{type(error).__name__}: {error}"
        return
    request.last = f"{answer.status_code} {answer.text[:300]}"
    if answer.is_success:
        request.execution_id = _execution_id(answer)
    elif answer.status_code in OUR_FAULT and answer.status_code not in (408, 409, 425, 429):
        request.refused = True


def _execution_id(answer: httpx.Response) -> str | None:
    """Where the execution can be asked for; the same in all documents' answers."""
    location = answer.headers.get("location")
    if location is not None:
        return str(location).rsplit("/", 1)[-1]
    with suppress(json.JSONDecodeError):
        body = answer.json()
        return str(body.get("executionId") or body.get("id"))
    return None
