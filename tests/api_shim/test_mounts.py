"""Mounts, from the printed request to the rows of a source below one. Source: document 000, "Mount Network Drive"."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text

from dataops_defs.catalogue.keys import rotate
from dataops_defs.catalogue.mounts import Mounts
from dataops_defs.catalogue.tokens import Role, Tokens
from dataops_defs.flows.look_at_mounts import look_at_mounts
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests import shares
from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder
from tests.mount_scenes import STORAGE, FileServer, file_server, mounted, mounts, refused

MOUNT = f"{STORAGE}/mount"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    with file_server(tmp_path_factory.mktemp("served")) as server:
        server.put("incoming/planes.csv", "tail,seats\nN1,100\nN2,200\n")
        yield server


@pytest.fixture
def viewer(app: FastAPI, client: TestClient, shim_settings: Settings) -> TestClient:
    with Platform(shim_settings).catalogue() as session:
        _, token = Tokens(session).create("reader", Role.VIEWER)
    return TestClient(app, headers={"Authorization": f"Bearer {token}"})


def test_the_printed_answer(client, served):
    answer = mounted(client, served.mount)
    assert {name: answer[name] for name in ("status", "local_path", "network_path")} == {
        "status": "mounted",
        "local_path": "/mnt/network_share",
        "network_path": served.mount["network_path"],
    }
    assert answer["available_space_gb"] is None or answer["available_space_gb"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["mount_time"])
    assert re.fullmatch(r"mount_[0-9a-f]{32}", answer["mount_id"])


def test_a_share_of_windows_in_the_printed_form(client, tmp_path):
    if shares.SMBD is None:
        pytest.skip("smbd is not installed: run 'make test-deps' as root")
    with shares.smb(tmp_path) as share:
        login = {"username": share.login["username"], "password": share.login["password"], "domain": "WORKGROUP"}
        printed = {"network_path": f"//127.0.0.1:{share.port}/files", "credentials": login, "storage_type": "smb"}
        answer = mounted(client, {"local_path": "/mnt/network_share", **printed})
        assert answer["available_space_gb"] > 0
        wrong = {**printed, "credentials": {**login, "password": "wrong"}}
        told = refused(client, MOUNT, {"local_path": "/mnt/other", **wrong})
        assert "refused the credentials" in told["request"]


def test_a_source_reads_below_a_mount(api: Api, client, served):
    mounted(client, served.mount)
    source = api.post(
        "/sources",
        {"name": "Planes", "type": "csv", "connection": {"path": "/mnt/network_share/incoming/*.csv"}},
    )
    assert api.post(f"/sources/{source['id']}/test")["message"] == "1 file matches /mnt/network_share/incoming/*.csv"
    dataset = api.dataset("Planes", source=source, extraction={"type": "file"})
    assert api.post(f"/datasets/{dataset['id']}/extract")["records"] == 2

    gone = client.delete(f"{STORAGE}/mounts/{mounts(client)[0]['mount_id']}")
    assert (gone.status_code, gone.json()["detail"]) == (
        409,
        "Mount '/mnt/network_share' is used by source 'Planes'; delete these first",
    )


def test_a_path_below_nothing_is_still_refused(api: Api, client, served):
    mounted(client, served.mount)
    for path in ("/mnt/network_sharex/a.csv", "/mnt/other/a.csv", "/mnt/network_share/../../etc/passwd"):
        body = {"name": "X", "type": "csv", "connection": {"path": path}}
        assert api.refused("POST", "/sources", body) == (422, ["connection.path"])


def test_nothing_is_kept_of_a_place_that_does_not_answer(client, served, tmp_path):
    with file_server(tmp_path) as away:
        pass
    told = refused(client, MOUNT, away.mount)
    assert told == {"request": f"webdav://127.0.0.1:{away.port} cannot be reached, or broke off"}
    wrong = {**served.mount, "credentials": {"username": shares.USER, "password": "wrong"}}
    assert "refused the credentials" in refused(client, MOUNT, wrong)["request"]
    assert "no such file or folder" in refused(
        client, MOUNT, {**served.mount, "network_path": served.mount["network_path"] + "none"}
    ).get("request", "")
    assert mounts(client) == []


class TestTheSamePathAgain:
    def test_takes_new_credentials(self, client, served):
        first = mounted(client, served.mount)
        again = mounted(client, served.mount)
        assert again["mount_id"] == first["mount_id"]
        assert again["mount_time"] > first["mount_time"]
        wrong = {**served.mount, "credentials": {"username": shares.USER, "password": "wrong"}}
        refused(client, MOUNT, wrong)
        # Those that let us in stayed, and serve where none are given.
        assert mounted(client, {**served.mount, "credentials": None})["mount_id"] == first["mount_id"]

    def test_is_not_given_to_another_place(self, client, served):
        mounted(client, served.mount)
        other = {**served.mount, "network_path": f"{served.mount['network_path']}incoming"}
        assert "is mounted at /mnt/network_share already" in refused(client, MOUNT, other, 409)["detail"]
        inside = {**served.mount, "local_path": "/mnt/network_share/incoming"}
        assert "lie in each other" in refused(client, MOUNT, inside, 409)["detail"]
        assert len(mounts(client)) == 1

    def test_of_two_at_the_same_moment_both_are_answered(self, client, served):
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            codes = [each.status_code for each in pool.map(lambda _: client.post(MOUNT, json=served.mount), range(4))]
        assert set(codes) <= {200, 409}
        assert 200 in codes
        assert len(mounts(client)) == 1


class TestAServerThatGoesAway:
    """Fault 24: a mount that is lost is degraded, and comes back."""

    def test_is_seen_and_seen_again(self, client, shim_settings, tmp_path):
        platform = Platform(shim_settings)
        with file_server(tmp_path) as server:
            server.put("a.csv", "id\n1\n")
            mounted(client, server.mount)
            server.stop()
            look_at_mounts(platform)
            [seen] = mounts(client)
            assert (seen["status"], seen["reason"]) == (
                "degraded",
                f"webdav://127.0.0.1:{server.port} cannot be reached, or broke off",
            )
            since = seen["status_since"]
            look_at_mounts(platform)
            assert mounts(client)[0]["status_since"] == since
            server.start()
            look_at_mounts(platform)
            [seen] = mounts(client)
            assert (seen["status"], seen["reason"]) == ("mounted", None)
            assert seen["status_since"] > since


class TestCredentials:
    SECRET = "canary-5d1f-of-a-mount"

    @pytest.fixture
    def locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
        monkeypatch.setattr(shares, "PASSWORD", self.SECRET)
        with file_server(tmp_path) as server:
            yield server

    def test_never_leave(self, client, locked, shim_settings, capsys, caplog):
        answers = [client.post(MOUNT, json=locked.mount).text, client.get(f"{STORAGE}/mounts").text]
        wrong = {**locked.mount, "network_path": f"webdav://127.0.0.1:{locked.port}/none"}
        answers.append(client.post(MOUNT, json=wrong).text)
        answers.append(client.get("/api/v1/dataops/audit").text)
        locked.stop()
        look_at_mounts(Platform(shim_settings))
        answers.append(client.get(f"{STORAGE}/mounts").text)
        with Platform(shim_settings).catalogue() as session:
            answers += [str(row) for row in session.execute(text("SELECT * FROM mount"))]
            mounts = Mounts(session, Platform(shim_settings).keyring)
            opened = mounts.opened(mounts.all()[0])
            assert opened.secrets == {"password": self.SECRET}
            answers.append(repr(opened))
        captured = capsys.readouterr()
        answers += [captured.out, captured.err, caplog.text]
        assert not [each for each in answers if self.SECRET in each]

    def test_open_with_new_keys(self, client, locked, shim_settings):
        mounted(client, locked.mount)
        assert rotate(shim_settings) >= 1
        assert [each.error for each in look_at_mounts(Platform(shim_settings))] == [None]

    def test_may_be_secrets_by_name(self, client, locked, shim_settings):
        client.put("/api/v1/dataops/secrets/SHARE_PW", json={"value": self.SECRET}).raise_for_status()
        named = {**locked.mount, "credentials": {"username": shares.USER, "password": "secret:SHARE_PW"}}
        mounted(client, named)
        gone = client.delete("/api/v1/dataops/secrets/SHARE_PW")
        assert (gone.status_code, "mount '/mnt/network_share'" in gone.json()["detail"]) == (409, True)
        unknown = {**named, "credentials": {"username": shares.USER, "password": "secret:NONE"}}
        assert refused(client, MOUNT, unknown) == {"credentials.password": "there is no secret named 'NONE'"}

    def test_an_editor_sends_a_secret_only_where_it_may_go(self, app, client, locked, shim_settings):
        client.put("/api/v1/dataops/secrets/SHARE_PW", json={"value": self.SECRET}).raise_for_status()
        with Platform(shim_settings).catalogue() as session:
            _, token = Tokens(session).create("builder", Role.EDITOR)
        editor = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        named = {**locked.mount, "credentials": {"username": shares.USER, "password": "secret:SHARE_PW"}}
        assert editor.post(MOUNT, json=named).status_code == 403


def test_deleting_leaves_the_files_where_they_lie(client, served):
    made = mounted(client, served.mount)
    gone = client.delete(f"{STORAGE}/mounts/{made['mount_id']}").json()
    assert (gone["mount_id"], gone["status"], gone["local_path"]) == (made["mount_id"], "unmounted", made["local_path"])
    assert (served.folder / "incoming" / "planes.csv").exists()
    assert client.delete(f"{STORAGE}/mounts/{made['mount_id']}").status_code == 404
    assert client.delete(f"{STORAGE}/mounts/nonsense").status_code == 404


def test_an_admin_deletes_it_with_all_that_reads_from_it(api: Api, app, client, served):
    made = mounted(client, served.mount)
    connection = {"path": "/mnt/network_share/incoming/*.csv"}
    source = api.post("/sources", {"name": "Planes", "type": "csv", "connection": connection})
    api.dataset("Planes", source=source, extraction={"type": "file"})
    watch = {"folder_path": "/mnt/network_share/incoming", "file_patterns": ["*.csv"]}
    client.post(f"{STORAGE}/watch", json=watch).raise_for_status()
    path = f"{STORAGE}/mounts/{made['mount_id']}"
    assert client.delete(path).status_code == 409
    assert holder(api, app, "an editor", "editor").client.delete(f"{path}?cascade=true").status_code == 403

    gone = client.delete(f"{path}?cascade=true")

    assert (gone.status_code, gone.json()["status"]) == (200, "unmounted")
    assert [each.partition(" ")[0] for each in gone.json()["deleted"]] == ["watch", "dataset", "source", "mount"]
    left = [api.get("/sources"), api.get("/datasets"), client.get(f"{STORAGE}/watches").json()["watches"]]
    assert (left, mounts(client)) == ([[], [], []], [])
    assert (served.folder / "incoming" / "planes.csv").exists()


def test_each_change_is_in_the_audit(client, served):
    made = mounted(client, served.mount)
    mounted(client, served.mount)
    client.delete(f"{STORAGE}/mounts/{made['mount_id']}")
    lines = client.get("/api/v1/dataops/audit").json()
    told = [each["action"] for each in lines if each["action"].startswith("mount.")]
    assert sorted(told) == ["mount.create", "mount.delete", "mount.update"]


def test_a_viewer_sees_mounts_and_makes_none(viewer, client, served):
    mounted(client, served.mount)
    assert viewer.get(f"{STORAGE}/mounts").json()["total"] == 1
    assert viewer.post(MOUNT, json=served.mount).status_code == 403


SMB = {"network_path": "//127.0.0.1:1/data", "credentials": {"username": "u", "password": "p"}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"local_path": "/usr/bin", **SMB}, "local_path"),
        ({"local_path": "/mnt/a,b=c", **SMB}, "local_path"),
        ({"local_path": "/mnt/../etc", **SMB}, "local_path"),
        ({"local_path": "/mnt/x", "network_path": "file:///etc"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "/etc"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "host:/x"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "//user:pw@127.0.0.1/s"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "//h"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "//127.0.0.1:1/s"}, "credentials.username"),
        ({"local_path": "/mnt/x", "network_path": "s3://b", "storage_type": "smb"}, "network_path"),
        ({"local_path": "/mnt/x", "network_path": "s3://b", "storage_type": "ftp"}, "storage_type"),
        ({"local_path": "/mnt/x", **SMB, "credentials": {"username": "-o", "password": "p"}}, "credentials.username"),
        ({"local_path": "/mnt/x", **SMB, "credentials": {"username": "u", "domain": "D\nu"}}, "credentials.domain"),
        ({"local_path": "/mnt/x", **SMB, "credentials": {"username": "u", "region": "eu"}}, "credentials.region"),
        ({"local_path": "/mnt/x", **SMB, "options": "exec"}, "options"),
        (
            {
                "local_path": "/mnt/x",
                "network_path": "sftp://127.0.0.1:1/x",
                "credentials": {"username": "u", "host_key": "x"},
            },
            "credentials.host_key",
        ),
        ({"network_path": "//h/s"}, "local_path"),
    ],
)
def test_what_is_wrong_is_told_by_field(client, body: dict[str, Any], field: str):
    assert list(refused(client, MOUNT, body)) == [field]
    assert mounts(client) == []


def test_a_refusal_does_not_tell_where_the_files_of_this_server_lie(client, shim_settings):
    for path in ("/etc/x", "/usr/bin", str(shim_settings.roots[0])):
        told = refused(client, MOUNT, {"local_path": path, **SMB})["local_path"]
        assert str(shim_settings.home) not in told


def test_this_machine_is_no_server_of_files_unless_it_is_listed(settings, monkeypatch, client, shim_settings):
    monkeypatch.setattr(type(shim_settings), "hosts", frozenset())
    body = {
        "local_path": "/mnt/x",
        "network_path": "//169.254.169.254/s",
        "credentials": {"username": "u", "password": "p"},
    }
    assert list(refused(client, MOUNT, body)) == ["network_path"]
    assert list(refused(client, MOUNT, {**body, "network_path": "//127.0.0.1/s"})) == ["network_path"]


def test_an_address_on_the_list_only(client, shim_settings, monkeypatch):
    monkeypatch.setattr(type(shim_settings), "hosts", frozenset({"files.example.org"}))
    body = {"local_path": "/mnt/x", **SMB}
    assert refused(client, MOUNT, body) == {"network_path": "'127.0.0.1' is not among the hosts that sources may name"}
