"""Object types of the ontology and their objects: document 004, "Integration with Ontology"."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.convertors import PathConvertor, register_url_convertor

from api_shim.changes import refuse_nulls
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, TOTAL_HEADER, SortedPage, count
from api_shim.schemas.base import refusals
from api_shim.schemas.object_types import (
    ObjectPage,
    ObjectTypeChange,
    ObjectTypeCreate,
    ObjectTypeOut,
    PlanOut,
    SchemaChange,
)
from dataops_defs.adapters.json_schema import check_schema
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import ObjectTypeRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.domain.mapping import check_mapping, property_mappings
from dataops_defs.domain.object_query import ObjectQuery, condition, fields_of, key_value, orders, plain_text
from dataops_defs.domain.object_type import ObjectType, check_object_type
from dataops_defs.errors import FieldProblem, Invalid, NotFound
from dataops_defs.flows.change_object_type import PlannedChange, apply_change, plan_change
from dataops_defs.flows.object_store import check_store, reading_objects

router = APIRouter(prefix="/api/v1/dataops/object-types", tags=["dataops: object types"], dependencies=PROTECTED)
MOST_MAPPINGS = 10_000
EXACT, AFTER = "X-Total-Count-Exact", "X-Next-After"
OBJECTS: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            **TOTAL_HEADER,
            EXACT: {
                "description": "false where so many objects were not counted: X-Total-Count is then a lower bound, or"
                " an estimate of all",
                "schema": {"type": "boolean"},
            },
            AFTER: {
                "description": "Where the next page begins: the parameter after, percent-encoded as a URL holds it;"
                " only where there may be one",
                "schema": {"type": "string"},
            },
            "Link": {
                "description": 'The address of the next page, rel="next"; only where there may be one',
                "schema": {"type": "string"},
            },
        }
    }
}


class AnyText(PathConvertor):
    """The rest of a path, where it has line ends too."""

    regex = "(?s:.*)"


register_url_convertor("any_text", AnyText())


class ObjectTypePage(SortedPage):
    """Filters of the list."""

    app: str | None = None


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
    """Define a type of objects by a JSON Schema and a key.

    They live in a table of the warehouse, where a sync shows all at once or nothing, or in a table of DynamoDB, which
    has no transaction over many objects: there a sync writes batch by batch, readers see it happen, and one that fails
    or is cancelled leaves what it has written; a run that is killed is continued to the same objects and counts.
    """
    check_object_type(body.json_schema, body.key_field, body.store)
    check_store(change.shim.platform, body.store)
    check_schema(body.json_schema)
    types = ObjectTypes(change.session)
    types.refuse_shared_table(body.store)
    row = ObjectTypeRow(
        name=body.name,
        schema=body.json_schema,
        key_field=body.key_field,
        store=body.store,
        app=body.app,
        description=body.description,
        owner=body.owner,
    )
    types.add(row)
    change.define("object_type.create", row)
    return ObjectTypeOut.of(row)


@router.get("/{object_type}", responses=refusals(404), response_model_exclude_none=True)
def get_object_type(object_type: str, session: ReadingDep) -> ObjectTypeOut:
    """One object type, by name or id."""
    return ObjectTypeOut.of(ObjectTypes(session).named(object_type))


@router.post("/{object_type}/plan", responses=refusals(404, 503), response_model_exclude_none=True)
def plan_object_type(object_type: str, body: SchemaChange, session: ReadingDep, shim: ShimDep) -> PlanOut:
    """Say step by step what another schema would do, and how many stored objects break it; nothing is changed."""
    row = ObjectTypes(session).named(object_type)
    old, new = _old_and_new(row, body.given())
    return PlanOut.of(old.version, plan_change(shim.platform, old, new), _misfit(session, new))


@router.patch("/{object_type}", responses=refusals(404, 409, 503), response_model_exclude_none=True)
def change_object_type(
    object_type: str, body: ObjectTypeChange, change: ChangeDep, force: bool = False
) -> ObjectTypeOut:
    """Change an object type; another schema is applied by its plan.

    409 where stored objects break a new rule, unless ``force``: they stay as they are.
    """
    types = ObjectTypes(change.session)
    row = types.named(object_type, lock=True)
    given = body.given()
    refuse_nulls({"schema" if name == "json_schema" else name: given[name] for name in given}, NEVER_NULL)
    if "name" in given:
        types.rename(row, given["name"])
    detail: dict[str, Any] = {"fields": sorted(given)}
    planned = _reshape(change, row, given, force)
    if planned is not None:
        detail |= {"version": row.version, "force": force, **planned.as_json()}
    for name in ("description", "owner"):
        if name in given:
            setattr(row, name, given[name])
    change.define("object_type.update", row, detail)
    return ObjectTypeOut.of(row)


NEVER_NULL = ("name", "schema", "key_field")


@router.delete("/{object_type}", status_code=204, responses=refusals(404, 409))
def delete_object_type(object_type: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete an object type that no mapping writes; its objects stay in the warehouse unless they are dropped too."""
    deletion.of(ObjectTypes(change.session).named(object_type, lock=True))


