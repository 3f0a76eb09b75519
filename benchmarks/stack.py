"""The stack: its first and second start, and how long a small request waits for its finished answer.

The share that is the run's own work is printed beside what the client sees; ``launch`` looks closer.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks._stack import BASE, Stack, running

STARTS = 3
LAUNCHES = 7
DATASETS = 1000


def main(_arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        starts = [_start_and_stop(home) for _ in range(1 + STARTS)]
        with running(home) as stack:
            answers, runs = _launches(stack)
            stack.fill_up_datasets(DATASETS)
            reloads = [stack.reload() for _ in range(STARTS)]
    table = Table(title="Stack", title_justify="left")
    for name in ("what", "n", "median s", "min", "max"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, values in (
        ("first start until /health answers 200", starts[:1]),
        ("second start", starts[1:]),
        ("POST extract of a small CSV until the finished answer", answers),
        ("of which the run's own work", runs),
        (f"reload of the location with {DATASETS:,} datasets", reloads),
    ):
        figures = (f"{statistics.median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}")
        table.add_row(name, str(len(values)), *figures)
    Console().print(table)


def _start_and_stop(home: Path) -> float:
    began = time.perf_counter()
    with running(home):
        return time.perf_counter() - began


def _launches(stack: Stack) -> tuple[list[float], list[float]]:
    (stack.home / "files" / "small.csv").write_text("a,b\n1,x\n2,y\n")
    source = stack.create("sources", name="Small", type="csv", connection={"path": "small.csv"})
    dataset = stack.create("datasets", name="Small", sourceId=source, extraction={"type": "file"})
    answers, runs = [], []
    for _ in range(LAUNCHES):
        began = time.perf_counter()
        answer = stack.api.post(f"{BASE}/datasets/{dataset}/extract").raise_for_status().json()
        answers.append(time.perf_counter() - began)
        step = stack.api.get(f"{BASE}/executions/{answer['executionId']}").json()["steps"][0]
        runs.append(_moment(step["completedAt"]) - _moment(step["startedAt"]))
    return answers, runs


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
