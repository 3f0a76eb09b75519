import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.adapters.sinks.index.bulk import version_of
from dataops_defs.adapters.sinks.index.documents import HASHED, Unfit, document_id, documents_of, json_texts
from dataops_defs.adapters.sinks.index.mapping import field_type

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=600), min_size=1, max_size=3)


def as_json(key: list[str]) -> list[str]:
    return [json.dumps(each, ensure_ascii=False) for each in key]


@given(one=TEXTS, other=TEXTS)
def test_another_key_has_another_id_that_elasticsearch_takes(one: list[str], other: list[str]) -> None:
    ids = [document_id(as_json(key)) for key in (one, other)]
    assert all(0 < len(id.encode()) <= 512 for id in ids)
    if len(one) == len(other):
        assert (ids[0] == ids[1]) == (one == other)


def test_ids_are_what_people_would_look_for() -> None:
    assert document_id(["17"]) == "17"
    assert document_id(['"PG-13"']) == "PG-13"
    assert document_id(["17", '"a,b"', "null"]) == '[17,"a,b",null]'
    hashed = document_id(['""'])
    assert hashed.startswith(HASHED)
    assert document_id([json.dumps(hashed)]) != hashed


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20))
def test_no_digit_of_a_number_is_lost(number: Decimal) -> None:
    typed = json_texts(pa.array([number], pa.decimal128(38, 12)), "numeric(38,12)")
    printed = json_texts(pa.array([str(number)]), "numeric")
    for (text,) in (typed, printed):
        assert json.loads(str(text), parse_float=Decimal, parse_int=Decimal) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_come_back(number: float) -> None:
    (text,) = json_texts(pa.array([number]), "double precision")
    assert json.loads(str(text)) == number


def test_a_real_is_written_as_short_as_it_was() -> None:
    assert json_texts(pa.array([0.1], pa.float32()), "real") == ["0.1"]


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda each: st.lists(each) | st.dictionaries(st.text(), each))
)
def test_json_is_kept_on_one_line(value: object) -> None:
    (text,) = json_texts(pa.array([json.dumps(value, indent=1)]), "json")
    assert isinstance(text, str)
    assert "\n" not in text
    assert json.loads(text) == value


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "infinity", "4713-01-01 BC", "{1,NaN}", "{{NaN}}"])
def test_what_an_index_cannot_hold(value: str) -> None:
    kind = "double precision[]" if value.startswith("{") else "date" if value[0] in "i4" else "numeric"
    assert isinstance(json_texts(pa.array([value]), kind)[0], Unfit)


def test_moments_are_written_the_same_however_they_come() -> None:
    typed = pa.array([datetime(2013, 1, 31, 5, 6, 7, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    printed = pa.array(["2013-01-31 06:06:07+01"])
    kind = "timestamp with time zone"
    assert json_texts(typed, kind) == json_texts(printed, kind) == ['"2013-01-31T05:06:07.000000Z"']


def test_arrays_as_postgresql_and_as_json_print_them() -> None:
    shown = json_texts(pa.array(["{{1,2},{3,NULL}}", "[[1,2],[3,null]]", "{}", None]), "integer[]")
    assert shown == ["[[1,2],[3,null]]", "[[1,2],[3,null]]", "[]", "null"]
    assert json_texts(pa.array(["{t,f}"]), "boolean[]") == ["[true,false]"]


def test_names_are_quoted_and_rows_numbered() -> None:
    batch = pa.record_batch({'the "id"': pa.array([1, None, 3])})
    taken, rejected = documents_of(batch, 10, {'the "id"': "bigint"}, ['the "id"'])
    assert [(each.number, each.id, json.loads(each.source)) for each in taken] == [
        (10, "1", {'the "id"': 1}),
        (12, "3", {'the "id"': 3}),
    ]
    assert [(each.number, each.column, each.raw) for each in rejected] == [(11, 'the "id"', {'the "id"': None})]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("integer", "integer"),
        ("numeric(18,0)", "long"),
        ("numeric(19,0)", "double"),
        ("numeric(10,2)[]", "double"),
        ("numeric", "double"),
        ("timestamp(3) with time zone", "date"),
        ("character varying(20)", "text"),
        ("mpaa_rating", "text"),
        ("uuid[]", "keyword"),
        ("jsonb", "object"),
    ],
)
def test_fields_by_postgresql_type(kind: str, expected: str) -> None:
    assert field_type(kind)["type"] == expected


def test_later_workers_then_later_rows_have_higher_versions() -> None:
    order = [version_of(turn, number) for turn, number in product((1, 2, 2**27 - 1), (1, 2, 2**36 - 1))]
    assert order == sorted(set(order))
    assert order[-1] < 2**63