@router.get("/{object_type}/objects", responses={**refusals(404, 503), **OBJECTS})
def list_objects(
    object_type: str,
    page: Annotated[ObjectPage, Query()],
    session: ReadingDep,
    shim: ShimDep,
    request: Request,
    response: Response,
) -> list[dict[str, Any]]:
    """The objects that syncs have written: filtered, searched, sorted, a page at a time.

    Objects in DynamoDB come in the order of the table where it holds too many to be sorted (10,000).
    """
    kind = object_type_of(ObjectTypes(session).named(object_type))
    query = _query(kind, page)
    if query is None:
        count(response, 0)
        return []
    with reading_objects(shim.platform, kind) as store:
        found = store.page(query)
    count(response, found.total)
    response.headers[EXACT] = "true" if found.exact else "false"
    if found.next_after is not None:
        response.headers[AFTER] = quote(found.next_after, safe="")
        following = request.url.include_query_params(after=found.next_after).remove_query_params("offset")
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return [dict(each) for each in found.objects]


@router.get("/{object_type}/objects/{key:any_text}", responses=refusals(404, 503))
def get_object(object_type: str, key: str, session: ReadingDep, shim: ShimDep) -> dict[str, Any]:
    """One object by its key (any characters, percent-encoded), with where it comes from.

    ``_mappingId`` and ``_runId`` are those that wrote it last.
    """
    kind = object_type_of(ObjectTypes(session).named(object_type))
    value = key_value(kind, key)
    found = None
    if value is not None:
        with reading_objects(shim.platform, kind) as store:
            found = store.get(value)
    if found is None:
        raise NotFound(f"There is no {kind.name} with the key '{key[:100]}'")
    return dict(found)


def _query(kind: ObjectType, page: ObjectPage) -> ObjectQuery | None:
    """What is asked for; None where no object can have the key."""
    key = after = None
    if page.key is not None and (key := key_value(kind, page.key)) is None:
        return None
    order = orders(kind, page.sort or "")
    if page.after is not None:
        after = key_value(kind, page.after)
        if after is None or [each.property for each in order] not in ([], [kind.key_field]):
            raise Invalid.field(
                "after", f"must be a {kind.key_field}, and goes with the order of {kind.key_field} only"
            )
    try:
        search = None if page.q is None else plain_text(page.q)
    except ValueError as error:
        raise Invalid.field("q", str(error)) from None
    return ObjectQuery(
        limit=page.limit,
        offset=page.offset,
        key=key,
        conditions=[condition(kind, each) for each in page.where],
        search=search,
        order=order,
        fields=fields_of(kind, page.fields) if page.fields is not None else None,
        after=after,
    )


def _old_and_new(row: ObjectTypeRow, given: Mapping[str, Any]) -> tuple[ObjectType, ObjectType]:
    """The type as it is and as it is to be, whose schema is sound."""
    schema, key_field = given.get("json_schema", row.schema), given.get("key_field") or row.key_field
    check_object_type(schema, key_field, row.store)
    check_schema(schema)
    old = object_type_of(row)
    return old, replace(old, schema=schema, key_field=key_field)


def _reshape(change: Change, row: ObjectTypeRow, given: Mapping[str, Any], force: bool) -> PlannedChange | None:
    """Apply another schema, if there is one; returns its plan."""
    if "json_schema" not in given and "key_field" not in given:
        return None
    old, new = _old_and_new(row, given)
    misfit = _misfit(change.session, new)
    if misfit is not None:
        raise Invalid(f"schema: {misfit}", [FieldProblem("schema", misfit)])
    if (old.schema, old.key_field) == (new.schema, new.key_field):
        # The order in which properties are shown is no other schema.
        row.schema = dict(new.schema)
        return None
    planned = apply_change(change.shim.platform, old, new, force=force)
    row.schema, row.key_field, row.version = dict(new.schema), new.key_field, row.version + 1
    return planned


def _misfit(session: Session, kind: ObjectType) -> str | None:
    """Why one of the type's mappings could not write such objects; None where all can."""
    mappings, _ = Mappings(session).page(limit=MOST_MAPPINGS, filters={"object_type_id": kind.id})
    for mapping in mappings:
        try:
            check_mapping(property_mappings(mapping.mappings), kind, None)
        except Invalid as error:
            return f"mapping '{mapping.name}' would no longer fit: {error}"
    return None
