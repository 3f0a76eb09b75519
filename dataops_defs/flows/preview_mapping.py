"""What a mapping would make of a dataset's first rows: a bounded read that writes nothing."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.mapping import check_mapping, property_mappings
from dataops_defs.flows.extract_dataset import extraction_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.shape_rows import RowShaper, transforms_of


def preview_mapping(
    platform: Platform, dataset_id: str, object_type: str, mappings: Mapping[str, Any], limit: int
) -> dict[str, Any]:
    """Objects and rejects of the first ``limit`` rows.

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
    check_mapping(wanted, kind, names)
    batch = pa.RecordBatch.from_pydict({name: _column([row.get(name) for row in seen.rows]) for name in names})
    transforms = transforms_of(wanted)
    with JavaScriptEngine(transforms) if transforms else nullcontext() as engine:
        shaped = RowShaper(kind, wanted, engine).shape(batch, 1)
    return {
        "columns": list(wanted),
        "rows": shaped.objects,
        "rejected": [
            {"rowNumber": each.number, "column": each.column, "reason": each.reason, "raw": dict(each.raw)}
            for each in shaped.rejected
        ],
    }


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
