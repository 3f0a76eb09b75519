"""Reads one sheet in a process of its own, with bounded memory: a small workbook can unfold to gigabytes.

How the workbook comes in and the rows leave is in ``in_worker``. Not for import: run as ``python -m``.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice, repeat
from typing import Any, BinaryIO

import pyarrow as pa
import python_calamine as calamine

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.sources.csv.names import unique_names
from dataops_defs.adapters.sources.excel.container import NO_WORKBOOK, check_container
from dataops_defs.adapters.sources.excel.header import cell_of
from dataops_defs.adapters.sources.excel.unread import OTHER_FORMAT, Unread, UnreadCells, unread_cells
from dataops_defs.adapters.sources.header import ROWS_LOOKED_AT, Cell, Verdict, verdict
from dataops_defs.adapters.sources.in_worker import Refused, serve

EXACT_IN_FLOAT = 2**53
MOST_REASONS = 3
MOST_SHEETS = 5
Row = list[Any]


def open_sheet(file: BinaryIO, wanted: str | None) -> tuple[calamine.CalamineSheet, list[str]]:
    """The named sheet, or the first; and the names of the others where none was named.

    Raises:
        Refused: no workbook, a password, or no such sheet (the sheets there are are named).
    """
    file.seek(0)
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(file)
        names = workbook.sheet_names
        if not names:
            raise Refused("it has no sheets")
        if wanted is not None and wanted not in names:
            raise Refused(f"it has no sheet '{wanted[:100]}'; its sheets: {', '.join(names[:20])}")
        seen = [each.name for each in workbook.sheets_metadata if each.visible == calamine.SheetVisibleEnum.Visible]
        others = [] if wanted is not None else [name for name in seen if name != names[0]]
        return workbook.get_sheet_by_name(wanted if wanted is not None else names[0]), others
    except calamine.PasswordError:
        raise Refused("it is protected by a password") from None
    except calamine.CalamineError:
        raise Refused(NO_WORKBOOK) from None


def rows_of(sheet: calamine.CalamineSheet, unread: UnreadCells) -> Iterator[Row]:
    """Rows that hold anything, from the header on; an empty cell is None."""
    start = sheet.start[1] if sheet.start else 0
    columns = {column for cells in unread.values() for column in cells}
    left = min({start, *columns})
    right = max({start + sheet.width, *(column + 1 for column in columns)})
    before, after = [None] * (start - left), [None] * (right - start - sheet.width)
    # There may be a million of them, and the rows are gone through several times.
    empty = [""] * sheet.width
    below: Iterator[Row] = repeat(empty, max(max(unread, default=-1) + 1 - sheet.total_height, 0))
    for number, row in enumerate(chain(sheet.iter_rows(), below)):
        if row == empty and number not in unread:
            continue
        cells = [*before, *(None if cell == "" else cell for cell in row), *after]
        for column, cell in unread.get(number, {}).items():
            cells[column - left] = cell
        yield cells


def schema_of(rows: Iterator[Row], names: tuple[str, ...]) -> pa.Schema:
    """Types proven over all rows; a column of mixed types is text."""
    kinds: list[set[str]] = [set() for _ in names]
    for row in rows:
        for seen, cell in zip(kinds, row, strict=False):
            if cell is not None:
                seen.add(_kind(cell))
    return pa.schema([pa.field(name, _arrow(seen)) for name, seen in zip(names, kinds, strict=True)])


def _kind(cell: object) -> str:
    if isinstance(cell, float):
        whole = cell.is_integer() and abs(cell) <= EXACT_IN_FLOAT
        return "int" if whole else "float"
    if isinstance(cell, datetime):
        return "date" if cell.time() == time.min else "datetime"
    return type(cell).__name__


_ARROW: dict[frozenset[str], pa.DataType] = {
    frozenset({"int"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"int", "float"}): pa.float64(),
    frozenset({"bool"}): pa.bool_(),
    frozenset({"date"}): pa.date32(),
    frozenset({"datetime"}): pa.timestamp("us"),
    frozenset({"date", "datetime"}): pa.timestamp("us"),
    frozenset({"time"}): pa.time64("us"),
}


def _arrow(kinds: set[str]) -> pa.DataType:
    return _ARROW.get(frozenset(kinds), pa.string())


def _converter(wanted: pa.DataType) -> Callable[[Any], object]:
    if pa.types.is_integer(wanted):
        return int
    if pa.types.is_floating(wanted):
        return float
    if pa.types.is_date(wanted):
        return lambda cell: cell.date() if isinstance(cell, datetime) else cell
    if pa.types.is_timestamp(wanted):
        return lambda cell: cell if isinstance(cell, datetime) else datetime.combine(cell, time.min)
    return _as_text if pa.types.is_string(wanted) else lambda cell: cell


def _as_text(cell: object) -> str:
    """A cell as the sheet shows it, as nearly as its value tells."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and math.isfinite(cell) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time.min:
        return cell.date().isoformat()
    if isinstance(cell, timedelta):
        return _duration(cell)
    if isinstance(cell, Unread):
        return cell.shown
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)


def _cell_of(value: object) -> Cell:
    return cell_of(value, _as_text)


def _duration(length: timedelta) -> str:
    """Hours, minutes and seconds, as a sheet shows a length of time: 30:00:00."""
    seconds = abs(length) // timedelta(seconds=1)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    rest = abs(length) % timedelta(seconds=1)
    text += f".{rest.microseconds:06}" if rest else ""
    return f"-{text}" if length < timedelta() else text


