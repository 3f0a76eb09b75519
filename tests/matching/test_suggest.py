"""Suggestions, with the real embeddings."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.embeddings import embed
from dataops_defs.errors import Invalid
from dataops_defs.matching.fields import SourceField, Suggestion, TargetField
from dataops_defs.matching.request import targets_of_schema
from dataops_defs.matching.suggest import suggest

AIRCRAFT = [
    TargetField("tailNumber", "string", "Registration mark of the aircraft"),
    TargetField("manufacturer", "string", "Company that built it"),
    TargetField("modelName", "string"),
    TargetField("yearBuilt", "integer"),
    TargetField("status", "string", choices=("active", "inactive")),
    TargetField("lastInspection", "string", format="date-time"),
]
REGISTRY = [
    SourceField("tail_number", "text", ("N12345", "N67890")),
    SourceField("mfr", "text", ("Boeing", "Airbus")),
    SourceField("model", "text", ("737-800", "A320-200")),
    SourceField("build_year", "int64", ("2015", "2018")),
    SourceField("last_insp_dt", "timestamp", ("2024-01-31T10:00:00",)),
]
PERSON = [TargetField(name) for name in ("givenName", "familyName", "birthDate", "telephone", "address.postalCode")]
names = st.lists(
    st.sampled_from(["id", "first_name", "lname", "dob", "zip", "phone_no", "city", "amt", "crt_ts", "is_active"]),
    min_size=1,
    max_size=6,
    unique=True,
)


def best(suggestions: Sequence[Suggestion]) -> dict[str, Suggestion]:
    """The first suggestion of every column."""
    return {each.column: each for each in reversed(suggestions)}


def test_columns_of_a_registry_find_their_properties() -> None:
    found = best(suggest(REGISTRY, AIRCRAFT, embed))

    assert {column: each.property for column, each in found.items()} == {
        "tail_number": "tailNumber",
        "mfr": "manufacturer",
        "model": "modelName",
        "build_year": "yearBuilt",
        "last_insp_dt": "lastInspection",
    }
    assert all(each.confidence >= 0.5 for each in found.values())


def test_abbreviations_and_synonyms_are_understood() -> None:
    columns = [SourceField(name) for name in ("fname", "lname", "dob", "cust_tel_no", "zip")]

    found = best(suggest(columns, PERSON, embed))

    assert [found[column.name].property for column in columns] == [each.name for each in PERSON]


def test_the_reasons_are_words_a_person_understands() -> None:
    columns = [*REGISTRY, SourceField("status")]

    found = best(suggest(columns, AIRCRAFT, embed))

    assert "mfr is short for manufacturer" in found["mfr"].evidence
    assert "the names are the same" in found["status"].evidence
    assert "the samples look like dates with times, as the property wants" in found["last_insp_dt"].evidence
    assert all(each.evidence for each in suggest(columns, AIRCRAFT, embed))


def test_values_that_a_property_allows_speak_for_it() -> None:
    column = SourceField("flag", "text", ("active", "inactive", "active"))

    found = best(suggest([column], AIRCRAFT, embed))["flag"]

    assert found.property == "status"
    assert "100% of the samples are values that the property allows" in found.evidence


def test_values_of_another_kind_speak_against_it() -> None:
    wanted = [TargetField("inspection", "string", format="date-time"), TargetField("model", "string")]
    dates = SourceField("inspection", "text", ("2024-01-31T10:00:00",))
    mails = SourceField("inspection", "text", ("ann@example.org", "bob@example.org"))

    with_dates, with_mails = (best(suggest([column], wanted, embed))["inspection"] for column in (dates, mails))

    assert with_dates.confidence > with_mails.confidence
    assert any(each.startswith("against it: the samples look like e-mail") for each in with_mails.evidence)


def test_the_better_column_pushes_the_other_one_out() -> None:
    other = SourceField("maker_name")
    wanted = [TargetField("manufacturer"), TargetField("wingspan")]

    alone = best(suggest([other], wanted, embed))["maker_name"]
    beside = best(suggest([other, SourceField("manufacturer")], wanted, embed))["maker_name"]

    assert alone.property == beside.property == "manufacturer"
    assert beside.confidence < alone.confidence


def test_columns_that_differ_only_in_the_unit_are_no_rivals() -> None:
    wanted = [TargetField("length"), TargetField("wingspan")]

    found = best(suggest([SourceField("length_km"), SourceField("length_mi")], wanted, embed))

    assert {each.property for each in found.values()} == {"length"}
    assert min(each.confidence for each in found.values()) >= 0.5


@given(names)
@settings(max_examples=25, deadline=None)
def test_the_same_name_wins(chosen: list[str]) -> None:
    columns = [SourceField(name) for name in chosen]
    wanted = [TargetField(name) for name in [*chosen, "wingspan", "nickname"]]

    for column, found in best(suggest(columns, wanted, embed)).items():
        assert found.property == column
        assert found.confidence >= 0.5


@given(names, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_columns_and_properties_changes_nothing(chosen: list[str], chance: object) -> None:
    columns = [SourceField(name) for name in chosen]
    turned, wanted = list(columns), list(PERSON)
    chance.shuffle(turned)  # type: ignore[attr-defined]
    chance.shuffle(wanted)  # type: ignore[attr-defined]

    assert suggest(turned, wanted, embed) == suggest(columns, PERSON, embed)


def test_not_even_equally_good_ones_depend_on_their_order() -> None:
    columns = [SourceField("maker"), SourceField("Maker")]
    wanted = [TargetField(name) for name in ("ship_name", "shipName", "makerName", "maker_name")]

    assert suggest(columns, wanted, embed) == suggest(columns[::-1], wanted[::-1], embed)


def test_they_are_ranked_with_several_for_a_column() -> None:
    found = suggest(REGISTRY, AIRCRAFT, embed)

    assert [each.confidence for each in found] == sorted((each.confidence for each in found), reverse=True)
    assert all(0 <= each.confidence <= 1 for each in found)
    assert len([each for each in found if each.column == "mfr"]) == 5


def test_names_of_other_scripts_are_understood_by_meaning() -> None:
    wanted = [TargetField(name) for name in ("birthDate", "city", "price", "surname", "street", "orderDate")]
    columns = {"城市": "city", "价格": "price", "Дата рождения": "birthDate", "Фамилия": "surname"}

    found = best(suggest([SourceField(name) for name in columns], wanted, embed))

    assert {column: each.property for column, each in found.items()} == columns


@pytest.mark.parametrize(
    ("columns", "properties", "field"), [(0, 1, "columns"), (1, 0, "properties"), (501, 1, "columns")]
)
def test_nothing_and_too_much_are_refused(columns: int, properties: int, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        suggest(
            [SourceField(f"c{number}") for number in range(columns)],
            [TargetField(f"p{number}") for number in range(properties)],
            embed,
        )

    assert refused.value.fields[0].field == field


def test_nested_objects_of_a_schema_are_dotted_paths() -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "title": "Name", "description": "What it is called"},
            "status": {"enum": ["on", "off", None]},
            "address": {"type": "object", "properties": {"city": {"type": "string", "format": "x"}}},
            "tags": {"type": "array", "items": {"type": "string"}},
            "anything": {"type": "object"},
            "open": True,
        },
    }

    found = targets_of_schema(schema)

    assert found == [
        TargetField("name", "string", "Name. What it is called"),
        TargetField("status", choices=("on", "off")),
        TargetField("address.city", "string", format="x"),
        TargetField("tags", "array"),
        TargetField("anything", "object"),
    ]
