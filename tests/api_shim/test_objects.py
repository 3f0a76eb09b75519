"""Objects of a type over HTTP: filtered, sorted, searched, fetched by key; and types that get another schema."""

import json
import socket
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from api_shim.app import create_app
from dataops_defs.adapters.objects.dynamodb import reading as objects_dynamodb_reading
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN, Api
from tests.api_shim.following import served
from tests.api_shim.in_process import InProcessLauncher

PROPERTIES: dict[str, Any] = {
    "tail": {"type": "string"},
    "model": {"type": "string", "x-index": True},
    "year": {"type": "integer", "x-index": True},
    "price": {"type": "number"},
    "active": {"type": "boolean"},
    "built": {"type": "string", "format": "date"},
    "seen": {"type": "string", "format": "date-time"},
    "home": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "gates": {"type": "integer"},
            "open": {"type": "string", "format": "date-time"},
        },
    },
    "tags": {"type": "array", "items": {"type": "string"}},
}
HEAD = "tail,model,year,price,active,built,seen,home,tags\n"
PLANES = [
    (
        "N1",
        "737-800",
        2015,
        "12.30",
        True,
        "2015-01-31",
        "2026-01-01T10:00:00Z",
        {"city": "Zürich", "gates": 3},
        ["old"],
    ),
    ("N2", "A320", 2018, "7.05", True, "2018-06-01", None, {"city": "Bern", "open": "2026-01-01T06:00:00+01:00"}, []),
    ("N/3", "A 100%", None, None, False, None, "2026-01-02T00:00:00+02:00", None, ["old", 'it\'s "new"']),
    ("Ñ 4%2F", "a320_neo", 2020, "123456789012345678.5", None, None, None, {"city": "bern", "gates": 12}, None),
]


def csv_of(planes: list[tuple[Any, ...]]) -> str:
    def cell(value: Any) -> str:
        text = "" if value is None else json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
        return '"' + text.replace('"', '""') + '"' if text else ""

    return HEAD + "".join(",".join(cell(each) for each in plane) + "\n" for plane in planes)


@pytest.fixture(params=["postgres", "dynamodb"])
def store(request: pytest.FixtureRequest) -> str:
    """Where the objects are: most of what is asked is answered the same."""
    return "postgres" if request.param == "postgres" else f"dynamodb:{request.getfixturevalue('table_name')}"


def fleet(api: Api, store: str = "postgres", planes: list[tuple[Any, ...]] = PLANES, **schema: Any) -> Any:
    """A type of planes and a synced mapping to it; the mapping."""
    properties = dict(PROPERTIES)
    if store != "postgres":
        properties = {name: {k: v for k, v in each.items() if k != "x-index"} for name, each in PROPERTIES.items()}
    body = {"name": "plane", "keyField": "tail", "store": store, "schema": {"properties": properties, **schema}}
    api.post("/object-types", body)
    columns: dict[str, Any] = {name: {"sourceColumn": name} for name in PROPERTIES}
    columns["home"]["transform"] = columns["tags"]["transform"] = "parseJSON"
    columns["active"]["transform"] = 'value === null ? null : String(value) === "true"'
    source = api.source("Planes", csv_of(planes))
    dataset = api.dataset("Planes", source=source)
    mapping = api.post("/mappings", {"datasetId": dataset["id"], "objectType": "plane", "mappings": columns})
    done = api.post(f"/mappings/{mapping['id']}/sync")
    assert (done["inserted"], done["failed"]) == (len(planes), 0), api.get(f"/mappings/{mapping['id']}/rejects")
    return mapping


def objects(api: Api, **query: Any) -> Any:
    return api.get(f"/object-types/plane/objects?{urlencode(query, doseq=True)}")


def tails(api: Api, **query: Any) -> list[str]:
    return [each["tail"] for each in objects(api, **query)]


