"""The warm parent: has everything imported, and forks a process for each run that is launched.

One thread, one loop. It opens no database and starts no thread, because its children would inherit both half alive.
Its children end with it. It notices new code and then replaces itself in place (``succession``).
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dataops_defs.instance.warm import succession
from dataops_defs.instance.warm.children import Children, Refused
from dataops_defs.instance.warm.protocol import Message, socket_path
from dataops_defs.instance.warm.server import BACKLOG, Server, bind
from dataops_defs.instance.warm.source_watch import SourceWatch, own_sources
from dataops_defs.settings import Settings

# What the runs of our own code location import; a run of another location imports the rest itself.
MODULES = (
    "dataops_defs.definitions",
    "dataops_defs.instance.storage",
    "dataops_defs.instance.compute_logs",
    "dataops_defs.instance.coordinator",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.utility_ops",
)
# Libraries below pandas and pyarrow start threads when they are imported, unless they are told not to.
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
LOOK_SECONDS = 1.0
# Less than the supervisor's own grace (services/supervisor.py): workers go first, then we, then whoever remains.
LAST_GRACE_SECONDS = 8.0
REPORT_SECONDS = 1.5
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class WarmParent:
    """One per home.

    Args:
        sources: folders whose change makes the parent replace itself, see ``SourceWatch``.
    """

    def __init__(self, settings: Settings, sources: Sequence[Path] | None = None) -> None:
        self._settings = settings
        estate = succession.inherit()
        self._wakeup = self._install_signals()
        self._ending = False
        self._watch = SourceWatch(sources or own_sources())
        self._children = Children(estate.children if estate else (), settings.max_workers, settings.terminate_seconds)
        self._listener = socket.socket(fileno=estate.listener) if estate else bind(socket_path(settings))
        self._unfit = self._warm_up()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._on_signal)
        # From here on whoever asks is answered; before, a first parent refuses and a successor lets them wait.
        self._listener.listen(BACKLOG)
        self._server = Server(self._listener, self._selector, self._answer)
        if estate is None and os.environ.get("DAGSTER_HOME"):
            self._children.look_for_orphans()
        gc.collect()
        gc.freeze()  # the collector would otherwise touch, and so copy, every page in each child

    def serve(self) -> int:
        """Launch until a signal ends it; the status to leave with."""
        self._say(f"ready: {self._unfit}" if self._unfit else "ready")
        self._children.reap()
        while not self._ending:
            self._turn(LOOK_SECONDS)
            if self._watch.changed() and self._watch.settled:
                self._replace()
        self._unfit = "the launcher is ending"
        self._server.close()
        socket_path(self._settings).unlink(missing_ok=True)
        self._children.terminate_all(LAST_GRACE_SECONDS)
        self._turn_until_childless(LAST_GRACE_SECONDS + REPORT_SECONDS)
        self._children.kill_all()
        return 0

    def _turn(self, seconds: float) -> None:
        """Handle what happens within ``seconds``, or the first of it."""
        until = min(time.monotonic() + seconds, self._children.next_kill)
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            key.data()
        self._children.kill_the_late()
        self._server.drop_the_slow()

    def _turn_until_childless(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._children.all and time.monotonic() < deadline:
            self._turn(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))

    def _answer(self, request: Message) -> Message:
        match request["do"]:
            case "launch":
                return self._launch(str(request["run_id"]), str(request["instance_ref"]))
            case "terminate":
                return {"found": self._children.terminate(str(request["run_id"]))}
            case "status":
                worker = self._children.workers.get(str(request["run_id"]))
                return {"pid": worker.pid, "started": worker.ticks} if worker else {}
            case "ping":
                return {"pid": os.getpid(), "workers": len(self._children.workers), "refuses": self._unfit or ""}
            case other:
                raise ValueError(other)

    def _launch(self, run_id: str, instance_reference: str) -> Message:
        if self._watch.changed():
            return {"refused": "the code has changed and is being imported anew"}
        if self._unfit:
            return {"refused": self._unfit}
        try:
            worker = self._children.launch(run_id, instance_reference)
        except Refused as reason:
            return {"refused": str(reason)}
        return {"pid": worker.pid, "started": worker.ticks}

    def _replace(self) -> None:
        """Execute the new code in our place, unless it cannot be read; its children never notice."""
        problem = self._watch.problem()
        if problem is not None:
            if problem != self._unfit:
                self._say(problem)
            self._unfit = problem
            return
        self._say("the code has changed: importing it anew")
        succession.hand_over(succession.Estate(self._server.listener.fileno(), self._children.all))

    def _warm_up(self) -> str | None:
        """Import what runs need and run one trivial asset; why no worker may be forked, or None.

        Code that cannot be imported does not end the parent: its children live, and runs start cold meanwhile.
        """
        try:
            with _environment(WITHOUT_THREADS):
                for name in MODULES:
                    importlib.import_module(name)
            from dataops_defs.instance.warm.dagster_run import rehearse

            rehearse()
        except Exception as error:
            self._say(f"cannot import the code: {error!r}")
            return f"the code cannot be imported: {error!r}"
        return self._unclean()

    def _unclean(self) -> str | None:
        """What a child would inherit half alive; None when there is nothing."""
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads > 1:
            return f"an imported module has started {threads - 1} threads"
        ours = {self._wakeup.fileno(), self._writer.fileno(), self._listener.fileno()}
        if foreign := _open_sockets() - ours:
            return f"an imported module keeps {len(foreign)} connections open"
        return None

    def _install_signals(self) -> socket.socket:
        """The end of a pair that becomes readable, with the signal's number, at each signal."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._writer = writer
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for each in (*ENDING, signal.SIGCHLD):
            signal.signal(each, _noted_by_the_wakeup)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, succession.HELD_BACK)
        return reader

    def _on_signal(self) -> None:
        numbers = self._wakeup.recv(4096)
        self._ending |= any(each in numbers for each in ENDING)
        self._children.reap()

    def _say(self, text: str) -> None:
        sys.stderr.write(f"launcher, process {os.getpid()}: {text}\n")
        sys.stderr.flush()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables for a while; one that is set already counts afterwards as it was."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name)
            os.environ.update({name: before[name]} if name in before else {})


def _open_sockets() -> set[int]:
    """Descriptors of sockets, but for the three standard streams, which a service manager may have made sockets."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            if int(each.name) > 2 and str(each.readlink()).startswith("socket:"):
                found.add(int(each.name))
        except FileNotFoundError:  # the descriptor that lists the others
            continue
    return found


def _noted_by_the_wakeup(_number: int, _frame: FrameType | None) -> None:
    """Python calls a handler late; the wake-up descriptor has told the loop already."""
