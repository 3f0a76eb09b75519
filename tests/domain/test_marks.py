"""How an extraction is made incremental, and how far a source was read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from dataops_defs.domain.extraction import extraction
from dataops_defs.domain.incremental import Incremental, Mark, MarkKind, Moment, Unlike, later
from dataops_defs.domain.source import SourceType
from dataops_defs.errors import Invalid

HOW = {"cursorColumn": "changed", "keyColumns": ["id"]}
SQL = {"type": "sql", "query": "SELECT 1"}
API = {"type": "api", "endpoint": "/orders"}
NOW = Moment.of(datetime(2025, 6, 1, 12, tzinfo=UTC))


class TestTheDocumentedForm:
    def test_comes_back_as_it_was_given_with_its_defaults(self) -> None:
        made = extraction({**SQL, "incremental": {**HOW, "lag": 1.5}}, SourceType.POSTGRES)
        assert made.as_json()["incremental"] == {**HOW, "lagSeconds": 0, "lag": 1.5, "deletions": "none"}
        again = extraction(made.as_json(), SourceType.POSTGRES)
        assert again == made

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"cursorColumn": ""}, "cursorColumn"),
            ({"cursorColumn": 5}, "cursorColumn"),
            ({"keyColumns": []}, "keyColumns"),
            ({"keyColumns": "id"}, "keyColumns"),
            ({"keyColumns": ["id", "id"]}, "keyColumns"),
            ({"keyColumns": [str(number) for number in range(17)]}, "keyColumns"),
            ({"lagSeconds": -1}, "lagSeconds"),
            ({"lagSeconds": 1.5}, "lagSeconds"),
            ({"lagSeconds": 10**12}, "lagSeconds"),
            ({"lag": True}, "lag"),
            ({"deletions": "soft"}, "deletions"),
            ({"allowEmpty": "yes"}, "allowEmpty"),
            ({"param": "since"}, "param"),
            ({"cursor": "x"}, "cursor"),
        ],
    )
    def test_that_is_wrong_names_its_field(self, wrong: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            extraction({**SQL, "incremental": {**HOW, **wrong}}, SourceType.POSTGRES)
        assert refusal.value.fields[0].field == f"extraction.incremental.{field}"

    @pytest.mark.parametrize(
        ("given", "kind", "told"),
        [
            ({"type": "file"}, SourceType.CSV, "files cannot be asked for rows that are new"),
            ({"type": "s3", "path": "*.csv"}, SourceType.S3, "files cannot be asked for rows that are new"),
            (API, SourceType.API, "param: is required"),
            ({**API, "incremental": {**HOW, "param": "since", "deletions": "keys"}}, SourceType.API, "deletions"),
        ],
    )
    def test_is_for_sources_that_can_serve_it(self, given: dict[str, Any], kind: SourceType, told: str) -> None:
        with pytest.raises(Invalid, match=told):
            extraction({"incremental": HOW, **given}, kind)


class TestAMark:
    @pytest.mark.parametrize(
        ("kind", "value", "text"),
        [
            (MarkKind.INSTANT, datetime(2025, 1, 2, 3, 4, 5, 678, tzinfo=UTC), "2025-01-02T03:04:05.000678Z"),
            (MarkKind.TIME, datetime(2025, 1, 2, 3), "2025-01-02T03:00:00"),
            (MarkKind.DATE, date(2025, 1, 2), "2025-01-02"),
            (MarkKind.NUMBER, Decimal("12345678901234567890.125"), "12345678901234567890.125"),
            (MarkKind.NUMBER, Decimal("1E+3"), "1000"),
        ],
    )
    def test_is_read_as_it_was_written(self, kind: MarkKind, value: Any, text: str) -> None:
        assert Mark(kind, value).text == text
        assert Mark.of(kind, text) == Mark(kind, value)

    def test_is_never_later_than_the_moment_of_reading(self) -> None:
        far, near = datetime(9999, 12, 31, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
        assert Mark(MarkKind.INSTANT, far).no_later_than(NOW).value == NOW.instant
        assert Mark(MarkKind.INSTANT, near).no_later_than(NOW).value == near
        assert Mark(MarkKind.DATE, far.date()).no_later_than(NOW).value == date(2025, 6, 1)
        assert Mark(MarkKind.NUMBER, Decimal(10**30)).no_later_than(NOW).value == 10**30

    def test_of_a_time_without_a_zone_is_capped_by_the_earlier_of_utc_and_the_servers_own(self) -> None:
        moment = Moment(NOW.instant, NOW.local - timedelta(hours=9))
        assert Mark(MarkKind.TIME, datetime.max).no_later_than(moment).value == moment.local

    def test_less_the_lag_is_where_the_next_reading_begins(self) -> None:
        how = Incremental("changed", ("id",), lag_seconds=90_000, lag=Decimal("2.5"))
        assert Mark(MarkKind.NUMBER, Decimal(10)).less(how).value == Decimal("7.5")
        assert Mark(MarkKind.DATE, date(2025, 1, 10)).less(how).value == date(2025, 1, 8)
        assert Mark(MarkKind.INSTANT, NOW.instant).less(how).value == NOW.instant - timedelta(hours=25)
        first = datetime.min.replace(tzinfo=UTC)
        assert Mark(MarkKind.INSTANT, first).less(how).value == first
        assert Mark(MarkKind.DATE, date.min).less(how).value == date.min

    @pytest.mark.parametrize("lag", ["0", "0.25", "7"])
    def test_of_many_digits_loses_none(self, lag: str) -> None:
        how = Incremental("version", ("id",), lag=Decimal(lag))
        for value in (20251121194419999999999999999999, 10**49 + 1, 10**400 + 1):
            least = Mark(MarkKind.NUMBER, Decimal(value)).less(how)
            assert Fraction(least.value) + Fraction(lag) == value

    def test_does_not_stand_for_a_cursor_of_another_kind(self) -> None:
        mark = Mark(MarkKind.NUMBER, Decimal(1))
        mark.check_kind("changed", MarkKind.NUMBER)
        with pytest.raises(Unlike, match="'changed' is now of kind date, was of kind number"):
            mark.check_kind("changed", MarkKind.DATE)

    def test_does_not_go_back(self) -> None:
        one, two = Mark(MarkKind.NUMBER, Decimal(1)), Mark(MarkKind.NUMBER, Decimal(2))
        assert later(two, one) == later(one, two) == later(None, two) == later(two, None) == two
        assert later(None, None) is None
