"""How far an execution is: percent and time left, where they can be known. Pure arithmetic."""

import math
from dataclasses import dataclass

from dataops_defs.domain.run import AT_WORK, RunKind, RunState

SHORTEST = 0.01
"""Seconds before which there is no pace to speak of."""
ONE_STEP = frozenset(RunKind) - {RunKind.PIPELINE, RunKind.ETL, RunKind.ARRIVALS, RunKind.ASSETS}
MOST_WHILE_OPEN = 99.9
"""All rows may be read before they are published: only what has succeeded is at 100 percent."""


@dataclass(frozen=True)
class Counted:
    """Sums over the steps of one execution.

    ``rows_expected`` adds up what is known: the rows of finished steps, and the totals of the others, of which
    ``uncounted`` steps have none. ``open_share`` adds up how much of each unfinished step is done, from 0 to 1.
    """

    steps: int = 0
    steps_done: int = 0
    rows_done: int = 0
    rows_expected: int = 0
    uncounted: int = 0
    open_share: float = 0.0
    batches_done: int = 0


@dataclass(frozen=True)
class Progress:
    """How far an execution is; what cannot be known is None. Percent is from 0 to 100."""

    rows_done: int
    batches_done: int
    steps_done: int
    rows_total: int | None = None
    steps_total: int | None = None
    percent: float | None = None
    seconds_left: float | None = None
    rows_per_second: float | None = None


def progress_of(
    kind: RunKind, state: RunState, counted: Counted, steps_total: int | None, seconds: float | None
) -> Progress:
    """The progress of an execution.

    Args:
        steps_total: how many steps it will have, where a pipeline's graph tells.
        seconds: from its first worker's start to its end or to now, interruptions included; None before that.
    """
    expected = _expected_steps(kind, counted, steps_total)
    share = _share(state, counted, expected)
    paced = seconds if seconds and seconds >= SHORTEST and (state in AT_WORK or state.ended) else None
    return Progress(
        rows_done=counted.rows_done,
        batches_done=counted.batches_done,
        steps_done=counted.steps_done,
        rows_total=_rows_total(state, counted, expected),
        steps_total=expected,
        percent=None if share is None else percent(share, state),
        seconds_left=_seconds_left(share, paced) if state is RunState.RUNNING else None,
        rows_per_second=round(counted.rows_done / paced, 1) if paced and counted.rows_done else None,
    )


def share_of_rows(rows_done: int, rows_total: int | None) -> float | None:
    """How much of a step is done, from 0 to 1; None when nobody knows how many rows there will be."""
    if rows_total is None:
        return None
    return min(rows_done / rows_total, 1.0) if rows_total > 0 else 0.0


def percent(share: float, state: RunState) -> float:
    """A share as percent with one decimal, rounded down: what has not succeeded is never at 100."""
    if state is RunState.SUCCEEDED:
        return 100.0
    return min(math.floor(share * 1000) / 10, MOST_WHILE_OPEN)


def _expected_steps(kind: RunKind, counted: Counted, steps_total: int | None) -> int | None:
    if steps_total is None and kind in ONE_STEP:
        steps_total = 1
    return None if steps_total is None else max(steps_total, counted.steps)


def _share(state: RunState, counted: Counted, expected: int | None) -> float | None:
    if state is RunState.SUCCEEDED:
        return 1.0
    if not expected:
        return None
    if expected == 1 and (counted.steps == 0 or counted.uncounted):
        return None
    return min((counted.steps_done + counted.open_share) / expected, 1.0)


def _rows_total(state: RunState, counted: Counted, expected: int | None) -> int | None:
    if state is RunState.SUCCEEDED:
        return counted.rows_done
    if expected is None or counted.steps == 0 or counted.steps < expected or counted.uncounted:
        return None
    return max(counted.rows_expected, counted.rows_done)


def _seconds_left(share: float | None, seconds: float | None) -> float | None:
    if not share or seconds is None:
        return None
    return round(seconds * (1 - share) / share, 1)
