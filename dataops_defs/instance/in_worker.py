"""Whether this process is a run's worker, forked by the warm parent.

Such a process executes one run and ends: it may skip what a process that opens the instance on its own has to do,
such as starting the database or creating tables. The one who launched the run has done that.
"""

_worker = False


def become_worker() -> None:
    """From now on this process is a worker; called after the fork, before the instance is opened."""
    global _worker
    _worker = True


def is_worker() -> bool:
    """Whether it is one."""
    return _worker
