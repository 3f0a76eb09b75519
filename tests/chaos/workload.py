"""What is asked for while processes die. A workload of another kind is one more class in ``WORKLOADS``."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Protocol

from tests.chaos.clients import Request
from tests.chaos.place import Place
from tests.chaos.verdicts import Verdict


class Workload(Protocol):
    """Definitions, requests against them, and an oracle for what they must have written."""

    def prepare(self, place: Place) -> None:
        """Make sources and definitions; nothing is killed yet."""
        ...

    def request(self, chance: Random) -> Request | None:
        """The next request; None when nobody asks for this work."""
        ...

    def tend(self, place: Place, tick: int) -> None:
        """Called every second while requests are sent: the sources change. May raise ``psycopg2.Error``."""
        ...

    def closing(self) -> Sequence[Sequence[Request]]:
        """Requests after the last kill, each group sent when the one before it has ended: targets meet sources."""
        ...

    def busy(self, place: Place) -> int:
        """Work of its own that goes on and that no request of the clients asked for."""
        ...

    def figures(self, place: Place) -> Mapping[str, object]:
        """How much was done, for the report."""
        ...

    def verdicts(self, place: Place) -> Iterable[Verdict]:
        """Compare targets with sources, after everything has ended."""
        ...