@pytest.mark.usefixtures("dynamodb")
class TestFilters:
    def test_find_by_every_type_and_inside_of_objects(self, api: Api, store: str) -> None:
        fleet(api, store)
        cases: list[tuple[list[str], set[str]]] = [
            (["model:eq:A320"], {"N2"}),
            (["model:ne:A320"], {"N1", "N/3", "Ñ 4%2F"}),
            (["model:contains:a320"], {"N2", "Ñ 4%2F"}),
            (["model:contains:0_n"], {"Ñ 4%2F"}),
            (["model:contains:%"], {"N/3"}),
            (['model:in:A320,"737-800"'], {"N1", "N2"}),
            (["year:ge:2015", "year:lt:2020"], {"N1", "N2"}),
            (["year:null:true"], {"N/3"}),
            (["year:null:false", "year:ne:2015"], {"N2", "Ñ 4%2F"}),
            (["year:in:2015,2020"], {"N1", "Ñ 4%2F"}),
            (["price:eq:12.3"], {"N1"}),
            (["price:gt:123456789012345678.4"], {"Ñ 4%2F"}),
            (["active:eq:true"], {"N1", "N2"}),
            (["active:ne:true"], {"N/3", "Ñ 4%2F"}),
            (["built:le:2015-01-31"], {"N1"}),
            (["seen:eq:2026-01-01T22:00:00Z"], {"N/3"}),
            (["seen:lt:2026-01-01T12:00:00"], {"N1"}),
            (["home.city:eq:Bern"], {"N2"}),
            (["home.city:contains:bern"], {"N2", "Ñ 4%2F"}),
            (["home.city:contains:ZÜR"], {"N1"}),
            (["home.gates:ge:3", "home.gates:lt:12"], {"N1"}),
            (["home.open:eq:2026-01-01T05:00:00Z"], {"N2"}),
            (["home.open:lt:2026-01-01T05:00:01Z"], {"N2"}),
            (["home.unknown:null:false"], set()),
            (["home:null:true"], {"N/3"}),
            (["tags:contains:old"], {"N1", "N/3"}),
            (['tags:contains:it\'s "new"'], {"N/3"}),
            (["tags[0]:eq:old", "tags[1]:null:true"], {"N1"}),
            (["tail:eq:Ñ 4%2F"], {"Ñ 4%2F"}),
            (["_runId:null:false", "_createdAt:gt:2020-01-01T00:00:00Z"], {"N1", "N2", "N/3", "Ñ 4%2F"}),
            (["_createdAt:gt:2999-01-01T00:00:00Z"], set()),
            (["model:eq:'; DROP TABLE objects.plane; --"], set()),
        ]
        for where, found in cases:
            assert (where, set(tails(api, where=where))) == (where, found)

    def test_search_looks_into_texts_and_nested_parts_in_any_case(self, api: Api, store: str) -> None:
        fleet(api, store)
        assert set(tails(api, q="zÜrich")) == {"N1"}
        assert set(tails(api, q="OLD")) == {"N1", "N/3"}
        assert set(tails(api, q="n/")) == {"N/3"}
        assert set(tails(api, q="100%")) == {"N/3"}
        assert set(tails(api, q="%")) == {"N/3", "Ñ 4%2F"}
        assert set(tails(api, q="_")) == {"Ñ 4%2F"}
        assert tails(api, q="' OR true --") == []
        assert tails(api, q="city") == []

    def test_that_cannot_be_understood_are_refused_with_their_field(self, api: Api) -> None:
        api.post("/object-types", {"name": "plane", "keyField": "tail", "schema": {"properties": PROPERTIES}})
        cases: list[tuple[dict[str, Any], str]] = [
            ({"where": "year:ge:many"}, "where.year"),
            ({"where": "year:ge:9223372036854775808"}, "where.year"),
            ({"where": "year:contains:2"}, "where.year"),
            ({"where": "price:eq:NaN"}, "where.price"),
            ({"where": "price:eq:1e999999999"}, "where.price"),
            ({"where": "active:eq:yes"}, "where.active"),
            ({"where": "built:eq:31.1.2015"}, "where.built"),
            ({"where": "seen:lt:now"}, "where.seen"),
            ({"where": "home:eq:Bern"}, "where.home"),
            ({"where": "year.deep:eq:1"}, "where.year.deep"),
            ({"where": "wings:eq:2"}, "where.wings"),
            ({"where": "model:like:x"}, "where.model"),
            ({"where": 'model:in:"a'}, "where.model"),
            ({"where": "model"}, "where"),
            ({"where": 'model" OR 1=1 --:eq:x'}, "where"),
            ({"where": "model:eq:a\x00b"}, "query"),
            ({"where": ["year:null:true"] * 21}, "where"),
            ({"q": "a\x00"}, "query"),
            ({"q": "x" * 201}, "q"),
            ({"sort": "home"}, "sort"),
            ({"sort": "wings"}, "sort"),
            ({"sort": "year,model,price,tail"}, "sort"),
            ({"fields": "tail,wings"}, "fields"),
            ({"after": "N1", "sort": "year"}, "after"),
            ({"limit": "0"}, "limit"),
            ({"wings": "2"}, "wings"),
        ]
        for query, field in cases:
            path = f"/object-types/plane/objects?{urlencode(query, doseq=True)}"
            assert (query, api.refused("GET", path)) == (query, (422, [field]))


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


