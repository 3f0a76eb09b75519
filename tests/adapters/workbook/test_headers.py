"""Which whole numbers name something and measure nothing, however their column is written."""

import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.headers import is_label
from tests.adapters.workbook.books import poured

LABELS = [
    *("id", "order_id", "CUSTOMER_ID", "Customer Id", "customerId", "customerid", "Order-ID", "Order No.", "ISBN"),
    *("year", "Year", "FiscalYear", "Postal Code", "POSTAL_CODE", "zipcode", "Phone Number", "week"),
]


class TestLabels:
    @pytest.mark.parametrize("name", LABELS)
    def test_name_something(self, name: str) -> None:
        assert is_label(name, pa.int64())

    @pytest.mark.parametrize(
        "name",
        ["amount", "Amount Paid", "unpaid", "highestbid", "grid", "visits_per_day", "Calls Per Week", "codes used"],
    )
    def test_are_not_what_measures(self, name: str) -> None:
        assert not is_label(name, pa.int64())

    def test_are_shown_without_separators(self) -> None:
        sheet = poured({"Year": [2021], "Order ID": [100001], "amount": [2021]}).sheet

        assert [each.number_format for each in sheet[2]] == ["0", "0", "#,##0"]
