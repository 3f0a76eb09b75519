"""The first rows of a Parquet file, read in a process of its own: a few bytes of it can stand for gigabytes.

How the file comes in and the rows leave is in ``in_worker``. Not for import: run as ``python -m``.
"""

import sys
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.sources.files.parquet import ParquetRows
from dataops_defs.adapters.sources.in_worker import Refused, serve
from dataops_defs.errors import SourceError


def send(file: BinaryIO, output: BinaryIO, limit: int) -> None:
    """Write so many rows; the metadata hold the number of all."""
    try:
        found = ParquetRows.of(file, looked_at=1, batch_rows=limit)
        schema = found.schema.with_metadata({"rows": str(found.rows)})
        with pa.ipc.new_stream(output, schema) as writer:
            for batch in found.batches():
                writer.write_batch(batch.slice(0, limit).replace_schema_metadata(schema.metadata))
                break
    except SourceError as error:
        raise Refused(str(error)) from None


if __name__ == "__main__":
    sys.exit(serve(lambda file, output: send(file, output, int(sys.argv[1]))))
