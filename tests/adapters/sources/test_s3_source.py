import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.sources.s3 import S3Source
from dataops_defs.adapters.storage import bucket, files
from dataops_defs.adapters.storage.bucket import Patience
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable
from dataops_defs.services.embedded import free_port
from tests import shares
from tests.adapters.sources.file_scenes import asked, jsonl, packed, parquet, read, rows, types, workbook
from tests.adapters.sources.s3_stub import FailingS3, failing_s3

QUICK = Patience(connect=0.5, read=0.3, tries=2, pause=0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[shares.S3]:
    with shares.s3() as made:
        yield made


@pytest.fixture
def put(server: shares.S3, request: pytest.FixtureRequest) -> Callable[[str, bytes | str], None]:
    """Puts objects into a bucket that only this test has."""
    client, name = server.client(), bucket_of(request)
    client.create_bucket(Bucket=name)
    return lambda key, content: client.put_object(Bucket=name, Key=key, Body=content)


@pytest.fixture
def opened(server: shares.S3, request: pytest.FixtureRequest) -> Callable[..., S3Source]:
    """The bucket as a source."""

    def opened(prefix: str = "", by: shares.S3 = server, patience: Patience = QUICK, **other: Any) -> S3Source:
        return S3Source(source_of(by, bucket=bucket_of(request), prefix=prefix, **other), patience=patience)

    return opened


def bucket_of(request: pytest.FixtureRequest) -> str:
    return f"b{abs(hash(request.node.nodeid)):x}"


def source_of(by: shares.S3, **connection: Any) -> Source:
    shown = {"endpoint": by.endpoint, "accessKeyId": by.key, **connection}
    return Source("1", "s", "s", SourceType.S3, "app", shown, {"secretAccessKey": by.secret})


class TestFindingObjects:
    @pytest.fixture(scope="class")
    def raw(self, server) -> S3Source:
        client = server.client()
        client.create_bucket(Bucket="folders")
        for number, key in enumerate(["a.csv", "in/b.csv", "in/deep/c.csv", "in/deep/er/d.csv", "other/in/e.csv"]):
            client.put_object(Bucket="folders", Key=f"raw/{key}", Body=f"n\n{number}\n")
        client.put_object(Bucket="folders", Key="raw/in/_SUCCESS", Body=b"")
        client.put_object(Bucket="folders", Key="raw/in/", Body=b"")
        return S3Source(source_of(server, bucket="folders", prefix="raw"), patience=QUICK)

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("a.csv", [0]),
            ("*", [0]),
            ("in/*", [1]),
            ("in/**", [1, 2, 3]),
            ("in/**/*.csv", [1, 2, 3]),
            ("**/in/*.csv", [1, 4]),
            ("in/*/c.*", [2]),
            ("**/*e*/d.csv", [3]),
            ("**", [0, 1, 2, 3, 4]),
        ],
    )
    def test_a_pattern_finds_what_it_says_below_the_prefix_by_key(self, raw, path: str, found: list[int]):
        assert [row["n"] for row in rows(raw, asked(path, FileFormat.CSV))] == found

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("b*.csv", "no file matches s3://.*/raw/b\\*.csv"),
            ("z.csv", "no such file: s3://.*/raw/z.csv"),
            ("in", "must name a file in it, or a pattern"),
            ("../x.csv", "must not hold '..'"),
            ("/x.csv", "without a leading slash"),
            ("*a*b*c*d*e*f*g*h*i", "at most 8 stars"),
        ],
    )
    def test_what_cannot_be_found_is_said(self, raw, path: str, said: str):
        with pytest.raises((SourceError, Invalid), match=said):
            rows(raw, asked(path))

    def test_there_is_a_limit_to_how_many_are_read_as_one(self, raw, monkeypatch):
        monkeypatch.setattr(files, "MAX_FOUND", 4)
        with pytest.raises(SourceError, match="more than 4 files match raw/\\*\\*; read fewer"):
            rows(raw, asked("**"))

    def test_there_is_a_limit_to_how_many_are_looked_at(self, raw, monkeypatch):
        monkeypatch.setattr(bucket, "MAX_LOOKED_AT", 4)
        with pytest.raises(SourceError, match="more than 4 keys begin with raw/"):
            rows(raw, asked("**/d.csv"))


