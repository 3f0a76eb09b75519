from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dataops_defs.domain.reconciliation import Difference, DifferenceKind
from dataops_defs.errors import SchemaChanged
from tests.flows.reconciliation.cinema import FILM, Cinema

MISSING, EXTRA, DIFFERENT, MULTIPLICITY = DifferenceKind
KEYS = {
    "text": ["'a'", "'B'", "'ä'", "'电影'", "'🎬'", "''", "'NULL'", "'{,}'", "'a\\b\"'", "'100%'"],
    "uuid": ["'00000000-0000-0000-0000-000000000001'", "'ffffffff-0000-0000-0000-000000000001'"],
    "numeric": ["1.0", "2.50", "-3", "'NaN'", "'Infinity'"],
    "double precision": ["1", "1e300", "-0.5", "'NaN'", "'-Infinity'"],
    "timestamptz": ["'2020-01-01 00:00:00.000001+05'", "'infinity'", "'0044-03-15 BC'"],
    "date": ["'2020-02-29'", "'1999-12-31'"],
    "boolean": ["true", "false"],
    "bytea": ["'\\x00ff'", "''"],
    "jsonb": ["'1'", "'{\"a\": [1]}'"],
    "int[]": ["'{1,2}'", "'{}'"],
    "inet": ["'10.0.0.1'", "'::1'"],
}
EQUAL = [
    ("numeric", "numeric", "1.0", "1.00"),
    ("numeric(10,2)", "numeric", "1.10", "1.1"),
    ("integer", "bigint", "5", "5"),
    ("integer", "numeric", "5", "5.0"),
    ("real", "double precision", "0.1", "0.1"),
    ("double precision", "double precision", "'-0'", "0"),
    ("varchar(10)", "text", "'ab'", "'ab'"),
    ("text", "char(10)", "'ab '", "'ab'"),
    ("char(5)", "char(9)", "'ab'", "'ab'"),
    ("date", "timestamp", "'2020-02-29'", "'2020-02-29 00:00'"),
    ("timestamptz", "timestamptz", "'2020-01-01 12:00+02'", "'2020-01-01 10:00+00'"),
    ("timestamp(3)", "timestamp", "'2020-01-01 12:00:00.5'", "'2020-01-01 12:00:00.5'"),
    ("json", "jsonb", '\'{"b": 1,  "a": [1, 2]}\'', '\'{"a": [1,2], "b": 1}\''),
    ("json", "json", '\'{"b":1,"a":2}\'', '\'{"a": 2, "b": 1}\''),
    ("interval", "interval", "'1 day'", "'24 hours'"),
]
UNEQUAL = [
    ("text", "NULL", "''"),
    ("text", "'NULL'", "NULL"),
    ("text", "'a '", "'a'"),
    ("text", "'\u00e9'", "'e\u0301'"),
    ("numeric", "1.005", "1.01"),
    ("numeric", "12345678901234567890.1", "12345678901234567890.2"),
    ("double precision", "0.1", "0.1::real"),
    ("timestamptz", "'2020-01-01 12:00:00.000001Z'", "'2020-01-01 12:00Z'"),
    ("json", "'{\"a\": null}'", "'{}'"),
    ("int[]", "'{1,NULL}'", "'{1}'"),
    ("bytea", "'\\x00'", "'\\x0000'"),
]


class TestKeys:
    def test_several_columns_and_empty_ones(self, cinema: Cinema) -> None:
        columns = "city text, no int, name text"
        rows = ["'Köln', 1, 'a'", "'Köln', NULL, 'b'", "NULL, 2, 'c'", "NULL, NULL, 'd'", "'', 3, 'e'"]
        cinema.source(columns, *rows)
        cinema.target(columns, *rows[:3], "NULL, NULL, 'D'", "NULL, 3, 'e'")
        assert cinema.differences(key_columns=("city", "no")) == [
            Difference({"city": "", "no": 3}, MISSING, 1, 0),
            Difference({"city": None, "no": 3}, EXTRA, 0, 1),
            Difference({"city": None, "no": None}, DIFFERENT, 1, 1, ("name",)),
        ]

    def test_the_targets_primary_key_before_id(self, cinema: Cinema) -> None:
        cinema.source("id int, code text", "1, 'a'", "1, 'b'")
        cinema.target("id int, code text PRIMARY KEY", "1, 'a'", "1, 'b'")
        assert cinema.reconciled().key_columns == ("code",)

    def test_the_first_column_where_there_is_nothing_better(self, cinema: Cinema) -> None:
        cinema.source("kind text, n int", "'a', 1", "'a', 2", "'b', 3")
        cinema.target("kind text, n int", "'a', 1", "'b', 3")
        assert cinema.differences() == [Difference({"kind": "a"}, MULTIPLICITY, 2, 1)]

    def test_rows_that_changed_places_between_ranges(self, cinema: Cinema) -> None:
        cinema.source(FILM, *(f"{each}, 't{each}', 1" for each in range(40)))
        cinema.target(FILM, *(f"{each}, 't{39 - each if each in (3, 36) else each}', 1" for each in range(40)))
        assert cinema.differences() == [
            Difference({"id": 3}, DIFFERENT, 1, 1, ("title",)),
            Difference({"id": 36}, DIFFERENT, 1, 1, ("title",)),
        ]

    def test_of_any_type(self, cinema: Cinema) -> None:
        for kind, values in KEYS.items():
            rows = [f"{value}, {n}" for n, value in enumerate([*values, "NULL"])]
            cinema.both(f"key {kind}, n int", *rows)
            assert cinema.reconciled().in_sync, kind
            cinema.target(f"key {kind}, n int", *rows[1:])
            [only] = cinema.differences()
            assert (only.kind, only.rows_source) == (MISSING, 1), kind

    def test_one_that_the_query_does_not_give(self, cinema: Cinema) -> None:
        cinema.both(FILM)
        with pytest.raises(SchemaChanged, match="'code' is not in the query"):
            cinema.reconciled(key_columns=("code",))


