from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.errors import SourceError
from tests.adapters.sources.file_scenes import asked, files_in, parquet, read, rows, types

NANOSECONDS = pa.array([1_500_000_000_123_456_000, None], pa.timestamp("ns"))


class TestOneFile:
    def test_types_are_as_they_are(self, tmp_path: Path):
        table = pa.table(
            {
                "small": pa.array([1], pa.int8()),
                "big": pa.array([2**64 - 1], pa.uint64()),
                "exact": pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
                "ok": [True],
                "list": [[1, 2]],
                "nested": [{"a": 1}],
                "raw": [b"\x00\xff"],
            }
        )
        (tmp_path / "f.parquet").write_bytes(parquet(table))
        found, _ = read(files_in(tmp_path), asked("f.parquet"))
        assert found.equals(table)

    def test_how_a_column_is_written_is_no_type(self, tmp_path: Path):
        table = pa.table(
            {
                "choice": pa.array(["a", "b", "a"]).dictionary_encode(),
                "long": pa.array(["a", "b", "a"], pa.large_string()),
                "fixed": pa.array([b"aa"] * 3, pa.binary(2)),
                "milli": pa.array([1, 2, 3], pa.timestamp("ms", tz="Europe/Paris")),
                "nothing": pa.nulls(3),
            }
        )
        (tmp_path / "f.parquet").write_bytes(parquet(table))
        found, _ = read(files_in(tmp_path), asked("f.parquet"))
        assert types(found) == {
            "choice": "string",
            "long": "string",
            "fixed": "binary",
            "milli": "timestamp[us, tz=UTC]",
            "nothing": "string",
        }
        assert found["choice"].to_pylist() == ["a", "b", "a"]

    @pytest.mark.parametrize(
        ("column", "kind", "value"),
        [
            (NANOSECONDS, "timestamp[us]", datetime(2017, 7, 14, 2, 40, 0, 123456)),
            (pa.array([1_500_000_000_123_456_789], pa.timestamp("ns")), "string", "2017-07-14T02:40:00.123456789"),
            (pa.array([1], pa.timestamp("ns", tz="Asia/Tokyo")), "string", "1970-01-01T00:00:00.000000001Z"),
            (pa.array([1000], pa.time64("ns")), "time64[us]", time(0, 0, 0, 1)),
            (pa.array([1], pa.time64("ns")), "string", "00:00:00.000000001"),
        ],
    )
    def test_nanoseconds_are_kept_as_text_where_there_are_any(self, tmp_path: Path, column: Any, kind: str, value: Any):
        (tmp_path / "f.parquet").write_bytes(parquet({"at": column}))
        table, _ = read(files_in(tmp_path), asked("f.parquet"))
        assert (types(table), table["at"][0].as_py()) == ({"at": kind}, value)

    def test_rows_come_in_batches_whatever_the_row_groups(self, tmp_path: Path):
        (tmp_path / "f.parquet").write_bytes(parquet({"n": range(200_000)}, row_group_size=150_000))
        with files_in(tmp_path).read(asked("f.parquet")) as reading:
            sizes = [batch.num_rows for batch in reading.batches]
        assert (sum(sizes), reading.expected_rows) == (200_000, 200_000)
        assert max(sizes) <= 65_536

    @pytest.mark.parametrize("broken", ["text", "cut", "damaged"])
    def test_what_is_no_whole_parquet_file_is_said(self, tmp_path: Path, broken: str):
        whole = parquet({"n": range(10_000)}, compression="none", use_dictionary=False, write_page_checksum=True)
        content = {
            "text": b"n\n1\n",
            "cut": whole[: len(whole) // 2],
            "damaged": whole[:5000] + b"\xff" * 100 + whole[5100:],
        }[broken]
        (tmp_path / "f.parquet").write_bytes(content)
        with pytest.raises(SourceError, match=r"^f\.parquet: it is not a Parquet file, or breaks off, or is damaged$"):
            rows(files_in(tmp_path), asked("f.parquet"))


class TestSeveralFiles:
    @pytest.mark.parametrize(
        ("one", "other", "kind", "values"),
        [
            (pa.array([1], pa.int8()), pa.array([2**40]), "int64", [1, 2**40]),
            (pa.array([1]), pa.array([1.5]), "double", [1.0, 1.5]),
            (pa.array([2**62]), pa.array([Decimal("1.50")]), "decimal128(38, 2)", [2**62, Decimal("1.50")]),
            (
                pa.array([2**64 - 1], pa.uint64()),
                pa.array([-1]),
                "decimal128(38, 0)",
                [2**64 - 1, -1],
            ),
            (pa.array([datetime(2020, 1, 1).date()]), pa.array([datetime(2020, 1, 2, 3)]), "timestamp[us]", None),
            (pa.nulls(1), pa.array([1]), "int64", [None, 1]),
            (pa.array([None], pa.string()), pa.array([1]), "int64", [None, 1]),
            (pa.array(["x"]), pa.array([1]), "string", ["x", "1"]),
            (pa.array([True]), pa.array([1]), "string", ["true", "1"]),
            (pa.array([[1]]), pa.array(["x"]), "string", ["[1]", "x"]),
            (pa.array([[1]]), pa.array([[1.5]]), "list<element: double>", [[1.0], [1.5]]),
        ],
        ids=str,
    )
    def test_a_column_gets_the_type_that_keeps_the_values_of_all(
        self, tmp_path: Path, one: pa.Array, other: pa.Array, kind: str, values: list[Any] | None
    ):
        (tmp_path / "1.parquet").write_bytes(parquet({"x": one}))
        (tmp_path / "2.parquet").write_bytes(parquet({"x": other}))
        table, _ = read(files_in(tmp_path), asked("*.parquet"))
        assert types(table) == {"x": kind}
        assert values is None or table["x"].to_pylist() == values

    def test_what_no_type_keeps_is_said(self, tmp_path: Path):
        (tmp_path / "1.parquet").write_bytes(parquet({"x": [2**53 + 1]}))
        (tmp_path / "2.parquet").write_bytes(parquet({"x": [0.5]}))
        with pytest.raises(SourceError, match=r"column 'x' is int64 in one file .* double does not keep"):
            rows(files_in(tmp_path), asked("*.parquet"))
