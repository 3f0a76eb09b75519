"""Single values into cells of drawn sheets, by the same rules as the rows of tables."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.forms import Form, NumberForm, TruthForm, form_of, plain
from dataops_defs.adapters.workbook.texts import Changes, fitted

Formats = Mapping[str, Format]


def put_text(sheet: Worksheet, row: int, column: int, text: str, style: Format) -> None:
    """A text, which stays one."""
    sheet.write_string(row, column, fitted(text, Changes()), style)


def put_value(sheet: Worksheet, row: int, column: int, value: Any, formats: Formats, form: Form | None = None) -> None:
    """A value in the form of its column, or of its own type; nothing for None."""
    if value is None:
        return
    values = plain(pa.array([value]))
    form = form if form is not None and _fits(form, values) else form_of(values.type)
    if isinstance(form, TruthForm):
        sheet.write_boolean(row, column, bool(value), formats[form.style])
        return
    number = number_of(value)
    if isinstance(form, NumberForm) and number is not None:
        sheet.write_number(row, column, number, formats[form.style])
        return
    put_text(sheet, row, column, form.words(values)[0].as_py(), formats["text"])


def number_of(value: Any) -> float | int | None:
    """The number that Excel keeps for a value; None where it has none."""
    values = plain(pa.array([value]))
    form = form_of(values.type)
    if not isinstance(form, NumberForm) or (form.beyond and pc.any(form.beyond(values)).as_py()):
        return None
    number = form.numbers(values)[0].as_py()
    return None if number is None else float(number)


def _fits(form: Form, values: pa.Array) -> bool:
    return type(form) is type(form_of(values.type))