@pytest.mark.usefixtures("dynamodb")
class TestASync:
    def mapped(self, api: Api, store: str, properties: dict[str, Any], text: str, **sync: str) -> str:
        """The path of a mapping to a type ``thing`` whose key is its first property."""
        key = next(iter(properties))
        body = {"name": "thing", "keyField": key, "store": store, "schema": {"properties": properties}}
        api.post("/object-types", body)
        dataset = api.dataset("Things", source=api.source("Things", text))
        columns = {name: {"sourceColumn": name} for name in properties}
        body = {"datasetId": dataset["id"], "objectType": "thing", "mappings": columns, "sync": sync}
        return f"/mappings/{api.post('/mappings', body)['id']}"

    @pytest.mark.parametrize("kind", ["string", ["string", "null"], "integer"])
    def test_a_row_without_a_key_is_a_reject_and_the_others_are_written(self, api: Api, store: str, kind: Any) -> None:
        mapping = self.mapped(api, store, {"k": {"type": kind}, "v": {"type": "integer"}}, "k,v\n1,10\n,20\n3,30\n")
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (2, 1)
        (reject,) = api.get(f"{mapping}/rejects")
        assert (reject["rowNumber"], reject["reason"], reject["column"]) == (2, "k: the key is empty", "k")
        assert {each["v"] for each in api.get("/object-types/thing/objects")} == {10, 30}

    @pytest.mark.parametrize("mode", ["upsert", "replace", "append"])
    def test_properties_may_have_names_of_one_letter(self, api: Api, store: str, mode: str) -> None:
        names = list("kstodpc")
        properties = {name: {"type": "string"} for name in names}
        text = f"{','.join(names)}\n" + "".join(f"{each},{','.join('x' * 6)}\n" for each in "abb")
        mapping = self.mapped(api, store, properties, text, mode=mode)
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (2, 1), api.get(f"{mapping}/rejects")
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (0, 3 if mode == "append" else 1)
        found = api.get("/object-types/thing/objects?where=t:eq:x&where=o:eq:x&q=x")
        assert sorted(each["k"] for each in found) == ["a", "b"]
        one = api.get("/object-types/thing/objects/a")
        assert {name: one[name] for name in names} == {**dict.fromkeys(names, "x"), "k": "a"}
        wanted = {"properties": {**properties, "o": {"type": "string", "maxLength": 0}}}
        assert api.post("/object-types/thing/plan", {"schema": wanted})["violating"] == 2


