"""Memory that was needed for a moment, given back: allocators keep it otherwise, and a long run seems to grow."""

import ctypes
from contextlib import suppress

import pyarrow as pa


def give_back() -> None:
    """Return what Arrow and the C library hold without using it; to be called now and then, it takes milliseconds."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
