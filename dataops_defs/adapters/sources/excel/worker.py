"""Reads one sheet in a process of its own, with bounded memory: a small workbook can unfold to gigabytes.

How the workbook comes in and the rows leave is in ``in_worker``. Not for import: run as ``python -m``.
"""

import math
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import python_calamine as calamine

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.sources.csv.dialect import unique_names
from dataops_defs.adapters.sources.excel.container import NO_WORKBOOK, check_container
from dataops_defs.adapters.sources.in_worker import Refused, serve

EXACT_IN_FLOAT = 2**53
Row = list[Any]


def open_sheet(file: BinaryIO, wanted: str | None) -> calamine.CalamineSheet:
    """The named sheet, or the first.

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
        return workbook.get_sheet_by_name(wanted if wanted is not None else names[0])
    except calamine.PasswordError:
        raise Refused("it is protected by a password") from None
    except calamine.CalamineError:
        raise Refused(NO_WORKBOOK) from None


def rows_of(sheet: calamine.CalamineSheet) -> Iterator[Row]:
    """Rows that hold anything, from the header on; an empty cell is None."""
    for row in sheet.iter_rows():
        cells = [None if cell == "" else cell for cell in row]
        if any(cell is not None for cell in cells):
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
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)


def batches_of(rows: Iterator[Row], schema: pa.Schema, limit: int | None) -> Iterator[pa.RecordBatch]:
    """The rows in the types of ``schema``."""
    convert = [_converter(each.type) for each in schema]
    rows = islice(rows, limit)
    while block := list(islice(rows, BATCH_ROWS)):
        columns = [
            pa.array([None if cell is None else make(cell) for cell in cells], each.type)
            for cells, make, each in zip(zip(*block, strict=False), convert, schema, strict=False)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _without_empty_columns(sheet: calamine.CalamineSheet, header: Row) -> list[int]:
    """Places of the columns that have a name or any value."""
    used = {place for place, cell in enumerate(header) if cell is not None}
    for row in rows_of(sheet):
        if len(used) == len(header):
            break
        used.update(place for place, cell in enumerate(row) if cell is not None)
    return sorted(used)


def send(file: BinaryIO, output: BinaryIO, sheet_name: str | None, limit: int | None) -> None:
    """Check, read and write the sheet as an Arrow stream; its metadata holds the count of the data rows."""
    check_container(file)
    sheet = open_sheet(file, sheet_name)
    header = next(rows_of(sheet), None)
    if header is None:
        raise Refused("its sheet is empty")
    places = _without_empty_columns(sheet, header)
    names = unique_names([None if header[place] is None else _as_text(header[place]) for place in places])

    def body() -> Iterator[Row]:
        return ([row[place] for place in places] for row in islice(rows_of(sheet), 1, None))

    count = sum(1 for _ in body())
    schema = schema_of(body(), names).with_metadata({"rows": str(count)})
    with pa.ipc.new_stream(output, schema) as writer:
        for batch in batches_of(body(), schema, limit):
            writer.write_batch(batch)


def main() -> int:
    """``python -m … [limit or -] [sheet]``."""
    limit = None if sys.argv[1] == "-" else int(sys.argv[1])
    sheet = sys.argv[2] if len(sys.argv) > 2 else None
    return serve(lambda file, output: send(file, output, sheet, limit))


if __name__ == "__main__":
    sys.exit(main())
