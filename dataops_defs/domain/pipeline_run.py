"""A node of a graph that is executed: where it stands, given what its worker noted and how its execution is."""

from enum import StrEnum

from dataops_defs.domain.run import WAITING, RunState


class NodeState(StrEnum):
    """Where a node stands. Workers note the first five; the others follow from the execution."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    PAUSED = "paused"


_N, _R = NodeState, RunState
SETTLED = frozenset({_N.COMPLETED, _N.FAILED, _N.SKIPPED})
"""What a worker that continues an execution leaves as it is."""
BLOCKING = frozenset({_N.FAILED, _N.SKIPPED})
"""What keeps the nodes after it from running."""

# A node that waits when its execution ends was never begun.
_OF_WAITING = {_R.CANCELLED: _N.CANCELLED, _R.FAILED: _N.SKIPPED, _R.TIMED_OUT: _N.SKIPPED}
# A node at work whose worker is gone is begun again by the next one.
_OF_RUNNING = {
    **dict.fromkeys(WAITING, _N.WAITING),
    _R.PAUSED: _N.PAUSED,
    _R.CANCELLED: _N.CANCELLED,
    _R.FAILED: _N.FAILED,
    _R.TIMED_OUT: _N.FAILED,
}


def shown_state(noted: NodeState, run: RunState) -> NodeState:
    """What to show of a node, given what was noted of it last and the state of its execution."""
    table = {_N.WAITING: _OF_WAITING, _N.RUNNING: _OF_RUNNING}.get(noted, {})
    return table.get(run, noted)
