"""Arrow rows as people see them in a preview: exact but for very long texts, and never more than asked for."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.domain.columns import Preview, RejectedRow

MAX_CELL = 32_767


def preview_of(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], limit: int, rejected: Sequence[RejectedRow] = ()
) -> Preview:
    """The first ``limit`` rows; ``truncated`` when there is at least one more.

    Args:
        rejected: fills with the batches; these rows are shown as they came, each in its place.
    """
    rows: list[dict[str, Any]] = []
    for batch in batches:
        rows += json_rows(batch.slice(0, limit + 1 - len(rows)))
        if len(rows) > limit:
            break
    for row in rejected:
        if row.number > limit + 1:
            break
        rows.insert(row.number - 1, dict(row.raw))
    shown = [{name: shortened(value) for name, value in row.items()} for row in rows[:limit]]
    return Preview(columns_of(schema), shown, truncated=len(rows) > limit)


def shortened(value: Any) -> Any:
    """A text over 32,767 characters is cut and ends in an ellipsis."""
    return value if not isinstance(value, str) or len(value) <= MAX_CELL else value[: MAX_CELL - 1] + "…"
