"""Transforms give what JavaScript gives, row by row, and say what went wrong where."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.javascript.engine import JavaScriptEngine, Limits, check_expression
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import InvalidTransform

AIRCRAFT = {
    "build_year": ["1987", "2004", "", None],
    "active": [True, False, 1, None],
    "last_inspection_date": ["2024-01-31", "2024-02-29T12:00:00", "2023-06-01T00:00:00+02:00", "1999-12-31"],
    "month": [1, 2, 6, 12],
}
TRANSFORMS = [
    Transform("yearBuilt", "build_year", "parseInt"),
    Transform("status", "active", 'value ? "active" : "inactive"'),
    Transform("lastInspection", "last_inspection_date", "new Date(value).toISOString()"),
    Transform("built", "build_year", '[row.build_year,row.month].join("-")'),
    Transform("month", "month", None),
]


class TestTransformingABatch:
    def test_the_documented_transforms_give_the_documented_values(self):
        with JavaScriptEngine(TRANSFORMS) as engine:
            done = engine.run(AIRCRAFT, 4)

        assert done.problems == []
        assert done.columns == {
            "yearBuilt": [1987, 2004, None, None],
            "status": ["active", "inactive", "active", "inactive"],
            "lastInspection": [
                "2024-01-31T00:00:00.000Z",
                "2024-02-29T12:00:00.000Z",
                "2023-05-31T22:00:00.000Z",
                "1999-12-31T00:00:00.000Z",
            ],
            "built": ["1987-1", "2004-2", "-6", "-12"],
        }

    def test_a_column_without_an_expression_is_left_to_the_caller(self):
        with JavaScriptEngine(TRANSFORMS[-1:]) as engine:
            assert engine.run(AIRCRAFT, 4).columns == {}

    def test_no_rows_give_empty_columns(self, apply):
        assert apply("value", []).columns == {"p": []}

    def test_many_rows_keep_their_order(self, apply):
        rows = 10_000

        done = apply("value * 2", list(range(rows)))

        assert done.columns["p"] == list(range(0, 2 * rows, 2))

    def test_several_batches_use_one_worker(self):
        with JavaScriptEngine([Transform("p", "v", "value + 1")]) as engine:
            first = engine.worker_pid
            results = [engine.run({"v": [n]}, 1).columns["p"] for n in range(3)]

            assert results == [[1], [2], [3]]
            assert engine.worker_pid == first

    def test_values_of_several_megabytes_pass_through(self, apply):
        long = ["é" * 900_000] * 12

        assert apply("value", long).columns["p"] == long

    def test_a_row_over_the_limit_is_a_problem_and_its_neighbours_are_done(self, apply):
        done = apply("value.length", ["a", "b" * 2_000, "c"], Limits(row_bytes=1_000))
        wide = apply("value.length", ["a"] * 5000, Limits(row_bytes=1_000))

        assert done.columns["p"] == [1, 2000, 1]
        assert wide.problems == []

    def test_a_row_too_long_to_send_is_named(self, apply):
        done = apply("value.length", ["a", "b" * 5_000_000, "c"], Limits(row_bytes=4_500_000))

        assert done.columns["p"] == [1, None, 1]
        assert [(p.row, p.message) for p in done.problems] == [(1, "the row is longer than 4,500,000 bytes")]

    def test_a_column_that_the_data_lacks_is_named(self):
        engine = JavaScriptEngine([Transform("tail", "tail_number", "trim")])

        with pytest.raises(InvalidTransform, match="tail: the data has no column 'tail_number'"):
            engine.run({"v": [1]}, 1)

    def test_a_value_that_is_no_json_is_refused(self, apply):
        with pytest.raises(InvalidTransform, match="no JSON value"):
            apply("value", [object()])


class TestWhatAnExpressionMayGive:
    @pytest.mark.parametrize(
        ("expression", "result"),
        [
            ("NaN", None),
            ("-Infinity", None),
            ("undefined", None),
            ("null", None),
            ("[1, undefined, NaN]", [1, None, None]),
            ("({a: 1, b: undefined})", {"a": 1}),
            ("new Date(0)", "1970-01-01T00:00:00.000Z"),
            ("({at: new Date(0)})", {"at": "1970-01-01T00:00:00.000Z"}),
            ("new Date(NaN)", None),
            ("2n ** 70n", 2**70),
            ("[-(2n ** 70n), {n: 10n ** 30n}]", [-(2**70), {"n": 10**30}]),
            ("'a\\0b😀'", "a\0b😀"),
            ("new Date(2024, 0, 1).toISOString()", "2024-01-01T00:00:00.000Z"),
            ("value; ", 7),
            ("{a: value}", {"a": 7}),
            ("value // the value", 7),
            ("upper(trim('  x ')) + title('new YORK')", "XNew York"),
        ],
    )
    def test_json_and_what_becomes_json(self, apply, expression, result):
        done = apply(expression, [7])

        assert done.problems == []
        assert done.columns["p"] == [result]

    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("() => 1", "a function"),
            ("({f() {}})", "a function"),
            ("Symbol('x')", "a symbol"),
            ("new Map([[1, 2]])", "a Map"),
            ("(async () => 1)()", "a Promise"),
            ("(() => { let a = {}; a.a = a; return a })()", "refers to itself"),
            ("'😀'[0]", "surrogate"),
            ("['😀'[0]]", "surrogate"),
            ("10n ** 5000n", "more than 4000 digits"),
            ("'x'.repeat(2e6)", "longer than 1000000 characters"),
        ],
    )
    def test_anything_else_is_a_problem_of_its_row(self, apply, expression, words):
        done = apply(f"value ? ({expression}) : value", [0, 1, 0])

        assert done.columns["p"] == [0, None, 0]
        assert [problem.row for problem in done.problems] == [1]
        assert words in done.problems[0].message

    def test_text_that_only_looks_like_half_a_pair_passes(self, apply):
        assert apply("value", ["\\ud800", "\\udfff"]).columns["p"] == ["\\ud800", "\\udfff"]

    def test_a_transform_may_sort_its_value_without_the_others_noticing(self):
        transforms = [Transform("low", "v", "value.sort()[0]"), Transform("first", "v", "value[0]")]
        with JavaScriptEngine([*transforms, Transform("row", "v", "row.v[0]")]) as engine:
            done = engine.run({"v": [[3, 1, 2]]}, 1)

        assert done.columns == {"low": [1], "first": [3], "row": [3]}

    def test_clock_and_chance_are_fixed_in_a_run(self, apply):
        done = apply("[Date.now(), new Date().getTime(), Math.random()]", [1, 2])
        (now, then, chance), (later, _, other) = done.columns["p"]

        assert now == then == later
        assert chance != other
        assert 0 <= chance < 1
        with JavaScriptEngine([Transform("a", "v", "Math.random()"), Transform("b", "v", "Math.random()")]) as engine:
            again = engine.run({"v": [0]}, 1)
        assert again.columns["a"] == again.columns["b"]

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_json_value_survives_the_identity(self, identity, data):
        number = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
        text = st.text(st.characters(exclude_categories=["Cs"]))
        leaf = st.none() | st.booleans() | number | text
        value = st.recursive(leaf, lambda part: st.lists(part) | st.dictionaries(text, part), max_leaves=8)
        values = data.draw(st.lists(value, max_size=20))

        for name in ("value", "row"):
            done = identity.run({"v": values}, len(values))
            assert done.problems == []
            assert done.columns[name] == values

    @given(value=st.floats())
    @settings(max_examples=40, deadline=None)
    def test_a_float_comes_back_as_itself_or_as_null(self, identity, value):
        (back,) = identity.run({"v": [value]}, 1).columns["value"]

        assert back == value if math.isfinite(value) else back is None


@pytest.fixture(scope="module")
def identity():
    with JavaScriptEngine([Transform("value", "v", "value"), Transform("row", "v", "row.v")]) as engine:
        yield engine


class TestARowThatFails:
    def test_a_thrown_error_rejects_the_row_and_the_others_go_on(self, apply):
        done = apply("value.trim()", [" a ", None, " b "])

        assert done.columns["p"] == ["a", None, "b"]
        assert [(p.row, p.property) for p in done.problems] == [(1, "p")]
        assert done.problems[0].message.startswith("TypeError: ")
        assert "\n" not in done.problems[0].message
        assert "at " not in done.problems[0].message

    @pytest.mark.parametrize(
        ("thrown", "words"),
        [
            ("'no tail'", 'thrown: "no tail"'),
            ("42", "thrown: 42"),
            ("undefined", "thrown: undefined"),
            ("{toString() { throw 1 }}", "thrown: a value that cannot be shown"),
            ("new RangeError('a\\nb')", "RangeError: a\N{REPLACEMENT CHARACTER}b"),
        ],
    )
    def test_whatever_is_thrown_can_be_read(self, apply, thrown, words):
        assert apply(f"(() => {{ throw {thrown} }})()", [1]).problems[0].message == words

    def test_messages_are_short(self, apply):
        message = apply("(() => { throw new Error('x'.repeat(1e5)) })()", [1]).problems[0].message

        assert len(message) <= 300

    def test_problems_of_several_properties_come_in_order_of_rows(self):
        transforms = [Transform("a", "v", "toNumber"), Transform("b", "v", "toBoolean")]
        with JavaScriptEngine(transforms) as engine:
            done = engine.run({"v": ["1", "x", "y"]}, 3)

        assert [(p.row, p.property) for p in done.problems] == [(1, "a"), (1, "b"), (2, "a")]


class TestCheckingAnExpression:
    @pytest.mark.parametrize("good", ["value", "parseInt", " trim ", "row.a + row['b c']", "value?.a ?? 'x'", "null"])
    def test_what_compiles_is_accepted(self, good):
        check_expression(good)

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            ("value ? ", "SyntaxError: the expression is not complete"),
            ("value)}; while(1){}; (()=>{(0", "SyntaxError"),
            ("1), (2", "SyntaxError"),
            ("1], [2", "SyntaxError"),
            ("return value", "SyntaxError"),
            ("if (value) 1", "SyntaxError"),
            ("value\0", "SyntaxError"),
            ("/* ", "SyntaxError"),
            ("(" * 9_000, ""),
            ("", "empty"),
            (" ; ", "empty"),
            ("'\ud800'", "surrogate"),
            ("1+" * 40_000 + "1", "longer than 10,000 characters"),
            ("parsInt", "'parsInt' is no known function; use one of: parseInt, "),
        ],
    )
    def test_what_does_not_compile_is_refused_with_the_reason(self, bad, words):
        with pytest.raises(InvalidTransform) as refused:
            check_expression(bad)

        assert words in str(refused.value)
        assert "\0" not in str(refused.value)
        assert [problem.field for problem in refused.value.fields] == ["transform"]

    def test_every_broken_property_is_named(self):
        transforms = [Transform("a", "v", "1 +"), Transform("b", "v", "value"), Transform("c", "v", ")")]
        with pytest.raises(InvalidTransform) as refused:
            JavaScriptEngine(transforms).run({"v": [1]}, 1)

        assert [problem.field for problem in refused.value.fields] == ["a", "c"]
