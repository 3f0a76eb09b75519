"""Which rows of a batch: masks, where None stands for no row at all."""

from collections.abc import Collection
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

Mask = Any
"""A boolean Arrow array without nulls, or None where it would be false throughout."""


def any_of(*masks: Mask) -> Mask:
    """Rows that are in one of the masks."""
    given = [mask for mask in masks if mask is not None]
    return reduce(pc.or_, given) if given else None


def within(mask: Mask, condition: pa.Array) -> Mask:
    """The rows of the mask for which the condition holds."""
    return None if mask is None else pc.and_(mask, condition)


def everywhere(value: Any, rows: int) -> pa.Array:
    """The same value in all rows."""
    return pa.repeat(value if isinstance(value, pa.Scalar) else pa.scalar(value), rows)


def where(condition: pa.Array) -> Mask:
    """The rows for which a condition holds; null is no."""
    held = pc.fill_null(condition, False)
    return held if pc.any(held).as_py() else None


def where_not(condition: pa.Array) -> Mask:
    """The rows for which a condition does not hold; null is held."""
    return where(pc.invert(pc.fill_null(condition, True)))


def places(mask: Mask) -> list[int]:
    """The numbers of the rows, from 0."""
    found: list[int] = [] if mask is None else pc.indices_nonzero(mask).to_pylist()
    return found


def mask_of(rows: Collection[int], count: int) -> Mask:
    """The rows of these numbers."""
    if not rows:
        return None
    return pc.is_in(pa.array(range(count), pa.int64()), pa.array(list(rows), pa.int64()))
