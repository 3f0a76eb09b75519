"""Object types of the ontology and their objects: document 004, "Integration with Ontology"."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy.orm import Session

from api_shim.changes import refuse_nulls
from api_shim.dependencies import PROTECTED, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, Page, SortedPage, count
from api_shim.schemas.base import refusals
from api_shim.schemas.object_types import ObjectTypeChange, ObjectTypeCreate, ObjectTypeOut
from dataops_defs.adapters.json_schema import check_schema
from dataops_defs.adapters.sinks.objects import read_objects
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import ObjectTypeRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.domain.mapping import check_mapping, property_mappings
from dataops_defs.domain.object_type import check_change, check_object_type, table_of
from dataops_defs.errors import FieldProblem, Invalid

router = APIRouter(prefix="/api/v1/dataops/object-types", tags=["dataops: object types"], dependencies=PROTECTED)
MOST_MAPPINGS = 10_000


class ObjectTypePage(SortedPage):
    """Filters of the list."""

    app: str | None = None


class ObjectPage(Page):
    """Which objects are wanted."""

    key: str | None = Field(default=None, max_length=1000, description="The one with this key")


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_object_types(
    page: Annotated[ObjectTypePage, Query()], session: ReadingDep, response: Response
) -> list[ObjectTypeOut]:
    """All object types, newest first."""
    rows, total = ObjectTypes(session).page(**page.arguments(app=page.app))
    count(response, total)
    return [ObjectTypeOut.of(row) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_object_type(body: ObjectTypeCreate, change: ChangeDep) -> ObjectTypeOut:
    """Define a type of objects by a JSON Schema and a key."""
    check_object_type(body.json_schema, body.key_field, body.store)
    check_schema(body.json_schema)
    row = ObjectTypeRow(
        name=body.name,
        schema=body.json_schema,
        key_field=body.key_field,
        store=body.store,
        app=body.app,
        description=body.description,
        owner=body.owner,
    )
    ObjectTypes(change.session).add(row)
    change.define("object_type.create", row)
    return ObjectTypeOut.of(row)


@router.get("/{object_type}", responses=refusals(404), response_model_exclude_none=True)
def get_object_type(object_type: str, session: ReadingDep) -> ObjectTypeOut:
    """One object type, by name or id."""
    return ObjectTypeOut.of(ObjectTypes(session).named(object_type))


@router.patch("/{object_type}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_object_type(object_type: str, body: ObjectTypeChange, change: ChangeDep) -> ObjectTypeOut:
    """Change an object type: properties may be added, those that mappings write stay."""
    types = ObjectTypes(change.session)
    row = types.named(object_type, lock=True)
    given = body.given()
    refuse_nulls({"schema" if name == "json_schema" else name: given[name] for name in given}, NEVER_NULL)
    if "name" in given:
        types.rename(row, given["name"])
    if "json_schema" in given or "key_field" in given:
        _reshape(change.session, row, given)
    for name in ("description", "owner"):
        if name in given:
            setattr(row, name, given[name])
    change.define("object_type.update", row, {"fields": sorted(given)})
    return ObjectTypeOut.of(row)


NEVER_NULL = ("name", "schema", "key_field")


@router.delete("/{object_type}", status_code=204, responses=refusals(404, 409))
def delete_object_type(object_type: str, change: ChangeDep) -> None:
    """Delete an object type that no mapping writes; its objects stay in the warehouse."""
    types = ObjectTypes(change.session)
    row = types.named(object_type, lock=True)
    types.remove(row)
    change.define("object_type.delete", row)


@router.get("/{object_type}/objects", responses={**refusals(404, 503), **LISTED})
def list_objects(
    object_type: str, page: Annotated[ObjectPage, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[dict[str, Any]]:
    """The objects that syncs have written, in the order of their key."""
    table = table_of(object_type_of(ObjectTypes(session).named(object_type)))
    with shim.platform.warehouse("dataops objects") as connection:
        rows, total = read_objects(connection, table, limit=page.limit, offset=page.offset, key=page.key)
        count(response, total)
        return [dict(row) for row in rows]


def _reshape(session: Session, row: ObjectTypeRow, given: Mapping[str, Any]) -> None:
    schema, key_field = given.get("json_schema", row.schema), given.get("key_field", row.key_field)
    check_object_type(schema, key_field, row.store)
    check_schema(schema)
    check_change(object_type_of(row), schema, key_field)
    row.schema, row.key_field = schema, key_field
    kind = object_type_of(row)
    mappings, _ = Mappings(session).page(limit=MOST_MAPPINGS, filters={"object_type_id": row.id})
    for mapping in mappings:
        try:
            check_mapping(property_mappings(mapping.mappings), kind, None)
        except Invalid as error:
            said = f"mapping '{mapping.name}' would no longer fit: {error}"
            raise Invalid(f"schema: {said}", [FieldProblem("schema", said)]) from None
