"""What has changed between the columns of two extractions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.columns import Column
from dataops_defs.domain.drift import Drift, drift_between

BEFORE = [Column("id", "int64"), Column("name", "string"), Column("price", "decimal128(8, 2)")]
COLUMNS = st.dictionaries(
    st.sampled_from("abcdef"), st.sampled_from(["int64", "string", "bool", "decimal128(5, 2)", "decimal128(9, 4)"])
).map(lambda found: [Column(name, kind) for name, kind in found.items()])


class TestDrift:
    def test_names_each_change(self) -> None:
        drift = drift_between(
            BEFORE, [Column("id", "string"), Column("price", "decimal128(8, 2)"), Column("vat", "bool")]
        )

        assert drift
        assert drift.sentence == (
            "column 'id' is now string, was int64; column 'name' is gone (it was string); column 'vat' is new (bool)"
        )
        assert drift.counts == {"added": 1, "removed": 1, "retyped": 1}
        assert Drift.from_json(drift.as_json()) == drift

    def test_is_not_another_order(self) -> None:
        assert not drift_between(BEFORE, list(reversed(BEFORE)))

    def test_is_not_nullability_which_is_noted(self) -> None:
        drift = drift_between(BEFORE, [Column("id", "int64", nullable=False), *BEFORE[1:]])
        assert not drift
        assert drift.nullability == ["id"]

    @pytest.mark.parametrize(
        ("before", "now", "drifts"),
        [
            ("decimal128(8, 2)", "decimal128(12, 4)", False),
            ("decimal128(8, 2)", "double", True),
            ("int32", "int64", True),
            ("timestamp[us]", "timestamp[us, tz=UTC]", True),
        ],
    )
    def test_of_types(self, before: str, now: str, drifts: bool) -> None:
        assert bool(drift_between([Column("a", before)], [Column("a", now)])) is drifts

    @given(COLUMNS, COLUMNS)
    def test_tells_of_every_column_once(self, before: list[Column], now: list[Column]) -> None:
        drift = drift_between(before, now)
        told = [each.name for each in (*drift.added, *drift.removed, *drift.retyped)]
        assert len(told) == len(set(told))
        kept = {each.name for each in before} & {each.name for each in now}
        assert {each.name for each in drift.added} == {each.name for each in now} - kept
        assert {each.name for each in drift.removed} == {each.name for each in before} - kept
        assert not drift_between(now, now)
