import hashlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.errors import DependencyUnavailable, Invalid, NotFound, SourceError
from dataops_defs.services.embedded import free_port

SCHEMA = pa.schema([("id", pa.int64()), ("amount", pa.decimal128(12, 2)), ("name", pa.string())])
KEY = "aircraft/ds-1/2026-01-31T10:00:00.000000Z.parquet"


def some_batches(count: int = 3, rows: int = 1000) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        yield pa.record_batch(
            [
                pa.array(range(number * rows, (number + 1) * rows), pa.int64()),
                pa.array([None] * rows, pa.decimal128(12, 2)),
                pa.array([f"row {n}" for n in range(rows)]),
            ],
            schema=SCHEMA,
        )


def broken_batches() -> Iterator[pa.RecordBatch]:
    yield from some_batches(1)
    raise SourceError("the source broke off")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(params=["folder", "s3", "one bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RawStore:
    if request.param == "folder":
        return RawStore((tmp_path / "raw").as_uri())
    request.getfixturevalue("credentials")
    server = request.getfixturevalue("s3_server")
    return RawStore("s3://" if request.param == "s3" else "s3://company", server)


class TestWritingARawCopy:
    def test_what_was_written_is_read_again(self, store: RawStore):
        made = store.write("captify-datasets", KEY, SCHEMA, some_batches())
        schema, batches = store.open(made.uri)
        assert schema.equals(SCHEMA)
        assert pa.Table.from_batches(batches).equals(pa.Table.from_batches(some_batches()))
        assert made.rows == 3000

    def test_a_copy_without_rows_keeps_its_columns(self, store: RawStore):
        made = store.write("captify-datasets", "empty/x.parquet", SCHEMA, iter(()))
        schema, batches = store.open(made.uri)
        assert (schema.names, list(batches), made.rows) == (SCHEMA.names, [], 0)

    def test_a_failure_midway_leaves_nothing_and_comes_through(self, store: RawStore):
        made = store.write("captify-datasets", "kept.parquet", SCHEMA, some_batches())
        with pytest.raises(SourceError, match="broke off"):
            store.write("captify-datasets", "broken.parquet", SCHEMA, broken_batches())
        assert not store.exists(made.uri.replace("kept", "broken"))
        assert store.exists(made.uri)

    def test_a_deleted_copy_is_gone_and_may_be_deleted_again(self, store: RawStore):
        made = store.write("captify-datasets", "gone.parquet", SCHEMA, some_batches())
        store.delete(made.uri)
        store.delete(made.uri)
        assert not store.exists(made.uri)
        with pytest.raises(NotFound, match=r"gone\.parquet"):
            store.open(made.uri)

    @pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/../b", "", "a\nb", "a\\b"])
    def test_a_key_that_is_no_name_is_refused(self, tmp_path: Path, key: str):
        with pytest.raises(Invalid):
            RawStore(tmp_path.as_uri()).write("bucket", key, SCHEMA, some_batches())

    @pytest.mark.parametrize("bucket", ["..", "a/b", "", "-x", "x" * 70])
    def test_a_bucket_that_is_no_name_is_refused(self, tmp_path: Path, bucket: str):
        with pytest.raises(Invalid):
            RawStore(tmp_path.as_uri()).write(bucket, "k", SCHEMA, some_batches())


class TestListing:
    def test_tells_address_size_and_age_of_each_copy_in_a_folder(self, store: RawStore):
        began = datetime.now(UTC) - timedelta(seconds=2)
        made = [store.write("listed", f"a/ds-1/{name}.parquet", SCHEMA, some_batches()) for name in "xy"]
        store.write("listed", "a/ds-1/deeper/z.parquet", SCHEMA, some_batches())
        store.write("listed", "a/ds-10/z.parquet", SCHEMA, some_batches())
        copies = list(store.copies(store.folder("listed", "a/ds-1/any.parquet")))
        assert {(copy.uri, copy.bytes) for copy in copies} == {(each.uri, each.bytes) for each in made}
        assert all(began < copy.written_at < began + timedelta(minutes=5) for copy in copies)

    def test_finds_nothing_where_there_is_nothing_or_another_store(self, store: RawStore):
        for folder in (store.folder("listed", "none/x"), "raw:..", "raw:listed/../..", "s3://", "elsewhere:b/k"):
            assert list(store.copies(folder)) == []
            assert store.discard_unfinished(folder, datetime.now(UTC)) == []


class TestTheLocalFolder:
    def test_users_never_see_the_folder(self, tmp_path: Path):
        made = RawStore(tmp_path.as_uri()).write("captify-datasets", KEY, SCHEMA, some_batches())
        assert made.uri == f"raw:captify-datasets/{KEY}"
        assert (tmp_path / "captify-datasets" / KEY).stat().st_size == made.bytes

    def test_no_part_of_a_file_is_left_after_a_failure(self, tmp_path: Path):
        with pytest.raises(SourceError):
            RawStore(tmp_path.as_uri()).write("b", "broken.parquet", SCHEMA, broken_batches())
        assert [each for each in tmp_path.rglob("*") if each.is_file()] == []

    def test_what_a_killed_writer_left_goes_when_its_work_is_done_again(self, tmp_path: Path):
        store = RawStore(tmp_path.as_uri())
        store.write("b", "x.parquet", SCHEMA, some_batches())
        for left in (".step-1.0123.partial", ".step-2.0123.partial"):
            (tmp_path / "b" / left).write_bytes(b"half")

        store.write("b", "y.parquet", SCHEMA, some_batches(), writer="step-1")

        assert sorted(each.name for each in (tmp_path / "b").iterdir()) == [
            ".step-2.0123.partial",
            "x.parquet",
            "y.parquet",
        ]

    def test_the_hash_is_that_of_the_file(self, tmp_path: Path):
        made = RawStore(tmp_path.as_uri()).write("b", "x.parquet", SCHEMA, some_batches())
        assert made.sha256 == hashlib.sha256((tmp_path / "b" / "x.parquet").read_bytes()).hexdigest()

    @pytest.mark.parametrize("uri", ["raw:../secret", "raw:b/../../secret", "/etc/passwd", "s3://b/k", "raw:"])
    def test_an_address_that_leads_outside_names_nothing(self, tmp_path: Path, uri: str):
        (tmp_path / "secret").write_text("secret")
        store = RawStore((tmp_path / "raw").as_uri())
        assert not store.exists(uri)
        with pytest.raises(NotFound):
            store.open(uri)

    def test_a_folder_that_cannot_be_written_is_a_dependency_that_is_down(self):
        with pytest.raises(DependencyUnavailable, match="cannot be written"):
            RawStore("file:///proc/none").write("b", "k", SCHEMA, some_batches())


class TestS3:
    def test_buckets_are_buckets_made_when_missing(self, s3_server: str, credentials: None):
        made = RawStore("s3://", s3_server).write("fresh-bucket", KEY, SCHEMA, some_batches())
        assert made.uri == f"s3://fresh-bucket/{KEY}"
        client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
        assert client.head_object(Bucket="fresh-bucket", Key=KEY)["ContentLength"] == made.bytes

    def test_buckets_are_prefixes_where_there_is_only_one(self, s3_server: str, credentials: None):
        made = RawStore("s3://company", s3_server).write("captify-datasets", "k.parquet", SCHEMA, some_batches())
        assert made.uri == "s3://company/captify-datasets/k.parquet"

    def test_a_large_copy_goes_up_in_parts(self, s3_server: str, credentials: None):
        schema = pa.schema([("noise", pa.binary())])
        noise = (pa.record_batch([[os.urandom(4 * 2**20)]], schema=schema) for _ in range(6))
        made = RawStore("s3://", s3_server).write("large", "noise.parquet", schema, noise)
        client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
        parts = client.head_object(Bucket="large", Key="noise.parquet")["ETag"].strip('"').rpartition("-")[2]
        assert int(parts) > 2
        assert made.bytes > 24 * 2**20

    def test_no_upload_stays_open_after_a_failure(self, s3_server: str, credentials: None):
        with pytest.raises(SourceError):
            RawStore("s3://", s3_server).write("aborted", "x.parquet", SCHEMA, broken_batches())
        client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
        assert "Uploads" not in client.list_multipart_uploads(Bucket="aborted")

    def test_a_server_that_does_not_answer_can_be_asked_later(self, credentials: None):
        store = RawStore("s3://", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(DependencyUnavailable) as refused:
            store.write("b-1", "k", SCHEMA, some_batches())
        assert refused.value.retryable

    def test_an_address_of_another_kind_is_refused(self):
        with pytest.raises(Invalid):
            RawStore("ftp://host/folder")
