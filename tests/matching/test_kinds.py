"""Kinds of values."""

import pytest

from dataops_defs.matching.fields import SourceField, TargetField
from dataops_defs.matching.kinds import Kind, fit, kind_of_column, kind_of_samples, kinds_of_property


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (["2024-01-31", "31.01.2024"], Kind.DATE),
        (["2024-01-31T10:00:00Z", "2024-01-31 10:00:00"], Kind.MOMENT),
        (["10:15", "23:59:59"], Kind.TIME),
        (["ann@example.org", "bob@example.com"], Kind.EMAIL),
        (["https://example.org/a", "www.example.org"], Kind.URL),
        (["+49 89 636-48018", "(555) 123-4567"], Kind.PHONE),
        (["7", "-12", "900"], Kind.INTEGER),
        (["1999", "2015"], Kind.YEAR),
        (["0.99", "12,5", "1.5e3"], Kind.DECIMAL),
        (["true", "FALSE"], Kind.BOOLEAN),
        (["Boeing", "Airbus", "7"], Kind.TEXT),
        (["", " "], Kind.UNKNOWN),
        ([], Kind.UNKNOWN),
    ],
)
def test_values_show_their_kind(samples: list[str], kind: Kind) -> None:
    assert kind_of_samples(samples) is kind


def test_without_values_the_type_tells_except_for_text() -> None:
    assert kind_of_column(SourceField("a", "timestamp[us]")) is Kind.MOMENT
    assert kind_of_column(SourceField("a", "varchar(80)")) is Kind.UNKNOWN
    assert kind_of_column(SourceField("a", "varchar(80)", ["2024-01-31"])) is Kind.DATE


def test_a_property_tells_by_format_then_type_then_name() -> None:
    assert kinds_of_property(TargetField("at", "string", format="date-time")) == {Kind.MOMENT}
    assert kinds_of_property(TargetField("birthDate", "integer")) == {Kind.INTEGER}
    assert kinds_of_property(TargetField("birthDate", "string")) == {Kind.DATE}
    assert kinds_of_property(TargetField("thing", "Airport")) == set()


def test_what_agrees_is_above_what_is_unknown_and_that_above_a_contradiction() -> None:
    assert fit(Kind.DATE, {Kind.DATE}) > fit(Kind.DATE, {Kind.MOMENT}) > fit(Kind.DATE, set()) == 0.0
    assert fit(Kind.UNKNOWN, {Kind.DATE}) == 0.0
    assert fit(Kind.EMAIL, {Kind.INTEGER}) < fit(Kind.EMAIL, {Kind.TEXT}) == 0.0