class TestReadingManyAsOne:
    def test_columns_are_joined_by_name_and_types_by_all_values(self, opened, put):
        put("1.csv", "id,price\n1,1.5\n2,2\n")
        put("2.csv.gz", packed("price;id;note\n3.25;3;hi\n"))
        table, _ = read(opened(), asked("*", FileFormat.CSV))
        assert types(table) == {"id": "int64", "price": "decimal128(18, 2)", "note": "string"}
        assert table.to_pylist()[1:] == [
            {"id": 2, "price": Decimal("2.00"), "note": None},
            {"id": 3, "price": Decimal("3.25"), "note": "hi"},
        ]

    def test_what_one_file_proves_to_be_text_keeps_the_text_of_the_others(self, opened, put):
        put("1.csv", "code\n1.50\nTRUE\n")
        put("2.csv", "code\n-0\n10.0\n")
        assert [row["code"] for row in rows(opened(), asked("*.csv"))] == ["1.50", "TRUE", "-0", "10.0"]

    def test_a_row_that_cannot_be_read_names_its_file_and_its_number_there(self, opened, put):
        put("1.csv", "a,b\n1,2\n3\n")
        put("2.csv", "a,b\n5,6\n7,8\n9\n")
        _, rejected = read(opened(), asked("*.csv"))
        assert [(each.number, each.reason) for each in rejected] == [
            (2, "expected 2 fields, found 1 (row 2 of 1.csv)"),
            (5, "expected 2 fields, found 1 (row 3 of 2.csv)"),
        ]

    def test_a_file_that_cannot_be_read_at_all_ends_it_and_is_named(self, opened, put):
        put("1.csv", "a\n1\n")
        put("2.csv", "")
        put("3.csv", "a\n1\n")
        with pytest.raises(SourceError, match=r"2\.csv: the file is empty"):
            rows(opened(), asked("*.csv"))

    def test_every_format_is_read(self, opened, put):
        put("j/1.json", b'[{"a": 1}]')
        put("j/2.json", b'{"a": 2, "b": [3]}')
        put("l/1.jsonl", jsonl({"a": 1}))
        put("l/2.ndjson.gz", packed(jsonl({"a": 2, "b": [3]})))
        put("p/1.parquet", parquet({"a": [1]}))
        put("p/2.parquet", parquet({"a": [2], "b": [[3]]}))
        put("x/1.xlsx", workbook(["a"], [1]))
        put("x/2.xlsx", workbook(["a", "b"], [2, "[3]"]))
        for folder in "jlpx":
            first, second = rows(opened(), asked(f"{folder}/*"))
            assert first == {"a": 1, "b": None}
            assert (second["a"], str(second["b"])) == (2, "[3]")

    def test_a_preview_shows_the_columns_of_the_files_it_looked_at(self, opened, put):
        put("1.csv", "a\n1\n")
        put("2.csv", "b\nx\ny\n")
        shown = opened().preview(asked("*.csv"), 2)
        assert ([each.name for each in shown.columns], shown.truncated) == (["a", "b"], True)
        assert shown.rows == [{"a": 1, "b": None}, {"a": None, "b": "x"}]

    def test_a_preview_of_parquet_fetches_parts_only(self, opened, put, monkeypatch):
        put("big.parquet", content := parquet({"n": range(300_000)}, row_group_size=10_000, compression="none"))
        fetched: list[int] = []
        part = bucket.Bucket.part
        monkeypatch.setattr(bucket.Bucket, "part", lambda self, *a: fetched.append(a[2]) or part(self, *a))
        monkeypatch.setattr(bucket, "BLOCK", 1024)
        assert opened().preview(asked("big.parquet"), 3).rows == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert 0 < sum(fetched) < len(content)

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            (["a.csv", "b.json"], r"several formats: csv \(a.csv\), json \(b.json\)"),
            (["a.dat"], "the name a.dat does not tell it"),
        ],
    )
    def test_formats_are_not_guessed(self, opened, put, keys: list[str], said: str):
        for key in keys:
            put(key, "a\n1\n")
        with pytest.raises(Invalid, match=said):
            rows(opened(), asked("*"))


