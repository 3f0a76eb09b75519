"""What becomes of each row, against a model that holds all rows in dictionaries."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.copies.fates import Fate, Fates, Side, fates_of
from dataops_defs.adapters.copies.print_book import PARTS, print_book
from dataops_defs.adapters.copies.prints import PRINT, Records, Salt, key_prints, prints

KEYS = st.integers(0, 12)
READ = st.lists(st.tuples(KEYS, st.integers(0, 3), st.sampled_from("xyz")), max_size=25)
KEPT = st.dictionaries(KEYS, st.sampled_from("xyz"), max_size=12)
VALUES: dict[pa.DataType, Sequence[Any]] = {
    pa.bool_(): [True, False, None],
    pa.int16(): [0, 1, -1, None],
    pa.int64(): [0, 1, 2**62, -1, None],
    pa.float64(): [0.0, -0.0, 1.5, float("inf"), None],
    pa.string(): ["", "a", "b", "a ", "0", None],
    pa.binary(): [b"", b"a", b"\x00", b"\x00\x00", None],
    pa.date32(): [date(1970, 1, 1), date(2025, 1, 1), None],
    pa.time64("us"): [time(0), time(1), None],
    pa.timestamp("us", tz="UTC"): [datetime(1970, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), None],
    pa.decimal128(20, 2): [Decimal(0), Decimal("1.50"), Decimal("-1.50"), Decimal(10**17), None],
    pa.list_(pa.int64()): [[], [1], [1, 2], None],
}


def entered(keys: Sequence[int], side: Side, contents: Sequence[str] = (), ranks: Sequence[float] = ()) -> Records:
    records = np.zeros(len(keys), PRINT)
    records["key1"], records["key2"] = prints([pa.array(keys, pa.int64())], len(keys), SALT)
    if contents:
        records["content1"], records["content2"] = prints([pa.array(contents)], len(keys), SALT)
        records["rank"] = ranks or 0
    records["at"], records["side"] = np.arange(len(keys)), side
    return records


SALT = Salt.fresh()


def joined(
    kept: dict[int, str], read: Sequence[tuple[int, int, str]], source: Sequence[int] | None, *, absent_go: bool
) -> Fates:
    with print_book() as book:
        book.add(
            entered([key for key, _, _ in read], Side.READ, [c for *_, c in read], [r for _, r, _ in read]), sought=True
        )
        book.add(entered(list(kept), Side.KEPT, list(kept.values())))
        if source is not None:
            book.add(entered(source, Side.KEY))
        return fates_of(book.parts(), len(kept), len(read), absent_go=absent_go, keys_known=source is not None)


class TestFates:
    @settings(max_examples=300, deadline=None)
    @given(KEPT, READ, st.none() | st.lists(KEYS, max_size=12), st.booleans())
    def test_are_those_of_the_model(
        self, kept: dict[int, str], read: list[tuple[int, int, str]], source: list[int] | None, absent_go: bool
    ) -> None:
        newest = {key: at for at, (key, rank, _) in sorted(enumerate(read), key=lambda each: (each[1][1], each[0]))}
        repeated = {key for key in source or () if (source or ()).count(key) > 1}
        wanted = []
        for at, (key, _, content) in enumerate(read):
            if newest[key] != at:
                wanted.append(Fate.DUPLICATE)
            elif key not in kept:
                wanted.append(Fate.INSERTED)
            elif kept[key] == content:
                wanted.append(Fate.UNCHANGED)
            else:
                wanted.append(Fate.DUPLICATE if key in repeated else Fate.UPDATED)
        stays = []
        for key, content in kept.items():
            if key in newest:
                same = read[newest[key]][2] == content or key in repeated
                stays.append(Fate.STAYS if same else Fate.REPLACED)
            elif absent_go or source is not None:
                stays.append(Fate.STAYS if source is not None and key in source else Fate.GONE)
            else:
                stays.append(Fate.STAYS)

        found = joined(kept, read, source, absent_go=absent_go)

        assert [Fate(each) for each in found.read] == wanted
        assert [Fate(each) for each in found.kept] == stays
        assert found.missing == len(set(source or ()) - set(kept) - set(newest))

    def test_of_many_rows_are_joined_part_by_part(self) -> None:
        kept, read = 200_000, 150_000
        with print_book() as book:
            for start in range(0, read, 50_000):
                records = entered(range(start + 100_000, start + 150_000), Side.READ)
                records["at"] += start
                book.add(records, sought=True)
            book.add(entered(range(kept), Side.KEPT))
            sizes = [len(part) for part in book.parts()]
            fates = fates_of(book.parts(), kept, read, absent_go=False, keys_known=False)
        assert len(sizes) == PARTS
        assert max(sizes) < 2 * sum(sizes) / PARTS
        assert (fates.counts[Fate.UNCHANGED], fates.counts[Fate.INSERTED]) == (100_000, 50_000)


class TestPrints:
    @pytest.mark.parametrize("kind", list(VALUES), ids=str)
    def test_tell_all_values_apart_and_are_equal_for_equal_ones_wherever_they_stand(self, kind: pa.DataType) -> None:
        values = VALUES[kind]
        column = pa.array([*values, *values], kind)
        one, other = prints([column], len(column), SALT)
        found = list(zip(one.tolist(), other.tolist(), strict=True))
        assert found[: len(values)] == found[len(values) :]
        assert len(set(found)) == len(values)
        part = column.slice(1, 2)
        assert [each.tolist() for each in prints([part], 2, SALT)] == [one[1:3].tolist(), other[1:3].tolist()]

    def test_know_the_columns_apart(self) -> None:
        a, b, empty = pa.array(["a"]), pa.array(["b"]), pa.array([None], pa.string())
        rows = [(a, b), (b, a), (a, empty), (empty, a), (pa.array(["ab"]), pa.array([""]))]
        assert len({tuple(word[0] for word in prints(row, 1, SALT)) for row in rows}) == len(rows)

    def test_of_keys_are_equal_for_decimals_of_other_digits(self) -> None:
        narrow, wide = pa.decimal128(5, 1), pa.decimal128(30, 9)
        values = [Decimal("1.5"), Decimal(0), Decimal(100), None]
        one, other = (key_prints([pa.array(values, kind)], 4, SALT) for kind in (narrow, wide))
        assert [each.tolist() for each in one] == [each.tolist() for each in other]

    def test_are_salted(self) -> None:
        column = pa.array(["a"])
        assert prints([column], 1, SALT)[0][0] != prints([column], 1, Salt.fresh())[0][0]
