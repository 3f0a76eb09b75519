"""Any text goes to a spreadsheet and back, letter by letter; none of it is run there."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.reject_files.cells import cell_of, corrections, same_lines, text_of
from dataops_defs.adapters.reject_files.download import write_csv, write_workbook
from dataops_defs.adapters.reject_files.upload import read_mended
from dataops_defs.adapters.warehouse.rejects import Reject
from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import Invalid

# Arrow's texts are Unicode: no halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NASTY = st.text(st.sampled_from("\x00\x1b\t\n\r\x7f\ufffe\\x05cfu_A=+-@' \u00a0\uff1d"), min_size=1, max_size=12)
RUN = ("=", "+", "-", "@", "\t", "\r", "\uff1d")


# What programs trim, tidy up, or take for something else.
KNOWN = [
    "  ",
    " \u00a0",
    "\u00a0 ",
    "\n",
    " a\n",
    "#N/A",
    "TRUE",
    "1e5",
    "_x0041_",
    "\\x00",
    "a\r\nb",
    "\u2028",
    "\x85",
]


def a_reject(**content: Any) -> Reject:
    return Reject(7, "run", 3, "a", "a: is wrong", content, datetime.now(UTC), RejectState.OPEN)


@settings(max_examples=500)
@given(st.one_of(TEXT, NASTY))
def test_a_cell_stands_for_its_text_and_runs_nothing(text: str) -> None:
    cell = cell_of(text)

    assert text_of(same_lines(cell)) == text
    assert not cell.startswith(RUN)


@pytest.mark.parametrize("write", [write_csv, write_workbook])
@settings(max_examples=5, deadline=None)
@example(texts=KNOWN)
@given(texts=st.lists(st.one_of(TEXT, NASTY), min_size=100, max_size=200))
def test_a_file_brings_every_cell_back(write: Callable[..., None], texts: list[str]) -> None:
    columns, file = [f"column {place}" for place in range(len(texts))], io.BytesIO()
    content = dict(zip(columns, texts, strict=True))
    write(file, [a_reject(**content)], columns)

    [row] = read_mended(file.getvalue(), columns)

    assert (row.reject_id, row.line) == (7, 2)
    assert {name: text_of(cell) for name, cell in row.cells.items()} == content
    assert corrections(row.cells, content) == {}


@pytest.mark.parametrize("write", [write_csv, write_workbook])
def test_names_of_columns_come_back_too(write: Callable[..., None]) -> None:
    columns, file = ["=1+1", "_row", "__row", "tab\there", "nul\x00", "with, comma", "_x0041_", "-"], io.BytesIO()
    write(file, [a_reject(**{name: name for name in columns})], columns)

    [row] = read_mended(file.getvalue(), columns)

    assert {name: text_of(cell) for name, cell in row.cells.items()} == {name: name for name in columns}


def test_what_was_changed_is_told_and_an_emptied_cell_is_null() -> None:
    content = {"a": -5, "b": 1.5, "c": True, "d": None, "e": {"x": [1]}, "f": "", "g": "same"}
    cells = {name: cell_of(value) for name, value in content.items()}
    assert corrections(cells, content) == {}

    changed = {**cells, "a": "-6", "b": "", "d": "'=new", "g": "other"}

    assert corrections(changed, content) == {"a": "-6", "b": None, "d": "=new", "g": "other"}


def test_a_workbook_that_unfolds_to_more_than_is_read_is_refused() -> None:
    columns, file = ["a"], io.BytesIO()
    write_workbook(file, (a_reject(a="x" * 30_000) for _ in range(1_000)), columns)

    with pytest.raises(Invalid, match="unfolds"):
        read_mended(file.getvalue(), columns)


def test_a_mended_cell_that_is_an_error_is_refused() -> None:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (["_reject_id", "a"], [7, "x"], [8, "#N/A"]):
        book.active.append(row)
    book.active["B3"].data_type = "e"
    book.save(content)

    with pytest.raises(Invalid, match="line 3: cell B3 holds #N/A"):
        read_mended(content.getvalue(), ["a"])
