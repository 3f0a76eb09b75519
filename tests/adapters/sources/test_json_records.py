"""JSON records become columns: whatever they hold comes out again, and what is no record is set aside."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.sources.json import records as json_records
from dataops_defs.adapters.sources.json import spool as json_spool
from dataops_defs.adapters.sources.json import text as json_text
from dataops_defs.adapters.sources.json.records import JsonDocument, Piece, json_reading, pieces_of_lines
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import InsufficientStorage, SourceError


def table(pieces: Iterator[Piece]) -> tuple[pa.Table, list[RejectedRow]]:
    with json_reading(pieces) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        assert reading.expected_rows == found.num_rows + len(reading.rejected)
        return found, reading.rejected


def chunks(text: str | bytes, size: int = 7) -> Iterator[bytes]:
    data = text.encode() if isinstance(text, str) else text
    return (data[start : start + size] for start in range(0, len(data), size))


def document(text: str | bytes, path: str | None = None, size: int = 7) -> pa.Table:
    return table(JsonDocument(chunks(text, size), path).pieces())[0]


def column(*values: str) -> pa.ChunkedArray:
    """A column of these JSON texts."""
    return document("[" + ",".join(f'{{"a":{value}}}' for value in values) + "]")["a"]


class TestTypes:
    @pytest.mark.parametrize(
        ("values", "kind", "expected"),
        [
            (["1", "-2", "null"], pa.int64(), [1, -2, None]),
            (["9223372036854775807", "-9223372036854775808"], pa.int64(), [2**63 - 1, -(2**63)]),
            (["9223372036854775808", "1"], pa.decimal128(38, 0), [Decimal(2**63), Decimal(1)]),
            (["1.10", "2"], pa.decimal128(18, 2), [Decimal("1.10"), Decimal(2)]),
            (["0.30000000000000004", "1e3"], pa.decimal128(38, 17), [Decimal("0.30000000000000004"), Decimal(1000)]),
            (["1e-300", "0.1", "7"], pa.float64(), [1e-300, 0.1, 7.0]),
            (["1e-300", "12345678901234567891"], pa.string(), ["1e-300", "12345678901234567891"]),
            (["9" * 50], pa.string(), ["9" * 50]),
            (["true", "false", "null"], pa.bool_(), [True, False, None]),
            (['"12"', '"13"'], pa.string(), ["12", "13"]),
            (['"2024-01-05"', "null"], pa.date32(), [date(2024, 1, 5), None]),
            (
                ['"2024-01-05"', '"2024-01-05T10:00:00"'],
                pa.timestamp("us"),
                [datetime(2024, 1, 5), datetime(2024, 1, 5, 10)],
            ),
            (['"2024-01-05T10:00:00Z"'], pa.timestamp("us", tz="UTC"), [datetime(2024, 1, 5, 10, tzinfo=UTC)]),
            (['"2024-01-05"', '"soon"'], pa.string(), ["2024-01-05", "soon"]),
            (["1.50", '"x"', "true"], pa.string(), ["1.50", "x", "true"]),
            (['{"b": [1.50, null]}', '"x"', "2"], pa.string(), ['{"b":[1.50,null]}', '"x"', "2"]),
            (["null", "null"], pa.string(), [None, None]),
        ],
    )
    def test_a_column_has_the_narrowest_type_that_keeps_all_its_values(
        self, values: list[str], kind: pa.DataType, expected: list[Any]
    ) -> None:
        found = column(*values)

        assert found.type == kind
        assert found.to_pylist() == expected

    def test_columns_stand_in_the_order_in_which_they_first_occur(self) -> None:
        found = document('[{"b": 1}, {"a": 2, "b": 3}, {"": 4, " b ": 5}]')

        assert found.column_names == ["b", "a", "column_3", "b_2"]
        assert found["b"].to_pylist() == [1, 3, None]

    @pytest.mark.parametrize(
        ("values", "kind", "expected"),
        [
            (["1", "2", "0.5"], pa.decimal128(18, 1), [Decimal("1.0"), Decimal("2.0"), Decimal("0.5")]),
            (["-123456789012345678", "0.5"], pa.decimal128(38, 1), [Decimal("-123456789012345678.0"), Decimal("0.5")]),
            (["1", "1e-300", "2.5"], pa.float64(), [1.0, 1e-300, 2.5]),
            (['"x"', '{"b": 1}', "2", "true", "null"], pa.string(), ['"x"', '{"b":1}', "2", "true", None]),
            (['"x"', "1.50", "true", "7"], pa.string(), ["x", "1.50", "true", "7"]),
            (
                ['"2024-01-05"', '"2024-01-05 10:00"'],
                pa.timestamp("us"),
                [datetime(2024, 1, 5), datetime(2024, 1, 5, 10)],
            ),
            (["true", "1"], pa.string(), ["true", "1"]),
        ],
    )
    def test_types_hold_over_all_pieces(
        self, monkeypatch: pytest.MonkeyPatch, values: list[str], kind: pa.DataType, expected: list[Any]
    ) -> None:
        for module in (json_records, json_spool):
            monkeypatch.setattr(module, "PIECE_ROWS", 1)

        found = column(*values)

        assert found.num_chunks == len(values)
        assert found.type == kind
        assert found.to_pylist() == expected

    def test_too_many_columns_are_refused(self) -> None:
        with pytest.raises(SourceError, match="more than 2000 different names"):
            document(json.dumps([{str(number): 1} for number in range(2001)]))


texts = st.text(max_size=8)
numbers = st.one_of(
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Decimal(repr(value))),
)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, texts, st.dates().map(str), st.datetimes().map(datetime.isoformat)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
records = st.lists(st.dictionaries(st.sampled_from("abc"), values, min_size=1), max_size=8)


def written(value: Any) -> str:
    """JSON that keeps decimals as they are."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(each)}" for name, each in value.items()) + "}"
    return "[" + ",".join(map(written, value)) + "]" if isinstance(value, list) else json.dumps(value)


