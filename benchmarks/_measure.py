"""What the workloads share: a PostgreSQL with a million rows, processes measured from outside, and a table."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2
from rich.console import Console
from rich.table import Table

from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.placement import WHEEL
from dataops_defs.settings import Settings

URL_VARIABLE = "DATAOPS_WAREHOUSE_URL"
SOURCE_TABLE = "dataops_benchmark"
ROWS = """
SELECT i::int AS id, (i * 7919)::bigint AS account, ((i * 37) % 10000000 / 100.0)::numeric(12, 2) AS amount,
    i * 0.37::float8 AS ratio, 'customer ' || i AS name, md5(i::text) AS code,
    (ARRAY['alpha', 'beta', 'gamma', 'delta'])[1 + i % 4] AS kind,
    timestamp '2020-01-01' + i * interval '37 s' AS made_at, date '2015-01-01' + (i % 3000)::int AS day,
    i % 3 = 0 AS active, CASE WHEN i % 5 > 0 THEN (i % 100)::int END AS score,
    CASE WHEN i % 7 > 0 THEN 'note ' || i % 1000 END AS note
FROM generate_series(1, {rows}::bigint) AS i
"""


@dataclass
class Series:
    """Measurements of one contestant: seconds of the work, seconds of its whole process, peak MB of our own."""

    name: str
    work: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """One process; ours end with ``report``."""
        began = time.perf_counter()
        ended = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ | environment, check=False)
        elapsed = time.perf_counter() - began
        if ended.returncode:
            raise SystemExit(f"{self.name} failed with status {ended.returncode}")
        work, _, memory = ended.stdout.decode().partition(" ")
        self.process.append(elapsed)
        self.work.append(float(work) if work else elapsed)
        if memory:
            self.memory.append(float(memory))


def report(began: float) -> None:
    """The seconds since then, without start and imports, and the peak of this process's memory."""
    seconds = time.perf_counter() - began
    # Not ru_maxrss: a child inherits there what its parent had when it was started.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    print(seconds, peak / 1024)


def options(description: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options that all workloads take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", default=os.environ.get(URL_VARIABLE), help="PostgreSQL to use; else an embedded one")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args(arguments)


@contextmanager
def workplace(given: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The URL of a PostgreSQL that holds the rows, and an empty folder."""
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with _server(given.url, Path(folder)) as url:
            with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {SOURCE_TABLE}")
                cursor.execute(f"CREATE TABLE {SOURCE_TABLE} AS {ROWS.format(rows=int(given.rows))}")
                cursor.execute(f"ANALYZE {SOURCE_TABLE}")
            yield url, Path(folder)
            execute(url, f"DROP TABLE {SOURCE_TABLE}")


@contextmanager
def _server(url: str | None, folder: Path) -> Iterator[str]:
    if url:
        yield url.replace("+psycopg2", "")
        return
    server = EmbeddedPostgres(Settings(home=folder / "home"))
    server.start()
    try:
        yield server.superuser_url.replace("+psycopg2", "")
    finally:
        server.destroy()


def execute(url: str, statement: str) -> None:
    """One statement, committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def psql(*statements: str) -> list[str]:
    """The command of the peer."""
    program = shutil.which("psql") or str(WHEEL / "bin" / "psql")
    return [program, "-X", "-q", *(part for each in statements for part in ("-c", each))]


def ourselves(module: str, *arguments: str) -> list[str]:
    """The command of a fresh process of ours."""
    return [sys.executable, "-m", module, "--once", *arguments]


def environment(url: str) -> dict[str, str]:
    """The connection as psql and our processes find it; never an argument, which everybody can read."""
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
        URL_VARIABLE: url,
    }


def show(title: str, series: Sequence[Series]) -> None:
    """Medians; the first is the measure of the others."""
    table = Table("", "seconds", "x limit", "process s", "peak MB", title=title)
    limit = statistics.median(series[0].work)
    for each in series:
        work = statistics.median(each.work)
        table.add_row(
            each.name,
            f"{work:.2f}",
            f"{work / limit:.2f}",
            f"{statistics.median(each.process):.2f}",
            f"{max(each.memory):.0f}" if each.memory else "",
        )
    Console().print(table)
