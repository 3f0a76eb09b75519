"""What deleted datamarts leave in the warehouse: told, dropped, or taken over by the next one of their name.

Source: DECISIONS 30.
"""

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from sqlalchemy.orm import Session

from api_shim.deleting import order_drop
from api_shim.dependencies import Change
from api_shim.schemas.datamarts import DatamartDeleted
from dataops_defs.adapters.datamarts import ours
from dataops_defs.adapters.datamarts.relations import find
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.domain.leftover import Leftover, LeftoverKind
from dataops_defs.domain.naming import slug, table_key
from dataops_defs.errors import Conflict, Invalid, NotFound
from dataops_defs.flows.drop_datamarts import left_behind, to_be_dropped


def leftover_of(session: Session, row: DatamartRow) -> Leftover:
    """What a datamart leaves behind when it is deleted."""
    versions = {each.table: each.id for each in DatamartVersions(session).of(row.id)}
    asset = table_key(row.schema, row.slug)
    return Leftover(LeftoverKind.DATAMART, row.id, row.name, f"{row.schema}.{row.slug}", versions, asset)


def how_to_drop(name: str) -> str:
    """The request that drops what a datamart has left behind."""
    return f"DELETE /api/v1/mvp/datamarts/{name}?drop=true"


def drop_left_behind(change: Change, name: str, schema: str | None, missing: NotFound) -> DatamartDeleted:
    """Have dropped what datamarts of that name left behind that are deleted by now.

    Args:
        missing: why there is no datamart of that name, or none in that schema.
    Raises:
        NotFound: they left nothing.
        Conflict: they left something in several schemas, and none is asked for; or others read it.
    """
    try:
        table = slug(name)
        found = left_behind(change.shim.platform, table)
    except Invalid:
        raise missing from None
    schemas = ", ".join(each.relation[0] for each in found)
    chosen = [each for each in found if schema in (None, each.relation[0])]
    if not chosen:
        if not found or Datamarts(change.session).by_slug(table) is not None:
            raise missing
        raise NotFound(f"Datamarts named '{name[:80]}' left nothing in the schema {schema}, but in {schemas}")
    if len(chosen) > 1:
        raise Conflict(f"Datamarts named '{name}' left something in several schemas: add schema, one of {schemas}")
    dropping = to_be_dropped(change.shim.platform, chosen)
    deleted = DatamartDeleted(datamart_name=name, deleted=[], dropping=dropping)
    deleted.status_url = order_drop(change, chosen[0].subject_id, name, chosen)
    return deleted


def taken_over(cursor: Cursor, schema: str, table: str, kind: DatamartType) -> str:
    """What people should know of what has the place of a new datamart of that kind, and is taken over by it.

    Raises:
        Conflict: no datamart has made it, or one of another kind.
    """
    left = find(cursor, schema, table)
    if left is None or not ours.is_made_by_us(cursor, left):
        raise Conflict(ours.not_made_by_us(f"{schema}.{table}"))
    if left.type is not kind:
        made = str(left.type).replace("_", " ")
        raise Conflict(
            f"{left.address} is a {made} that an earlier datamart of that name left: make this one a {made} too,"
            f" drop it with {how_to_drop(table)}, or take another name"
        )
    return f"{left.address}, which an earlier datamart of that name left, holds its old rows until the first refresh"