def said_by(found: Any, was: Any) -> bool:
    """Whether a cell still says what the record said."""
    if was is None or found is None:
        return found is was
    if isinstance(found, bool) or (isinstance(was, bool) and isinstance(found, str)):
        return json.dumps(was) == (json.dumps(found) if isinstance(found, bool) else found)
    if isinstance(was, dict | list):
        return bool(json.loads(found, parse_float=Decimal, parse_int=Decimal) == _decimals(was))
    if isinstance(was, str):
        return found in (was, json.dumps(was, ensure_ascii=False)) or _moment(found, was)
    return Decimal(repr(found) if isinstance(found, float) else found) == was


def _decimals(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _decimals(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_decimals(each) for each in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _moment(found: Any, was: str) -> bool:
    if isinstance(found, datetime):
        return found == datetime.fromisoformat(was)
    return isinstance(found, date) and found == date.fromisoformat(was)


class TestEveryValue:
    @given(records, st.integers(1, 40), st.integers(1, 9))
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_says_in_its_column_what_it_said_in_its_record(
        self, given_records: list[dict[str, Any]], chunk: int, rows: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_spool, "PIECE_ROWS", rows)
            patch.setattr(json_records, "PIECE_ROWS", rows)
            patch.setattr(json_text, "CHUNK_CHARS", 1)
            found = document(written(given_records), size=chunk).to_pylist()

        assert len(found) == len(given_records)
        for row, record in zip(found, given_records, strict=True):
            assert all(said_by(row[name], record.get(name)) for name in row)
            assert record.keys() <= row.keys()


class TestWhatIsNoRecord:
    def test_is_set_aside_with_its_number_and_its_reason(self) -> None:
        found, rejected = table(JsonDocument(chunks('[{"a": 1}, 5, null, {"a": 2}, [1.50], "x", true]')).pieces())

        assert found["a"].to_pylist() == [1, 2]
        assert [(each.number, each.reason, each.raw["record"]) for each in rejected] == [
            (2, "is a number, not an object", "5"),
            (3, "is null, not an object", "null"),
            (5, "is an array, not an object", "[1.50]"),
            (6, "is text, not an object", "x"),
            (7, "is true or false, not an object", "true"),
        ]

    def test_records_that_no_column_can_hold_are_set_aside_and_the_others_kept(self) -> None:
        deep = "[" * 500 + "]" * 500
        text = f'[{{"a": "ok"}}, {{"a": "\\ud800"}}, {{"a": {deep}}}, {{"\\udfff": 1}}, 7, {{"a": "too"}}]'

        found, rejected = table(JsonDocument(chunks(text)).pieces())

        assert found["a"].to_pylist() == ["ok", "too"]
        assert [each.number for each in rejected] == [2, 3, 4, 5]
        assert "surrogate" in rejected[0].reason
        assert rejected[0].raw == {"record": '{"a": "\\ud800"}'}
        assert "too deeply" in rejected[1].reason

    def test_more_than_can_be_kept_end_the_reading(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_spool, "MAX_REJECTED", 3)

        with pytest.raises(SourceError, match="more than 3 records cannot be read; the first is a number"):
            document("[1, 2, 3, 4]")

    def test_a_full_disk_is_told_as_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_records, "TemporaryFile", lambda: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115

        with pytest.raises(InsufficientStorage, match="disk of temporary files is full"):
            document('[{"a": 1}]')

    def test_objects_without_any_member_are_no_rows(self) -> None:
        with pytest.raises(SourceError, match="without any member"):
            document("[{}, {}]")

        assert document('[{}, {"a": 1}]')["a"].to_pylist() == [None, 1]


class TestDocuments:
    def test_a_number_is_whole_wherever_its_text_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_text, "CHUNK_CHARS", 1)
        written = ["12345", "-0.5", "12.5", "1e5", "2E+7", "3.25e-10", "0"]

        for size in range(1, 9):
            _, rejected = table(JsonDocument(chunks(f"[{', '.join(written)}]", size)).pieces())

            assert [each.raw["record"] for each in rejected] == written

    def test_records_and_cursor_are_found_wherever_they_lie(self) -> None:
        cases = [
            ('{"data": {"items": [{"a": 1}], "next": "x"}, "z": {"items": [{"a": 2}]}}', "data.items", "data.next"),
            ('{"next": {"c": "x"}, "big": [[1], {"q": "]"}], "data": {"items": [{"a": 1}]}}', "data.items", "next.c"),
            ('{"data": {"a": 1, "page": {"c": "x"}}}', "data", "data.page.c"),
            ('{"a": 1, "c": "x"}', None, "c"),
            ('{"a.b": [{"a": 1}], "c": "x"}', "a.b", "c"),
        ]
        for text, path, cursor in cases:
            found = JsonDocument(chunks(text), path, cursor)

            rows = table(found.pieces())[0].to_pylist()

            assert [row["a"] for row in rows] == [1], text
            assert found.cursor == "x", text

    def test_no_records_are_none(self) -> None:
        for text, path in [("[]", None), ('{"items": []}', "items"), ('{"items": null}', "items"), ("null", None)]:
            assert document(text, path).num_rows == 0

    def test_a_path_that_leads_nowhere_names_what_is_there(self) -> None:
        for path in ("rows", "items.rows", "items.0"):
            with pytest.raises(SourceError, match=f"nothing at '{path}'; there are: 'items', 'total'"):
                document('{"items": [{"a": 1}], "total": 1}', path)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "empty"),
            ("  ", "breaks off|empty"),
            ('[{"a": 1}', "breaks off"),
            ('[{"a": 1},', "breaks off"),
            ('[{"a": "x', "Unterminated"),
            ('[{"a": 1}] x', "follows its end"),
            ("[1,]", "it is no JSON: a value is expected after character"),
            ("<html>", "it is no JSON: a value is expected after character"),
            ("[NaN]", "NaN is no value of JSON"),
            ("[-Infinity]", "Infinity is no value"),
            ('{"a" 1}', "it is no JSON: ':' is expected after character 5"),
            ("{'a': 1}", "it is no JSON: a name in double quotes is expected after character 1"),
            ("[" * 100_000, "nested too deeply"),
            (b'[{"a": "\xff"}]', "not written in utf-8"),
        ],
    )
    def test_what_is_no_json_says_where_it_ends(self, text: str | bytes, reason: str) -> None:
        for size in (1, 1000):
            with pytest.raises(SourceError, match=reason):
                document(text, size=size)

    def test_a_value_beyond_all_measure_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_text, "MAX_VALUE_CHARS", 1000)
        monkeypatch.setattr(json_text, "CHUNK_CHARS", 100)

        with pytest.raises(SourceError, match="A value is longer than"):
            document('[{"a": "' + "x" * 5000 + '"}]')
        assert document("[" + '{"a": 1}, ' * 1000 + '{"a": 2}]').num_rows == 1001

    def test_a_byte_order_mark_and_other_encodings_are_read(self) -> None:
        assert document(b'\xef\xbb\xbf[{"a": 1}]')["a"].to_pylist() == [1]
        latin = JsonDocument(chunks('[{"a": "Zürich"}]'.encode("cp1252")), encoding="cp1252")
        assert table(latin.pieces())[0]["a"].to_pylist() == ["Zürich"]


