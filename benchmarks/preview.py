"""100 rows of a CSV file of 2 GB: columns, types and an estimate of all rows, beside pandas' rows alone."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from dataops_defs.adapters.preview.look import Content, look_into
from dataops_defs.adapters.preview.shown import Asked, Shown
from dataops_defs.adapters.storage.roots_files import RootFiles

COLUMNS = "id,day,at,code,name,amount,active,kind,note,mail\n"
ROWS_AT_ONCE = 100_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the file, look into it many times, and print what the median took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2_000_000_000)
    parser.add_argument("--repeats", type=int, default=50)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
        path = Path(folder) / "rows.csv"
        rows = _made(path, given.bytes)
        shown = _look(path)
        table = Table("", "ms", title=f"100 rows of {given.bytes / 1e9:g} GB, {rows:,} rows of 10 columns")
        table.add_row("a look", f"{_milliseconds(lambda: _look(path), given.repeats):.1f}")
        read = _milliseconds(lambda: pd.read_csv(path, nrows=100), given.repeats)
        table.add_row("pandas: the rows, no dates, no estimate", f"{read:.1f}")
    Console().print(table)
    off = abs(shown.count.rows - rows) / rows
    print(f"estimated {shown.count.rows:,} rows, {off:.2%} off; {', '.join(shown.types.values())}")


def _look(path: Path) -> Shown:
    files = RootFiles((path.parent,))
    entry = files.entry(str(path))
    if entry is None:
        raise SystemExit("the file is gone")
    return look_into(Content(entry.name, entry.size, partial(files.opened, entry)), Asked(), "file")


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def _made(path: Path, size: int) -> int:
    """A file of so many bytes; returns its number of rows."""
    rows = 0
    with path.open("w") as file:
        file.write(COLUMNS)
        while file.tell() < size:
            file.writelines(map(_row, range(rows, rows + ROWS_AT_ONCE)))
            rows += ROWS_AT_ONCE
    return rows


def _row(i: int) -> str:
    return (
        f"{i},2024-01-{1 + i % 28:02},2024-01-15T10:{i % 60:02}:00Z,0{i % 9999},customer {i},{i % 1000}.{i % 100:02},"
        f"true,alpha,note {i % 1000},x{i}@example.com\n"
    )


if __name__ == "__main__":
    main()
