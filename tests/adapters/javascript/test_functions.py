"""The named functions do what their descriptions say."""

import pytest

from dataops_defs.domain.transform import FUNCTIONS

CASES = [
    ("parseInt", "1987", 1987),
    ("parseInt", "  42 kg", 42),
    ("parseInt", "010", 10),
    ("parseInt", "-7.9", -7),
    ("parseInt", "abc", None),
    ("parseInt", -7.9, -7),
    ("parseInt", 1e300, 1e300),
    ("parseInt", "12345678901234567890", 12345678901234567890),
    ("parseInt", "9007199254740992", 9007199254740992),
    ("parseInt", True, None),
    ("parseFloat", "12.5 kg", 12.5),
    ("parseFloat", "x", None),
    ("parseFloat", "Infinity", None),
    ("toNumber", " -1.5e3 ", -1500),
    ("toNumber", "", None),
    ("toNumber", True, 1),
    ("toNumber", "-98765432109876543210", -98765432109876543210),
    ("toBoolean", "Yes", True),
    ("toBoolean", " f ", False),
    ("toBoolean", 1, True),
    ("toBoolean", "0", False),
    ("toBoolean", "", None),
    ("toString", 5, "5"),
    ("toString", True, "true"),
    ("toString", {"a": [1]}, '{"a":[1]}'),
    ("trim", " \t a b\n", "a b"),
    ("trim", 5, 5),
    ("upper", "straße", "STRASSE"),
    ("lower", "ÉCOLE", "école"),
    ("upper", 5, "5"),
    ("title", "mcdonnell DOUGLAS o'hare 'quoted' élan 3m", "Mcdonnell Douglas O'hare 'Quoted' Élan 3M"),
    ("nullIfEmpty", "  ", None),
    ("nullIfEmpty", " a", " a"),
    ("nullIfEmpty", 0, 0),
    ("parseJSON", '{"a": [1, null]}', {"a": [1, None]}),
    (
        "parseJSON",
        '{"id": 12345678901234567890, "f": 0.12345678901234567}',
        {"id": 12345678901234567890, "f": 0.12345678901234567},
    ),
    (
        "parseJSON",
        '{"a": {"b": 0.1000000000000000055511151231257827}}',
        {"a": {"b": "0.1000000000000000055511151231257827"}},
    ),
    (
        "parseJSON",
        "[12345678.123456789, 1e2, 1e300, -0.0, 1000000000000000000000.50]",
        [12345678.123456789, 100, 1e300, 0, "1000000000000000000000.50"],
    ),
    ("parseJSON", " ", None),
    ("parseJSON", [1], [1]),
    ("parseDate", "2024-02-29", "2024-02-29T00:00:00.000Z"),
    ("parseDate", "2024-02-29 23:59", "2024-02-29T23:59:00.000Z"),
    ("parseDate", "2024-02-29T23:59:58.123456Z", "2024-02-29T23:59:58.123Z"),
    ("parseDate", "2024-02-29T23:59:58,5", "2024-02-29T23:59:58.500Z"),
    ("parseDate", "2024-01-01T00:30:00+01:30", "2023-12-31T23:00:00.000Z"),
    ("parseDate", "2024-01-01T00:30:00-0530", "2024-01-01T06:00:00.000Z"),
    ("parseDate", "20240305", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "2024/3/5", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "3/5/2024", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "3/5/2024 1:02 PM", "2024-03-05T13:02:00.000Z"),
    ("parseDate", "3/5/2024 12:00 AM", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "05.03.2024", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "5 Mar 2024", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "5-SEP-2024", "2024-09-05T00:00:00.000Z"),
    ("parseDate", "March 5, 2024", "2024-03-05T00:00:00.000Z"),
    ("parseDate", "Tue, 05 Mar 2024 10:11:12 GMT", "2024-03-05T10:11:12.000Z"),
    ("parseDate", "0099-01-01T00:00:00", "0099-01-01T00:00:00.000Z"),
    ("parseDate", 86_400_000, "1970-01-02T00:00:00.000Z"),
    ("parseDate", "", None),
    ("toISODateTime", "2024-02-29", "2024-02-29T00:00:00.000Z"),
    ("toISODate", "3/5/2024 1:02 PM", "2024-03-05"),
    ("toISODate", "2024-01-01T00:30:00+01:00", "2023-12-31"),
]
REFUSED = [
    ("toNumber", "12 kg", "is no number"),
    ("toNumber", "0x10", "is no number"),
    ("toNumber", [1], "is no number"),
    ("toBoolean", "maybe", '"maybe" is neither true nor false'),
    ("toBoolean", 2, "2 is neither true nor false"),
    ("parseJSON", "{a: 1}", "SyntaxError"),
    ("parseJSON", '{"a": {"b": 1e400}}', '"1e400" is beyond the largest number'),
    ("parseDate", "2023-02-29", "is no date"),
    ("parseDate", "2024-13-01", "is no date"),
    ("parseDate", "2024-00-10", "is no date"),
    ("parseDate", "13/02/2024", "is no date"),
    ("parseDate", "2024-01-01T24:00:00", "is no date"),
    ("parseDate", "2024-01-01 10:60", "is no date"),
    ("parseDate", "2024-01-01 13:00 PM", "is no date"),
    ("parseDate", "2024-01-01T00:00:00+99:00", "is no date"),
    ("parseDate", "5 Foo 2024", "is no date"),
    ("parseDate", "tomorrow", '"tomorrow" is no date'),
    ("parseDate", " ", "is no date"),
    ("parseDate", True, "is no date"),
    ("toISODate", "5.3", "is no date"),
]


class TestNamingAFunction:
    @pytest.mark.parametrize(("name", "value", "result"), CASES, ids=lambda part: str(part)[:30])
    def test_it_gives_the_described_value(self, shared, name, value, result):
        assert shared(name, value) == result
        assert type(shared(name, value)) in (type(result), int, float)

    @pytest.mark.parametrize(("name", "value", "words"), REFUSED, ids=lambda part: str(part)[:30])
    def test_it_refuses_what_it_cannot_read(self, shared, name, value, words):
        assert words in str(shared(name, value))

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_null_stays_null(self, shared, name):
        assert shared(name, None) is None

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_it_can_be_called_in_an_expression_too(self, apply, name):
        done = apply(f"{name}(value)", [None if name != "parseInt" else "7"])

        assert done.problems == []
