"""Files in a bucket and on other machines, from the first test to the rows. Source: document 004, US-1 and US-2."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import shares
from tests.adapters.sources.file_scenes import jsonl
from tests.api_shim.conftest import Api


@pytest.fixture(scope="module")
def bucket() -> Iterator[shares.S3]:
    """A bucket with two days of flights; one line of them is broken."""
    with shares.s3() as made:
        client = made.client()
        client.create_bucket(Bucket="fleet")
        client.put_object(Bucket="fleet", Key="raw/2026/01.jsonl", Body=jsonl({"flight": 1}, {"flight": 2}))
        client.put_object(Bucket="fleet", Key="raw/2026/02.jsonl", Body=b'{"flight": 3, "late": true}\n{"fli\n')
        yield made


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[shares.Share]:
    with shares.sftp(tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("keys")) as made:
        made.put("in/planes.csv", "tail,seats\nN1,100\nN2,200\n")
        yield made


def in_bucket(bucket: shares.S3, **other: Any) -> dict[str, Any]:
    given = {"endpoint": bucket.endpoint, "accessKeyId": bucket.key, "secretAccessKey": bucket.secret}
    return {"bucket": "fleet", "prefix": "raw/", **given, **other}


def test_all_objects_that_match_are_one_dataset(api: Api, bucket: shares.S3) -> None:
    tested = api.post("/sources/test", {"type": "s3", "connection": in_bucket(bucket)})
    assert (tested["success"], tested["message"]) == (True, "bucket fleet holds 2 keys below raw/")

    source = api.post("/sources", {"name": "Fleet", "type": "s3", "connection": in_bucket(bucket)})
    assert source["secretFields"] == ["secretAccessKey"]
    extraction = {"type": "s3", "path": "2026/*.jsonl"}
    seen = api.post("/datasets/preview", {"sourceId": source["id"], "extraction": extraction, "limit": 10})
    assert seen["rows"][2] == {"flight": 3, "late": True}

    made = api.dataset("Flights", source=source, extraction=extraction)
    done = api.post(f"/datasets/{made['id']}/extract")
    assert (done["success"], done["records"], done["rejected"]) == (True, 3, 1)
    (reject,) = api.get(f"/datasets/{made['id']}/rejects")
    assert reject["rowNumber"] == 4
    assert reject["reason"].endswith("(row 2 of raw/2026/02.jsonl)")


def test_what_a_bucket_refuses_is_told_without_secrets(api: Api, bucket: shares.S3) -> None:
    wrong = in_bucket(bucket, secretAccessKey="hush-hush-hush")
    tested = api.post("/sources/test", {"type": "s3", "connection": wrong})
    assert not tested["success"]
    assert "refused the credentials" in tested["message"]
    assert "hush" not in str(tested)


def test_an_unknown_server_is_trusted_only_by_its_key(api: Api, share: shares.Share) -> None:
    known = {"path": share.address("in/*.csv"), **share.login}
    unknown = {name: value for name, value in known.items() if name != "hostKey"}
    tested = api.post("/sources/test", {"type": "csv", "connection": unknown})
    assert not tested["success"]
    assert tested["message"].endswith(f"give the key as hostKey: {share.login['hostKey']}")

    source = api.post("/sources", {"name": "Planes", "type": "csv", "connection": known})
    assert "password" not in source["connection"]
    assert api.post(f"/sources/{source['id']}/test")["message"].startswith("1 file matches sftp://")
    made = api.dataset("Planes", source=source, extraction={"type": "file"})
    assert api.post(f"/datasets/{made['id']}/extract")["records"] == 2


def test_a_wrong_place_names_its_field(api: Api, tmp_path: Path) -> None:
    cases = [
        ({"path": "ftp://host/x"}, "path"),
        ({"path": "sftp://me:secret@host/x"}, "path"),
        ({"path": "smb://host"}, "path"),
        ({"path": "webdav://host/a/../b"}, "path"),
        ({"path": "sftp://host/x", "hostKey": "SHA256:abc"}, "hostKey"),
        ({"path": "sftp://host/x", "privateKey": "abc"}, "privateKey"),
        ({"path": str(tmp_path / "*.csv")}, "path"),
    ]
    for wrong, field in cases:
        body = {"name": "x", "type": "csv", "connection": wrong}
        assert api.refused("POST", "/sources", body) == (422, [f"connection.{field}"]), wrong