class TestAnotherSchema:
    def change(self, **properties: Any) -> dict[str, Any]:
        merged = {**PROPERTIES, **properties}
        return {"schema": {"properties": {name: each for name, each in merged.items() if each is not None}}}

    def test_is_planned_without_changing_anything(self, api: Api) -> None:
        fleet(api)
        before = api.get("/object-types/plane")
        wanted = self.change(
            year={"type": "integer", "minimum": 2018}, active={"type": "boolean"}, wings={"type": "integer"}
        )
        wanted["schema"]["required"] = ["active"]

        plan = api.post("/object-types/plane/plan", wanted)

        told = {(each["action"], each["property"]): each for each in plan["steps"]}
        assert told["tighten_rules", "year"]["violations"] == 1
        assert told["require", "active"]["violations"] == 1
        assert told["add_property", "wings"]["effect"] == "safe"
        assert told["drop_index", "year"]["effect"] == "safe"
        assert (plan["applicable"], plan["violating"], plan["checked"], plan["complete"]) == (False, 2, 4, True)
        assert (plan["fromVersion"], plan["toVersion"]) == (1, 2)
        assert plan["example"] in ("N1", "Ñ 4%2F")
        assert api.get("/object-types/plane") == before
        assert "wings" not in columns(api)

    @pytest.mark.parametrize(
        ("rule", "broken"),
        [
            ({"allOf": [{"required": ["year"]}]}, 1),
            ({"allOf": [{"$ref": "#/$defs/built"}], "$defs": {"built": {"required": ["built"]}}}, 2),
            ({"allOf": [{"properties": {"year": {"minimum": 2018}}}]}, 1),
            ({"if": {"properties": {"active": {"const": True}}}, "then": {"required": ["seen"]}}, 2),
            ({"dependentRequired": {"model": ["year", "home"]}}, 1),
            ({"minProperties": 6}, 2),
        ],
    )
    def test_with_rules_of_the_whole_object_counts_those_that_break_them(
        self, api: Api, rule: dict[str, Any], broken: int
    ) -> None:
        fleet(api)
        wanted = {"schema": {"properties": PROPERTIES, **rule}}
        plan = api.post("/object-types/plane/plan", wanted)
        (step,) = plan["steps"]
        assert (step["action"], step["violations"]) == ("tighten_rules", broken)
        assert (plan["violating"], plan["applicable"]) == (broken, False)
        assert api.refused("PATCH", "/object-types/plane", wanted)[0] == 409

    def test_that_a_mapping_does_not_fit_is_planned_as_such(self, api: Api) -> None:
        mapping = fleet(api)
        wanted = self.change(price=None)
        plan = api.post("/object-types/plane/plan", wanted)
        assert not plan["applicable"]
        assert plan["misfit"].startswith(f"mapping '{mapping['name']}' would no longer fit: mappings.price")
        assert api.refused("PATCH", "/object-types/plane", wanted) == (422, ["schema"])
        assert "misfit" not in api.post("/object-types/plane/plan", self.change())

    def test_that_requires_what_it_does_not_know_is_refused(self, api: Api) -> None:
        fleet(api)
        wanted = self.change()
        wanted["schema"]["required"] = ["wings"]
        for method, path in (("POST", "/object-types/plane/plan"), ("PATCH", "/object-types/plane")):
            assert api.refused(method, path, wanted) == (422, ["schema.required"])
        body = {"name": "other", "keyField": "tail", **wanted}
        assert api.refused("POST", "/object-types", body) == (422, ["schema.required"])

    def test_that_stored_objects_break_is_refused_unless_it_is_forced(self, api: Api) -> None:
        fleet(api)
        wanted = self.change(model={"type": "string", "enum": ["A320", "737-800"]})

        refused = api.client.patch("/api/v1/dataops/object-types/plane", json=wanted)

        assert refused.status_code == 409
        assert "2 stored objects would break the new schema" in refused.json()["detail"]
        assert 'is not one of "A320" or "737-800"); mend them first' in refused.json()["detail"]
        assert api.get("/object-types/plane")["version"] == 1

        assert api.patch("/object-types/plane?force=true", wanted)["version"] == 2
        assert len(objects(api)) == 4
        (line,) = api.get("/audit?action=object_type.update")
        assert (line["detail"]["version"], line["detail"]["force"], line["detail"]["violating"]) == (2, True, 2)
        assert {"action": "narrow_enum", "property": "model", "violations": 2} in line["detail"]["steps"]

    def test_widens_whole_numbers_to_numbers_and_adds_and_retires_properties(self, api: Api) -> None:
        mapping = fleet(api)
        fewer = {name: each for name, each in mapping["mappings"].items() if name != "model"}
        api.patch(f"/mappings/{mapping['id']}", {"mappings": fewer})
        wanted = self.change(year={"type": "number", "x-index": True}, model=None, wings={"type": "integer"})

        changed = api.patch("/object-types/plane", wanted)

        assert changed["version"] == 2
        assert columns(api)["year"] == "numeric"
        assert columns(api)["model"] == "text"
        (found,) = objects(api, key="N1")
        assert (found["year"], found["wings"], "model" in found) == (2015, None, False)
        assert tails(api, where="year:ge:2014.5", sort="-year") == ["Ñ 4%2F", "N2", "N1"]
        assert api.post(f"/mappings/{mapping['id']}/sync")["unchanged"] == 4

        again = api.patch("/object-types/plane", self.change(year={"type": "number"}))
        assert again["version"] == 3
        assert objects(api, key="N1")[0]["model"] == "737-800"

    def test_of_another_key_or_type_is_refused_and_planned_as_such(self, api: Api) -> None:
        fleet(api)
        wanted = {**self.change(year={"type": "string"}), "keyField": "model"}
        assert api.refused("PATCH", "/object-types/plane", wanted)[0] == 422
        plan = api.post("/object-types/plane/plan", {**wanted, "keyField": "tail"})
        (refused,) = [each for each in plan["steps"] if each["effect"] == "refused"]
        assert refused["message"] == "cannot change from bigint to text; add another property instead"
        assert not plan["applicable"]

    def test_indexes_come_and_go_with_their_mark(self, api: Api) -> None:
        fleet(api)
        assert len(indexes(api)) == 1 + 2 * 2
        api.patch("/object-types/plane", self.change(model={"type": "string"}))
        assert len(indexes(api)) == 1 + 2

    def test_that_is_a_bomb_is_refused(self, api: Api) -> None:
        api.post("/object-types", {"name": "plane", "keyField": "tail", "schema": {"properties": PROPERTIES}})
        for wrong, field in (
            ({"format": "phone"}, "schema.properties.extra.format"),
            ({"$ref": "http://127.0.0.1:1/"}, "schema.properties.extra.$ref"),
            ({"pattern": "(((a{100}){100}){100}){100}"}, "schema"),
        ):
            assert api.refused("PATCH", "/object-types/plane", self.change(extra=wrong)) == (422, [field])
            assert api.refused("POST", "/object-types/plane/plan", self.change(extra=wrong)) == (422, [field])