class TestValues:
    def test_are_equal_by_what_they_mean(self, cinema: Cinema) -> None:
        for number, (source, target, a, b) in enumerate(EQUAL):
            cinema.source(f"id int, value {source}", f"1, {a}")
            cinema.target(f"id int, value {target}", f"1, {b}")
            found = cinema.reconciled()
            assert found.in_sync, EQUAL[number]
            assert not found.notes, EQUAL[number]

    def test_differ_by_the_least(self, cinema: Cinema) -> None:
        columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(UNEQUAL))
        cinema.source(f"id int, {columns}", ", ".join(["1", *(a for _, a, _ in UNEQUAL)]))
        cinema.target(f"id int, {columns}", ", ".join(["1", *(b for _, _, b in UNEQUAL)]))
        [only] = cinema.differences()
        assert only.columns == tuple(f"c{number}" for number in range(len(UNEQUAL)))

    def test_do_not_run_into_each_other(self, cinema: Cinema) -> None:
        cinema.source("id int, a text, b text", "1, 'x,', 'y'", "2, 'x\",\"y', NULL", "3, '', NULL")
        cinema.target("id int, a text, b text", "1, 'x', ',y'", "2, 'x', 'y'", "3, NULL, ''")
        assert [each.columns for each in cinema.differences()] == [("a", "b")] * 3

    def test_that_come_in_pairs_do_not_cancel_out(self, cinema: Cinema) -> None:
        cinema.source("id int, value text", *["1, 'a'"] * 2)
        cinema.target("id int, value text", *["1, 'b'"] * 2)
        assert cinema.differences() == [Difference({"id": 1}, DIFFERENT, 2, 2, ("value",))]

    def test_of_unlike_types_are_compared_by_their_text(self, cinema: Cinema) -> None:
        cinema.source("id int, value text", "1, '5'", "2, 'five'")
        cinema.target("id int, value int", "1, 5", "2, 5")
        found = cinema.reconciled()
        assert [each.key for each in found.findings.differences] == [{"id": 2}]
        assert found.notes == [
            "'value' is text in the query and integer in analytics.film_dim: compared by its text",
        ]

    def test_json_that_jsonb_cannot_hold_is_compared_as_text(self, cinema: Cinema) -> None:
        cinema.source("id int, value json", r"""1, '{"a": "\u0000"}'""", r"""2, '[1]'""")
        cinema.target("id int, value json", r"""1, '{"a": "\u0000"}'""", r"""2, '[2]'""")
        found = cinema.reconciled()
        assert found.findings.differences == [Difference({"id": 2}, DIFFERENT, 1, 1, ("value",))]
        assert found.notes == ["JSON is compared as text: some of it holds what jsonb cannot"]


VALUES = st.sampled_from([None, "", "a", "A", "NULL", "ä", "{", '"', ",", "\\", "a b"])
ROWS = st.lists(st.tuples(st.none() | st.integers(0, 5), VALUES, st.none() | st.sampled_from([0, 1, 10])), max_size=8)


@given(source=ROWS, changes=st.lists(st.tuples(st.integers(0, 7), st.none() | ROWS), max_size=3))
@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_verdict_is_that_of_multisets(cinema: Cinema, source: Any, changes: Any) -> None:
    target = list(source)
    for place, rows in changes:
        target[place : place + 1] = (rows or [])[:2]
    for name, rows in {"content.film": source, "analytics.film_dim": target}.items():
        cinema.world.sql(
            f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id int, a text, n numeric);"
            + f"INSERT INTO {name} VALUES (%s, %s, %s);" * len(rows),
            *(value for row in rows for value in row),
        )
    found = cinema.reconciled()
    mine, theirs = Counter(source), Counter(target)
    assert found.in_sync is (mine == theirs)
    wrong = {row[0] for row in (mine - theirs) + (theirs - mine)}
    assert {each.key["id"] for each in found.findings.differences} == wrong
    assert found.findings.total == len(wrong)
    for each in found.findings.differences:
        counts = [sum(n for row, n in side.items() if row[0] == each.key["id"]) for side in (mine, theirs)]
        assert counts == [each.rows_source, each.rows_target]
