"""Suggestions for mappings over HTTP. Source: CHECKLIST D091, document 004 US-3."""

from typing import Any

from tests.api_shim.conftest import Api

COLUMNS = [{"name": "tail_num", "type": "text", "samples": ["N12345", None, 7]}, {"name": "mfr"}]
PROPERTIES = [
    {"name": "tailNumber", "type": "string", "description": "Registration mark"},
    {"name": "manufacturer", "type": None, "description": None},
]


def best(answer: Any) -> dict[str, str]:
    return {each["column"]: each["property"] for each in reversed(answer["suggestions"])}


class TestSuggesting:
    def test_for_what_is_not_saved_yet(self, api: Api) -> None:
        answer = api.post("/mappings/suggest", {"columns": COLUMNS, "properties": PROPERTIES})

        assert best(answer) == {"tail_num": "tailNumber", "mfr": "manufacturer"}
        first = next(each for each in answer["suggestions"] if each["column"] == "mfr")
        assert set(first) == {"column", "property", "confidence", "evidence"}
        assert first["confidence"] >= 0.5
        assert "mfr is short for manufacturer" in first["evidence"]

    def test_for_a_saved_dataset_and_object_type(self, api: Api) -> None:
        dataset = api.dataset()
        api.object_type()

        answer = api.post("/mappings/suggest", {"datasetId": dataset["id"], "objectType": "aircraft"})

        wanted = {"tail_number": "tailNumber", "mfr": "manufacturer", "build_year": "yearBuilt", "active": "status"}
        assert wanted.items() <= best(answer).items()

    def test_one_side_may_be_saved_and_the_other_not(self, api: Api) -> None:
        dataset = api.dataset()

        answer = api.post("/mappings/suggest", {"dataset_id": dataset["id"], "properties": PROPERTIES})

        assert best(answer)["mfr"] == "manufacturer"

    def test_a_source_that_is_gone_leaves_the_columns_of_the_last_extraction(self, api: Api) -> None:
        dataset = api.dataset()
        body = {"datasetId": dataset["id"], "properties": PROPERTIES}
        api.post(f"/datasets/{dataset['id']}/extract")
        (api.files / "registry.csv").unlink()

        assert best(api.post("/mappings/suggest", body))["tail_number"] == "tailNumber"

    def test_a_source_that_is_gone_before_the_first_extraction_is_told(self, api: Api) -> None:
        dataset = api.dataset()
        (api.files / "registry.csv").unlink()

        status, _ = api.refused("POST", "/mappings/suggest", {"datasetId": dataset["id"], "properties": PROPERTIES})

        assert status in (422, 503)

    def test_nested_properties_are_dotted_paths(self, api: Api) -> None:
        owner = {"type": "object", "properties": {"city": {"type": "string"}, "country": {"type": "string"}}}
        schema = {"type": "object", "properties": {"id": {"type": "string"}, "owner": owner}}
        api.post("/object-types", {"name": "car", "schema": schema, "keyField": "id"})
        columns = [{"name": "owner_city"}, {"name": "owner_country"}]

        answer = api.post("/mappings/suggest", {"columns": columns, "objectType": "car"})

        assert best(answer) == {"owner_city": "owner.city", "owner_country": "owner.country"}

    def test_a_wrong_request_names_the_field(self, api: Api) -> None:
        many = [{"name": f"column {number}"} for number in range(501)]
        right = {"columns": COLUMNS, "properties": PROPERTIES}
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({}, ["datasetId", "objectType"]),
            ({"columns": COLUMNS}, ["objectType"]),
            ({**right, "datasetId": "none"}, ["datasetId"]),
            ({**right, "objectType": "none"}, ["objectType"]),
            ({"datasetId": "none", "properties": PROPERTIES}, ["datasetId"]),
            ({"columns": COLUMNS, "objectType": "none"}, ["objectType"]),
            ({**right, "columns": []}, ["columns"]),
            ({**right, "properties": []}, ["properties"]),
            ({**right, "columns": many}, ["columns"]),
            ({**right, "properties": many}, ["properties"]),
            ({**right, "hint": "x"}, ["hint"]),
            ({**right, "columns": [{"name": "mfr", "kind": "text"}]}, ["columns.0.kind"]),
            ({**right, "columns": [{"name": ""}]}, ["columns.0.name"]),
        ]
        for body, fields in cases:
            assert api.refused("POST", "/mappings/suggest", body) == (422, fields), body

    def test_nothing_is_written(self, api: Api) -> None:
        api.post("/mappings/suggest", {"columns": COLUMNS, "properties": PROPERTIES})

        assert api.get("/mappings") == api.get("/datasets") == api.get("/object-types") == []
