"""Whatever typed rows a file is made of, the table that it becomes holds these rows."""

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.importing.content import opened_content
from dataops_defs.adapters.sinks.csv_load import load_csv_file
from dataops_defs.adapters.sinks.table import load_table
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.importing import ImportOptions
from tests.flows.import_scenes import put
from tests.scenes import World

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
CODES = st.from_regex(r"[0-9]{1,25}", fullmatch=True)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**63), 2**63 - 1),
    "decimal": st.decimals(-(10**12), 10**12, places=3),
    "text": st.one_of(TEXT, CODES),
    "code": CODES,
    "day": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "moment": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    "truth": st.booleans(),
}
# Without shrinking: each step of it is a load, and a failure shows its rows.
PROFILE = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ROWS = st.lists(st.fixed_dictionaries({name: st.one_of(st.none(), each) for name, each in KINDS.items()}), min_size=1)


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def table_of(world: World, path: str, **options: Any) -> list[dict[str, Any]]:
    """The file as the table that it becomes, row by row."""
    with world.platform.warehouse() as connection:
        with opened_content(RootFiles([world.files]), path, ImportOptions(**options), 10**9) as content:
            if content.is_plain_csv:
                load_csv_file(connection, "raw", "made", content.file, content.dialect, mode="replace")
            else:
                with content.reading() as reading:
                    load_table(connection, "raw", "made", reading, mode="replace")
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_jsonb(m) FROM raw.made m ORDER BY m.row::bigint")
            return [row for (row,) in cursor.fetchall()]


@pytest.fixture
def kept(world: World) -> World:
    return world


@PROFILE
@given(rows=ROWS, inferred=st.booleans())
def test_csv(kept: World, rows: list[dict[str, Any]], inferred: bool) -> None:
    text = io.StringIO()
    written = csv.writer(text, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    written.writerow(["row", *KINDS])
    for number, row in enumerate(rows):
        written.writerow([number, *("" if row[name] is None else shown(row[name]) for name in KINDS)])
    path = put(kept, "made.csv", text.getvalue())
    found = table_of(kept, path, infer_schema=inferred)
    assert len(found) == len(rows)
    for row, stored in zip(rows, found, strict=True):
        for name, value in row.items():
            # Nothing between two marks is no value, as an empty text is that is written without quotes.
            assert same(stored[name], None if value == "" else value), (name, value, stored[name])


@PROFILE
@given(rows=ROWS)
def test_json(kept: World, rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps({"row": number, **{n: plain(v) for n, v in row.items()}}) for number, row in enumerate(rows)]
    found = table_of(kept, put(kept, "made.jsonl", "\n".join(lines) + "\n"))
    assert len(found) == len(rows)
    for row, stored in zip(rows, found, strict=True):
        for name, value in row.items():
            assert same(stored[name], value), (name, value, stored[name])


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else shown(value)


def same(stored: Any, value: Any) -> bool:
    """Whether a column holds a value, in its own type or, where others of it need that, as text."""
    if value is None or isinstance(value, bool):
        return stored == value or stored == shown(value) if value is not None else stored is None
    if isinstance(value, datetime):
        return datetime.fromisoformat(str(stored)) == value
    if isinstance(value, date):
        return date.fromisoformat(str(stored)) == value
    if isinstance(value, int | Decimal):
        return (
            abs(Decimal(str(stored)) - value) < Decimal("0.0005")
            if isinstance(value, Decimal)
            else int(stored) == value
        )
    return str(stored) == value or (value.isdecimal() and not value.startswith("0") and int(stored) == int(value))
