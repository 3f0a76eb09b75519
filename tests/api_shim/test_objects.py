"""Objects of a type over HTTP: in pages, sorted, and one by its key."""

import socket
from decimal import Decimal
from urllib.parse import quote

import pytest

from api_shim.app import create_app
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN, Api
from tests.api_shim.following import served
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.object_scenes import PLANES, fleet, objects, store, tails

__all__ = ["store"]


@pytest.mark.usefixtures("dynamodb")
class TestPages:
    def test_are_sorted_with_what_is_missing_last_and_equal_ones_by_key(self, api: Api, store: str) -> None:
        fleet(api, store)
        assert tails(api, sort="year") == ["N1", "N2", "Ñ 4%2F", "N/3"]
        assert tails(api, sort="-year") == ["Ñ 4%2F", "N2", "N1", "N/3"]
        assert tails(api, sort="active,-price") == ["N/3", "N1", "N2", "Ñ 4%2F"]
        assert tails(api, sort="tail") == ["N/3", "N1", "N2", "Ñ 4%2F"]
        assert tails(api, sort="-tail") == ["Ñ 4%2F", "N2", "N1", "N/3"]
        assert tails(api, sort="-year", limit=2, offset=1) == ["N2", "N1"]

    def test_show_the_fields_that_are_asked_for_and_lose_no_digit(self, api: Api, store: str) -> None:
        fleet(api, store)
        (found,) = objects(api, key="Ñ 4%2F", fields="price,year,home")
        assert Decimal(found.pop("price")) == Decimal("123456789012345678.5")
        assert found == {"year": 2020, "home": {"city": "bern", "gates": 12}}
        (whole,) = objects(api, where="tail:eq:N2")
        assert whole == {
            "tail": "N2",
            "model": "A320",
            "year": 2018,
            "price": 7.05,
            "active": True,
            "built": "2018-06-01",
            "seen": None,
            "home": {"city": "Bern", "open": "2026-01-01T06:00:00+01:00"},
            "tags": [],
        }

    def test_are_turned_by_offset_and_by_key_and_say_how_many_there_are(self, api: Api, store: str) -> None:
        planes = [(f"N{n:02d}", "m", n, None, True, None, None, None, None) for n in range(25)]
        fleet(api, store, planes)
        met: list[str] = []
        first = address = "/api/v1/dataops/object-types/plane/objects?limit=10"
        for _ in range(10):
            reply = api.client.get(address)
            met += [each["tail"] for each in reply.json()]
            if "X-Next-After" not in reply.headers:
                break
            address = f"{first}&after={reply.headers['X-Next-After']}"
            assert api.client.get(reply.links["next"]["url"]).json() == api.client.get(address).json()
        assert sorted(met) == [plane[0] for plane in planes]
        assert tails(api, sort="tail", limit=10, offset=20) == ["N20", "N21", "N22", "N23", "N24"]
        assert tails(api, sort="tail", limit=10, offset=30) == []
        reply = api.client.get("/api/v1/dataops/object-types/plane/objects?limit=5&sort=-year&where=year:ge:3")
        assert (reply.headers["X-Total-Count"], reply.headers["X-Total-Count-Exact"]) == ("22", "true")


@pytest.mark.usefixtures("dynamodb")
class TestOneObject:
    def test_is_found_by_its_key_whatever_characters_it_has(
        self, api: Api, store: str, shim_settings: Settings, launcher: InProcessLauncher
    ) -> None:
        others = ("new\nline", "\nat both ends\n", "a/\r\n/b", "a\tb?#%25")
        planes = [*PLANES, *((key, "m", 1, None, True, None, None, None, None) for key in others)]
        mapping = fleet(api, store, planes)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            with served(create_app(shim_settings, launcher), ADMIN, listener) as server:
                for plane in planes:
                    found = server.get(f"/object-types/plane/objects/{quote(plane[0], safe='')}")
                    assert (found["tail"], found["model"], found["_mappingId"]) == (plane[0], plane[1], mapping["id"])
                    assert found["_runId"]
                    assert found["_createdAt"][:4] == found["_updatedAt"][:4] >= "2026"
                assert server.get("/object-types/plane/objects/N/3")["tail"] == "N/3"

    def test_that_is_not_there_is_not_found(self, api: Api, store: str) -> None:
        fleet(api, store)
        for key in ("none", "N%001", "", "x" * 3000, "N1'--"):
            assert (key, api.refused("GET", f"/object-types/plane/objects/{key}")) == (key, (404, []))

    def test_has_a_key_that_is_a_number_where_the_type_says_so(self, api: Api) -> None:
        body = {"name": "n", "keyField": "id", "schema": {"properties": {"id": {"type": "integer"}}}}
        api.post("/object-types", body)
        for key in ("abc", "9223372036854775808", "1.5"):
            assert api.refused("GET", f"/object-types/n/objects/{key}")[0] == 404
            assert api.get(f"/object-types/n/objects?key={key}") == []

    def test_has_a_key_that_is_a_day_where_the_type_says_so(self, api: Api, store: str) -> None:
        properties = {"day": {"type": "string", "format": "date"}, "v": {"type": "integer"}}
        api.post(
            "/object-types", {"name": "d", "keyField": "day", "store": store, "schema": {"properties": properties}}
        )
        dataset = api.dataset("Days", source=api.source("Days", "day,v\n2026-01-31,1\n2026-02-01,2\n"))
        columns = {name: {"sourceColumn": name} for name in properties}
        mapping = api.post("/mappings", {"datasetId": dataset["id"], "objectType": "d", "mappings": columns})
        assert api.post(f"/mappings/{mapping['id']}/sync")["inserted"] == 2
        assert api.get("/object-types/d/objects/2026-01-31")["v"] == 1
        assert api.refused("GET", "/object-types/d/objects/yesterday")[0] == 404
        assert [each["v"] for each in api.get("/object-types/d/objects?sort=day&where=day:gt:2026-01-31")] == [2]