class TestTesting:
    def test_counts_the_keys(self, opened, put):
        put("raw/1.csv", "a\n")
        assert opened("raw").test().endswith("holds 1 key below raw/")

    def test_says_that_there_is_no_such_bucket(self, opened):
        with pytest.raises(SourceError, match="There is no bucket 'b"):
            opened().test()

    def test_says_that_the_name_is_none_of_a_bucket(self, server):
        with pytest.raises(Invalid, match="'a b' cannot be the name of a bucket"):
            S3Source(source_of(server, bucket="a b")).test()

    @pytest.mark.parametrize("part", ["key", "secret"])
    def test_says_that_the_access_key_is_wrong_and_does_not_show_it(self, opened, put, server, part: str):
        wrong = {"endpoint": server.endpoint, "key": server.key, "secret": server.secret, part: "hush-hush"}
        with pytest.raises(SourceError, match="refused the credentials") as refused:
            opened(by=shares.S3(**wrong)).test()
        assert "hush" not in str(refused.value)
        assert server.secret not in str(refused.value)

    def test_says_what_the_credentials_may_not_do(self, opened, put, server):
        put("1.csv", "a\n1\n")
        reader = server.user("reader", "s3:GetObject")
        with pytest.raises(SourceError, match="may not list bucket"):
            opened(by=reader).test()
        lister = server.user("lister", "s3:ListBucket")
        with pytest.raises(SourceError, match="may not read bucket"):
            rows(opened(by=lister), asked("*.csv"))

    def test_says_that_nobody_is_there(self, opened, server):
        nobody = shares.S3(f"http://127.0.0.1:{free_port()}", server.key, server.secret)
        with pytest.raises(SourceUnavailable, match="cannot be reached"):
            opened(by=nobody).test()

    def test_takes_the_credentials_of_the_process_where_none_are_given(self, put, server, request, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
        shown = {"endpoint": server.endpoint, "bucket": bucket_of(request)}
        assert "holds 0 keys" in S3Source(Source("1", "s", "s", SourceType.S3, "app", shown)).test()


class TestWhereItMayGo:
    def test_only_to_hosts_that_are_listed(self, server):
        source = source_of(server, bucket="any")
        with pytest.raises(Invalid, match=r"'127\.0\.0\.1' is not among the hosts"):
            open_source(source, roots=(), allowed_hosts="s3.example.org")
        assert open_source(source, roots=(), allowed_hosts="127.0.0.1")
        with pytest.raises(Invalid, match="not a host that sources may name"):
            open_source(source, roots=()).test()

    @pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "[fe80::1]", "[::ffff:169.254.169.254]"])
    def test_never_to_a_clouds_own_questions(self, server, host: str):
        source = source_of(shares.S3(f"http://{host}", "k", "s"), bucket="any")
        with pytest.raises(Invalid, match="is not a host that sources may name"):
            open_source(source, roots=()).test()


CONTENT = b"id\n" + b"".join(b"%d\n" % number for number in range(1, 101))


class TestFaults:
    """Fault 39 of the list: S3 answers 503, nothing, half a body, another object."""

    @pytest.fixture
    def stub(self) -> Iterator[FailingS3]:
        with failing_s3() as made:
            made.put("f.csv", CONTENT)
            yield made

    @pytest.fixture
    def source(self, stub: FailingS3) -> S3Source:
        return S3Source(source_of(shares.S3(stub.endpoint, "k", "s"), bucket="bkt"), patience=QUICK)

    @pytest.mark.parametrize("fault", ["busy", "silent", "silent midway", "cut", "short", "damaged"])
    def test_what_goes_wrong_once_is_asked_again(self, source, stub, fault: str):
        stub.fail = [fault]
        assert [row["id"] for row in rows(source, asked("f.csv"))] == list(range(1, 101))
        assert len(stub.asked) == 2

    @pytest.mark.parametrize("fault", ["busy", "silent", "cut", "short"])
    def test_what_goes_wrong_for_good_gives_no_row(self, source, stub, fault: str):
        stub.fail = [fault] * 100
        with pytest.raises(SourceUnavailable):
            rows(source, asked("f.csv"))

    def test_an_object_that_is_no_longer_the_one_that_was_listed_gives_no_row(self, source, stub):
        stub.fail = ["another"]
        with pytest.raises(SourceError, match=r"f\.csv changed while it was read"):
            rows(source, asked("*.csv"))

    def test_an_etag_that_is_no_digest_is_no_fault(self, source, stub):
        for name in "abcdefghijklmnopqrst":
            stub.put(f"{name}.csv", CONTENT, etag="0123456789abcdef0123456789abcdef")
        assert len(rows(source, asked("*.csv"))) == 2000
        assert 20 < len(stub.asked) < 40

    def test_a_deleted_object_is_said(self, opened, put, server, request):
        put("1.csv", "a\n1\n")
        source = opened()
        with source._connected() as files_there:
            found = files_there.entry("1.csv")
            server.client().delete_object(Bucket=bucket_of(request), Key="1.csv")
            with pytest.raises(SourceError, match="changed or was deleted"), files_there.opened(found):
                pass

    def test_a_run_that_has_to_end_does_not_wait_for_the_server(self, stub):
        stub.fail = ["silent midway"] * 3

        @contextmanager
        def cut_soon(line: Line) -> Iterator[None]:
            threading.Timer(0.3, line.cut).start()
            yield

        made = source_of(shares.S3(stub.endpoint, "k", "s"), bucket="bkt")
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="the reading was ended"):
            rows(S3Source(made, during=cut_soon, patience=Patience(tries=3)), asked("f.csv"))
        assert len(stub.asked) == 1
        assert time.monotonic() - began < Patience().read
