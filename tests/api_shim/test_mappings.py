"""Object types and mappings over HTTP. Source: document 004, US-3."""

from tests.api_shim.conftest import AIRCRAFT, COLUMNS, Api


class TestObjectTypes:
    def test_one_is_created_and_found_by_name_and_id(self, api: Api) -> None:
        made = api.object_type(description="An aircraft", app="pmbook")

        assert made["schema"] == AIRCRAFT
        assert (made["keyField"], made["store"], made["app"]) == ("tailNumber", "postgres", "pmbook")
        assert made["properties"] == {"schema": AIRCRAFT, "dataSource": "objects.aircraft"}
        assert api.get("/object-types/aircraft") == api.get(f"/object-types/{made['id']}") == made

    def test_a_type_that_cannot_be_kept_is_refused(self, api: Api) -> None:
        cases = [
            ({"keyField": "none"}, "keyField"),
            ({"store": "mongodb:aircraft"}, "store"),
            ({"schema": {"type": "object", "properties": {}}}, "schema.properties"),
            (
                {"schema": {"type": "object", "properties": {"tailNumber": {"type": "string", "minLength": "x"}}}},
                "schema",
            ),
            ({"schema": {**AIRCRAFT, "$schema": "http://127.0.0.1:1/meta"}}, "schema.$schema"),
            ({"schema": "text"}, "schema"),
        ]
        for wrong, field in cases:
            body = {"name": "aircraft", "schema": AIRCRAFT, "keyField": "tailNumber", **wrong}

            status, fields = api.refused("POST", "/object-types", body)

            assert status == 422
            assert field in fields
            assert api.get("/object-types") == []

    def test_properties_may_be_added_but_not_change_their_type(self, api: Api) -> None:
        api.object_type()
        more = {**AIRCRAFT, "properties": {**AIRCRAFT["properties"], "model": {"type": "string"}}}
        other = {**AIRCRAFT, "properties": {**AIRCRAFT["properties"], "yearBuilt": {"type": "string"}}}

        assert "model" in api.patch("/object-types/aircraft", {"schema": more})["schema"]["properties"]
        refused = api.refused("PATCH", "/object-types/aircraft", {"schema": other})
        assert refused == (422, ["schema.properties.yearBuilt"])

    def test_a_property_that_a_mapping_writes_stays(self, api: Api) -> None:
        api.mapping()
        less = {**AIRCRAFT, "properties": {name: AIRCRAFT["properties"][name] for name in ("tailNumber", "yearBuilt")}}

        assert api.refused("PATCH", "/object-types/aircraft", {"schema": less}) == (422, ["schema"])

    def test_one_that_mappings_write_is_not_deleted(self, api: Api) -> None:
        api.mapping()

        assert api.refused("DELETE", "/object-types/aircraft")[0] == 409

    def test_before_the_first_sync_there_are_no_objects(self, api: Api) -> None:
        api.object_type()

        assert api.get("/object-types/aircraft/objects") == []


class TestCreatingAMapping:
    def test_name_and_sync_have_defaults(self, api: Api) -> None:
        made = api.mapping()

        assert made["name"] == "Aircraft Inventory → aircraft"
        assert made["sync"] == {"mode": "upsert", "keyField": "tailNumber", "onConflict": "overwrite"}
        assert made["mappings"] == COLUMNS
        assert made["objectType"] == "aircraft"

    def test_a_second_one_without_a_name_gets_a_number(self, api: Api) -> None:
        first = api.mapping()
        dataset = api.get(f"/datasets/{first['datasetId']}")

        assert api.mapping(dataset)["name"] == "Aircraft Inventory → aircraft (2)"

    def test_a_wrong_field_is_named_and_nothing_is_stored(self, api: Api) -> None:
        api.object_type()
        dataset = api.dataset()
        cases = [
            ({"datasetId": "none"}, "datasetId"),
            ({"objectType": "none"}, "objectType"),
            ({"mappings": {}}, "mappings"),
            ({"mappings": {**COLUMNS, "wings": {"sourceColumn": "wings"}}}, "mappings.wings"),
            ({"mappings": {"tailNumber": {"sourceColumn": "tail_number"}}}, "mappings.yearBuilt"),
            (
                {"mappings": {**COLUMNS, "status": {"sourceColumn": "active", "transform": "value ?"}}},
                "mappings.status.transform",
            ),
            (
                {"mappings": {**COLUMNS, "status": {"sourceColumn": "active", "transform": "parseWings"}}},
                "mappings.status.transform",
            ),
            ({"mappings": {**COLUMNS, "status": {"column": "active"}}}, "mappings.status.sourceColumn"),
            ({"sync": {"mode": "sometimes"}}, "sync.mode"),
            ({"sync": {"keyField": "status"}}, "sync.keyField"),
        ]
        for wrong, field in cases:
            body = {"datasetId": dataset["id"], "objectType": "aircraft", "mappings": COLUMNS, **wrong}

            status, fields = api.refused("POST", "/mappings", body)

            assert status == 422
            assert field in fields
            assert api.get("/mappings") == []

    def test_a_column_that_an_extraction_did_not_find_is_refused(self, api: Api) -> None:
        api.object_type()
        dataset = api.dataset()
        api.post(f"/datasets/{dataset['id']}/extract")
        wrong = {**COLUMNS, "manufacturer": {"sourceColumn": "maker"}}

        body = {"datasetId": dataset["id"], "objectType": "aircraft", "mappings": wrong}

        assert api.refused("POST", "/mappings", body) == (422, ["mappings.manufacturer.sourceColumn"])


