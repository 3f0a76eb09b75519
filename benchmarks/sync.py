"""Extraction and sync through the product (REST, Dagster run, ledger, raw store), 1 M and 10 M rows of 12 columns.

Memory is the peak of the run's worker with what it has started, beside the same worker at a dataset of one row.
Goal: at most 300 MB above that, the same at both sizes. Source: PERFORMANCE, "Extract".
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import _measure as measure
from benchmarks._stack import BASE, Stack, running

WORKER = "dataops-run"
SIZES = (1_000_000, 10_000_000)
SECONDS_BETWEEN_LOOKS = 0.05
POLL_SECONDS = 0.1
SOURCE = "superuser"
CHANGE = f"UPDATE {measure.SOURCE_TABLE} SET note = 'changed' WHERE id % 10 = 0"
SCHEMA = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer"},
        "account": {"type": "integer"},
        "amount": {"type": "number"},
        "ratio": {"type": "number"},
        "name": {"type": "string", "maxLength": 100},
        "code": {"type": "string", "pattern": "^[0-9A-F]{32}$"},
        "kind": {"type": "string", "enum": ["alpha", "beta", "gamma", "delta"]},
        "madeAt": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "status": {"type": "string", "enum": ["active", "inactive"]},
        "score": {"type": "integer", "minimum": 0},
        "note": {"type": "string"},
    },
}
TRANSFORMS = {"code": "upper", "status": 'value ? "active" : "inactive"', "note": "trim"}
COLUMNS = {"madeAt": "made_at", "status": "active"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Both sizes in one stack, printed beside each other."""
    parser = argparse.ArgumentParser(description="Extraction and sync through the product")
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    sizes = parser.parse_args(arguments).rows
    table = Table("", "rows", "seconds", "rows/s", "worker's peak MB", title="Extract and sync, 12 columns")
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "home") as stack:
            for size in (1, *sizes):
                for name, seconds, peak in _workload(stack, size):
                    table.add_row(name, f"{size:,}", f"{seconds:.1f}", f"{size / seconds:,.0f}", f"{peak:.0f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _workload(stack: Stack, rows: int) -> Iterator[tuple[str, float, float]]:
    source = _source(stack, rows)
    dataset = stack.create(
        "datasets",
        name=f"Rows {rows}",
        sourceId=source,
        extraction={"type": "sql", "query": f"SELECT * FROM {measure.SOURCE_TABLE}"},
    )
    stack.create("object-types", name=f"row{rows}", schema=SCHEMA, keyField="id")
    mapping = stack.create(
        "mappings",
        name=f"Sync {rows}",
        datasetId=dataset,
        objectType=f"row{rows}",
        mappings={
            name: {"sourceColumn": COLUMNS.get(name, name)}
            | ({"transform": TRANSFORMS[name]} if name in TRANSFORMS else {})
            for name in SCHEMA["properties"]
        },
    )
    extract, sync = f"{BASE}/datasets/{dataset}/extract", f"{BASE}/mappings/{mapping}/sync"
    yield ("extract", *_run(stack, extract, rows))
    yield ("sync, all new", *_run(stack, sync, rows))
    stack.sql(SOURCE, CHANGE)
    yield ("extract again", *_run(stack, extract, rows))
    yield ("sync, a tenth changed", *_run(stack, sync, rows))
    stack.sql(SOURCE, f"DROP TABLE {measure.SOURCE_TABLE}")


def _source(stack: Stack, rows: int) -> str:
    """A source with that many rows, beside the platform's own databases."""
    stack.sql(SOURCE, f"CREATE TABLE {measure.SOURCE_TABLE} AS {measure.ROWS.format(rows=rows)}")
    parts = urlsplit(stack.url(SOURCE))
    connection = {
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path.strip("/"),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    return stack.create("sources", name=f"Benchmark {rows}", type="postgres", connection=connection)


def _run(stack: Stack, path: str, rows: int) -> tuple[float, float]:
    """Seconds until the execution has ended, and its worker's peak in MB."""
    with _watched() as peak:
        began = time.perf_counter()
        answer = stack.api.post(path, headers={"Prefer": "respond-async"}).raise_for_status().json()
        execution = f"{BASE}/executions/{answer['executionId']}"
        while (found := stack.api.get(execution).raise_for_status().json())["status"] == "running":
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
    if found["status"] != "completed" or found["recordsSucceeded"] != rows:
        raise SystemExit(f"{path} ended as {found}")
    return seconds, peak()


@contextmanager
def _watched() -> Iterator[Callable[[], float]]:
    """The peak memory of workers and what they start, while the block lasts."""
    over, peak = threading.Event(), 0.0

    def look() -> None:
        nonlocal peak
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            for worker in _workers():
                with suppress(psutil.NoSuchProcess):
                    family = [worker, *worker.children(recursive=True)]
                    peak = max(peak, sum(each.memory_info().rss for each in family) / 2**20)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield lambda: peak
    finally:
        over.set()
        looking.join()


def _workers() -> list[psutil.Process]:
    found: list[Any] = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if each.name() == WORKER:
                found.append(each)
    return found


if __name__ == "__main__":
    main()
