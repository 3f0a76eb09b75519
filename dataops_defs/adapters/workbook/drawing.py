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


def put_text(sheet: Worksheet, row: int, column: int, text: str, style: Format, changes: Changes | None = None) -> None:
    """A text, which stays one; ``changes`` count what it loses or is given."""
    sheet.write_string(row, column, fitted(text, Changes() if changes is None else changes), style)


def put_value(sheet: Worksheet, row: int, column: int, value: Any, formats: Formats, form: Form | None = None) -> str:
    """A value in the form of its column, or of its own type; nothing for None.

    Returns:
        The text of a value that is none of Excel's; it is wrapped, so its row has to be high enough.
    """
    if value is None:
        return ""
    values = _held(value)
    own = form_of(values.type)
    style = form.style if form is not None and type(form) is type(own) else own.style
    if isinstance(own, TruthForm):
        sheet.write_boolean(row, column, bool(value), formats[style])
        return ""
    number = number_of(value)
    if isinstance(own, NumberForm) and number is not None:
        sheet.write_number(row, column, number, formats[style])
        return ""
    text: str = own.words(values)[0].as_py()
    put_text(sheet, row, column, text, formats["text_whole"])
    return text


def number_of(value: Any) -> float | int | None:
    """The number that Excel keeps for a value; None where it has none."""
    values = _held(value)
    form = form_of(values.type)
    if not isinstance(form, NumberForm) or (form.beyond and pc.any(form.beyond(values)).as_py()):
        return None
    number = form.numbers(values)[0].as_py()
    return None if number is None else float(number)


def _held(value: Any) -> pa.Array:
    """The value as the rows of tables are held; a number that is too large for them as text."""
    try:
        return plain(pa.array([value]))
    except (OverflowError, pa.ArrowInvalid):
        return pa.array([str(value)])
