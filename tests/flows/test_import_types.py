"""The types of what is imported: those that are given, those that are proven, and why."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataops_defs.domain.importing import TargetFormat
from dataops_defs.errors import DataOpsError, SourceError
from dataops_defs.flows.import_file import import_file
from tests.flows.import_scenes import CUSTOMERS, DECLARED, TYPES, asked, imported, put, rejects
from tests.scenes import World


class TestTypesThatAreGiven:
    def test_are_those_of_the_table_and_of_no_other_column(self, world: World) -> None:
        given = {"customer_id": "varchar(50)", "created_at": "TIMESTAMPTZ", "balance": "numeric(6, 3)"}
        done = imported(world, put(world, "customers.csv", CUSTOMERS), data_types=given)
        told = {"customer_id": "VARCHAR(50)", "created_at": "TIMESTAMPTZ", "balance": "NUMERIC(6,3)"}
        assert done.inferred_schema == TYPES | told
        assert dict(world.sql(DECLARED, "customers"))["customer_id"] == "character varying"
        assert world.sql("SELECT customer_id, balance::text FROM raw.customers ORDER BY 1")[0] == ("1001", "12.500")

    def test_keep_a_text_as_it_is_written(self, world: World) -> None:
        path = put(world, "codes.csv", "code,n\n1.50,1\n-0,2\n1E5,3\n7,4\n")
        imported(world, path, "codes", data_types={"code": "TEXT"})
        assert [code for (code,) in world.sql("SELECT code FROM raw.codes ORDER BY n")] == ["1.50", "-0", "1E5", "7"]

    def test_reject_what_does_not_fit_with_row_column_and_value(self, world: World) -> None:
        content = (
            "id,name,age,born\n1,Ann,33,1990-01-01\n2,Bartholomew,41,1982-05-06\n3,Cid,old,1999-01-01\n4,Dan,5,1.1.99\n"
        )
        given = {"name": "VARCHAR(5)", "age": "SMALLINT", "born": "DATE"}
        done = imported(world, put(world, "people.csv", content), "people", data_types=given)
        assert (done.rows_imported, done.rows_rejected) == (1, 3)
        assert [(number, column, reason) for number, column, reason, _ in rejects(world, done.id)] == [
            (2, "name", "'Bartholomew' has 11 characters, more than VARCHAR(5) takes"),
            (3, "age", "'old' is no whole number"),
            (4, "born", "'1.1.99' is no date (YYYY-MM-DD)"),
        ]
        assert rejects(world, done.id)[0][3] == {"id": 2, "name": "Bartholomew", "age": "41", "born": "1982-05-06"}
        assert world.sql("SELECT read, inserted, rejected FROM dataops.ledger") == [(4, 1, 3)]

    def test_never_round(self, world: World) -> None:
        path = put(world, "prices.csv", "id,price\n1,1.25\n2,1.005\n3,123456.00\n")
        done = imported(world, path, "prices", data_types={"price": "NUMERIC(5,2)"})
        assert [number for number, *_ in rejects(world, done.id)] == [2, 3]

    def test_are_all_text_where_nothing_is_inferred(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        done = imported(world, path, infer_schema=False, data_types={"customer_id": "INT"})
        assert done.inferred_schema == dict.fromkeys(TYPES, "TEXT") | {"customer_id": "INTEGER"}
        assert world.sql("SELECT balance FROM raw.customers ORDER BY customer_id")[1] == ("7",)

    def test_of_a_column_that_is_not_there_are_refused(self, world: World) -> None:
        id = asked(world, put(world, "customers.csv", CUSTOMERS), data_types={"age": "INT"})
        with pytest.raises(DataOpsError, match=r"data_types\.age: is not a column"):
            import_file(world.work(), id)

    def test_take_moments_that_are_in_another_year_in_utc(self, world: World) -> None:
        content = "id,at\n1,9999-12-31T23:00:00-05:00\n2,0001-01-01T00:00:00+05:00\n3,2024-02-29T12:00:00Z\n"
        done = imported(world, put(world, "edges.csv", content), "edges", data_types={"at": "TIMESTAMPTZ"})

        assert world.sql("SELECT id, at::text FROM raw.edges ORDER BY 1") == [
            (1, "10000-01-01 04:00:00+00"),
            (3, "2024-02-29 12:00:00+00"),
        ]
        [(number, column, reason, _)] = rejects(world, done.id)
        assert (number, column) == (2, "at")
        assert reason.startswith("lies before the year 1 (in UTC)")

    def test_read_days_of_parquet_files_that_python_has_no_form_for(self, world: World, tmp_path: Path) -> None:
        days = pa.array([0, 2_932_897], pa.int32()).cast(pa.date32())
        pq.write_table(pa.table({"day": days}), tmp_path / "days")
        path = put(world, "days.parquet", (tmp_path / "days").read_bytes())

        imported(world, path, "days", data_types={"day": "TEXT"})
        assert world.sql("SELECT day FROM raw.days") == [("1970-01-01",), ("10000-01-01",)]
        done = imported(world, path, "days", data_types={"day": "DATE"})
        assert rejects(world, done.id) == [(2, "day", "'10000-01-01' is no date (YYYY-MM-DD)", {"day": "10000-01-01"})]

    def test_that_no_row_fits_leave_the_table_as_it_was(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        imported(world, path)
        id = asked(world, path, data_types={"name": "UUID", "customer_id": "BOOLEAN"})
        with pytest.raises(SourceError, match="No row of"):
            import_file(world.work(), id)
        assert world.sql("SELECT count(*) FROM raw.customers") == [(3,)]
        assert len(rejects(world, id)) == 3


class TestEmptyLines:
    @pytest.mark.parametrize("before", [b"\n", b"\r\n", b"\n\n", b"\xef\xbb\xbf\n", b"   \r\n", b"\xff\xfe\n\0"])
    @pytest.mark.parametrize("given", [{}, {"a": "INTEGER"}])
    def test_before_the_names_are_no_rows(self, world: World, before: bytes, given: dict[str, str]) -> None:
        wide = before.startswith(b"\xff")
        text = "a,b\n1,2\n3,4\n"
        path = put(world, "late.csv", before + (text.encode("utf-16-le") if wide else text.encode()))
        done = imported(world, path, "late", data_types=given)
        assert (done.rows_imported, done.rows_rejected) == (2, 0)
        assert world.sql("SELECT a, b FROM raw.late ORDER BY a") == [(1, 2), (3, 4)]


class TestExplanations:
    def test_of_json_tell_lists_objects_and_columns_without_a_value(self, world: World) -> None:
        content = '[{"id": 1, "at": {"x": 1}, "none": null}, {"id": 2, "at": [1], "none": null}]'
        told = imported(world, put(world, "n.json", content), "n").explanations or {}
        assert told["at"] == "JSON: values are lists or objects, kept as they are"
        assert told["none"] == "text: no row has a value"

    def test_of_parquet_name_the_types_of_the_file(self, world: World, tmp_path: Path) -> None:
        moments = pa.array([0], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"l": [[1]], "t": moments, "s": [{"a": 1}]}), tmp_path / "f")
        told = imported(world, put(world, "p.parquet", (tmp_path / "f").read_bytes()), "p").explanations or {}
        assert told["t"] == "timestamp[us, tz=UTC]: as the Parquet file declares it"
        assert told["l"].startswith("list<")
        assert told["s"].startswith("struct<")

    def test_of_mixed_text_count_what_stands_in_the_way(self, world: World) -> None:
        path = put(world, "m.csv", "half,few,n\n1,x,1\nx,y,\n2,3,\ny,z,\n")
        told = imported(world, path, "m").explanations or {}
        assert told["half"] == "text: 2 of 4 values are not numbers, first in row 2"
        assert told["few"] == "text: 3 of 4 values are not numbers, first in row 1"
        assert told["n"] == "whole number: all values that its 4 rows have are whole numbers of at most 64 bits"

    def test_stand_under_the_names_of_the_target(self, world: World) -> None:
        path = put(world, "s.csv", "ctid,b\n1,2\n")
        for format, name in ((TargetFormat.POSTGRES, "ctid_2"), (TargetFormat.ICEBERG, "ctid")):
            done = imported(world, path, "s", format=format)
            assert list(done.explanations or {}) == list(done.inferred_schema or {}) == [name, "b"]
