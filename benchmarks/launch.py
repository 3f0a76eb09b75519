"""Launching, with the warm launcher and with Dagster's own: one run, twenty at once, during a reload, a small file.

The part that is the work itself is printed beside the whole, and where in Dagster the rest goes.
Goals: PERFORMANCE, "Launching".
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks._stack import BASE, Stack, running

LAUNCHERS = ("warm", "default")
REPEATS = 7
AT_ONCE, LIMIT = 20, 4
FEW, MANY, SCHEDULES = 20, 2_000, 500
POLL_SECONDS = 0.02
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
LAUNCH = """mutation($asset: [String!]!) { launchRun(executionParams: {mode: "default", runConfigData: {}, selector: {
    repositoryLocationName: "dataops", repositoryName: "__repository__", jobName: "__ASSET_JOB",
    assetSelection: [{path: $asset}]}}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
STEPS = "SELECT finished_at - created_at FROM run_step WHERE run_id = (SELECT id FROM run WHERE dagster_run_id = %s)"
# A run counts against the limit from the moment it is handed to the launcher.
SPANS = """
SELECT run_id, min(timestamp) FILTER (WHERE dagster_event_type = 'PIPELINE_STARTING'),
    max(timestamp) FILTER (WHERE dagster_event_type = 'PIPELINE_SUCCESS')
FROM event_logs WHERE run_id = ANY (%s) GROUP BY run_id
"""
RECORDS = "SELECT id::text, dagster_run_id, state FROM run WHERE id::text = ANY (%s) ORDER BY id"
EVENTS = "SELECT dagster_event_type, min(timestamp) FROM event_logs WHERE run_id = %s GROUP BY 1"
MANY_SCHEDULES = """
INSERT INTO schedule (id, name, subject_kind, subject_id, cron, timezone, enabled, pending, created_at, updated_at)
SELECT gen_random_uuid(), 'benchmark_' || row_number() OVER (), 'dataset', id, '0 3 * * *', 'UTC', false, false,
    now(), now()
FROM dataset ORDER BY id LIMIT %s
"""
# Seconds of a run between these events of Dagster's log.
PARTS = {
    "until it is handed to the launcher": (None, "PIPELINE_STARTING"),
    "until the worker has loaded it": ("PIPELINE_STARTING", "PIPELINE_START"),
    "until the step begins": ("PIPELINE_START", "STEP_START"),
    "the step": ("STEP_START", "STEP_SUCCESS"),
    "until it is a success": ("STEP_SUCCESS", "PIPELINE_SUCCESS"),
}


@dataclass
class Figures:
    """What was measured with one launcher: seconds by name, and sentences."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, list[float]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


GOALS = {
    f"launchRun to SUCCESS, {FEW} datasets": "0.7",
    f"launchRun to SUCCESS, {MANY:,} datasets": "0.9",
    "POST extract of a small CSV until completed": "1.0",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the launchers, print them beside each other."""
    parser = argparse.ArgumentParser(description="Launching")
    parser.add_argument("--only", choices=LAUNCHERS)
    only = parser.parse_args(arguments).only
    found = {}
    for launcher in [only] if only else LAUNCHERS:
        with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
            Path(folder).chmod(0o755)
            with running(Path(folder) / "home", DATAOPS_RUN_LAUNCHER=launcher) as stack:
                found[launcher] = _Workload(stack, launcher).measure()
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(_table("Launching, median seconds", found, lambda each: each.seconds, GOALS))
    console.print(_table(f"Where launchRun to SUCCESS goes, {FEW} datasets", found, lambda each: each.parts, {}))
    for launcher, figures in found.items():
        for name, sentence in figures.told.items():
            console.print(f"{launcher}: {name}: {sentence}", highlight=False)


class _Workload:
    """All measurements of one stack."""

    def __init__(self, stack: Stack, launcher: str) -> None:
        self._stack, self._launcher = stack, launcher
        self._figures = Figures()
        (stack.home / "files" / "tiny.csv").write_text("a,b\n1,x\n2,y\n")
        self._source = stack.create("sources", name="Tiny", type="csv", connection={"path": "tiny.csv"})
        self._dataset = stack.create("datasets", name="Tiny", sourceId=self._source, extraction={"type": "file"})

    def measure(self) -> Figures:
        """Everything, from few datasets to many."""
        self._with_datasets(FEW)
        self._small_file()
        self._at_once()
        self._with_datasets(MANY)
        self._stack.sql("catalogue", MANY_SCHEDULES, (SCHEDULES,))
        self._reload_with_a_run_in_flight()
        self._note(f"launchRun to SUCCESS, {MANY:,} datasets and {SCHEDULES} schedules", self._launch("tiny")[0])
        return self._figures

    def _with_datasets(self, count: int) -> None:
        self._stack.fill_up_datasets(count)
        self._note(f"reload, {count:,} datasets", self._stack.reload())
        self._launch("tiny")
        for _ in range(REPEATS):
            seconds, run = self._launch("tiny")
            self._note(f"launchRun to SUCCESS, {count:,} datasets", seconds)
            [(body,)] = self._stack.sql("catalogue", STEPS, (run,))
            self._note(f"of which the asset's own work, {count:,} datasets", body.total_seconds())
            if count == FEW:
                self._note_parts(run, seconds)

    def _launch(self, slug: str) -> tuple[float, str]:
        """Seconds from asking to SUCCESS, and the Dagster run."""
        began = time.perf_counter()
        answer = self._stack.graphql(LAUNCH, asset=["default", "raw", slug])["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise SystemExit(f"Dagster did not launch: {answer}")
        run = answer["run"]["runId"]
        if self._ended(run) != "SUCCESS":
            raise SystemExit(f"run {run} did not succeed")
        return time.perf_counter() - began, run

    def _ended(self, run: str) -> str:
        while (status := self._stack.graphql(STATUS, id=run)["runOrError"]["status"]) not in ENDED:
            time.sleep(POLL_SECONDS)
        return str(status)

    def _note_parts(self, run: str, seconds: float) -> None:
        events = {kind: moment.timestamp() for kind, moment in self._stack.sql("instance", EVENTS, (run,)) if kind}
        spent = 0.0
        for name, (begin, end) in PARTS.items():
            if begin is not None:
                self._figures.parts.setdefault(name, []).append(events[end] - events[begin])
                spent += events[end] - events[begin]
        asked = next(name for name, (begin, _) in PARTS.items() if begin is None)
        self._figures.parts.setdefault(asked, []).append(seconds - spent)

    def _small_file(self) -> None:
        for _ in range(1 + REPEATS):
            began = time.perf_counter()
            answer = self._stack.api.post(f"{BASE}/datasets/{self._dataset}/extract").raise_for_status()
            if answer.status_code != 200:
                raise SystemExit(f"the extraction was not completed: {answer.text}")
            self._note("POST extract of a small CSV until completed", time.perf_counter() - began)
        del self._figures.seconds["POST extract of a small CSV until completed"][0]

    def _at_once(self) -> None:
        """Twenty requests over REST, one after the other without waiting for their work."""
        datasets = self._stack.sql("catalogue", "SELECT id::text FROM dataset ORDER BY id LIMIT %s", (AT_ONCE,))
        began = time.perf_counter()
        asked = []
        for (dataset,) in datasets:
            answer = self._stack.api.post(f"{BASE}/datasets/{dataset}/extract", headers={"Prefer": "respond-async"})
            asked.append(answer.raise_for_status().json()["executionId"])
        while any(state in ("queued", "starting", "running") for _, _, state in self._records(asked)):
            time.sleep(POLL_SECONDS)
        self._note(f"{AT_ONCE} asked for at once, until the last has ended", time.perf_counter() - began)
        records = self._records(asked)
        runs = [run for _, run, _ in records]
        for run in runs:
            self._ended(run)
        spans = dict(self._spans(runs))
        in_turn = sum(spans[a][0] <= spans[b][0] for a, b in pairwise(runs))
        most = max(sum(a <= begin < b for a, b in spans.values()) for begin, _ in spans.values())
        succeeded = sum(state == "succeeded" for _, _, state in records)
        self._figures.told[f"{AT_ONCE} at once"] = (
            f"{succeeded} succeeded, {in_turn} of {AT_ONCE - 1} were handed over after the one asked for before them,"
            f" at most {most} at the same time (limit {LIMIT})"
        )

    def _records(self, ids: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        return self._stack.sql("catalogue", RECORDS, (list(ids),))

    def _spans(self, runs: Sequence[str]) -> Sequence[tuple[str, tuple[datetime, datetime]]]:
        return [(run, (begin, end)) for run, begin, end in self._stack.sql("instance", SPANS, (list(runs),))]

    def _reload_with_a_run_in_flight(self) -> None:
        """The run waits, without using a core, for the row of its dataset, which is ours until the reload is done."""
        with closing(psycopg2.connect(self._stack.url("catalogue"))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM dataset WHERE id = %s FOR UPDATE", (self._dataset,))
            path = f"{BASE}/datasets/{self._dataset}/extract"
            answer = self._stack.api.post(path, headers={"Prefer": "respond-async"}).raise_for_status()
            execution = answer.json()["executionId"]
            while self._records([execution])[0][2] != "running":
                time.sleep(POLL_SECONDS)
            self._note(f"reload, {MANY:,} datasets and {SCHEDULES} schedules", self._stack.reload())
            connection.rollback()
        status = self._ended(self._records([execution])[0][1])
        state = self._records([execution])[0][2]
        self._figures.told["a run in flight during the reload"] = f"{status} in Dagster, its record {state}"

    def _note(self, name: str, seconds: float) -> None:
        if name not in self._figures.seconds:
            sys.stderr.write(f"{self._launcher}: {name} …\n")
        self._figures.seconds.setdefault(name, []).append(seconds)


def _table(
    title: str,
    found: dict[str, Figures],
    series: Callable[[Figures], dict[str, list[float]]],
    goals: dict[str, str],
) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for name in (*found, *(["goal, warm"] if goals else [])):
        table.add_column(name, justify="right")
    for what in dict.fromkeys(name for each in found.values() for name in series(each)):
        values = [series(each).get(what, []) for each in found.values()]
        figures = [_figure(each) for each in values]
        table.add_row(what, *figures, *([goals.get(what, "")] if goals else []))
    return table


def _figure(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.2f}" if values else ""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
