"""Rejects as they are told to those who may not see their rows."""

import pytest

from dataops_defs.domain.columns import RejectedRow


@pytest.mark.parametrize(
    ("reason", "column", "raw", "told"),
    [
        ("'old' is no whole number", "age", {"age": "old"}, "row 3, column 'age': its value is no whole number"),
        ("holds '0000' in 'd'", "d", {"d": "0000-00-00"}, "row 3, column 'd': holds its value in 'd'"),
        ('no uuid: "x\'y"', "id", {"id": "x'y", "n": None}, "row 3, column 'id': no uuid: its value"),
        ("expected 3 fields, found 2", None, {"line": "4,Dan"}, "row 3: expected 3 fields, found 2"),
        ("holds 12, which is odd", "n", {"n": 12}, "row 3, column 'n'; its reject tells why"),
        (f"'{'x' * 60}' is too long", "n", {"n": "x" * 5000}, "row 3, column 'n': its value is too long"),
    ],
)
def test_name_row_column_and_reason_without_the_value(reason, column, raw, told):
    assert RejectedRow(3, reason, column, raw).without_values == told
