"""Texts stay texts: whatever they look like, and whatever they are made of."""

import re

import pytest

from dataops_defs.adapters.workbook.texts import Changes, coded, fitted
from tests.adapters.workbook.books import as_excel_reads, poured

FORMULAS = [
    '=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    '=IMPORTXML("http://x","//a")',
    "=",
    "- a list's item",
    "\u00a0=1+1",
    "\u2003+1+1",
    "\u200b=1+1",
    "\ufeff@SUM(A1)",
]
HARMLESS = ["-5", "+49 170 1234567", "-", "---", "-12.5 %", "{=1+1}", "http://example.com", "a=b", "'=1+1", "1-1"]


class TestFormulas:
    def test_none_is_written_as_one_and_all_would_stay_text_in_a_csv_file(self) -> None:
        made = poured({"a": FORMULAS, "b": FORMULAS})

        xml = made.xml("xl/worksheets/sheet1.xml")
        assert not re.search("<f[ >]|<hyperlink", xml)
        assert [as_excel_reads(each) for each in made.column()] == [f"'{each}" for each in FORMULAS]
        assert {each.data_type for each in made.sheet["A"][1:]} <= {"s", "inlineStr"}
        assert made.poured.told["a"][1] == Changes(quoted=len(FORMULAS))

    def test_what_runs_nowhere_stays_as_it_is(self) -> None:
        made = poured({"a": HARMLESS})

        assert made.column() == HARMLESS
        assert made.poured.told["a"][1] == Changes()

    def test_a_text_alone_and_a_column_of_them_go_by_one_rule(self) -> None:
        blanks = [chr(each) for each in range(0x3001) if chr(each).isspace()]
        texts = [f"{blank}{sign}1+1" for blank in blanks for sign in "=+-@\uff1d"]

        made = poured({"a": texts})

        assert [as_excel_reads(each) for each in made.column()] == [fitted(each, Changes()) for each in texts]
        assert made.poured.told["a"][1] == Changes(quoted=len(texts))

    def test_titles_are_texts_of_somebody_too(self) -> None:
        made = poured({"=1+1": [1], "<b>&": [2]})

        assert [each.value for each in made.sheet[1]] == ["'=1+1", "<b>&"]

    def test_cells_are_formatted_as_text_so_that_editing_one_does_not_make_it_a_number(self) -> None:
        assert poured({"a": ["00123"]}).sheet["A2"].number_format == "@"


class TestCharacters:
    @pytest.mark.parametrize(
        "text", ["a\x01b", "a\rb", "a\x1fb", "_x0041_", "a\ufffeb", "a<b>&c", " a ", "a\nb\t", "\U0001f600", "\u202ea"]
    )
    def test_every_one_comes_through(self, text: str) -> None:
        assert as_excel_reads(poured({"a": [text]}).column()[0]).replace("_x005F_", "_") == text

    def test_codes_that_are_text_are_coded_themselves(self) -> None:
        assert coded("_x0041_ \r _X0041_") == "_x005F_x0041_ _x000D_ _X0041_"


class TestLength:
    def test_longer_texts_than_a_cell_holds_are_cut_and_counted(self) -> None:
        made = poured({"a": ["x" * 32_767, "y" * 32_768, "é" * 40_000]})

        assert [len(each) for each in made.column()] == [32_767, 32_767, 32_767]
        assert [each[-1] for each in made.column()] == ["x", "…", "…"]
        assert made.poured.told["a"][1] == Changes(cut=2)

    def test_no_character_is_cut_in_half(self) -> None:
        changes = Changes()

        cut = fitted("\U0001f600" * 20_000, changes)

        assert changes.cut == 1
        assert len(cut.encode("utf-16-le")) // 2 <= 32_767
        assert set(cut) == {"\U0001f600", "…"}
