"""Runs that begin in Dagster: selections of assets that a person launches there, and a schedule's ticks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import Any

import httpx

from tests.chaos.clients import Request
from tests.chaos.objects import BASE
from tests.chaos.place import ANSWER_SECONDS, Place
from tests.chaos.verdicts import Harm, Verdict

FOLDER, FILES, ROWS = "chaos/dagster", 3, 1_000
TICKS_A_LAUNCH = 4
TAG, LAUNCHES = "chaos/launch", "assets launched in Dagster"
LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"""
RUNS = """
SELECT t.value, r.run_id, r.status,
    (SELECT value FROM run_tags o WHERE o.run_id = r.run_id AND o.key = 'dataops/run_id')
FROM run_tags t JOIN runs r USING (run_id) WHERE t.key = %s
    AND NOT EXISTS (SELECT FROM run_tags p WHERE p.run_id = r.run_id AND p.key = 'dagster/parent_run_id')
    AND EXISTS (SELECT FROM run_tags s WHERE s.run_id = r.run_id AND s.value = %s)
    AND r.create_timestamp < (now() AT TIME ZONE 'UTC') - %s * interval '1 s'
"""
TICK = ".dagster/scheduled_execution_time"
# A tick may come while the targets are compared; its run is as young as that.
YOUNG_SECONDS = 30
RECORDS = "SELECT id::text, state FROM run WHERE id::text = ANY (%s)"
LEDGER = """
SELECT run_id::text, count(*), count(DISTINCT subject_id) FROM dataops.ledger WHERE run_id::text = ANY (%s) GROUP BY 1
"""


class InDagster:
    """Every few seconds a run of all assets of some files; every minute a tick of a schedule."""

    def __init__(self) -> None:
        self._datasets: list[str] = []
        self._scheduled = ""

    def prepare(self, place: Place) -> None:
        """Files with a dataset each, and one more with a schedule."""
        folder = place.home / "files" / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(FILES + 1):
            rows = "\n".join(f"{line},text {line}" for line in range(ROWS))
            (folder / f"{number}.csv").write_text(f"line,content\n{rows}\n")
        for number in range(FILES):
            self._datasets.append(self._dataset(place, number))
        self._scheduled = self._dataset(place, FILES, schedule={"enabled": True, "cron": "* * * * *"})

    def _dataset(self, place: Place, number: int, **more: Any) -> str:
        connection = {"path": f"{FOLDER}/{number}.csv"}
        name = {"name": f"Chaos file {number}", "app": "chaos"}
        source = self._post(place, "sources", {**name, "type": "csv", "connection": connection})
        return self._post(place, "datasets", {**name, "sourceId": source, "extraction": {"type": "file"}, **more})

    @staticmethod
    def _post(place: Place, kind: str, body: dict[str, Any]) -> str:
        answer = place.stack.api.post(f"{BASE}/{kind}", json=body)
        if not answer.is_success:
            raise SystemExit(f"POST {kind}: {answer.status_code} {answer.text}")
        return str(answer.json()["id"])

    def request(self, chance: Random) -> Request | None:
        """None: these runs are not asked for over REST."""
        return None

    def tend(self, place: Place, tick: int) -> None:
        """Launch as the pages of Dagster do; nobody repeats a launch whose answer was lost."""
        if tick % TICKS_A_LAUNCH:
            return
        assets = [{"path": ["chaos", "raw", f"chaos_file_{number}"]} for number in range(FILES)]
        selector = {
            "repositoryLocationName": "dataops",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": assets,
        }
        tags = [{"key": TAG, "value": f"launch {tick}"}, {"key": "chaos/kind", "value": LAUNCHES}]
        wanted = {
            "selector": selector,
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": tags},
        }
        try:
            httpx.post(
                f"{place.urls['ui']}/graphql",
                json={"query": LAUNCH, "variables": {"p": wanted}},
                timeout=ANSWER_SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError:
            return

    def closing(self) -> Sequence[Sequence[Request]]:
        """Nothing to ask for."""
        return []

    def busy(self, place: Place) -> int:
        """Runs that died in Dagster before their first act and are not taken up yet."""
        return sum(status == "FAILURE" and record is None for _, _, status, record in self._runs(place, TAG, LAUNCHES))

    def figures(self, place: Place) -> Mapping[str, object]:
        """How much was done."""
        return {"runs that Dagster took on": len(self._runs(place, TAG, LAUNCHES))}

    def verdicts(self, place: Place) -> Iterator[Verdict]:
        """Whatever Dagster took on is done once; so is each minute of the schedule."""
        launches = self._runs(place, TAG, LAUNCHES)
        yield self._done(
            "each run of assets that Dagster took on is done, its files extracted once", place, launches, FILES
        )
        ticks = self._runs(place, TICK, self._scheduled, YOUNG_SECONDS)
        verdict = self._done("each minute of the schedule is one run, done once", place, ticks, 1)
        for moment, runs in Counter(moment for moment, *_ in ticks).items():
            if runs > 1:
                verdict.broken(Harm.TWICE, f"the tick of {moment} made {runs} runs", runs - 1)
        for earlier, later in pairwise(sorted({datetime.fromisoformat(moment) for moment, *_ in ticks})):
            if missed := round((later - earlier).total_seconds() / 60) - 1:
                verdict.broken(Harm.LOST, f"{missed} ticks are missing before {later}", missed)
        yield verdict

    @staticmethod
    def _runs(place: Place, key: str, value: str, older_than: int = 0) -> Sequence[tuple[str, str, str, str | None]]:
        """Runs that carry both: what the tag says, the run, its status, its record."""
        return [tuple(row) for row in place.ask("instance", RUNS, key, value, older_than)]  # type: ignore[misc]

    @staticmethod
    def _done(promise: str, place: Place, runs: Sequence[tuple[str, str, str, str | None]], files: int) -> Verdict:
        verdict = Verdict(promise)
        records = sorted({record for *_, record in runs if record})
        states = dict(place.ask("catalogue", RECORDS, records))
        entries = {run: (rows, subjects) for run, rows, subjects in place.ask("warehouse", LEDGER, records)}
        for what, run, _, record in runs:
            state = states.get(record)
            if state != "succeeded":
                verdict.broken(Harm.FAILED if state else Harm.LOST, f"{what}, run {run}: {state or 'no record'}")
                continue
            rows, subjects = entries.get(record, (0, 0))
            if subjects < files:
                verdict.broken(Harm.LOST, f"{what}: {subjects} of {files} files are in the ledger")
            if rows > subjects:
                verdict.broken(Harm.TWICE, f"{what}: {rows} ledger rows for {subjects} files")
        return verdict