class TestLines:
    def test_each_line_is_a_record_and_a_bad_one_is_set_aside(self) -> None:
        text = (
            b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": 2}\nnot json\n{"a": "\xff"}\n{"a": 1} {"a": 2}\n{"a": NaN}\n3\n{"a": 4}'
        )

        for size in (1, 5, 1000):
            found, rejected = table(pieces_of_lines(chunks(text, size)))

            assert found["a"].to_pylist() == [1, 2, 4]
            assert [each.number for each in rejected] == [3, 4, 5, 6, 7]
            assert rejected[0].raw["record"] == "not json"
            assert [each.reason for each in rejected] == [
                "is not JSON: Expecting value",
                "is not written in UTF-8",
                "is not JSON: Extra data",
                "is not JSON: NaN is no value of JSON",
                "is a number, not an object",
            ]

    def test_a_line_beyond_all_measure_is_set_aside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(json_records, "MAX_VALUE_CHARS", 3000)
        text = '{"a": 1}\n{"a": "' + "x" * 10_000 + '"}\n{"a": 2}\n'

        found, rejected = table(pieces_of_lines(chunks(text, 500)))

        assert found["a"].to_pylist() == [1, 2]
        assert [(each.number, each.raw["record"][:8]) for each in rejected] == [(2, '{"a": "x')]
