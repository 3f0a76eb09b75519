"""What a mapping would make of a dataset's first rows: a bounded read that writes nothing."""

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.mapping import check_mapping, property_mappings, written_properties
from dataops_defs.flows.extract_dataset import extraction_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.shape_rows import RowShaper


def preview_mapping(
    platform: Platform,
    dataset_id: str,
    object_type: str,
    mappings: Mapping[str, Any],
    limit: int,
    explode: str | None = None,
) -> dict[str, Any]:
    """Objects and rejects of the first ``limit`` rows, or of as many elements of the list that is exploded.

    Returns:
        ``{"columns": [property], "rows": [object], "rejected": [{rowNumber, column, reason, raw}]}``.
    """
    with platform.catalogue() as session:
        dataset = Datasets(session).get(dataset_id)
        sources = Sources(session, platform.keyring)
        source = sources.opened(sources.get(dataset.source_id))
        kind = object_type_of(ObjectTypes(session).named(object_type))
    wanted = property_mappings(mappings)
    seen = platform.open(source).preview(extraction_of(dataset), limit)
    names = [column.name for column in seen.columns]
    check_mapping(wanted, kind, {column.name: column.type for column in seen.columns}, explode)
    batch = pa.RecordBatch.from_pydict({name: _column([row.get(name) for row in seen.rows]) for name in names})
    with RowShaper(kind, wanted, explode) as shaper:
        shaped = shaper.shape(batch, 1, show=limit)
    return {
        "columns": written_properties(wanted),
        "rows": shaped.objects,
        "rejected": [
            {
                "rowNumber": shaped.rows.parent(each.number - 1) + 1,
                "column": each.column,
                "reason": each.reason,
                "raw": dict(each.raw),
            }
            for each in shaped.rejected[:limit]
        ],
    }


def _column(values: list[Any]) -> pa.Array:
    """The values of a preview; what is nested as its JSON text, which paths read as well."""
    try:
        return pa.array([orjson.dumps(each).decode() if isinstance(each, dict | list) else each for each in values])
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
