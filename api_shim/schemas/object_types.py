"""Object types of document 004. Source: DECISIONS 22."""

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from api_shim.paging import Page
from api_shim.schemas.base import App, DefinitionOut, Description, Name, Owner, Reply, Request
from dataops_defs.catalogue.models import ObjectTypeRow
from dataops_defs.catalogue.object_types import object_type_of
from dataops_defs.domain.object_query import MAX_CONDITIONS
from dataops_defs.flows.change_object_type import PlannedChange

AIRCRAFT: dict[str, Any] = {
    "name": "aircraft",
    "description": "An aircraft by its tail number",
    "schema": {
        "type": "object",
        "required": ["tailNumber"],
        "properties": {
            "tailNumber": {"type": "string"},
            "manufacturer": {"type": "string", "x-index": True},
            "model": {"type": "string"},
            "yearBuilt": {"type": "integer"},
            "status": {"type": "string", "enum": ["active", "inactive"]},
            "lastInspection": {"type": "string", "format": "date-time"},
        },
    },
    "keyField": "tailNumber",
    "store": "postgres",
    "app": "default",
}
SCHEMA = (
    "JSON Schema (2020-12) with one entry in properties for each property. References lead to its own $defs. A property"
    " with x-index: true is found and sorted by an index; x-references names the object type whose keys it holds"
)
STORE = (
    "postgres, or dynamodb:<table>. DynamoDB has no transaction over many objects: a sync writes them one batch after"
    " the other, readers see it happen, and one that fails or is cancelled leaves what it has written until the next"
)
WHERE = (
    "path:operator:value, all of which must hold: yearBuilt:ge:2010, address.city:eq:Bern, legs[0].from:ne:ZRH,"
    ' status:in:active,"on hold", model:contains:737 (any case), tags:contains:old (an item), model:null:true.'
    " Operators: eq ne lt le gt ge in contains null; ne is also true of objects without the property"
)


class ObjectTypeCreate(Request):
    """A new object type."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name
    description: Description | None = None
    json_schema: dict[str, JsonValue] = Field(alias="schema", description=SCHEMA)
    key_field: str = Field(max_length=60, description="The property that tells objects apart")
    store: str = Field(default="postgres", max_length=265, description=STORE)
    app: App = "default"
    owner: Owner | None = None


class ObjectTypeChange(Request):
    """A changed object type; see its plan for what another schema does to the stored objects."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "An aircraft of the fleet"}]})
    name: Name | None = None
    description: Description | None = None
    json_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema", description=SCHEMA)
    key_field: str | None = Field(default=None, max_length=60)
    owner: Owner | None = None


class SchemaChange(Request):
    """Another schema for an object type, to be planned."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"schema": AIRCRAFT["schema"]}]})
    json_schema: dict[str, JsonValue] = Field(alias="schema", description=SCHEMA)
    key_field: str | None = Field(default=None, max_length=60)


class OntologyProperties(Reply):
    """The names document 004's code reads the schema and its table by."""

    json_schema: dict[str, Any] = Field(alias="schema")
    data_source: str


class ObjectTypeOut(DefinitionOut):
    """An object type."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**AIRCRAFT, "version": 1}]})
    json_schema: dict[str, Any] = Field(alias="schema")
    key_field: str
    store: str
    version: int = Field(description="Counts the schemas that the type has had")
    properties: OntologyProperties

    @classmethod
    def of(cls, row: ObjectTypeRow) -> "ObjectTypeOut":
        """The form of an object type row."""
        properties = OntologyProperties(json_schema=row.schema, data_source=object_type_of(row).address)
        return cls.from_row(row, "key_field", "store", "version", json_schema=row.schema, properties=properties)


class StepOut(Reply):
    """One step of a plan."""

    action: str = Field(
        description="add_property, restore_property, retire_property, widen_type, change_type, change_key, require,"
        " no_longer_require, widen_enum, narrow_enum, loosen_rules, tighten_rules, add_index, drop_index or describe"
    )
    property: str | None = Field(description="None where it concerns the whole object")
    effect: str = Field(description="safe, rewrites (a column is written anew), checks (stored objects) or refused")
    message: str
    violations: int | None = Field(default=None, description="Stored objects that its rule would refuse")


class PlanOut(Reply):
    """What another schema would do to the stored objects; nothing is changed."""

    from_version: int
    to_version: int
    applicable: bool = Field(
        description="No step is refused, no mapping misfits, and no stored object breaks a new rule"
    )
    steps: list[StepOut]
    checked: int = Field(description="Stored objects that were looked at")
    complete: bool = Field(description="Whether there was time for all of them")
    violating: int = Field(description="Stored objects that break a new rule; force=true leaves them as they are")
    example: str | None = Field(default=None, description="The key of one of them")
    reason: str | None = Field(default=None, description="What is wrong with that one")
    misfit: str | None = Field(default=None, description="Which mapping of the type would no longer fit, and why")

    @classmethod
    def of(cls, version: int, planned: PlannedChange, misfit: str | None) -> "PlanOut":
        """The form of a plan for the type's schema of that version."""
        steps = [
            StepOut(
                action=each.action,
                property=each.property,
                effect=each.effect,
                message=each.message,
                violations=planned.violations(each),
            )
            for each in planned.plan.steps
        ]
        found = planned.findings
        refused = any(each.effect == "refused" for each in planned.plan.steps)
        return cls(
            from_version=version,
            to_version=version + 1 if steps else version,
            applicable=not refused and misfit is None and not found.violating and found.complete,
            steps=steps,
            checked=found.checked,
            complete=found.complete,
            violating=found.violating,
            example=found.example,
            reason=found.reason,
            misfit=misfit,
        )


class ObjectPage(Page):
    """Which objects are wanted, in which order, and what of each."""

    key: str | None = Field(default=None, max_length=2000, description="The one with this key")
    where: list[str] = Field(default=[], max_length=MAX_CONDITIONS, description=WHERE)
    q: str | None = Field(
        default=None, min_length=1, max_length=200, description="Text that a text of the object holds, in any case"
    )
    sort: str | None = Field(
        default=None,
        max_length=200,
        description="Up to three properties with commas between them; a leading '-' turns one round. Objects without"
        " the property come last, equal ones by key. The key when left out",
    )
    fields: str | None = Field(
        default=None,
        max_length=10_000,
        description="Properties wanted, with commas between them; also _mappingId, _runId, _createdAt, _updatedAt",
    )
    after: str | None = Field(
        default=None,
        max_length=2000,
        description="The key after which the page begins: X-Next-After of the page before. Without sort, or by key",
    )
