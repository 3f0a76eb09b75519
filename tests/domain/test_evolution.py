"""From one schema to the next: each step is told with what it does to stored objects."""

import dataclasses
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.domain.evolution import Effect, evolution
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.schema_order import accepts_all_of, plain
from dataops_defs.errors import Invalid

PROPERTIES: dict[str, Any] = {
    "tail": {"type": "string"},
    "year": {"type": "integer", "minimum": 1900},
    "status": {"type": "string", "enum": ["active", "stored", "gone"]},
    "address": {"$ref": "#/$defs/address"},
}
MISSING = object()
DEFS = {"address": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 50}}}}


def kind(properties: dict[str, Any] = PROPERTIES, key: str = "tail", **more: Any) -> ObjectType:
    schema = {"type": "object", "properties": properties, "$defs": DEFS, **more}
    return ObjectType("1", "plane", "plane", "default", schema, key)


def changed(**properties: Any) -> ObjectType:
    """The type with some properties changed; None drops one."""
    merged = {**PROPERTIES, **properties}
    return kind({name: each for name, each in merged.items() if each is not None})


def steps(new: ObjectType, old: ObjectType | None = None, kept: Any = MISSING) -> list[tuple[str, str | None, str]]:
    plan = evolution(old or kind(), new, {} if kept is MISSING else kept)
    return [(str(each.action), each.property, str(each.effect)) for each in plan.steps]


class TestSafeSteps:
    def test_nothing_changed_is_no_step(self) -> None:
        assert steps(kind()) == []

    @pytest.mark.parametrize(
        ("change", "step"),
        [
            ({"model": {"type": "string"}}, ("add_property", "model", "safe")),
            ({"year": None}, ("retire_property", "year", "safe")),
            ({"year": {"type": "integer"}}, ("loosen_rules", "year", "safe")),
            ({"year": {"type": ["integer", "null"], "minimum": 1800}}, ("loosen_rules", "year", "safe")),
            ({"year": {"type": "integer", "minimum": 1900, "title": "Year"}}, ("describe", "year", "safe")),
            ({"year": {"type": "integer", "minimum": 1900, "x-index": True}}, ("add_index", "year", "safe")),
            ({"status": {"type": "string"}}, ("widen_enum", "status", "safe")),
        ],
    )
    def test_leave_stored_objects_alone(self, change: dict[str, Any], step: tuple[str, str, str]) -> None:
        assert steps(changed(**change)) == [step]

    def test_a_longer_list_of_values_names_what_is_new(self) -> None:
        longer = {"type": "string", "enum": ["active", "stored", "gone", "sold"]}
        (step,) = evolution(kind(), changed(status=longer)).steps
        assert (step.effect, step.message) == (Effect.SAFE, "'status' may also be \"sold\"")

    def test_a_property_need_no_longer_be_there(self) -> None:
        assert steps(kind(), kind(required=["year"])) == [("no_longer_require", "year", "safe")]

    def test_a_required_property_that_may_be_null_need_not_be_there(self) -> None:
        nullable = {**PROPERTIES, "year": {"type": ["integer", "null"], "minimum": 1900}}
        assert ("require", "year", "checks") not in steps(kind(nullable, required=["year"]))


