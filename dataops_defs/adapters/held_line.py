"""The line of a reading through a library that opens connections by itself."""

import threading
from collections.abc import Callable
from contextlib import suppress

from dataops_defs.errors import SourceUnavailable


class HeldLine:
    """Ends what waits for a server in the way that ``hold`` was told last; once cut, it stays cut."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._end: Callable[[], object] = lambda: None

    def hold(self, end: Callable[[], object]) -> None:
        """How to end what waits from now on."""
        self._end = end
        self.check()

    @property
    def is_cut(self) -> bool:
        """Whether it was cut."""
        return self._over.is_set()

    def check(self) -> None:
        """SourceUnavailable once it was cut; to be called between pieces of work."""
        if self._over.is_set():
            self.cut()
            raise SourceUnavailable("the reading was ended")

    def rest(self, seconds: float) -> None:
        """Wait so long, but no longer than until it is cut."""
        self._over.wait(seconds)

    def cut(self) -> None:
        """End what waits for the server, or is about to."""
        self._over.set()
        with suppress(Exception):
            self._end()
