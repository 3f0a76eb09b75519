"""Files that are parsed in a process of their own, with bounded memory and time, and come back as Arrow batches."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.line import ended_after
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.in_worker import MEMORY_VARIABLE, REFUSED
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

MOST_SAID = 1000
Worker = subprocess.Popen[bytes]


@contextmanager
def worker_reading(
    module: str, arguments: Sequence[str], file: BinaryIO, name: str, *, seconds: float, memory: int
) -> Iterator[Reading]:
    """What a worker makes of an open file; see ``in_worker``.

    Args:
        module: run as ``python -m``, with these ``arguments``.
        name: of the file, in messages.
        memory: bytes of data that the worker may hold.
    Raises:
        SourceError: the worker refused the file, or was ended by its limits.
    """
    with _worker(module, arguments, file, memory) as worker, ended_after(seconds, worker.kill):
        try:
            stream = pa.ipc.open_stream(worker.stdout)
        except (pa.ArrowInvalid, OSError):
            raise SourceError(f"{name}: {_said(worker)}") from None
        told = stream.schema.metadata or {}
        reading = Reading(stream.schema.remove_metadata(), iter(()), [], int(told.get(b"rows", b"0")))
        reading.notes = json.loads(told.get(b"notes", b"[]"))
        reading.has_header = json.loads(told.get(b"has_header", b"null"))
        reading.batches = _batches(stream, worker, name, reading.rejected)
        yield reading


@contextmanager
def _worker(module: str, arguments: Sequence[str], file: BinaryIO, memory: int) -> Iterator[Worker]:
    worker = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Nothing of the environment: it may hold secrets.
        env={
            "PYTHONPATH": os.pathsep.join(sys.path),
            "LC_ALL": "C.UTF-8",
            MEMORY_VARIABLE: str(memory),
            # Arrow's own allocator takes a gigabyte of addresses at once, which counts as memory that is held.
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        },
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def _batches(
    stream: pa.ipc.RecordBatchStreamReader, worker: Worker, path: str, rejected: list[RejectedRow]
) -> Iterator[pa.RecordBatch]:
    try:
        for batch, told in stream.iter_batches_with_custom_metadata():
            rejected += rejected_in(told)
            if batch.num_rows:
                yield batch.replace_schema_metadata(None)
    except (pa.ArrowInvalid, OSError):
        raise SourceError(f"{path}: {_said(worker)}") from None
    if worker.wait() != 0:
        raise SourceError(f"{path}: {_said(worker)}")


def rejected_in(told: Mapping[bytes, bytes] | None) -> list[RejectedRow]:
    """The rows that the metadata of a batch tell of."""
    return [RejectedRow(**each) for each in json.loads((told or {}).get(b"rejected", b"[]"))]


def _said(worker: Worker) -> str:
    """The worker's own sentence; a worker that was ended has none."""
    _, said = worker.communicate()
    if worker.returncode == REFUSED:
        return said.decode(errors="replace")[:MOST_SAID]
    return "it could not be read within the limits of time and memory"
