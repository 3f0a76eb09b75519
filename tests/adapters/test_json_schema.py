"""Objects against their JSON Schema: what is wrong is named with its place; schemas that are bombs are refused."""

import time
from typing import Any

import pytest

from dataops_defs.adapters.json_schema import ObjectValidator, check_schema
from dataops_defs.domain.schema_guard import FORMATS
from dataops_defs.errors import Invalid

ADDRESS = {
    "type": "object",
    "required": ["city"],
    "additionalProperties": False,
    "properties": {"city": {"type": "string"}, "zip": {"type": "string", "format": "regex"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "note"],
    "properties": {
        "id": {"type": "string"},
        "note": {"type": ["string", "null"]},
        "address": {"$ref": "#/$defs/address"},
        "tags": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["a", "b", "c"]}},
        "legs": {"type": "array", "items": {"type": "object", "properties": {"at": {"format": "date-time"}}}},
        "prices": {"type": "object", "patternProperties": {"^[A-Z]{3}$": {"type": "number", "minimum": 0}}},
        "size": {"oneOf": [{"type": "integer"}, {"enum": ["small", "large"]}]},
    },
    "$defs": {"address": ADDRESS},
}


def told(**properties: Any) -> list[str]:
    """What is said of one object, as a reject's reason begins."""
    found = ObjectValidator(SCHEMA).violations([{"id": "1", **properties}])
    return [f"{each.path}: {each.message}" for each in found]


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("properties", "reason"),
        [
            ({"address": {}}, 'address: "city" is a required property'),
            ({"address": {"city": 3}}, 'address.city: 3 is not of type "string"'),
            (
                {"address": {"city": "Bern", "x": 1}},
                "address: Additional properties are not allowed ('x' was unexpected)",
            ),
            ({"tags": []}, "tags: [] has less than 1 item"),
            ({"tags": ["a", "b", "z"]}, 'tags[2]: "z" is not one of "a", "b" or "c"'),
            ({"legs": [{}, {"at": "today"}]}, 'legs[1].at: "today" is not a "date-time"'),
            ({"prices": {"CHF": -1}}, "prices.CHF: -1 is less than the minimum of 0"),
            ({"size": "medium"}, "size: fits none of the choices (oneOf)"),
            ({"id": 1}, 'id: 1 is not of type "string"'),
        ],
    )
    def test_is_named_with_the_way_to_it(self, properties: dict[str, Any], reason: str) -> None:
        assert told(**properties) == [reason]

    def test_a_property_that_is_missing_concerns_the_whole_object(self) -> None:
        (found,) = ObjectValidator(SCHEMA).violations([{}])
        assert (found.path, found.property, found.missing) == ("object", None, "id")

    def test_a_required_property_that_may_be_null_may_be_missing_which_is_the_same(self) -> None:
        assert told() == []

    def test_only_the_first_thing_wrong_with_each_object_is_told_and_the_others_are_there_for_counting(self) -> None:
        validator = ObjectValidator(SCHEMA)
        objects = [{"id": "1"}, {"id": 2, "tags": []}, {"id": "3", "tags": []}]
        assert [each.index for each in validator.violations(objects)] == [1, 2]
        assert sorted(each.index for each in validator.all_violations(objects)) == [1, 1, 2]


GOOD_AND_BAD = {
    "date": ("2026-02-28", "2026-02-30"),
    "date-time": ("2026-02-28T10:00:00Z", "2026-02-28"),
    "time": ("10:00:00Z", "25:00:00Z"),
    "duration": ("P1DT2H", "1 day"),
    "email": ("ada@example.org", "ada"),
    "idn-email": ("ädä@example.org", "ädä"),
    "hostname": ("example.org", "-example"),
    "idn-hostname": ("bücher.example", "-"),
    "ipv4": ("192.0.2.1", "192.0.2"),
    "ipv6": ("2001:db8::1", "192.0.2.1"),
    "uri": ("https://example.org/a?b=c", "example org"),
    "uri-reference": ("/a/b", "a b"),
    "iri": ("https://bücher.example/ä", "a b"),
    "iri-reference": ("/ä", "\\\\"),
    "uuid": ("01a1ff47-9c75-7de1-9628-ccf9761ba997", "01a1ff47"),
    "uri-template": ("/planes/{id}", "/planes/{id"),
    "json-pointer": ("/a/0", "a"),
    "relative-json-pointer": ("1/a", "/a"),
    "regex": ("^a+$", "("),
}


