import dataclasses
from typing import Any

import pytest

from dataops_defs.domain.mapping import OnConflict, SyncMode, check_mapping, property_mappings, sync_settings
from dataops_defs.domain.object_type import ObjectType, check_object_type, table_of
from dataops_defs.errors import Invalid

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["tailNumber"],
    "properties": {
        "tailNumber": {"type": "string"},
        "yearBuilt": {"type": ["integer", "null"]},
        "price": {"type": "number"},
        "active": {"type": "boolean"},
        "inspected": {"type": "string", "format": "date"},
        "seen": {"type": "string", "format": "date-time"},
        "engines": {"type": "array"},
        "anything": {},
    },
}
AIRCRAFT = ObjectType("1", "aircraft", "aircraft", "pmbook", SCHEMA, "tailNumber")


def fields(refusal: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [each.field for each in refusal.value.fields]


class TestTheTableOfAType:
    def test_each_property_has_a_column_that_loses_nothing(self) -> None:
        assert table_of(AIRCRAFT).columns == {
            "tailNumber": "text",
            "yearBuilt": "bigint",
            "price": "numeric",
            "active": "boolean",
            "inspected": "date",
            "seen": "timestamp with time zone",
            "engines": "jsonb",
            "anything": "jsonb",
        }

    def test_the_key_must_be_a_property_that_can_be_one(self) -> None:
        with pytest.raises(Invalid) as refusal:
            check_object_type(SCHEMA, "serial", "postgres")
        assert fields(refusal) == ["keyField"]
        with pytest.raises(Invalid, match="must be of type string or integer"):
            check_object_type(SCHEMA, "active", "postgres")

    def test_what_is_required_must_be_a_property(self) -> None:
        with pytest.raises(Invalid, match="'serial' is not one of the schema's properties") as refusal:
            check_object_type({**SCHEMA, "required": ["tailNumber", "serial"]}, "tailNumber", "postgres")
        assert fields(refusal) == ["schema.required"]

    def test_a_type_that_is_referenced_may_be_made_later(self) -> None:
        mark = {"type": "string", "x-references": "to_be_made"}
        check_object_type({"properties": {"id": {"type": "string"}, "p": mark}}, "id", "postgres")

    @pytest.mark.parametrize("name", ["_hidden", "ctid", "two words", "a" * 61, 'quo"te', ""])
    def test_property_names_are_plain(self, name: str) -> None:
        with pytest.raises(Invalid):
            check_object_type({"properties": {"id": {"type": "string"}, name: {}}}, "id", "postgres")

    def test_what_is_optional_or_defined_elsewhere_has_the_column_of_what_it_is(self) -> None:
        schema = {
            "properties": {
                "id": {"$ref": "#/$defs/code"},
                "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                "size": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                "seen": {"$ref": "#/$defs/moment", "description": "when"},
            },
            "$defs": {"code": {"type": "string"}, "moment": {"type": ["string", "null"], "format": "date-time"}},
        }
        kind = dataclasses.replace(AIRCRAFT, schema=schema, key_field="id")
        check_object_type(schema, "id", "postgres")
        assert table_of(kind).columns == {
            "id": "text",
            "day": "date",
            "size": "jsonb",
            "seen": "timestamp with time zone",
        }

    @pytest.mark.parametrize(
        ("mark", "store", "field"),
        [
            ({"type": "array", "x-index": True}, "postgres", "schema.properties.p.x-index"),
            ({"type": "string", "x-index": "yes"}, "postgres", "schema.properties.p.x-index"),
            ({"type": "string", "x-index": True}, "dynamodb:planes", "schema.properties.p.x-index"),
            ({"type": "string", "x-references": "airline"}, "dynamodb:planes", "schema.properties.p.x-references"),
            ({"type": "string", "x-references": 5}, "postgres", "schema.properties.p.x-references"),
            ({"type": "string", "x-references": {"a": 1}}, "postgres", "schema.properties.p.x-references"),
            ({"type": "string", "x-references": ""}, "postgres", "schema.properties.p.x-references"),
            ({"type": "string"}, "dynamodb:a b", "store"),
            ({"type": "string"}, "dynamodb:", "store"),
        ],
    )
    def test_marks_and_stores_that_cannot_be_served_are_refused(
        self, mark: dict[str, Any], store: str, field: str
    ) -> None:
        with pytest.raises(Invalid) as refusal:
            check_object_type({"properties": {"id": {"type": "string"}, "p": mark}}, "id", store)
        assert fields(refusal) == [field]


class TestAMapping:
    def test_the_documents_example_is_accepted(self) -> None:
        wanted = property_mappings(
            {
                "tailNumber": {"sourceColumn": "tail_number"},
                "yearBuilt": {"sourceColumn": "build_year", "transform": "parseInt"},
            }
        )
        check_mapping(wanted, AIRCRAFT, {"tail_number": "string", "build_year": "int64"})

    def test_each_mistake_names_its_field(self) -> None:
        wanted = property_mappings({"colour": {"sourceColumn": "x"}, "price": {"sourceColumn": "cost"}})
        with pytest.raises(Invalid) as refusal:
            check_mapping(wanted, AIRCRAFT, {"tail_number": "string"})
        assert fields(refusal) == ["mappings.colour", "mappings.price.sourceColumn", "mappings.tailNumber"]

    def test_columns_are_not_checked_before_they_are_known(self) -> None:
        check_mapping(property_mappings({"tailNumber": {"sourceColumn": "anything"}}), AIRCRAFT, None)

    def test_without_sync_settings_it_upserts_and_overwrites_by_the_types_key(self) -> None:
        made = sync_settings(None, AIRCRAFT)
        assert (made.mode, made.key_field, made.on_conflict) == (SyncMode.UPSERT, "tailNumber", OnConflict.OVERWRITE)

    def test_another_key_or_an_unknown_word_is_refused(self) -> None:
        for value, field in (
            ({"keyField": "price"}, "sync.keyField"),
            ({"mode": "merge"}, "sync.mode"),
            ({"onConflict": "explode"}, "sync.onConflict"),
        ):
            with pytest.raises(Invalid) as refusal:
                sync_settings(value, AIRCRAFT)
            assert fields(refusal) == [field]

    def test_references_are_read_from_the_schema(self) -> None:
        schema = {"properties": {"id": {"type": "string"}, "carrier": {"type": "string", "x-references": "airline"}}}
        kind = dataclasses.replace(AIRCRAFT, schema=schema, key_field="id")
        assert kind.references == {"carrier": "airline"}
