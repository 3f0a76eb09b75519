"""Object types that get another schema: planned, counted, refused or forced, and what their tables become."""

from typing import Any

import pytest

from tests.api_shim.conftest import Api
from tests.api_shim.object_scenes import PROPERTIES, fleet, objects, tails


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
