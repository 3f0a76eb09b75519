"""The worker's side of ``workers``: a file on standard input, rows on standard output as an Arrow stream.

The stream's metadata hold the number of all ``rows``, and may hold ``notes`` on them; those of a batch may hold the
rows that were ``rejected`` since the one before, both as JSON. A refusal leaves as one sentence on standard error, with
a status of its own.
"""

import os
import resource
import sys
from collections.abc import Callable
from typing import BinaryIO

MEMORY_VARIABLE = "DATAOPS_WORKER_MEMORY"
MAX_MEMORY = 2 * 1024**3
MAX_CPU_SECONDS = 600
REFUSED = 2


class Refused(Exception):
    """The reason, in words that follow "path: "."""


def serve(send: Callable[[BinaryIO, BinaryIO], None]) -> int:
    """Do the work within the limits; returns the status to exit with."""
    memory = int(os.environ.get(MEMORY_VARIABLE, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    try:
        with os.fdopen(os.dup(0), "rb") as file, os.fdopen(os.dup(1), "wb") as output:
            send(file, output)
    except Refused as refused:
        sys.stderr.write(str(refused))
        return REFUSED
    except MemoryError:
        sys.stderr.write(f"it needs more than {memory / 2**30:.2g} GB of memory")
        return REFUSED
    return 0
