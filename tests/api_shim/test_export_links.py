"""Links to exports, and exports that go on, are revoked or gone. Source: document 000, "Excel Export Service"."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

from fastapi.testclient import TestClient

from api_shim.schemas.exports import QUERY
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.models import AuditRow
from dataops_defs.catalogue.sealing import Keyring
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.export_scenes import MVP, _rows, anybody, export, files, link
from tests.api_shim.in_process import InProcessLauncher

__all__ = ["_rows", "anybody"]


class TestALink:
    def test_opens_for_whoever_has_it_and_nothing_else_does(self, client: TestClient, anybody: TestClient) -> None:
        made = export(client)
        path = link(made).partition("?")[0]

        assert anybody.get(link(made)).status_code == 200
        assert anybody.get(path).status_code == 401
        assert anybody.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get(path).status_code == 200
        assert anybody.get(f"{MVP}/exports/{made['export_id']}").status_code == 401
        assert anybody.delete(link(made)).status_code == 401

    def test_is_looked_at_before_it_is_fetched(self, client: TestClient, anybody: TestClient) -> None:
        made = export(client)
        path = link(made).partition("?")[0]

        fetched, seen = anybody.get(link(made)), anybody.head(link(made))

        assert (seen.status_code, seen.content) == (200, b"")
        for name in ("content-type", "content-length", "content-disposition"):
            assert seen.headers[name] == fetched.headers[name]
        assert (client.head(path).status_code, anybody.head(path).status_code) == (200, 401)
        assert anybody.head(f"{path}?expires=1&signature=x").status_code == 403

    def test_that_was_changed_opens_for_nobody(self, client: TestClient, anybody: TestClient) -> None:
        made, other = export(client), export(client)
        path, _, query = link(made).partition("?")
        given = parse_qs(query)
        expires, signature = given["expires"][0], given["signature"][0]
        for expiry, sign in (
            ("9999999999", "00"),
            (str(int(expires) + 1), signature),
            (expires, signature[:-1] + ("A" if signature[-1] != "A" else "B")),
            (expires, ""),
            (f"{expires}.0", signature),
            (f"+{expires}", signature),
            ("", signature),
            (expires, "é"),
        ):
            changed = {"expires": expiry, "signature": sign}
            for somebody in (anybody, client):
                assert somebody.get(path, params=changed).status_code == 403
        assert anybody.get(path, params={"signature": signature}).status_code == 403
        elsewhere = path.replace(made["export_id"], other["export_id"])
        assert anybody.get(f"{elsewhere}?{query}").status_code == 403
        assert anybody.get(f"{MVP}/exports/export_000000/download?{query}").status_code == 403

    def test_that_has_ended_is_gone(self, client: TestClient, anybody: TestClient, shim_settings: Settings) -> None:
        shim_settings.export_link_days = 1e-9
        made = export(client)

        assert anybody.get(link(made)).status_code == 410
        assert client.get(link(made).partition("?")[0]).status_code == 410
        assert client.get(f"{MVP}/exports/{made['export_id']}").json()["status"] == "expired"

    def test_is_dead_once_the_export_is_revoked(
        self, client: TestClient, anybody: TestClient, shim_settings: Settings
    ) -> None:
        made = export(client)
        for _ in range(2):
            reply = client.delete(f"{MVP}/exports/{made['export_id']}")
            assert (reply.status_code, reply.json()["status"]) == (200, "revoked")

        assert anybody.get(link(made)).status_code == 410
        assert files(shim_settings) == []
        assert client.get(f"{MVP}/exports/{made['export_id']}").json()["status"] == "revoked"

    def test_is_dead_even_where_the_file_could_not_be_removed(
        self, client: TestClient, anybody: TestClient, shim_settings: Settings
    ) -> None:
        made = export(client)
        with Platform(shim_settings).catalogue() as session:
            session.query(ExportRow).update({"revoked_at": datetime.now(UTC)})

        assert len(files(shim_settings)) == 1
        assert anybody.get(link(made)).status_code == 410

    def test_dies_with_the_keys_it_was_signed_with(
        self, client: TestClient, anybody: TestClient, shim_settings: Settings
    ) -> None:
        made = export(client)
        Keyring(shim_settings.keys_path).add()

        assert anybody.get(link(made)).status_code == 403
        renewed = client.get(f"{MVP}/exports/{made['export_id']}").json()
        assert anybody.get(link(renewed)).status_code == 200

    def test_carries_the_public_address(self, client: TestClient, shim_settings: Settings) -> None:
        shim_settings.public_url = "https://storage.ai-etl.com/"

        assert export(client)["download_url"].startswith("https://storage.ai-etl.com/api/v1/mvp/exports/export_")

    def test_whoever_fetches_is_in_the_audit(
        self, client: TestClient, anybody: TestClient, shim_settings: Settings
    ) -> None:
        made = export(client)
        anybody.get(link(made))
        client.get(link(made).partition("?")[0])

        with Platform(shim_settings).catalogue() as session:
            found = session.query(AuditRow.actor).filter(AuditRow.action == "export.download").order_by(AuditRow.at)
            assert [actor for (actor,) in found] == ["link", "bootstrap admin"]


class TestAnExport:
    def test_that_goes_on_is_asked_for_later(
        self, client: TestClient, anybody: TestClient, launcher: InProcessLauncher
    ) -> None:
        launcher.held = True

        reply = client.post(f"{MVP}/export/excel", json=QUERY, headers={"Prefer": "respond-async"})

        assert (reply.status_code, reply.json()["status"]) == (202, "running")
        later = client.get(reply.json()["status_url"]).json()
        assert (later["status"], later["file_name"]) == ("running", "customer_analysis_2024_06.xlsx")
        assert client.get(f"{reply.json()['status_url']}/download").status_code == 409
        assert client.delete(reply.json()["status_url"]).json()["status"] == "revoked"

    def test_is_shown_with_its_link(self, client: TestClient) -> None:
        made = export(client)

        assert client.get(f"{MVP}/exports/{made['export_id']}").json() == made

    def test_whose_file_somebody_removed_is_gone(
        self, client: TestClient, anybody: TestClient, shim_settings: Settings
    ) -> None:
        made = export(client)
        for each in shim_settings.exports_path.iterdir():
            each.unlink()

        shown = client.get(f"{MVP}/exports/{made['export_id']}").json()

        assert (shown["status"], "download_url" in shown) == ("gone", False)
        assert anybody.get(link(made)).status_code == 410

    def test_that_failed_says_why(self, client: TestClient, shim_settings: Settings) -> None:
        client.post(f"{MVP}/export/excel", json={"data_source": {"query": "SELECT * FROM no_such_table"}})
        with Platform(shim_settings).catalogue() as session:
            (id,) = session.query(ExportRow.id).one()

        shown = client.get(f"{MVP}/exports/{id}").json()

        assert shown["status"] == "failed"
        assert "no_such_table" in shown["error"]

    def test_that_is_not_there_is_not_found(self, client: TestClient) -> None:
        for id in ("export_000000", "..%2f..%2f..%2fetc%2fpasswd", "01a1ff60-daf3-7cb3-b6bb-12b436fc79d9"):
            assert client.get(f"{MVP}/exports/{id}").status_code == 404
            assert client.get(f"{MVP}/exports/{id}/download").status_code == 404
            assert client.delete(f"{MVP}/exports/{id}").status_code == 404

    def test_is_made_once_for_one_key(self, client: TestClient, shim_settings: Settings) -> None:
        made = [client.post(f"{MVP}/export/excel", json=QUERY, headers={"Idempotency-Key": "k"}).json() for _ in "ab"]

        assert made[0] == made[1]
        assert len(files(shim_settings)) == 1
