"""Mended rejects from a CSV file or a workbook, as they come back; every refusal names the line."""

import csv
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.reject_files.cells import NAMES, cell_of, headers, same_lines
from dataops_defs.adapters.sources.workers import rejected_in
from dataops_defs.errors import Invalid

MOST_ROWS = 100_000
WORKBOOK_SECONDS = 30
MOST_BYTES_OF_CELLS = 64 * 1024 * 1024
FIELD = "file"
_WORKER = "dataops_defs.adapters.sources.excel.worker"
_CONTAINERS = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"))
_REFUSED = 2
_DELIMITERS = ",;\t|"
_AFTER_ID = re.compile(rf'"?_reject_id"?([{_DELIMITERS}])')
_LARGEST_ID = 2**63 - 1
ID = NAMES[0]


@dataclass(frozen=True)
class Mended:
    """One row of a file: its place (line 1 is the header), the reject it is for, and its cells by dataset column."""

    line: int
    reject_id: int
    cells: Mapping[str, str]


def read_mended(content: bytes, columns: Sequence[str]) -> list[Mended]:
    """The rows of a file.

    Args:
        content: a CSV file in UTF-8 (or UTF-16 with a mark), or an Excel workbook, whose first sheet counts.
        columns: the dataset's; the file may leave some out, and has no others.

    Raises:
        Invalid: an empty or unreadable file, no ``_reject_id``, an unknown or repeated column or id, too many rows.
    """
    if not content.strip():
        raise _refused("is empty")
    rows = _workbook_rows(content) if content.startswith(_CONTAINERS) else _csv_rows(content)
    _, head = next(rows, (1, []))
    id_place, places = _places(head, columns)
    found: dict[int, Mended] = {}
    for line, cells in rows:
        if not any(cells):
            continue
        cells += [""] * (len(head) - len(cells))
        id = _id(cells[id_place], line)
        if id in found:
            raise _refused(f"line {line}: {ID} {id} is in line {found[id].line} already")
        found[id] = Mended(line, id, {name: same_lines(cells[place]) for name, place in places.items()})
        if len(found) > MOST_ROWS:
            raise _refused(f"holds more than {MOST_ROWS:,} rows; upload it in parts")
    if not found:
        raise _refused("holds no rows below its header")
    return list(found.values())


def _refused(reason: str) -> Invalid:
    return Invalid.field(FIELD, reason)


def _places(head: Sequence[str], columns: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Where the ids stand, and the cells of each of the dataset's columns that is there."""
    # Excel's reader takes blanks off a header.
    places: dict[str, int] = {}
    for place, cell in enumerate(head):
        if cell.strip() and places.setdefault(same_lines(cell).strip(), place) != place:
            raise _refused(f"column '{cell[:60]}' is there twice")
    if ID not in places:
        raise _refused(f"has no column {ID}; download the rejects, and mend that file")
    known = {header.strip(): name for header, name in zip(headers(columns)[len(NAMES) :], columns, strict=True)}
    for header, place in places.items():
        if header not in known and header not in NAMES:
            raise _refused(f"column {place + 1} '{header[:60]}' is not one of the dataset's")
    return places[ID], {name: places[header] for header, name in known.items() if header in places}


def _id(cell: str, line: int) -> int:
    text = cell.strip()
    if not (text.isascii() and text.isdigit() and int(text[:30]) <= _LARGEST_ID):
        raise _refused(f"line {line}: {ID} '{text[:60]}' is no id of a reject")
    return int(text)


def _csv_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(content)
    first = text.split("\n", 1)[0]
    found = _AFTER_ID.match(first)
    delimiter = found[1] if found else max(_DELIMITERS, key=first.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width = None
    try:
        for place, row in enumerate(lines, start=1):
            width = len(row) if width is None else width
            if len(row) > width:
                raise _refused(f"line {place}: has {len(row)} cells, the header has {width}")
            yield place, row
    except csv.Error as error:
        raise _refused(f"line {lines.line_num}: is no CSV: {error}") from None


def _decoded(content: bytes) -> str:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("is neither an Excel workbook nor CSV in UTF-8; in Excel save it as 'CSV UTF-8'") from None


def _workbook_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    table = _table(content)
    yield 1, table.column_names
    line = 1
    for batch in table.to_batches():
        for row in json_rows(batch):
            line += 1
            yield line, [value if isinstance(value, str) else cell_of(value) for value in row.values()]


def _table(content: bytes) -> pa.Table:
    """Read in a process of its own, with bounded memory, time and output: a small workbook can unfold to gigabytes."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        with subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(MOST_ROWS + 1), "true"],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Nothing of the environment: it may hold secrets.
            env={"PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8"},
        ) as worker:
            clock = threading.Timer(WORKBOOK_SECONDS, worker.kill)
            clock.start()
            try:
                output, said, status = _heard(worker)
            finally:
                clock.cancel()
                worker.kill()
    if status != 0:
        raise _refused(said if status == _REFUSED else "cannot be read within the limits of time and memory")
    with pa.ipc.open_stream(output) as stream:
        batches = [_whole(batch, told) for batch, told in stream.iter_batches_with_custom_metadata()]
        return pa.Table.from_batches(batches, stream.schema)


def _whole(batch: pa.RecordBatch, told: Mapping[bytes, bytes] | None) -> pa.RecordBatch:
    """A batch of which every cell could be read."""
    for each in rejected_in(told):
        raise _refused(f"line {each.number + 1}: {each.reason}")
    return batch


def _heard(worker: "subprocess.Popen[bytes]") -> tuple[bytes, str, int]:
    assert worker.stdout is not None  # noqa: S101 - both are pipes
    assert worker.stderr is not None  # noqa: S101
    output = worker.stdout.read(MOST_BYTES_OF_CELLS + 1)
    if len(output) > MOST_BYTES_OF_CELLS:
        raise _refused(f"unfolds to more than {MOST_BYTES_OF_CELLS // 2**20} MB; upload it in parts")
    said = worker.stderr.read().decode(errors="replace")[:300].removeprefix("it ")
    return output, said, worker.wait()
