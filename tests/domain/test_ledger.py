import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import LedgerImbalance

counts = st.integers(min_value=0, max_value=10**12)


class TestTheBalance:
    @given(counts, counts, counts, counts, counts, counts)
    def test_holds_when_every_row_is_accounted_for(self, i: int, u: int, n: int, r: int, f: int, deleted: int) -> None:
        read = i + u + n + r + f
        ledger = Ledger(read, i, u, n, r, f, deleted).balanced()
        assert ledger.succeeded + ledger.rejected == read

    @given(counts, counts, st.integers(min_value=1, max_value=1000))
    def test_breaks_when_rows_are_missing(self, inserted: int, rejected: int, missing: int) -> None:
        with pytest.raises(LedgerImbalance, match="nothing was published"):
            Ledger(read=inserted + rejected + missing, inserted=inserted, rejected=rejected).balanced()

    @given(counts, counts)
    def test_of_two_writes_adds_up(self, first: int, second: int) -> None:
        total = Ledger(read=first, inserted=first) + Ledger(read=second, unchanged=second)
        assert total.balanced() == Ledger(read=first + second, inserted=first, unchanged=second)
