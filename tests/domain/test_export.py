"""Names of exported files, and what is kept of a request."""

import json
from datetime import date

import pytest

from dataops_defs.domain.export import (
    ChartType,
    ExportKind,
    Section,
    SectionType,
    Template,
    Wanted,
    datamart_file_name,
    file_name,
)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("customer_analysis_2024_06", "customer_analysis_2024_06.xlsx"),
        ("report.XLSX", "report.xlsx"),
        ("CON", "_CON.xlsx"),
        ("com1.xlsx", "_com1.xlsx"),
        ("a" * 300, "a" * 120 + ".xlsx"),
        ("\u202exslx", "xslx.xlsx"),
        ("../../etc/passwd", "_.._etc_passwd.xlsx"),
        ("a\\b:c*d?e|f<g>h", "a_b_c_d_e_f_g_h.xlsx"),
        ('a"; filename="b', "a_ filename=_b.xlsx"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie_ x.xlsx"),
        ("a\x00b", "ab.xlsx"),
        ("...", "export.xlsx"),
        (".xlsx", "export.xlsx"),
        ("Отчёт за июнь", "Отчёт за июнь.xlsx"),
    ],
)
def test_file_names_are_such_as_every_system_takes(wanted: str, given: str) -> None:
    assert file_name(wanted) == given


def test_a_datamarts_file_has_its_name_and_the_day() -> None:
    assert datamart_file_name("customer_360_datamart", date(2024, 6, 30)) == "customer_360_datamart_2024_06_30.xlsx"


def test_what_is_kept_is_what_was_wanted() -> None:
    wanted = Wanted(
        ExportKind.REPORT,
        "Sales",
        [
            Section("Overview", SectionType.SUMMARY, values={"b": 1, "a": 2.5}),
            Section("Trend", SectionType.CHART, "SELECT 1", "sales", chart=ChartType.LINE),
        ],
        Template.PLAIN,
        max_rows=5,
        charts=[ChartType.PIE],
    )

    kept = Wanted.from_json(json.loads(json.dumps(wanted.as_json())))

    assert kept == wanted
    assert list(kept.sections[0].values) == ["b", "a"]