class TestFormats:
    def test_every_one_that_is_served_counts(self) -> None:
        assert set(GOOD_AND_BAD) == FORMATS
        for name, (good, bad) in GOOD_AND_BAD.items():
            validator = ObjectValidator({"properties": {"p": {"format": name}}})
            assert [each.index for each in validator.violations([{"p": good}, {"p": bad}])] == [1], name

    def test_one_that_is_not_known_is_refused_and_not_overlooked(self) -> None:
        with pytest.raises(Invalid) as refusal:
            check_schema({"properties": {"seen": {"type": "string", "format": "datetime"}}})
        assert [each.field for each in refusal.value.fields] == ["schema.properties.seen.format"]
        check_schema({"properties": {"n": {"type": "integer", "format": "int64"}}})


def ladder(steps: int, word: str) -> dict[str, Any]:
    """A schema that unfolds to 2 ** steps others."""
    defs: dict[str, Any] = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(steps)}
    return {"properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": {**defs, f"d{steps}": {"type": "integer"}}}


def tower(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        made = {"properties": {"p": made}}
    return made


class TestBombs:
    @pytest.mark.parametrize(
        ("schema", "said"),
        [
            (ladder(25, "anyOf"), "unfolds to more than|is nested more than"),
            (ladder(14, "allOf"), "unfolds to more than"),
            (tower(100), "is nested more than 32 deep"),
            (tower(10_000), "Recursion limit|is nested more than"),
            (
                {"properties": {"p": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}},
                "leads back to itself",
            ),
            (
                {
                    "properties": {"p": {"$ref": "#/$defs/tree"}},
                    "$defs": {"tree": {"properties": {"inner": {"items": {"$ref": "#/$defs/tree"}}}}},
                },
                "leads back to itself",
            ),
            ({"properties": {"p": {"$ref": "#"}}}, "must lead to this schema's"),
            ({"properties": {"p": {"$ref": "#/$defs/none"}}, "$defs": {}}, "must lead to this schema's"),
            ({"properties": {"p": {"$ref": "#/properties/q"}, "q": {}}}, "must lead to this schema's"),
            ({"properties": {"p": {"$ref": "http://127.0.0.1:1/x.json"}}}, "must lead to this schema's"),
            ({"properties": {"p": {"$ref": "file:///etc/passwd"}}}, "must lead to this schema's"),
            ({"properties": {"p": {"$id": "http://127.0.0.1:1/", "$ref": "x"}}}, "is not followed"),
            ({"properties": {"p": {"$dynamicRef": "#x"}}}, "is not followed"),
            ({"$schema": "http://127.0.0.1:1/meta", "properties": {"p": {}}}, "must be https://json-schema.org"),
            ({"properties": {"p": {"pattern": "(((a{100}){100}){100}){100}"}}}, "is no valid JSON Schema"),
            ({"properties": {"p": {"pattern": "a" * 1001}}}, "is longer than 1,000"),
            ({"properties": {"p": {"patternProperties": {"a" * 1001: {}}}}}, "is longer than 1,000"),
        ],
    )
    def test_are_refused(self, schema: dict[str, Any], said: str) -> None:
        with pytest.raises(Invalid, match=said):
            check_schema(schema)

    @pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(?=(a+)+$)b", r"^(a|aa)+(?<!b)\1$", "(x+x+)+y"])
    def test_catastrophic_patterns_end(self, pattern: str) -> None:
        schema = {"properties": {"p": {"type": "string", "pattern": pattern}}}
        check_schema(schema)
        began = time.monotonic()
        objects = [{"p": "a" * 5_000 + "!"}, {"p": "x" * 5_000}] * 20
        assert [each.path for each in ObjectValidator(schema).violations(objects)] == ["p"] * 40
        assert time.monotonic() - began < 60, "an engine that backtracks for ever would be at it for years"

    def test_names_that_look_like_words_of_a_schema_are_only_names(self) -> None:
        check_schema({"properties": {"pattern": {"type": "string"}, "format": {}, "$ref": {"enum": [{"$ref": "#"}]}}})
