"""ETL pipelines, full and incremental, that are run, paused and resumed while their source changes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import psycopg2

from tests.chaos.clients import Request
from tests.chaos.place import ANSWER_SECONDS, Place
from tests.chaos.verdicts import Harm, Verdict

BASE = "/api/v1/pipelines"
FILMS, BATCH = 5_000, 50
TICKS_A_PAUSE = 5
AT_REST = ("IDLE", "FAILED")
TABLES = (
    "DROP TABLE IF EXISTS content.chaos_film, content.chaos_moment",
    "CREATE TABLE content.chaos_film (id int PRIMARY KEY, title text, rating numeric(4,2), updated_at timestamptz)",
    "CREATE TABLE content.chaos_moment (tick int)",
    "INSERT INTO content.chaos_moment VALUES (0)",
    "INSERT INTO content.chaos_film SELECT n, 'film ' || n, n % 10, clock_timestamp()"
    f" FROM generate_series(1, {FILMS}) n",
)
# The same tick again changes nothing more: an unknown outcome of a commit is no harm.
CHANGES = (
    "UPDATE content.chaos_moment SET tick = {tick}",
    "UPDATE content.chaos_film SET title = 'film ' || id || ' at {tick}', updated_at = clock_timestamp()"
    " WHERE id % 97 = {tick} % 97",
    "INSERT INTO content.chaos_film SELECT 100000 + {tick} * 10 + n, 'new ' || n, n, clock_timestamp()"
    " FROM generate_series(1, 10) n ON CONFLICT DO NOTHING",
)
FULL = "SELECT f.id AS film_id, f.title, f.rating, m.tick FROM content.chaos_film f CROSS JOIN content.chaos_moment m"
INCREMENTAL = "SELECT id AS film_id, title, rating, updated_at FROM content.chaos_film"
MOMENTS = "SELECT count(DISTINCT tick) FROM analytics.film_dim"
LEDGER = """
SELECT run_id::text, count(*), sum(read), sum(inserted + updated) FROM dataops.ledger WHERE subject_id = %s GROUP BY 1
"""
MOVED = "SELECT count(DISTINCT run_id), coalesce(sum(read), 0) FROM dataops.ledger WHERE subject_id::text = ANY (%s)"
CONTINUED = "SELECT count(*) FROM run WHERE subject_id::text = ANY (%s) AND epoch > 1"
RECORDS = "SELECT id::text, state, records_processed, coalesce(error, '') FROM run WHERE subject_id = %s ORDER BY id"


@dataclass
class _Pipeline:
    """One pipeline under fire; ``last_run`` once the run that nobody disturbs was asked for."""

    name: str
    target: str
    query: str
    mode: str
    id: str = ""
    last_run: bool = False


@dataclass
class Pipelines:
    """Pipelines with small batches, so that most kills hit one in the middle of a load."""

    _pipelines: list[_Pipeline] = field(
        default_factory=lambda: [
            _Pipeline("chaos full", "analytics.film_dim", FULL, "full"),
            _Pipeline("chaos incremental", "analytics.film_rating_agg", INCREMENTAL, "incremental"),
        ]
    )
    _mixtures: list[str] = field(default_factory=list)
    _looks: int = 0
    _pauses: int = 0

    def prepare(self, place: Place) -> None:
        """A source table and the pipelines."""
        place.change("warehouse", *TABLES)
        for each in self._pipelines:
            body = {
                "name": each.name,
                "mode": each.mode,
                "target_table": each.target,
                "batch_size": BATCH,
                "source_query": each.query,
                "key_columns": ["film_id"],
                "lag_seconds": 30 if each.mode == "incremental" else 0,
            }
            answer = place.stack.api.post(BASE, json=body)
            if not answer.is_success:
                raise SystemExit(f"POST {BASE}: {answer.status_code} {answer.text}")
            each.id = answer.json()["id"]

    def request(self, chance: Random) -> Request | None:
        """None: asking twice is one run here, so requests are not counted."""
        return None

    def tend(self, place: Place, tick: int) -> None:
        """The source changes; pipelines are run, now and then paused, and gone on with a second later."""
        place.change("warehouse", *(each.format(tick=tick + 1) for each in CHANGES))
        for number, each in enumerate(self._pipelines):
            verb = "pause" if (tick + number) % TICKS_A_PAUSE == 0 else "run"
            self._pauses += self._ask(place, each, verb) and verb == "pause"
        self._look(place)

    def closing(self) -> Sequence[Sequence[Request]]:
        """Nothing over REST's queue: see ``busy``."""
        return []

    def busy(self, place: Place) -> int:
        """Pipelines that do not rest yet; each gets one more run when nobody disturbs any more."""
        waiting = 0
        for each in self._pipelines:
            status = self._status(place, each)
            if status in AT_REST and each.last_run:
                continue
            waiting += 1
            if status in (*AT_REST, "PAUSED") and self._ask(place, each, "run"):
                each.last_run = status in AT_REST
        return waiting

    def figures(self, place: Place) -> Mapping[str, object]:
        """Runs, rows and pauses."""
        ids = [each.id for each in self._pipelines]
        [(runs, rows)] = place.ask("warehouse", MOVED, ids)
        [(continued,)] = place.ask("catalogue", CONTINUED, ids)
        return {
            "runs of ETL pipelines": runs,
            "rows they read": f"{rows:,}",
            "of which continued by another worker": continued,
            "pauses that were asked for": self._pauses,
            "looks at the target while it was loaded": self._looks,
        }

    def verdicts(self, place: Place) -> Iterator[Verdict]:
        """Targets are their sources; every run has one ledger row that says what its record says."""
        for each in self._pipelines:
            yield self._same(place, each)
            yield self._booked(place, each)
        verdict = Verdict("readers of a full load saw one moment of its source")
        for case in self._mixtures:
            verdict.broken(Harm.TWICE, case)
        yield verdict

    @staticmethod
    def _same(place: Place, pipeline: _Pipeline) -> Verdict:
        verdict = Verdict(f"the target of '{pipeline.name}' equals its source, nothing lost, nothing twice")
        names = "film_id, title, rating" + (", tick" if pipeline.mode == "full" else ", updated_at")
        source, target = f"SELECT {names} FROM ({pipeline.query}) s", f"SELECT {names} FROM {pipeline.target}"
        for harm, left, right in ((Harm.LOST, source, target), (Harm.TWICE, target, source)):
            try:
                rows = place.ask("warehouse", f"({left}) EXCEPT ALL ({right})")
            except psycopg2.errors.UndefinedTable:
                rows = [("the target is not there",)]
            if rows:
                verdict.broken(harm, f"{len(rows)} rows {harm}, such as {rows[0]}", len(rows))
        return verdict

    @staticmethod
    def _booked(place: Place, pipeline: _Pipeline) -> Verdict:
        verdict = Verdict(f"each run of '{pipeline.name}' succeeded, with one ledger row that its record agrees with")
        ledger = {run: (rows, read) for run, rows, read, _ in place.ask("warehouse", LEDGER, pipeline.id)}
        for run, state, processed, error in place.ask("catalogue", RECORDS, pipeline.id):
            if state != "succeeded":
                verdict.broken(Harm.FAILED, f"run {run} is {state}: {error}")
            elif ledger.get(run) != (1, processed):
                verdict.broken(Harm.LOST, f"run {run}: its record says {processed} rows, the ledger {ledger.get(run)}")
        return verdict

    def _look(self, place: Place) -> None:
        with suppress(psycopg2.errors.UndefinedTable):
            [(moments,)] = place.ask("warehouse", MOMENTS)
            self._looks += 1
            if moments > 1:
                self._mixtures.append(f"{moments} moments of the source at once")

    @staticmethod
    def _ask(place: Place, pipeline: _Pipeline, verb: str) -> bool:
        with suppress(httpx.HTTPError):
            return _call(place, "POST", f"{BASE}/{pipeline.id}/{verb}").is_success
        return False

    @staticmethod
    def _status(place: Place, pipeline: _Pipeline) -> str:
        with suppress(httpx.HTTPError, ValueError):
            return str(_call(place, "GET", f"{BASE}/{pipeline.id}").json().get("status", ""))
        return ""


def _call(place: Place, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {place.token}"}
    return httpx.request(method, f"{place.urls['api']}{path}", headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
