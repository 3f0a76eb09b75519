"""Many small files are fetched while others are read: each costs a journey to its server and back."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

from dataops_defs.adapters.sources.files.reading import Openable

Fetched = Future[tuple[BinaryIO, ExitStack]]


@contextmanager
def opened_ahead(files: Sequence[Openable], at_once: int) -> Iterator[Sequence[Openable]]:
    """The same files, to be opened in their order; so many of the next ones are being opened meanwhile."""
    if at_once < 2 or len(files) < 2:
        yield files
        return
    waiting: deque[Fetched] = deque()
    left = iter(files)
    with ThreadPoolExecutor(at_once, thread_name_prefix="fetch") as pool:

        @contextmanager
        def opened() -> Iterator[BinaryIO]:
            while len(waiting) < at_once and (each := next(left, None)) is not None:
                waiting.append(pool.submit(_fetched, each))
            file, held = waiting.popleft().result()
            with held:
                yield file

        try:
            yield [Openable(each.name, opened) for each in files]
        finally:
            for each in waiting:
                each.cancel()
                each.add_done_callback(_forgotten)


def _fetched(each: Openable) -> tuple[BinaryIO, ExitStack]:
    with ExitStack() as held:
        file = held.enter_context(each.open())
        return file, held.pop_all()


def _forgotten(each: Fetched) -> None:
    with suppress(BaseException):
        each.result()[1].close()
