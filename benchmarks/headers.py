"""How often the first row is told right, over real tables: with their names, and without, each row being first in turn.

The tables are those of ``relationships``: name their folder in the same way.
"""

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.matching import FOLDER_VARIABLE
from dataops_defs.adapters.sources.header import ROWS_LOOKED_AT, Verdict, cell_of_text, verdict

ROWS = (1, 3, 10, ROWS_LOOKED_AT)
FIRST = 20
Row = list[str]


def main(arguments: Sequence[str] | None = None) -> None:
    """A line for files with names, with so many rows below them, and one for files without."""
    parser = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get(FOLDER_VARIABLE)
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None, help="Folder of the tables")
    given = parser.parse_args(arguments)
    if given.data is None:
        print(f"headers: skipped; name the folder of the tables with --data or {FOLDER_VARIABLE}")
        return
    tables = [_texts(path) for path in sorted((given.data / "relationships").rglob("*.parquet"))]
    named = Counter(_told(verdict(names, rows[:most], cell_of_text)) for names, rows in tables for most in ROWS)
    unnamed = Counter(_told(each) for _, rows in tables for each in _without_names(rows))
    print(f"\nFirst rows of {len(tables)} tables")
    print(f"  names, above {', '.join(map(str, ROWS))} rows: {_shown(named)}")
    print(f"  rows, each of the first {FIRST} in turn: {_shown(unnamed)}")


def _texts(path: Path) -> tuple[Row, list[Row]]:
    """The names of a table, and its first rows as a CSV file has them."""
    table = pq.read_table(path).slice(0, FIRST + ROWS_LOOKED_AT)
    rows = [["" if cell is None else str(cell) for cell in row.values()] for row in table.to_pylist()]
    return list(table.schema.names), rows


def _without_names(rows: Sequence[Row]) -> Iterator[Verdict]:
    for place in range(min(FIRST, len(rows) - 3)):
        yield verdict(rows[place], rows[place + 1 : place + 1 + ROWS_LOOKED_AT], cell_of_text)


def _told(found: Verdict) -> str:
    taken = "names" if found.names_columns else "data"
    return f"{taken}, with a note" if found.note else taken


def _shown(found: Counter[str]) -> str:
    return "; ".join(f"{count} taken for {taken}" for taken, count in found.most_common())


if __name__ == "__main__":
    main()
