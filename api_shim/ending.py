"""Hearing that the process is asked to end, while answers are still open.

Servers end an app's lifespan only after the last answer, and an event stream is an answer that does not end by itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_asked_to_end(call: Callable[[], None]) -> Iterator[None]:
    """Call in the event loop when SIGTERM or SIGINT arrives, before the server's own handler does what it does."""
    if threading.current_thread() is not threading.main_thread():
        # Signals are none of this app's business when it is run by a thread.
        yield
        return
    loop = asyncio.get_running_loop()
    servers = {each: signal.getsignal(each) for each in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        server = servers[signal.Signals(number)]
        if callable(server):
            server(number, frame)

    # Where the server has no handler the signal ends the process at once, as it should.
    handled = [each for each, server in servers.items() if callable(server)]
    for each in handled:
        signal.signal(each, handle)
    try:
        yield
    finally:
        for each in handled:
            if signal.getsignal(each) is handle:
                signal.signal(each, servers[each])