def batch_of(rows: Sequence[Row], schema: pa.Schema) -> pa.RecordBatch:
    """The rows in the types of ``schema``."""
    columns = [
        pa.array([None if row[place] is None else make(row[place]) for row in rows], each.type)
        for place, (each, make) in enumerate((each, _converter(each.type)) for each in schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _rejected(number: int, row: Row, names: Sequence[str]) -> dict[str, object]:
    """A row that holds cells without a value, in the form of a `RejectedRow`."""
    unread = [(name, cell) for name, cell in zip(names, row, strict=True) if isinstance(cell, Unread)]
    reasons = [cell.reason for _, cell in unread[:MOST_REASONS]]
    more = len(unread) - len(reasons)
    raw = {name: _plain(cell) for name, cell in zip(names, row, strict=True)}
    reason = "; ".join(reasons) + (f"; and {more} more" if more else "")
    return {"number": number, "reason": reason, "column": unread[0][0], "raw": raw}


def _plain(cell: object) -> object:
    """A cell as JSON has it."""
    if isinstance(cell, float) and math.isfinite(cell):
        return int(cell) if cell.is_integer() and abs(cell) <= EXACT_IN_FLOAT else cell
    return cell if cell is None or isinstance(cell, bool | int) else _as_text(cell)


def _holds_unread(row: Row) -> bool:
    return any(isinstance(cell, Unread) for cell in row)


def _without_empty_columns(rows: Iterator[Row], header: Row) -> list[int]:
    """Places of the columns that have a name or any value."""
    used = {place for place, cell in enumerate(header) if cell is not None}
    for row in rows:
        if len(used) == len(header):
            break
        used.update(place for place, cell in enumerate(row) if cell is not None)
    return sorted(used)


def send(
    file: BinaryIO, output: BinaryIO, sheet_name: str | None, limit: int | None, has_header: bool | None = None
) -> None:
    """Check, read and write the sheet as an Arrow stream, as ``in_worker`` says.

    Rows with cells that have no value are rejected; where there is a ``limit``, they are shown as they stand too.
    """
    check_container(file)
    sheet, others = open_sheet(file, sheet_name)
    unread = unread_cells(file, sheet.name)
    body = _Body(sheet, others, unread or {}, has_header)
    all_are_shown = limit is not None or not unread
    rows = body.rows() if all_are_shown else (row for row in body.rows() if not _holds_unread(row))
    notes = [*_of_others(sheet.name, others), *([OTHER_FORMAT] if unread is None else []), *body.notes]
    told = {"rows": str(body.count), "has_header": json.dumps(body.has_header), "notes": json.dumps(notes)}
    schema = schema_of(rows, body.names).with_metadata(told)
    numbered = enumerate(islice(body.rows(), limit), start=1)
    with pa.ipc.new_stream(output, schema) as writer:
        while block := list(islice(numbered, BATCH_ROWS)):
            looked_at = block if unread else []
            rejected = [_rejected(number, row, body.names) for number, row in looked_at if _holds_unread(row)]
            shown = [row for _, row in block if all_are_shown or not _holds_unread(row)]
            writer.write_batch(batch_of(shown, schema), custom_metadata={"rejected": json.dumps(rejected)})


def _of_others(read: str, others: Sequence[str]) -> list[str]:
    return [f"only its first sheet, {read}, is read: to read another, name it ({_shown(others)})"] if others else []


def _shown(sheets: Sequence[str]) -> str:
    return ", ".join([*sheets[:MOST_SHEETS], *["…"][: len(sheets) > MOST_SHEETS]])


class _Body:
    """The rows below the header, if there is one, in the columns that have a name or any value."""

    def __init__(
        self, sheet: calamine.CalamineSheet, others: Sequence[str], unread: UnreadCells, has_header: bool | None
    ) -> None:
        self._sheet, self._unread = sheet, unread
        looked_at = list(islice(self._all(), 1 + ROWS_LOOKED_AT))
        if not looked_at:
            elsewhere = f"; name another one: {_shown(others)}" if others else ""
            raise Refused(f"its sheet {sheet.name[:100]} is empty{elsewhere}")
        first, *below = looked_at
        self._places = _without_empty_columns(self._all(), first)
        told = verdict(first, below, _cell_of) if has_header is None else Verdict(has_header)
        self._notes = [told.note] if told.note else []
        self.has_header = told.names_columns
        self.names = unique_names(
            [None if not self.has_header or first[place] is None else _as_text(first[place]) for place in self._places]
        )
        self.count = sum(1 for _ in self._all()) - self.has_header

    def rows(self) -> Iterator[Row]:
        """From the first one on."""
        return ([row[place] for place in self._places] for row in islice(self._all(), int(self.has_header), None))

    def _all(self) -> Iterator[Row]:
        return rows_of(self._sheet, self._unread)

    @property
    def notes(self) -> list[str]:
        """What its first row is taken for; how many rows cannot be taken, and why the first of them."""
        return [*self._notes, *self._of_unread()]

    def _of_unread(self) -> list[str]:
        unread = [row for row in self.rows() if _holds_unread(row)] if self._unread else []
        if not unread:
            return []
        first = next(cell for cell in unread[0] if isinstance(cell, Unread))
        rows = "1 row holds" if len(unread) == 1 else f"{len(unread):,} rows hold"
        return [f"{rows} cells without a value, and cannot be taken; the first: {first.reason}"]


def main() -> int:
    """``python -m … [limit or -] [true, false or -] [sheet]``."""
    limit = None if sys.argv[1] == "-" else int(sys.argv[1])
    has_header = None if sys.argv[2] == "-" else sys.argv[2] == "true"
    sheet = sys.argv[3] if len(sys.argv) > 3 else None
    return serve(lambda file, output: send(file, output, sheet, limit, has_header))


if __name__ == "__main__":
    sys.exit(main())
