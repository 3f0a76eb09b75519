"""MariaDB to the raw store (Parquet, zstd), beside what its own client needs to take the rows and throw them away."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import _measure as measure
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from tests.mariadb import MariadbServer

# The rows that PostgreSQL has in the other workloads.
ROWS = """
SELECT CAST(seq AS INT) AS id, CAST(seq * 7919 AS SIGNED) AS account,
    CAST((seq * 37) % 10000000 / 100 AS DECIMAL(12, 2)) AS amount, seq * 0.37e0 AS ratio,
    CONCAT('customer ', seq) AS name, MD5(seq) AS code, ELT(1 + seq % 4, 'alpha', 'beta', 'gamma', 'delta') AS kind,
    TIMESTAMP('2020-01-01') + INTERVAL seq * 37 SECOND AS made_at, DATE('2015-01-01') + INTERVAL seq % 3000 DAY AS day,
    seq % 3 = 0 AS active, IF(seq % 5 > 0, CAST(seq % 100 AS INT), NULL) AS score,
    IF(seq % 7 > 0, CONCAT('note ', seq % 1000), NULL) AS note
FROM seq_1_to_{rows}
"""
QUERY = f"SELECT * FROM {measure.SOURCE_TABLE}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Both in turn, several times, and a table of the medians."""
    given = measure.options(__doc__ or "", arguments)
    limit = measure.Series("mariadb --quick to nowhere")
    ours = measure.Series("extraction into the raw store")
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder, _server(folder) as server:
        server.sql("CREATE DATABASE benchmark")
        server.sql(f"CREATE TABLE {measure.SOURCE_TABLE} AS {ROWS.format(rows=given.rows)}", database="benchmark")
        for _ in range(given.repeats):
            limit.run(_client(server.port), {})
            ours.run(measure.ourselves("benchmarks.extract_mysql", folder, str(server.port)), {})
    measure.show(f"Extract {given.rows:,} rows of 12 columns from MariaDB", [limit, ours])


def once(folder: str, port: int) -> None:
    """One extraction; reports its seconds and memory."""
    connection = {"host": "127.0.0.1", "port": port, "database": "benchmark", "username": "root", "sslmode": "disable"}
    source = Source("benchmark", "benchmark", "benchmark", SourceType.MYSQL, "default", connection, {})
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = RawStore(f"file://{place}")
        began = time.perf_counter()
        with open_source(source, roots=(), allowed_hosts="127.0.0.1").read(
            Extraction(ExtractionType.SQL, query=QUERY)
        ) as reading:
            store.write("benchmark", "rows.parquet", reading.schema, reading.batches)
        measure.report(began)


@contextmanager
def _server(folder: str) -> Iterator[MariadbServer]:
    server = MariadbServer(Path(folder))
    server.install()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _client(port: int) -> list[str]:
    options = ["--no-defaults", "--quick", "--skip-column-names", "--batch", "--skip-ssl", "-h127.0.0.1", f"-P{port}"]
    return ["bash", "-c", f"mariadb {' '.join(options)} -uroot benchmark -e '{QUERY}' >/dev/null"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(sys.argv[2], int(sys.argv[3]))
    else:
        main()