class TestStepsThatTouchObjects:
    @pytest.mark.parametrize(
        ("change", "step"),
        [
            ({"status": {"type": "string", "enum": ["active"]}}, ("narrow_enum", "status", "checks")),
            ({"tail": {"type": "string", "pattern": "^N"}}, ("tighten_rules", "tail", "checks")),
            ({"year": {"type": "integer", "minimum": 1950}}, ("tighten_rules", "year", "checks")),
            ({"address": {**DEFS["address"], "required": ["city"]}}, ("tighten_rules", "address", "checks")),
            ({"year": {"type": "number", "minimum": 1900}}, ("widen_type", "year", "rewrites")),
        ],
    )
    def test_are_told_as_such(self, change: dict[str, Any], step: tuple[str, str, str]) -> None:
        assert steps(changed(**change)) == [step]

    def test_a_property_that_must_be_there_from_now_on(self) -> None:
        assert steps(kind(required=["year"])) == [("require", "year", "checks")]

    def test_a_definition_that_changes_is_seen_where_it_is_used(self) -> None:
        new = kind()
        schema = {**new.schema, "$defs": {"address": {"type": "object", "required": ["city"]}}}
        assert steps(dataclasses.replace(new, schema=schema)) == [("tighten_rules", "address", "checks")]

    def test_rules_of_the_whole_object(self) -> None:
        assert steps(kind(dependentRequired={"year": ["status"]})) == [("tighten_rules", None, "checks")]

    def test_a_retired_property_comes_back_with_its_values(self) -> None:
        kept = {"tail": "text", "model": "text"}
        assert steps(changed(model={"type": "string"}), kept=kept) == [("restore_property", "model", "checks")]
        assert steps(changed(model={"type": "integer"}), kept=kept) == [("restore_property", "model", "refused")]


class TestStepsThatCannotBeDone:
    def test_say_why(self) -> None:
        plan = evolution(kind(), dataclasses.replace(changed(year={"type": "string"}), key_field="status"))
        with pytest.raises(Invalid) as refusal:
            plan.refuse_impossible()
        told = {each.field: each.message for each in refusal.value.fields}
        assert told == {
            "keyField": "cannot change from 'tail': objects are matched by it",
            "schema.properties.year": "cannot change from bigint to text; add another property instead",
        }

    def test_a_key_of_whole_numbers_stays_one(self) -> None:
        numbered = {"id": {"type": "integer"}}
        old, new = kind(numbered, "id"), kind({"id": {"type": "number"}}, "id")
        assert ("change_type", "id", "refused") in steps(new, old)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "ab", "abc", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])


def words(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of a few words each."""
    small = st.integers(0, 3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "minimum": small,
            "exclusiveMaximum": small,
            "minLength": small,
            "maxLength": small,
            "maxItems": small,
            "uniqueItems": st.booleans(),
            "pattern": st.sampled_from(["^a", "b"]),
            "format": st.sampled_from(["date", "int32"]),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=1),
            "items": inner | st.booleans(),
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "minContains": small,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "$ref": st.just("#/$defs/d"),
            "title": st.just("a title"),
        },
    )


SCHEMAS = st.recursive(st.just({}), words, max_leaves=4)


class TestWhatIsCalledLooser:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (
                {"additionalProperties": False, "patternProperties": {"^a": {}}},
                {"patternProperties": {"^a": {}}, "properties": {"a": {"type": "string"}}},
            ),
            ({"properties": {"a": {}}}, {"additionalProperties": False}),
            ({"enum": [1]}, {"enum": [True]}),
            ({"items": {}}, {"prefixItems": [{"type": "string"}], "items": {}}),
            ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}]}),
            ({"unevaluatedProperties": False, "properties": {"a": {}}}, {"unevaluatedProperties": False}),
        ],
    )
    def test_is_not_what_refuses_something_by_the_way(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        assert not accepts_all_of(plain(new, {}), plain(old, {}))

    @settings(max_examples=300, deadline=None)
    @given(
        old=SCHEMAS, extra=SCHEMAS, definition=words(st.just({})), values=st.lists(VALUES, max_size=12), data=st.data()
    )
    def test_accepts_all_that_was_accepted(
        self, old: Any, extra: Any, definition: Any, values: list[Any], data: st.DataObject
    ) -> None:
        """Whatever is told of two schemas that share words: a value of the old one is one of the new one."""
        definition.pop("$ref", None)
        defs = {"$defs": {"d": definition}}
        kept = data.draw(st.lists(st.sampled_from(sorted(old)), unique=True) if old else st.just([]))
        new = {**{word: old[word] for word in kept}, **extra}
        if not accepts_all_of(plain(new, defs), plain(old, defs)):
            return
        before, after = (
            jsonschema_rs.Draft202012Validator({**each, **defs}, validate_formats=True) for each in (old, new)
        )
        for value in values:
            if before.is_valid(value):
                assert after.is_valid(value)
