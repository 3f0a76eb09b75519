"""A grant on a source of files holds for every path that leads to them, however it is spelled."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import shares
from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder
from tests.mount_scenes import PREVIEW, STORAGE, mounted

NAMES = ("HR", "Größe.csv")
PAY = "name,salary\nAnn,1\n"
SPELLINGS: list[Callable[[str], str]] = [
    *(str, str.upper, str.lower, str.swapcase, quote),
    *(lambda name: normalize("NFD", name), lambda name: normalize("NFC", name)),
    *(lambda name: f"{name}.", lambda name: f"{name} ", lambda name: f"{name}::$DATA"),
    *(lambda name: quote(quote(name)), lambda name: f"x/../{name}", lambda name: f".\\{name}"),
]
BETWEEN = ("/", "/", "//", "/./", "\\", "/\\", "\\\\", "/.\\", "%2F", "%5C")
spelled = st.lists(
    st.tuples(st.sampled_from(BETWEEN), st.sampled_from(SPELLINGS)), min_size=len(NAMES), max_size=len(NAMES)
).map(lambda parts: "".join(mark + spell(name) for name, (mark, spell) in zip(NAMES, parts, strict=True)))


class Shares:
    """The same folder on an SMB and an SFTP server; mounts of both, and who asks."""

    def __init__(self, api: Api, app: FastAPI, smb: shares.Share, sftp: shares.Share) -> None:
        self.api, self.smb, self.sftp = api, smb, sftp
        self.login = {"username": smb.login["username"], "password": smb.login["password"]}
        self.key = {**login_of(sftp), "host_key": sftp.login["hostKey"]}
        self.editor, self.viewer = holder(api, app, "edits", "editor"), holder(api, app, "views", "viewer")
        self.friend = holder(api, app, "may", "editor")

    def mount(self, at: str, address: str, **credentials: str) -> str:
        mounted(self.api.client, {"local_path": at, "network_path": address, "credentials": credentials})
        return at

    def restrict(self, path: str, **connection: str) -> None:
        """A source of that path, for one token alone."""
        wanted = {"name": path[-80:], "type": "csv", "connection": {"path": path, **connection}}
        source = self.api.post("/sources", wanted)["id"]
        grants = {"grants": [{"token": "may", "may": "use"}]}
        self.api.client.put(f"/api/v1/dataops/sources/{source}/grants", json=grants).raise_for_status()


def login_of(share: shares.Share) -> dict[str, str]:
    return {name: share.login[name] for name in ("username", "password")}


def look(client: TestClient, path: str) -> tuple[int, Any]:
    reply = client.post(f"{PREVIEW}/path", json={"file_path": path})
    return reply.status_code, reply.json()


@pytest.fixture
def there(api: Api, app: FastAPI, tmp_path: Path) -> Iterator[Shares]:
    if shares.SMBD is None:
        pytest.skip("smbd is not installed: run 'make test-deps' as root")
    (folder := tmp_path / "shared").mkdir()
    (keys := tmp_path / "keys").mkdir()
    with shares.smb(folder) as smb, shares.sftp(folder, keys) as sftp:
        smb.put("/".join(NAMES), PAY)
        (api.files / "HR").mkdir()
        (api.files / "/".join(NAMES)).write_text(PAY)
        yield Shares(api, app, smb, sftp)


@pytest.fixture
def restricted(there: Shares) -> list[str]:
    """Paths below which a restricted file lies; the last one is a folder of this machine."""
    smb, sftp, path = there.smb, there.sftp, "/".join(NAMES)
    second = smb.address().replace("127.0.0.1", "localhost")
    paths = [
        there.mount("/mnt/smb", smb.address(), **there.login),
        there.mount("/mnt/second", second, **there.login),
        there.mount("/mnt/sftp", sftp.address(), **there.key),
        there.mount("/mnt/local", str(there.api.files)),
    ]
    there.restrict(f"/mnt/smb/{path}")
    there.restrict(sftp.address(quote(path)), **sftp.login)
    there.restrict(path)
    return [*paths, str(there.api.files)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 4), rest=spelled)
def test_whatever_spelling_reads_a_file_takes_the_right(
    there: Shares, restricted: list[str], place: int, rest: str
) -> None:
    path = restricted[place] + rest
    status, shown = look(there.api.client, path)
    if status == 200:
        assert shown["preview_data"] == [{"name": "Ann", "salary": 1}]
        for each in (there.editor, there.viewer):
            assert look(each.client, path)[0] == 403, path


def test_the_exact_spelling_is_read_by_whom_it_is_granted_to(there: Shares, restricted: list[str]) -> None:
    for each in restricted:
        path = f"{each}/{'/'.join(NAMES)}"
        asked = {who: look(api.client, path)[0] for who, api in (("may", there.friend), ("edits", there.editor))}
        assert asked == {"may": 200, "edits": 403}
        body = {"file_path": path, "target_table": "raw.stolen"}
        assert there.editor.client.post(f"{STORAGE}/import", json=body).status_code == 403


def test_a_bucket_has_one_place_too(api: Api, app: FastAPI) -> None:
    with shares.s3() as server:
        client = server.client()
        client.create_bucket(Bucket="lake")
        client.put_object(Bucket="lake", Key="HR/pay.csv", Body=PAY.encode())
        keys = {"endpoint": server.endpoint}
        login = {**keys, "access_key_id": server.key, "secret_access_key": server.secret}
        mounted(api.client, {"local_path": "/mnt/lake", "network_path": "s3://lake", "credentials": login})
        connection = {**keys, "accessKeyId": server.key, "secretAccessKey": server.secret, "bucket": "lake"}
        source = api.post("/sources", {"name": "Pay", "type": "s3", "connection": {**connection, "prefix": "HR/"}})
        grants = {"grants": [{"role": "editor", "may": "see"}]}
        api.client.put(f"/api/v1/dataops/sources/{source['id']}/grants", json=grants).raise_for_status()
        editor = holder(api, app, "edits", "editor")

        asked = [look(each.client, "/mnt/lake/HR/pay.csv")[0] for each in (api, editor)]

    assert asked == [200, 403]


class TestABackslash:
    """On an SMB server it separates folders, where the check of a grant would take it for a letter."""

    @pytest.fixture
    def smb(self, there: Shares) -> Shares:
        there.mount("/mnt/smb", there.smb.address(), **there.login)
        return there

    @pytest.mark.parametrize("path", ["/mnt/smb/HR\\Größe.csv", "/mnt/smb/\\HR\\Größe.csv"])
    def test_is_refused_by_the_field(self, smb: Shares, path: str) -> None:
        client = smb.api.client
        watch = {"folder_path": "/mnt/smb/.\\HR", "file_patterns": ["*.csv"]}
        for route, body, field in (
            (f"{PREVIEW}/path", {"file_path": path}, "file_path"),
            (f"{STORAGE}/import", {"file_path": path}, "file_path"),
            (f"{STORAGE}/watch", watch, "folder_path"),
        ):
            reply = client.post(route, json=body)
            assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, [field])

    def test_is_refused_in_sources_and_in_what_they_read(self, smb: Shares) -> None:
        api = smb.api
        for path, more in (("/mnt/smb/HR\\Größe.csv", {}), (smb.smb.address("HR%5CGr.csv"), smb.smb.login)):
            body = {"name": "Pay", "type": "csv", "connection": {"path": path, **more}}
            assert api.refused("POST", "/sources", body) == (422, ["connection.path"])
        source = api.post("/sources", {"name": "Pay", "type": "csv", "connection": {"path": "/mnt/smb"}})
        wanted = {"type": "file", "path": "HR\\Größe.csv"}
        body = {"name": "Pay", "sourceId": source["id"], "extraction": wanted}
        status = api.client.post("/api/v1/dataops/datasets", json=body)
        assert status.status_code == 422 or api.refused("POST", f"/datasets/{status.json()['id']}/extract")[0] == 422


class TestWhatAFileHolds:
    @pytest.fixture
    def failed(self, api: Api, app: FastAPI) -> Any:
        """An import of a restricted file, of which no row could be taken."""
        (api.files / "pay.csv").write_text("name,salary,note\nAnn,CANARY-77,'x' is 1\n")
        body = {"file_path": "pay.csv", "target_table": "raw.pay", "data_types": {"salary": "INTEGER"}}
        assert api.client.post(f"{STORAGE}/import", json=body).status_code == 422
        source = api.post("/sources", {"name": "Pay", "type": "csv", "connection": {"path": "pay.csv"}})
        grants = {"grants": [{"role": "editor", "may": "use"}]}
        api.client.put(f"/api/v1/dataops/sources/{source['id']}/grants", json=grants).raise_for_status()
        [execution] = api.get("/executions")
        return f"import_{execution['subjectId'].replace('-', '')}", execution

    def test_is_not_told_by_what_has_failed(self, api: Api, app: FastAPI, failed: Any) -> None:
        id, execution = failed
        viewer = holder(api, app, "views", "viewer")

        assert viewer.client.get(f"{STORAGE}/imports/{id}").status_code == 403
        [listed] = viewer.get("/executions")
        shown = viewer.get(f"/executions/{execution['id']}")

        wanted = "No row of pay.csv could be imported; the first: row 1, column 'salary': its value is no whole number"
        assert {listed["error"], shown["error"], shown["steps"][0]["error"]} == {wanted}

    def test_is_told_to_whom_it_is_granted(self, api: Api, app: FastAPI, failed: Any) -> None:
        id, _ = failed
        editor = holder(api, app, "edits", "editor")
        assert editor.client.get(f"{STORAGE}/imports/{id}").json()["status"] == "failed"
        [reject] = editor.client.get(f"{STORAGE}/imports/{id}/rejects").json()["rejects"]
        assert reject["reason"] == "'CANARY-77' is no whole number"
