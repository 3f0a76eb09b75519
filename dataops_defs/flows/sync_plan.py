"""What a sync or a replay of a mapping needs to know, read once when it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.domain.mapping import PropertyMapping, Sync, property_mappings, sync_settings, written_properties
from dataops_defs.domain.naming import AssetPath, dataset_key, mapping_key
from dataops_defs.domain.object_type import ObjectTable, ObjectType, table_of
from dataops_defs.flows.platform import Platform


@dataclass(frozen=True)
class Plan:
    """All that a sync needs to know, read once when it starts: later changes do not reach a run in flight.

    ``explode`` is the column or path of the list whose elements become objects; None where the rows do.
    """

    mapping_id: str
    name: str
    key: AssetPath
    dataset_key: AssetPath
    raw_uri: str
    rows: int | None
    kind: ObjectType
    table: ObjectTable
    mappings: dict[str, PropertyMapping]
    sync: Sync
    parents: dict[str, ObjectType]
    columns: Sequence[str] = ()
    explode: str | None = None

    @property
    def properties(self) -> list[str]:
        """The properties that are written, some of them perhaps in parts."""
        return written_properties(self.mappings)

    @property
    def key_column(self) -> str:
        """The dataset's column, or path, that the objects' key comes from."""
        return self.mappings[self.kind.key_field].source_column


def plan_of(platform: Platform, row: MappingRow) -> Plan:
    """What the mapping, its dataset and its object type say now."""
    with platform.catalogue() as session:
        types = ObjectTypes(session)
        dataset: DatasetRow = Datasets(session).get(row.dataset_id)
        kind = object_type_of(types.get(row.object_type_id))
        parents = {
            name: object_type_of(types.named(parent))
            for name, parent in kind.references.items()
            if types.by_slug(parent)
        }
    return Plan(
        mapping_id=row.id,
        name=row.name,
        key=mapping_key(row.app, row.slug),
        dataset_key=dataset_key(dataset.app, dataset.slug),
        raw_uri=dataset.raw_uri or "",
        rows=dataset.row_count,
        kind=kind,
        table=table_of(kind),
        mappings=property_mappings(row.mappings),
        sync=sync_settings(row.sync, kind),
        parents=parents,
        columns=[each["name"] for each in dataset.columns or ()],
        explode=row.explode,
    )
