"""The process that runs JavaScript of users: reads requests from standard input, answers on standard output.

A message is its length (4 bytes, big-endian) and its bytes. Requests: ``S`` + JSON (settings and transforms),
``L`` + JSON (rows to work on), ``R`` + ``transform start stop`` in decimal. The first byte of an answer tells how it
went: ``=`` done, ``!`` + JSON does not compile, ``T`` and ``M`` the row after the last answered one ran out of time
or memory. Values leave the engine as JSON text and pass through here unread.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _quickjs  # the package around it starts a thread when imported, which the filter would not cover

from dataops_defs.adapters.javascript import sandbox

SCRIPTS = ("functions.js", "prelude.js")
EMPTY_ANSWER = '{"values":[],"texts":[],"problems":[]}'
STACK_BYTES = 512 * 1024
KILL_FACTOR = 3
LEAST_KILL_SECONDS = 0.5
LOAD_SECONDS = 10.0
BYTES_PER_INPUT_BYTE = 8


Harness = Callable[..., str | None]


class Worker:
    """One set of transforms, and a JavaScript context that is made anew after each cut."""

    def __init__(self, functions: str, prelude: str) -> None:
        self._scripts = (functions, prelude)
        self._settings: dict[str, Any] = {}
        self._rows = ""
        self._context: Any = None
        self._harness: Harness | None = None

    def answer(self, kind: str, body: str) -> str:
        """Carry out one request; the kernel ends the process when native code takes far too long."""
        seconds = LOAD_SECONDS
        if kind == "R":
            seconds = max(LEAST_KILL_SECONDS, KILL_FACTOR * self._settings["seconds"])
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return {"S": self._set_up, "L": self._load, "R": self._run}[kind](body)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _set_up(self, body: str) -> str:
        self._settings = json.loads(body)
        self._rows = ""
        self._harness = None
        self._open()
        return "!" + json.dumps(self._problems) if self._problems else "="

    def _open(self) -> Harness:
        """The harness of the living context, or of a new one with the same transforms and rows."""
        if self._harness is not None:
            return self._harness
        self._context = context = _quickjs.Context()
        context.set_memory_limit(self._settings["memory"] + BYTES_PER_INPUT_BYTE * len(self._rows))
        context.set_max_stack_size(STACK_BYTES)
        functions, start = map(context.eval, self._scripts)
        harness: Harness = start(functions, self._settings["now"], self._settings["seed"])
        context.set_time_limit(self._settings["seconds"])
        self._problems: list[tuple[int, str]] = []
        for index, (column, name, source) in enumerate(self._settings["transforms"]):
            try:
                harness("add", column, name, source)
            except _quickjs.JSException as error:
                self._problems.append((index, str(error).partition("\n")[0]))
        if self._rows:
            context.set_time_limit(-1)
            harness("load", self._rows)
            context.set_time_limit(self._settings["seconds"])
        self._harness = harness
        return harness

    def _load(self, body: str) -> str:
        self._rows = body
        if self._harness is None:
            return "="
        self._context.set_memory_limit(self._settings["memory"] + BYTES_PER_INPUT_BYTE * len(body))
        self._context.set_time_limit(-1)
        try:
            self._harness("load", body)
        except _quickjs.JSException:
            self._harness = None
        self._context.set_time_limit(self._settings["seconds"])
        return "="

    def _run(self, body: str) -> str:
        try:
            text = self._open()("run", *map(int, body.split()))
        except _quickjs.JSException as error:
            text = self._partial("interrupted" in str(error))
        if text is None or text[0] != "=":
            self._harness = None
        return text or "M" + EMPTY_ANSWER

    def _partial(self, timed_out: bool) -> str:
        status = "T" if timed_out else "M"
        if self._harness is None:
            return status + EMPTY_ANSWER
        try:
            return status + str(self._harness("answer"))[1:]
        except _quickjs.JSException:
            return status + EMPTY_ANSWER


def read(size: int) -> bytes:
    """Exactly ``size`` bytes of standard input; the process ends when it is closed."""
    parts = bytearray()
    while len(parts) < size:
        part = os.read(0, min(size - len(parts), 1 << 20))
        if not part:
            os._exit(0)
        parts += part
    return bytes(parts)


def write(text: str) -> None:
    """One message to standard output."""
    body = text.encode("utf-8", "replace")
    waiting = memoryview(len(body).to_bytes(4, "big") + body)
    while waiting:
        waiting = waiting[os.write(1, waiting) :]


def main(arguments: list[str]) -> None:
    """Lock the process in, say how, then answer requests until standard input is closed."""
    process_bytes, parent = map(int, arguments)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    scripts = [Path(__file__).with_name(name).read_text("utf-8") for name in SCRIPTS]
    try:
        write("=" + sandbox.lock_down(process_bytes, parent))
    except sandbox.NoSandbox as error:
        write(f"!{error}")
        sys.exit(1)
    worker = Worker(*scripts)
    while True:
        request = read(int.from_bytes(read(4), "big")).decode()
        write(worker.answer(request[0], request[1:]))
