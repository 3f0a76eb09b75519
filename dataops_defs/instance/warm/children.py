"""The children of the warm parent: forked one a run, ended when somebody asks, reaped and reported when they die."""

import os
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial

from dataops_defs.instance.warm import child as after_fork
from dataops_defs.instance.warm.post_mortem import in_words
from dataops_defs.instance.warm.succession import Child
from dataops_defs.instance.worker import Process


class Refused(Exception):
    """No worker is started; the text is the reason."""


class Children:
    """Workers of runs, and those who report dead workers.

    Args:
        limit: most workers at a time.
        grace: seconds between asking a worker to end and killing it.
    """

    def __init__(self, inherited: Iterable[Child], limit: int, grace: float) -> None:
        found = Process.of(os.getpid())
        assert found is not None  # noqa: S101 - a process finds itself
        self.parent = found
        self._limit = limit
        self._grace = grace
        self._all = {each.pid: each for each in inherited}

    @property
    def all(self) -> list[Child]:
        """Those that have not been reaped."""
        return list(self._all.values())

    @property
    def workers(self) -> dict[str, Child]:
        """Workers by the id of their run."""
        return {each.run_id: each for each in self._all.values() if each.is_worker}

    def launch(self, run_id: str, instance_reference: str) -> Child:
        """Fork the worker of a run; asked again for the same run, it is the same worker.

        Raises:
            Refused: there are as many workers as may be, or the machine has no room for one more.
        """
        workers = self.workers
        if run_id in workers:
            return workers[run_id]
        if len(workers) >= self._limit:
            raise Refused(f"{len(workers)} workers run already, which is the limit (DATAOPS_MAX_WORKERS)")
        try:
            pid = after_fork.fork(partial(after_fork.work, run_id, instance_reference, self.parent))
        except OSError as error:
            raise Refused(f"no worker can be started: {error}") from None
        return self._add(Child(run_id, instance_reference, pid, 0))

    def look_for_orphans(self) -> None:
        """Have somebody look for what an earlier parent has left."""
        pid = after_fork.fork(partial(after_fork.look_for_orphans, self.parent, self._grace))
        self._add(Child("", "", pid, 0, is_worker=False))

    def terminate(self, run_id: str) -> bool:
        """Ask a worker to end, and kill it after the grace; False when there is none."""
        worker = self.workers.get(run_id)
        if worker is None:
            return False
        os.kill(worker.pid, signal.SIGINT)  # it is ours: its pid is its own until we reap it
        worker.kill_at = worker.kill_at or time.monotonic() + self._grace
        return True

    def terminate_all(self, seconds: float) -> None:
        """Tell every worker that the platform stops; those that have not ended after ``seconds`` are killed."""
        for worker in self.workers.values():
            os.kill(worker.pid, signal.SIGTERM)
            worker.kill_at = time.monotonic() + seconds

    def kill_the_late(self) -> None:
        """Kill those whose time is over."""
        now = time.monotonic()
        for child in self._all.values():
            if child.kill_at is not None and child.kill_at <= now:
                self._kill(child)
                child.kill_at = None

    def kill_all(self) -> None:
        """Kill whatever is left."""
        for child in self._all.values():
            self._kill(child)

    @property
    def next_kill(self) -> float:
        """When ``kill_the_late`` has something to do; seconds of the monotonic clock."""
        return min((each.kill_at for each in self._all.values() if each.kill_at is not None), default=float("inf"))

    def reap(self) -> None:
        """Take note of all that have ended; a death that may have left its run open is reported."""
        while ended := _next_ended():
            child = self._all.pop(ended.si_pid, None)
            if child is not None and child.is_worker:
                self._kill_rest_of_group(child)  # while the dead leader still holds the group's number
            _, status = os.waitpid(ended.si_pid, 0)
            code = os.waitstatus_to_exitcode(status)
            if child is not None and child.is_worker and code != 0:
                self._report(child, in_words(code))

    def _report(self, dead: Child, how: str) -> None:
        sys.stderr.write(f"run {dead.run_id}: its worker, process {dead.pid}, {how}\n")
        try:
            pid = after_fork.fork(partial(after_fork.report, dead.run_id, dead.instance_reference, how))
        except OSError as error:
            sys.stderr.write(f"run {dead.run_id}: its end cannot be reported: {error}\n")
            return
        self._add(Child(dead.run_id, dead.instance_reference, pid, 0, is_worker=False))

    def _add(self, child: Child) -> Child:
        process = Process.of(child.pid)
        child.ticks = process.ticks if process else 0
        self._all[child.pid] = child
        return child

    def _kill(self, child: Child) -> None:
        os.kill(child.pid, signal.SIGKILL)
        if child.is_worker:
            self._kill_rest_of_group(child)

    def _kill_rest_of_group(self, worker: Child) -> None:
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it died before it led a group
            return


def _next_ended() -> os.waitid_result | None:
    """A child that has ended and was not reaped; it stays so."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
