"""Looks into files by upload and by path. Source: document 000, "Preview File" and "Preview Path"."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dataops_defs.catalogue.tokens import Role, Tokens
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.mount_scenes import PREVIEW, file_server, mounted, refused

CUSTOMERS = "id,name,email,created_at\n" + "".join(
    f"{i},John Doe,john{i}@example.com,2024-01-15T10:00:00Z\n" for i in range(1, 151)
)
PRINTED = [
    *("file_name", "file_size_bytes", "detected_format", "detected_encoding", "detected_delimiter", "columns"),
    *("data_types", "preview_data", "rows_previewed", "estimated_total_rows"),
]


@pytest.fixture
def upload(client: TestClient) -> Callable[..., Any]:
    def send(name: str, content: str | bytes, **form: str) -> Any:
        return client.post(f"{PREVIEW}/file", files={"file": (name, content)}, data=form)

    return send


@pytest.fixture
def as_role(app: FastAPI, client: TestClient, shim_settings: Settings) -> Callable[[Role], TestClient]:
    def made(role: Role) -> TestClient:
        with Platform(shim_settings).catalogue() as session:
            _, token = Tokens(session).create(f"a {role.name.lower()}", role)
        return TestClient(app, headers={"Authorization": f"Bearer {token}"})

    return made


class TestAnUpload:
    def test_is_answered_as_printed(self, upload):
        answer = upload("data.csv", CUSTOMERS, delimiter=",", encoding="utf-8", limit="100").json()
        assert list(answer)[: len(PRINTED)] == PRINTED
        assert answer["file_name"] == "data.csv"
        assert answer["file_size_bytes"] == len(CUSTOMERS)
        assert (answer["detected_format"], answer["detected_encoding"], answer["detected_delimiter"]) == (
            "csv",
            "utf-8",
            ",",
        )
        assert answer["columns"] == ["id", "name", "email", "created_at"]
        assert answer["data_types"] == {"id": "integer", "name": "string", "email": "string", "created_at": "datetime"}
        assert answer["preview_data"][0] == {
            "id": 1,
            "name": "John Doe",
            "email": "john1@example.com",
            "created_at": "2024-01-15T10:00:00Z",
        }
        assert (answer["rows_previewed"], answer["estimated_total_rows"], answer["total_rows_exact"]) == (
            100,
            150,
            True,
        )

    def test_needs_nothing_but_the_file(self, upload):
        answer = upload("data.csv.gz", gzip.compress(CUSTOMERS.encode())).json()
        assert (answer["detected_format"], answer["rows_previewed"]) == ("csv.gz", 100)

    def test_says_where_the_encoding_is_a_guess(self, upload):
        guessed = upload("a.csv", "id,name\n1,Peña\n".encode("cp1252")).json()
        assert (guessed["detected_encoding"], guessed["encoding_guessed"]) == ("cp1252", True)
        assert not upload("a.csv", "id,name\n1,Peña\n").json()["encoding_guessed"]

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("../../x.csv", "x.csv"),
            (r"C:\temp\x.csv", "x.csv"),
            ("CON", "CON"),
            ("a\u202e.csv", "a.csv"),
            ("Größe 1.csv", "Größe 1.csv"),
        ],
    )
    def test_has_a_name_that_is_only_text(self, upload, name, shown):
        assert upload(name, "a,b\n1,2\n").json()["file_name"] == shown

    @pytest.mark.parametrize(
        ("form", "field"),
        [
            *(({"limit": each}, "limit") for each in ("0", "1001", "-1", "x", "99999999999")),
            *(({"encoding": each}, "encoding") for each in ("utf-7", "rot13", "unicode_escape")),
            *(({"delimiter": each}, "delimiter") for each in ("ab", "\n", '"', "a")),
            *[({"page": "x"}, "page"), ({"encoding": "x" * 2000}, "encoding")],
        ],
    )
    def test_with_wrong_settings_names_them(self, upload, form, field):
        reply = upload("a.csv", "a,b\n1,2\n", **form)
        assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, [field])

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b"{}"),
            ("multipart/form-data", b"--x\r\n"),
            ("multipart/form-data; boundary=x", b""),
            ("multipart/form-data; boundary=x", b" " * 100_000),
            ("multipart/form-data; boundary=x", b"--x--\r\n"),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na,b\n1,2\n',
            ),
            ("multipart/form-data; boundary=x", b"--x\r\n" + b"h: x\r\n" * 5000 + b"\r\n--x--\r\n"),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="limit"\r\n\r\n5\r\n--x--\r\n',
            ),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na\n1\n\r\n' * 2
                + b"--x--\r\n",
            ),
        ],
    )
    def test_that_is_no_form_names_the_file(self, client, content_type, body):
        reply = client.post(f"{PREVIEW}/file", content=body, headers={"Content-Type": content_type})
        assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, ["file"])

    def test_may_hold_what_looks_like_its_end(self, upload):
        """A line that begins like a boundary, in pieces of all sizes, is content."""
        tricky = "a,b\r\n--,1\r\n--x,2\r\n\r\n---,3\r\n"
        assert upload("a.csv", tricky).json()["file_size_bytes"] == len(tricky)

    @pytest.mark.parametrize("piece", [1, 2, 7, 64])
    def test_arrives_in_any_pieces(self, client, piece):
        body = (
            b'--x\r\nContent-Disposition: form-data; name="limit"\r\n\r\n1\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
            b"a,b\r\n1,-\r\n-\r\n2,--x\r\n--x--\r\n"
        )
        pieces = (body[place : place + piece] for place in range(0, len(body), piece))
        reply = client.post(
            f"{PREVIEW}/file", content=pieces, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert reply.json()["file_size_bytes"] == len(b"a,b\r\n1,-\r\n-\r\n2,--x")

    def test_is_limited(self, client, shim_settings):
        small = TestClient(_app_with(shim_settings, 10_000), headers=client.headers)
        body = "a,b\n" + "1,2\n" * 10_000
        reply = small.post(f"{PREVIEW}/file", files={"file": ("a.csv", body)})
        assert (reply.status_code, reply.json()["code"]) == (413, "TOO_LARGE")
        parts = (each.encode() for each in ("--x\r\n", *["1,2\n"] * 10_000))
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert small.post(f"{PREVIEW}/file", content=parts, headers=headers).status_code in (413, 422)

    def test_is_never_repeated_for_a_key(self, client):
        """Nothing is made, so nothing can be made twice: a key does not hold the file back."""
        for name in ("a.csv", "b.csv"):
            files, key = {"file": (name, "a\n1\n")}, {"Idempotency-Key": "same"}
            assert client.post(f"{PREVIEW}/file", files=files, headers=key).json()["file_name"] == name


def _app_with(settings: Settings, size: int) -> FastAPI:
    from api_shim.app import create_app
    from tests.api_shim.in_process import InProcessLauncher

    changed = settings.model_copy(update={"max_preview_bytes": size})
    return create_app(changed, InProcessLauncher(changed))


class TestAPath:
    @pytest.fixture
    def customers(self, files: Path) -> Path:
        path = files / "in" / "data.csv"
        path.parent.mkdir(parents=True)
        path.write_text(CUSTOMERS)
        return path

    def look(self, client: TestClient, path: object, **more: Any) -> Any:
        return client.post(f"{PREVIEW}/path", json={"file_path": str(path), **more})

    def test_below_a_root(self, client, customers):
        for path in (customers, "in/data.csv", f"{customers.parent}//./data.csv"):
            answer = self.look(client, path, limit=100).json()
            assert (answer["file_name"], answer["rows_previewed"], answer["estimated_total_rows"]) == (
                "data.csv",
                100,
                150,
            )

    def test_below_a_mount(self, client, tmp_path):
        with file_server(tmp_path) as server:
            server.put("incoming/data.csv", CUSTOMERS)
            server.put("incoming/data.csv.gz", gzip.compress(CUSTOMERS.encode()))
            mounted(client, server.mount)
            answer = self.look(client, "/mnt/network_share/incoming/data.csv", limit=3).json()
            assert list(answer)[: len(PRINTED)] == PRINTED
            assert (answer["file_size_bytes"], answer["rows_previewed"]) == (len(CUSTOMERS), 3)
            assert self.look(client, "/mnt/network_share/incoming/data.csv.gz").json()["detected_format"] == "csv.gz"
            assert self.look(client, "/mnt/network_share/none.csv").status_code == 404
            for path in ("/mnt/network_share/../../etc/passwd", "/mnt/network_share", "/mnt/other/data.csv"):
                assert list(refused(client, f"{PREVIEW}/path", {"file_path": path})) == ["file_path"]
            server.stop()
            reply = self.look(client, "/mnt/network_share/incoming/data.csv")
            assert (reply.status_code, reply.json()["code"]) == (422, "SOURCE_UNAVAILABLE")

    @pytest.mark.parametrize(
        "path",
        [
            "../../../../etc/passwd",
            r"..\..\etc\passwd",
            "/proc/self/environ",
            "~root/.bashrc",
            "x" * 256,
            "/" * 5000,
            "",
        ],
    )
    def test_outside_is_refused_by_its_field(self, client, files, path):
        assert list(refused(client, f"{PREVIEW}/path", {"file_path": path})) == ["file_path"]

    def test_a_link_does_not_lead_outside(self, client, files):
        (files / "link.csv").symlink_to("/etc/passwd")
        assert self.look(client, "link.csv").status_code == 404

    @pytest.mark.parametrize("body", [{"limit": 0}, {"limit": 1001}, {"limit": "5"}, {"encoding": "rot13"}, {"x": 1}])
    def test_wrong_settings_are_named(self, client, customers, body):
        assert list(refused(client, f"{PREVIEW}/path", {"file_path": "in/data.csv", **body})) == list(body)


class TestWhoMayLook:
    def test_a_viewer_may(self, as_role, files):
        (files / "a.csv").write_text("a\n1\n")
        viewer = as_role(Role.VIEWER)
        assert viewer.post(f"{PREVIEW}/path", json={"file_path": "a.csv"}).status_code == 200
        assert viewer.post(f"{PREVIEW}/file", files={"file": ("a.csv", "a\n1\n")}).status_code == 200

    def test_nobody_may_without_a_token(self, app, files):
        nobody = TestClient(app)
        assert nobody.post(f"{PREVIEW}/file", files={"file": ("a.csv", "a\n1\n")}).status_code == 401
        assert nobody.post(f"{PREVIEW}/path", json={"file_path": "a.csv"}).status_code == 401

    @pytest.fixture
    def salaries(self, api: Api, client: TestClient) -> Any:
        """A source of files that only one token may use."""
        api.post("/tokens", {"name": "payroll", "role": "editor"})
        (api.files / "pay").mkdir()
        (api.files / "pay" / "2026.csv").write_text("name,salary\nx,1\n")
        source = api.post("/sources", {"name": "Pay", "type": "csv", "connection": {"path": "pay/*.csv"}})
        grants = {"grants": [{"token": "payroll", "may": "use"}]}
        client.put(f"/api/v1/dataops/sources/{source['id']}/grants", json=grants).raise_for_status()
        return source

    def test_a_path_is_no_way_around_a_grant(self, api, client, salaries, as_role):
        for role in (Role.VIEWER, Role.EDITOR):
            caller = as_role(role)
            for path in ("pay/2026.csv", f"{api.files}/pay/2026.csv", f"{api.files}//pay/./2026.csv"):
                assert caller.post(f"{PREVIEW}/path", json={"file_path": path}).status_code == 403
        assert client.post(f"{PREVIEW}/path", json={"file_path": "pay/2026.csv"}).status_code == 200


def test_what_is_wrong_with_a_file_is_told_beside_its_rows(upload):
    packed = gzip.compress(CUSTOMERS.encode())
    cut = upload("data.csv.gz", packed[:-20]).json()
    assert (cut["total_rows_exact"], "breaks off" in cut["warning"]) == (False, True)
    ragged = upload("data.csv", "a,b\n1,2\n3\n").json()
    assert (ragged["rows_set_aside"], ragged["estimated_total_rows"], ragged["warning"]) == (1, 2, None)


def test_a_file_is_no_folder(api: Api, client: TestClient):
    (api.files / "a.csv").write_text(CUSTOMERS)
    for path in ("a.csv/", f"{api.files}/a.csv/"):
        assert "ends in a slash" in refused(client, f"{PREVIEW}/path", {"file_path": path})["file_path"]


def test_days_of_parquet_files_that_python_has_no_form_for_are_shown(upload: Callable[..., Any]) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"day": pa.array([0, 2_932_897], pa.int32()).cast(pa.date32())}), file)

    assert upload("days.parquet", file.getvalue()).json()["preview_data"] == [
        {"day": "1970-01-01"},
        {"day": "10000-01-01"},
    ]
