"""What one reader of the event stream still has to be told, in bounded memory, however slowly it reads."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dataops_defs.catalogue.run_lists import Position, Wanted

MOST_WAITING = 1000
OVERLAP = timedelta(seconds=30)
"""A change bears the moment at which its transaction wrote it, by the writer's clock, and is seen after the commit."""
FIRST_ID = str(UUID(int=0))


@dataclass(frozen=True)
class State:
    """An execution as it was after a change, in JSON."""

    run_id: str
    changed_at: datetime
    text: str


class Subscriber:
    """The newest state of each execution, in the order of changes.

    ``cursor`` is its place in that order: it was told all that had changed ``OVERLAP`` before. What it cannot be told
    from memory (it comes back after a pause, it reads too slowly, notifications were lost) it is told from the
    records, beginning at ``behind``, while notifications arrive. To be used in the event loop only.

    Args:
        since: the cursor it comes back with, if it does.
        moment: when it came.
    """

    def __init__(self, wanted: Wanted, since: datetime | None, moment: datetime) -> None:
        self.wanted = wanted
        self.cursor = since or moment
        self.behind: Position | None = None
        self.ended = False
        self._ready: dict[str, State] = {}
        self._again: datetime | None = None
        self._woken = asyncio.Event()
        if since is not None:
            self.fall_behind()

    def offer(self, state: State) -> None:
        """A state that was read just now."""
        if self.behind is not None:
            # The records tell it too, at the next reading: from here on, should they be read beyond it by now.
            self._again = min(self._again or state.changed_at, state.changed_at)
            return
        self._put(state)
        if len(self._ready) > MOST_WAITING:
            self.fall_behind()
        self._woken.set()

    def fall_behind(self) -> None:
        """Forget what is waiting; all since the cursor will be told from the records."""
        self._ready, self._again = {}, None
        self.behind = (self.cursor - OVERLAP, FIRST_ID)
        self._woken.set()

    def place(self) -> Position | None:
        """From where the records are to be read now; what was offered before is in that reading.

        None when it is not behind. The same object stays ``behind`` until it falls behind anew, or catches up.
        """
        if self.behind is not None and self._again is not None:
            # What was committed late, before a place that has been read beyond.
            self.behind = min(self.behind, (self._again, FIRST_ID))
        self._again = None
        return self.behind

    def catch_up(self, states: Sequence[State], *, complete: bool) -> None:
        """What the records tell next after `place`, and whether that is all there is."""
        for each in states:
            self._put(each)
        if complete and self._again is None:
            self.behind = None
        elif states:
            self.behind = (states[-1].changed_at, states[-1].run_id)

    def take(self) -> State | None:
        """The next state to tell; None when nothing is waiting."""
        for run_id in self._ready:
            state = self._ready.pop(run_id)
            # While it is behind, an older change than this one may still be to come.
            if self.behind is None:
                self.cursor = max(self.cursor, state.changed_at)
            return state
        return None

    def end(self) -> None:
        """Tell no more."""
        self.ended = True
        self._woken.set()

    async def woken(self, seconds: float) -> bool:
        """Wait until there is something to look at; False when there was nothing for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def _put(self, state: State) -> None:
        # At the end, also in the place of an older one: the order is that of changes.
        self._ready.pop(state.run_id, None)
        self._ready[state.run_id] = state
