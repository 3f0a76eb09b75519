"""How long the platform takes to get over a kill."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg2

from tests.chaos.place import Place
from tests.chaos.targets import WORKER, Target

POLL_SECONDS = 0.1
GIVEN_UP_AFTER = 120.0
# A worker that was killed before anybody had written its pid; its run is among those that must end all the same.
UNKNOWN_AFTER = 15.0
ENDED_IN_DAGSTER = ("SUCCESS", "FAILURE", "CANCELED")
OPEN_STATES = ("queued", "starting", "running", "pausing", "paused", "cancelling")
# The warm launcher names the worker in a tag; Dagster's executor names itself in the event log. Pids come again.
RUN_OF_WORKER = """
SELECT run_id FROM (
    SELECT run_id, timestamp AS at FROM event_logs
    WHERE dagster_event_type = 'ENGINE_EVENT' AND event LIKE %(event)s
    UNION ALL
    SELECT run_id, r.create_timestamp FROM run_tags t JOIN runs r USING (run_id)
    WHERE t.key = '.dagster/dataops_worker' AND t.value LIKE %(tag)s
) found WHERE at > (now() AT TIME ZONE 'UTC') - interval '10 min' ORDER BY at DESC LIMIT 1
"""
# A launch names its record in a tag; a run that was started in Dagster is named by the record that it makes.
RECORD_OF_RUN = "SELECT value FROM run_tags WHERE run_id = %s AND key = 'dataops/run_id'"
RECORD = """
SELECT id::text, (to_jsonb(run) ->> 'epoch')::int FROM run
WHERE (id::text = %s OR dagster_run_id = %s) AND finished_at IS NULL
"""
RECORD_NOW = "SELECT state, dagster_run_id, (to_jsonb(run) ->> 'epoch')::int FROM run WHERE id = %s"


@dataclass
class Recovery:
    """One kill, and seconds until things were well again; None while they are not.

    ``back``: the process runs and serves. Of a worker: ``noticed`` until Dagster shows its run as ended,
    ``continued`` until its record was taken up by another run.
    """

    kind: str
    pid: int
    killed_at: float = 0.0
    wall: float = 0.0
    dagster_run: str | None = None
    record: str | None = None
    epoch: int | None = None
    back: float | None = None
    noticed: float | None = None
    continued: float | None = None
    over: bool = False

    def line(self) -> str:
        """For the log of kills."""
        moment = time.strftime("%H:%M:%S", time.gmtime(self.wall)) + f".{int(self.wall % 1 * 1000):03}"
        told = {name: getattr(self, name) for name in ("back", "noticed", "continued", "dagster_run", "record")}
        words = (f"{name} {f'{value:.2f}' if isinstance(value, float) else value}" for name, value in told.items())
        return f"{moment}Z {self.kind} {self.pid}: {', '.join(words)}"


@dataclass
class Recoveries(threading.Thread):
    """Watches what was killed until it is well again."""

    place: Place
    all: list[Recovery] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._targets: dict[str, Target] = {}
        self._stopped = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def expect(self, target: Target, pid: int) -> Recovery:
        """Look up what there is to know before the kill."""
        self._targets[target.name] = target
        recovery = Recovery(target.name, pid)
        if target.name == WORKER:
            self._identify(recovery)
        return recovery

    def begin(self, recovery: Recovery) -> None:
        """The kill has happened."""
        recovery.killed_at, recovery.wall = time.monotonic(), time.time()
        self.all.append(recovery)

    def settled(self) -> bool:
        """Whether everything is well again, or given up."""
        return all(each.over for each in self.all)

    def run(self) -> None:
        """Look at all that is not well yet, again and again."""
        while not self._stopped.wait(POLL_SECONDS):
            for each in [one for one in self.all if not one.over]:
                # While the database is away nothing can be asked; that time counts.
                with suppress(psycopg2.Error):
                    self._look(each)
                each.over = each.over or time.monotonic() - each.killed_at > GIVEN_UP_AFTER

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        self.join()

    def _look(self, recovery: Recovery) -> None:
        if recovery.kind == WORKER:
            self._look_at_run(recovery)
            return
        target = self._targets[recovery.kind]
        pids = target.pids(self.place)
        if pids and recovery.pid not in pids and target.answers(self.place, recovery.wall):
            recovery.back = time.monotonic() - recovery.killed_at
            recovery.over = True

    def _identify(self, recovery: Recovery) -> None:
        with suppress(psycopg2.Error):
            event, tag = f"%(pid: {recovery.pid})%", f'%"process":{{"pid":{recovery.pid},%'
            found = self.place.ask("instance", RUN_OF_WORKER, event=event, tag=tag)
            if not found:
                return
            recovery.dagster_run = str(found[0][0])
            named = self.place.ask("instance", RECORD_OF_RUN, recovery.dagster_run)
            id = named[0][0] if named else ""
            if found := self.place.ask("catalogue", RECORD, id, recovery.dagster_run):
                recovery.record, recovery.epoch = found[0]

    def _look_at_run(self, recovery: Recovery) -> None:
        since = time.monotonic() - recovery.killed_at
        if recovery.dagster_run is None:
            self._identify(recovery)
            recovery.over = since > UNKNOWN_AFTER
            return
        if recovery.noticed is None:
            status = self.place.ask("instance", "SELECT status FROM runs WHERE run_id = %s", recovery.dagster_run)
            recovery.noticed = since if not status or status[0][0] in ENDED_IN_DAGSTER else None
        if recovery.record is None:
            recovery.over = recovery.noticed is not None
            return
        [(state, run, epoch)] = self.place.ask("catalogue", RECORD_NOW, recovery.record)
        taken_up = run != recovery.dagster_run if epoch is None else epoch > (recovery.epoch or 0)
        if recovery.continued is None and taken_up:
            recovery.continued = since
        ended = state not in OPEN_STATES
        recovery.over = recovery.noticed is not None and (recovery.continued is not None or ended)
