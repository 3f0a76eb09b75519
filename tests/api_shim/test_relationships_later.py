"""Relationships that take longer to detect than a caller waits."""

from typing import Any

from fastapi.testclient import TestClient

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind
from tests.api_shim.following import wait_for
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.test_relationships import PATH, SHOP, detect
from tests.scenes import World

TABLES = SHOP.replace("%", "%%")


class TestOneThatGoesOn:
    """Its address tells how it stands, and what was found."""

    def later(self, client: TestClient, *tables: str) -> Any:
        reply = client.post(PATH, json={"tables": tables, "use_ai": False}, headers={"Prefer": "respond-async"})
        assert (reply.status_code, reply.json()["status"]) == (202, "running")
        return reply.json()

    def ended(self, client: TestClient, address: str) -> Any:
        wait_for(lambda: client.get(address).json()["status"] != "running")
        return client.get(address).json()

    def test_says_that_it_does(self, client: TestClient, world: World, launcher: InProcessLauncher) -> None:
        world.sql(TABLES)
        launcher.held = True

        answer = self.later(client, "orders", "customers")

        assert client.get(answer["status_url"]).json() == answer

    def test_gives_later_what_a_longer_wait_would_have(self, client: TestClient, world: World) -> None:
        world.sql(TABLES)
        at_once = detect(client, "orders", "customers")

        answer = self.later(client, "orders", "customers")

        found = self.ended(client, answer["status_url"])
        assert found == {**at_once, "detection_id": answer["detection_id"]}
        assert client.get(PATH.replace("detect", at_once["detection_id"])).json() == at_once

    def test_says_why_it_failed(self, client: TestClient, world: World) -> None:
        world.sql("CREATE VIEW odd AS SELECT 1 / (n - 2) AS id FROM generate_series(1, 3) n")

        found = self.ended(client, self.later(client, "odd")["status_url"])

        assert (found["status"], found["error"]) == ("failed", "'odd' cannot be read: division by zero")

    def test_is_none_of_another_kind(self, client: TestClient, world: World) -> None:
        with world.platform.catalogue() as session:
            other = Runs(session).request(RunKind.SYNC, None, "a mapping").id

        for id in (f"detect_{other}", "detect_0", "orders"):
            reply = client.get(PATH.replace("detect", id))
            assert (reply.status_code, f"Detection {id} not found" in reply.json()["detail"]) == (404, True)
