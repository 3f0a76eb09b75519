"""One sheet of a table: what stands above its rows, what stays in sight, what it prints like."""

from collections.abc import Sequence
from dataclasses import dataclass

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.cells import text_cell
from dataops_defs.adapters.workbook.headers import Header
from dataops_defs.adapters.workbook.looks import Lines, Look
from dataops_defs.adapters.workbook.texts import Changes


@dataclass(frozen=True)
class Page:
    """``above`` are lines above the header."""

    name: str
    columns: Sequence[Header]
    above: Lines = ()

    @property
    def top(self) -> int:
        """Number of the header's row, from 1."""
        return len(self.above) + 1

    def top_rows(self, look: Look) -> bytes:
        """The lines above the header and the header, as XML."""
        changes = Changes()
        rows = [
            _row(number, text_cell("A", number, text, look.number(style), changes))
            for number, (style, text) in enumerate(self.above, 1)
        ]
        titles = (
            text_cell(xl_col_to_name(place), self.top, each.title, look.number(each.title_style), changes)
            for place, each in enumerate(self.columns)
        )
        return "".join([*rows, _row(self.top, "".join(titles))]).encode()

    def draw(self, sheet: Worksheet, last_row: int, look: Look) -> None:
        """All but the rows: the header stays in sight, filters, and is printed on every page of paper."""
        top, width = self.top - 1, len(self.columns)
        for place, each in enumerate(self.columns):
            sheet.set_column(place, place, each.width)
        sheet.freeze_panes(top + 1, 0)
        if width:
            sheet.autofilter(top, 0, max(last_row - 1, top), width - 1)
            sheet.repeat_rows(top)
        look.paper(sheet, landscape=width > 5)


def _row(number: int, cells: str) -> str:
    return f'<row r="{number}">{cells}</row>'
