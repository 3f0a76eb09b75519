"""An iterator that runs ahead in a thread of its own, so that making and using overlap."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.2


class _End:
    """Follows the last item; ``error`` is what ended the making, if not its end."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[T], depth: int = 3) -> Iterator[Iterator[T]]:
    """The same items in the same order, made up to ``depth`` items before they are asked for.

    What the making raises is raised to the reader, in its place. A reader that leaves early ends the thread: it stops
    after the item it is at.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()

    def put(item: T | _End) -> bool:
        while not left.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=_POLL_SECONDS)
                return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_End())
        except BaseException as error:
            put(_End(error))

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        left.set()
        thread.join()


def _taken(waiting: "queue.Queue[T | _End]") -> Iterator[T]:
    while True:
        item = waiting.get()
        if not isinstance(item, _End):
            yield item
        elif item.error is None:
            return
        else:
            raise item.error
