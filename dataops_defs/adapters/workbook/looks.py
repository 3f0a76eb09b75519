"""How workbooks look: fonts, colours, number formats, paper. A format has the same number in every book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.forms import MOST_DECIMALS
from dataops_defs.domain.export import Template

A4 = 9
Lines = Sequence[tuple[str, str]]
"""Lines at the top of a sheet: the style of each, and its text."""
_NUMBERS = {
    "integer": "#,##0",
    "label": "0",
    "float": "General",
    "decimal0": "#,##0",
    **{f"decimal{scale}": f"#,##0.{'0' * scale}" for scale in range(1, 7)},
    # Averages and ratios have many digits that say little: shown when they are there.
    **{f"decimal{scale}": f"#,##0.00{'#' * (scale - 2)}" for scale in range(7, MOST_DECIMALS + 1)},
    "date": "yyyy-mm-dd",
    "month": "yyyy-mm",
    "year": "yyyy",
    "moment": "yyyy-mm-dd hh:mm:ss",
    "moment_fine": "yyyy-mm-dd hh:mm:ss.000",
    "time": "hh:mm:ss",
    "time_fine": "hh:mm:ss.000",
    "span": "[h]:mm:ss",
    "span_fine": "[h]:mm:ss.000",
}


@dataclass(frozen=True)
class Palette:
    """Colours, as RRGGBB."""

    title: str
    header: str | None
    header_text: str
    line: str
    soft: str | None
    series: tuple[str, ...]


PALETTES = {
    Template.CORPORATE: Palette(
        title="#1F3864",
        header="#1F3864",
        header_text="#FFFFFF",
        line="#8EA9DB",
        soft="#EDF2FA",
        series=("#1F3864", "#2E75B6", "#C55A11", "#7F7F7F", "#BF9000", "#548235", "#7030A0", "#00B0A0"),
    ),
    Template.PLAIN: Palette(
        title="#000000",
        header=None,
        header_text="#000000",
        line="#7F7F7F",
        soft=None,
        series=("#404040", "#7F7F7F", "#4472C4", "#A5A5A5", "#264478", "#636363", "#9DC3E6", "#C9C9C9"),
    ),
}


def _styles(palette: Palette) -> dict[str, dict[str, Any]]:
    """Properties of all formats by name; their order gives them their numbers."""
    header: dict[str, Any] = {"bold": True, "font_color": palette.header_text, "valign": "vcenter", "num_format": "@"}
    if palette.header:
        header |= {"bg_color": palette.header}
    else:
        header |= {"bottom": 2, "bottom_color": palette.line}
    soft = {"bg_color": palette.soft} if palette.soft else {}
    line = {"bottom": 1, "bottom_color": palette.line}
    figure: dict[str, Any] = {"font_size": 14, "bold": True, "align": "right", "valign": "vcenter", "indent": 1}
    wrapped = {"num_format": "@", "align": "left", "indent": 1, "text_wrap": True}
    return {
        "text": {"num_format": "@", "align": "left", "indent": 1},
        "text_whole": wrapped,
        # Excel shows TRUE and FALSE whatever the format; LibreOffice asks for one.
        "truth": {"num_format": '"TRUE";"TRUE";"FALSE"', "align": "center"},
        **{name: {"num_format": shown} for name, shown in _NUMBERS.items()},
        "header": {**header, "align": "left", "indent": 1},
        # The button of the filter stands at the right.
        "header_right": {**header, "align": "right", "indent": 2},
        "title": {"bold": True, "font_size": 18, "font_color": palette.title, "num_format": "@"},
        "subtitle": {"font_size": 11, "font_color": "#595959", "num_format": "@"},
        "heading": {"bold": True, "font_size": 13, "font_color": palette.title, "num_format": "@", **line},
        "key": {"bold": True, "valign": "top", "num_format": "@", "text_wrap": True, **soft, **line},
        "value": {"valign": "top", "align": "left", "num_format": "@", "text_wrap": True, **line},
        "label_of_figure": {
            "bold": True,
            "valign": "vcenter",
            "num_format": "@",
            "text_wrap": True,
            "indent": 1,
            **soft,
            **line,
        },
        "figure": {**figure, "num_format": "#,##0", **line},
        "figure_part": {**figure, "num_format": "#,##0.00", **line},
        "figure_small": {**figure, "num_format": "0.00######", **line},
        "figure_far": {**figure, "num_format": "0.00##E+00", **line},
        "figure_text": {**wrapped, "valign": "vcenter", **line},
        "note": {"italic": True, "font_color": "#595959", "num_format": "@", "text_wrap": True, "valign": "top"},
    }


class Look:
    """The formats of one template. A format's number is what cells name it by in a sheet's XML."""

    def __init__(self, template: Template) -> None:
        self.palette = PALETTES[template]
        self._styles = _styles(self.palette)
        self._numbers = {name: number for number, name in enumerate(self._styles, 1)}

    def number(self, style: str) -> int:
        """The number of a format."""
        return self._numbers[style]

    def formats(self, book: Workbook) -> Mapping[str, Format]:
        """The formats by name, made in a book."""
        made = {name: book.add_format(properties) for name, properties in self._styles.items()}
        for name, each in made.items():
            each.set_xf_index(self._numbers[name])
        return made

    def paper(self, sheet: Worksheet, *, landscape: bool = True) -> None:
        """A4, one page wide, with the sheet's name and the page's number below."""
        sheet.set_paper(A4)
        if landscape:
            sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        sheet.set_footer("&L&A&RPage &P of &N")
