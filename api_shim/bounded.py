"""Bounded reads: a preview, a test. In a worker thread of their own, with a time limit."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

from dataops_defs.errors import SourceUnavailable

SECONDS = 20.0
AT_ONCE = 8
Result = TypeVar("Result")

# A source that hangs must not take the threads that serve everything else.
_LIMITER: list[anyio.CapacityLimiter] = []


def _limiter() -> anyio.CapacityLimiter:
    if not _LIMITER:
        _LIMITER.append(anyio.CapacityLimiter(AT_ONCE))
    return _LIMITER[0]


async def bounded(read: Callable[[], Result], seconds: float = SECONDS) -> Result:
    """Do a read.

    Raises:
        SourceUnavailable: it took longer than so many seconds.
    """
    try:
        with anyio.fail_after(seconds):
            return await run_sync(read, abandon_on_cancel=True, limiter=_limiter())
    except TimeoutError:
        raise SourceUnavailable(f"The source did not answer within {seconds:.0f} seconds") from None
