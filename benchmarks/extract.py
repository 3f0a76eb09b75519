"""PostgreSQL to the raw store (Parquet, zstd), beside what PostgreSQL itself needs to hand the rows out."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from benchmarks import _measure as measure
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType


def main(arguments: Sequence[str] | None = None) -> None:
    """Both in turn, several times, and a table of the medians."""
    given = measure.options(__doc__ or "", arguments)
    limit = measure.Series("psql: COPY (FORMAT binary) to nowhere")
    ours = measure.Series("extraction into the raw store")
    with measure.workplace(given) as (url, folder):
        environment = measure.environment(url)
        copy = f"\\copy (SELECT * FROM {measure.SOURCE_TABLE}) TO '/dev/null' (FORMAT binary)"
        for _ in range(given.repeats):
            limit.run(measure.psql(copy), environment)
            ours.run(measure.ourselves("benchmarks.extract", str(folder)), environment)
    measure.show(f"Extract {given.rows:,} rows of 12 columns", [limit, ours])


def once(folder: str) -> None:
    """One extraction; reports its seconds and memory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = RawStore(f"file://{place}")
        extraction = Extraction(ExtractionType.SQL, query=f"SELECT * FROM {measure.SOURCE_TABLE}")
        began = time.perf_counter()
        with open_source(_source(os.environ[measure.URL_VARIABLE]), roots=(), allowed_hosts="127.0.0.1").read(
            extraction
        ) as reading:
            store.write("benchmark", "rows.parquet", reading.schema, reading.batches)
        measure.report(began)


def _source(url: str) -> Source:
    parts = urlsplit(url)
    connection = {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "database": parts.path.lstrip("/"),
        "username": unquote(parts.username or ""),
    }
    secrets = {"password": unquote(parts.password or "")}
    return Source("benchmark", "benchmark", "benchmark", SourceType.POSTGRES, "default", connection, secrets)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(sys.argv[2])
    else:
        main()
