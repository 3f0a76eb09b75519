"""Names of columns and tables, taken apart."""

import pytest

from dataops_defs.matching.relationships.names import ColumnName, names_own_kind, plays_part, read_names
from dataops_defs.matching.relationships.profiles import TableProfile
from tests.matching.relationships.made import Made


def column(name: str, *tables: str) -> ColumnName:
    """A column of the first table, read beside the others."""
    made = Made({table: {name: [1]} for table in tables}).profiles()
    return read_names(made)[tables[0]].columns[name]


@pytest.mark.parametrize(
    ("name", "core", "keyed"),
    [
        ("customer_id", ["customer"], True),
        ("CustomerID", ["customer"], True),
        ("id", [], True),
        ("fk_customer", ["customer"], True),
        ("FK_CustomerId", ["customer"], True),
        ("custkey", ["cust"], True),
        ("home_team_id", ["home", "team"], True),
        ("team_id_home", ["team"], True),
        ("monkey", ["monkey"], False),
        ("paid", ["paid"], False),
        ("carrier", ["carrier"], False),
    ],
)
def test_a_column_is_the_key_of_what_its_name_says_besides(name: str, core: list[str], keyed: bool) -> None:
    read = column(name, "orders", "customers", "teams")

    assert ([word.text for word in read.core], read.keyed) == (core, keyed)


def test_what_all_columns_or_tables_begin_with_is_left_out() -> None:
    columns = {name: [1] for name in ("st_id", "st_name", "st_city")}
    names = read_names(
        Made({"app_tbl_store": columns, "app_tbl_order": {"id": [1]}, "app_sku": {"id": [1]}}).profiles()
    )

    assert [word.text for word in names["app_tbl_store"].words] == ["store"]
    assert [word.text for word in names["app_tbl_store"].columns["st_city"].core] == ["city"]


def test_a_part_is_played_by_rows_of_fitting_tables_only() -> None:
    tables = read_names([TableProfile(name, 0, [], []) for name in ("airports", "employees", "invoices")])
    destination, manager = column("dest", "flights"), column("manager_id", "departments")

    assert [name for name, table in tables.items() if plays_part(destination, table)] == ["airports"]
    assert [name for name, table in tables.items() if plays_part(manager, table)] == ["employees"]


@pytest.mark.parametrize(("name", "own"), [("parent_id", True), ("ReportsTo", True), ("customer_id", False)])
def test_some_words_are_for_another_row_of_the_same_table(name: str, own: bool) -> None:
    assert names_own_kind(column(name, "things")) is own