@pytest.mark.usefixtures("dynamodb")
class TestObjectsInDynamoDB:
    def test_that_break_another_schema_are_counted_too(self, api: Api, table_name: str) -> None:
        fleet(api, f"dynamodb:{table_name}")
        properties = {name: {k: v for k, v in each.items() if k != "x-index"} for name, each in PROPERTIES.items()}
        wanted = {"schema": {"properties": {**properties, "year": {"type": "integer", "minimum": 2018}}}}
        assert api.post("/object-types/plane/plan", wanted)["violating"] == 1
        assert api.refused("PATCH", "/object-types/plane", wanted)[0] == 409
        assert api.patch("/object-types/plane?force=true", wanted)["version"] == 2

    def test_a_table_belongs_to_one_type_and_must_be_allowed(
        self, api: Api, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = {"keyField": "id", "schema": {"properties": {"id": {"type": "string"}}}}
        made = api.post("/object-types", {**body, "name": "one", "store": f"dynamodb:{table_name}"})
        assert made["properties"]["dataSource"] == f"dynamodb:{table_name}"
        assert api.get("/object-types/one/objects") == []
        assert api.refused("GET", "/object-types/one/objects/x")[0] == 404
        assert (
            api.refused("POST", "/object-types", {**body, "name": "two", "store": f"dynamodb:{table_name}"})[0] == 409
        )
        platform = api.client.app.state.shim.platform  # type: ignore[attr-defined]
        monkeypatch.setattr(platform.settings, "dynamodb_tables", "planes-*,other")
        assert api.refused("POST", "/object-types", {**body, "name": "three", "store": "dynamodb:users"}) == (
            422,
            ["store"],
        )

    def test_too_many_to_be_sorted_are_refused_and_still_paged(
        self, api: Api, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planes = [(f"N{n:02d}", "m", n, None, True, None, None, None, None) for n in range(12)]
        fleet(api, f"dynamodb:{table_name}", planes)
        monkeypatch.setattr(objects_dynamodb_reading, "MOST_ITEMS", 10)
        assert api.refused("GET", "/object-types/plane/objects?sort=tail") == (422, ["sort"])
        reply = api.client.get("/api/v1/dataops/object-types/plane/objects?limit=5")
        assert len(reply.json()) == 5
        assert (reply.headers["X-Total-Count"], reply.headers["X-Total-Count-Exact"]) == ("5", "false")
        assert reply.headers["X-Next-After"] == reply.json()[-1]["tail"]


def sql(api: Api, query: str) -> list[tuple[Any, ...]]:
    platform = api.client.app.state.shim.platform  # type: ignore[attr-defined]
    with platform.warehouse() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def columns(api: Api) -> dict[str, str]:
    found = sql(api, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'objects'")
    return {str(name): str(kind) for name, kind in found}


def indexes(api: Api) -> list[str]:
    return [name for (name,) in sql(api, "SELECT indexname FROM pg_indexes WHERE schemaname = 'objects'")]
