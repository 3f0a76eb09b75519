"""Where the columns of a query on the warehouse come from, as asset keys."""

from collections.abc import Mapping, Sequence

from dataops_defs.adapters.sql.lineage import column_lineage
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.domain.naming import AssetPath, object_type_key, table_key
from dataops_defs.flows.platform import Platform


def lineage_of(
    platform: Platform, query: str, columns: Mapping[tuple[str | None, str], Sequence[str]] | None = None
) -> dict[str, list[tuple[AssetPath, str]]]:
    """The (asset key, column) pairs that each output column is made of.

    Args:
        columns: of the tables that the query reads, where known: ``*`` and unqualified names are resolved by them.
    """
    with platform.catalogue() as session:
        types = ObjectTypes(session)

        def key(schema: str | None, table: str) -> AssetPath:
            kind = types.by_slug(table) if schema == "objects" else None
            return object_type_key(kind.app, kind.slug) if kind else table_key(schema or "public", table)

        return {
            name: [(key(schema, table), column) for schema, table, column in origins]
            for name, origins in column_lineage(query, columns).items()
        }