class TestSyncing:
    def test_rows_become_objects_and_the_rejected_one_is_kept(self, api: Api) -> None:
        made = api.mapping()

        done = api.post(f"/mappings/{made['id']}/sync")

        assert (done["success"], done["processed"], done["succeeded"], done["failed"]) == (True, 3, 2, 1)
        assert (done["inserted"], done["updated"], done["unchanged"], done["deleted"]) == (2, 0, 0, 0)
        (boeing,) = api.get("/object-types/aircraft/objects?key=N12345")
        assert boeing == {"tailNumber": "N12345", "manufacturer": "Boeing", "yearBuilt": 2015, "status": "active"}
        (reject,) = api.get(f"/mappings/{made['id']}/rejects")
        assert (reject["executionId"], reject["rowNumber"]) == (done["executionId"], 3)
        assert reject["raw"]["tail_number"] == "N00001"
        assert "yearBuilt" in reject["reason"]
        assert api.get(f"/mappings/{made['id']}")["recordsFailed"] == 1

    def test_a_second_sync_changes_nothing(self, api: Api) -> None:
        made = api.mapping()
        api.post(f"/mappings/{made['id']}/sync")

        again = api.post(f"/mappings/{made['id']}/sync")

        assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, 2)

    def test_rejects_are_found_by_execution(self, api: Api) -> None:
        made = api.mapping()
        done = api.post(f"/mappings/{made['id']}/sync")

        of_it = api.get(f"/mappings/{made['id']}/rejects?executionId={done['executionId']}")
        assert len(of_it) == 1
        assert api.get(f"/mappings/{made['id']}/rejects?executionId=none") == []


class TestPreviewingAMapping:
    def test_the_first_rows_are_shaped_and_nothing_is_written(self, api: Api) -> None:
        api.object_type()
        dataset = api.dataset()
        body = {"datasetId": dataset["id"], "objectType": "aircraft", "mappings": COLUMNS, "limit": 3}

        seen = api.post("/mappings/preview", body)

        assert [row["tailNumber"] for row in seen["rows"]] == ["N12345", "N67890"]
        assert [each["rowNumber"] for each in seen["rejected"]] == [3]
        assert api.get("/mappings") == []
        assert api.get("/object-types/aircraft/objects") == []


class TestChangingAMapping:
    def test_sync_is_merged_and_mappings_are_replaced(self, api: Api) -> None:
        made = api.mapping()
        fewer = {name: COLUMNS[name] for name in ("tailNumber", "yearBuilt")}

        changed = api.patch(f"/mappings/{made['id']}", {"sync": {"mode": "replace"}, "mappings": fewer})

        assert changed["sync"] == {"mode": "replace", "keyField": "tailNumber", "onConflict": "overwrite"}
        assert changed["mappings"] == fewer

    def test_lists_are_filtered_by_dataset_and_object_type(self, api: Api) -> None:
        made = api.mapping()

        assert [each["id"] for each in api.get("/mappings?objectType=aircraft")] == [made["id"]]
        assert [each["id"] for each in api.get(f"/mappings?datasetId={made['datasetId']}")] == [made["id"]]
        assert api.get("/mappings?datasetId=none") == []
        assert api.refused("GET", "/mappings?objectType=none") == (422, ["objectType"])
