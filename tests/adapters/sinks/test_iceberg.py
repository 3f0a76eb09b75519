"""The lake: one write is one snapshot, a repeated write counts once, columns follow the rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from dataops_defs.adapters.sinks.iceberg import IcebergSink, Lake
from dataops_defs.adapters.sinks.iceberg_history import WRITE_ID
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.errors import Conflict, Invalid, SourceError


def reading(**columns: Any) -> Reading:
    batch = pa.RecordBatch.from_pydict(columns)
    return Reading(batch.schema, iter([batch]))


@pytest.fixture
def lake(catalogue_url: str, tmp_path: Path) -> Lake:
    return Lake(catalogue_url, (tmp_path / "lake").as_uri())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = f"http://127.0.0.1:{server._server.server_port}"  # type: ignore[union-attr]
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="lake")
    yield endpoint
    server.stop()


class TestAWrite:
    def test_is_one_snapshot_and_repeated_counts_once(self, lake: Lake) -> None:
        sink = IcebergSink(lake, "raw", "cities", owner="file:a.csv")
        for writer in ("w1", "w1", "w2"):
            done = sink.write(reading(id=[1, 2], name=["Riga", None]), mode="append", writer=writer)
            assert (done.ledger.read, done.ledger.inserted) == (2, 2)
        table = lake.open().load_table("raw.cities")
        assert [each.summary.additional_properties[WRITE_ID] for each in table.snapshots()] == ["w1", "w2"]
        assert table.scan().count() == 4
        assert sink.found_owner() == "file:a.csv"

    def test_that_replaces_is_one_snapshot_too_and_what_was_before_can_be_read(self, lake: Lake) -> None:
        sink = IcebergSink(lake, "raw", "cities")
        sink.write(reading(id=["1"], gone=["x"]), mode="replace", writer="w1")
        sink.write(reading(id=[7], new=[1.5]), mode="replace", writer="w2")
        table = lake.open().load_table("raw.cities")
        first, second = table.snapshots()
        assert table.scan().to_arrow().to_pylist() == [{"id": 7, "new": 1.5}]
        assert table.scan(snapshot_id=first.snapshot_id).to_arrow().to_pylist() == [{"id": "1", "gone": "x"}]
        assert str(second.summary.operation.value) == "overwrite"
        # The first content again is another version, not a write that was done.
        sink.write(reading(id=["1"], gone=["x"]), mode="replace", writer="w1")
        assert len(lake.open().load_table("raw.cities").snapshots()) == 3

    def test_that_breaks_off_leaves_no_row_and_no_file(self, lake: Lake, tmp_path: Path) -> None:
        sink = IcebergSink(lake, "raw", "cities")
        batch = pa.RecordBatch.from_pydict({"id": list(range(1000))})

        def broken() -> Iterator[pa.RecordBatch]:
            yield batch
            raise SourceError("the file changed while it was read")

        with pytest.raises(SourceError, match="changed while"):
            sink.write(Reading(batch.schema, broken()), mode="append", writer="w1")
        assert lake.open().load_table("raw.cities").snapshots() == []
        assert list((tmp_path / "lake").rglob("*.parquet")) == []

    def test_of_columns_that_the_table_cannot_keep_is_a_conflict(self, lake: Lake) -> None:
        sink = IcebergSink(lake, "raw", "cities")
        sink.write(reading(id=[1]), mode="append", writer="w1")
        with pytest.raises(Conflict, match="cannot change its columns"):
            sink.write(reading(id=["one"]), mode="append", writer="w2")

    def test_goes_to_s3_where_that_is_set(self, catalogue_url: str, bucket: str) -> None:
        lake = Lake(catalogue_url, "s3://lake/warehouse", bucket)
        IcebergSink(lake, "raw", "cities").write(reading(id=[1, 2]), mode="replace", writer="w1")
        assert lake.open().load_table("raw.cities").scan().count() == 2


def test_a_name_that_is_none_is_refused(lake: Lake) -> None:
    for name in ("a.b", "", "x; DROP", "../up"):
        with pytest.raises(Invalid):
            IcebergSink(lake, "raw", name)
