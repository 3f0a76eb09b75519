"""Datasets over HTTP. Source: document 004, US-2."""

from fastapi.testclient import TestClient

from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher

POSTGRES = {"name": "Aircraft Master DB", "type": "postgres", "connection": {"host": "db.example.com", "database": "a"}}
NIGHTLY = {"enabled": True, "cron": "0 2 * * *", "timezone": "America/New_York"}


class TestCreatingADataset:
    def test_the_documents_example_is_created(self, api: Api) -> None:
        source = api.post("/sources", POSTGRES)
        extraction = {"type": "sql", "query": "SELECT * FROM aircraft WHERE active = true"}
        storage = {"bucket": "captify-datasets", "prefix": "pmbook/aircraft"}

        made = api.dataset(source=source, extraction=extraction, schedule=NIGHTLY, storage=storage)

        assert made["extraction"] == extraction
        assert made["storage"] == storage
        assert made["status"] == "active"
        assert {name: made["schedule"][name] for name in NIGHTLY} == NIGHTLY
        assert made["schedule"]["nextRunAt"].endswith("Z")

    def test_a_file_source_needs_no_extraction_and_storage_has_a_default(self, api: Api) -> None:
        made = api.dataset(app="pmbook")

        assert made["extraction"] == {"type": "file"}
        assert made["storage"] == {"bucket": "captify-datasets", "prefix": "pmbook"}

    def test_a_query_that_may_not_run_is_refused_at_once(self, api: Api) -> None:
        source = api.post("/sources", POSTGRES)
        cases = [
            ("DELETE FROM aircraft", "extraction.query"),
            ("SELECT pg_read_file('/etc/passwd')", "extraction.query"),
            ("SELECT 1; SELECT 2", "extraction.query"),
            ("", "extraction.query"),
        ]
        for query, reason in cases:
            body = {"name": "x", "sourceId": source["id"], "extraction": {"type": "sql", "query": query}}

            assert api.refused("POST", "/datasets", body) == (422, [reason])
            assert api.get("/datasets") == []

    def test_a_wrong_field_is_named_and_nothing_is_stored(self, api: Api) -> None:
        source = api.source()
        cases = [
            ({"sourceId": "none"}, "sourceId"),
            ({"extraction": {"type": "sql", "query": "SELECT 1"}}, "extraction.type"),
            ({"extraction": {"type": "s3"}}, "extraction.type"),
            ({"schedule": {"cron": "often"}}, "schedule.cron"),
            ({"schedule": {"enabled": True}}, "schedule.cron"),
            ({"schedule": {"cron": "0 2 * * *", "timezone": "Mars/Olympus"}}, "schedule.timezone"),
            ({"schedule": {"cron": "0 2 * * *", "enabled": "yes"}}, "schedule.enabled"),
            ({"storage": {"bucket": "captify-datasets", "prefix": "../../etc"}}, "storage.prefix"),
            ({"storage": {"bucket": "../x"}}, "storage.bucket"),
            ({"status": "error"}, "status"),
            ({"name": "???"}, "name"),
        ]
        for wrong, field in cases:
            body = {"name": "x", "sourceId": source["id"], **wrong}

            assert api.refused("POST", "/datasets", body) == (422, [field])
            assert api.get("/datasets") == []


class TestChangingADataset:
    def test_a_schedule_is_merged_and_null_clears_it(self, api: Api) -> None:
        made = api.dataset(schedule=NIGHTLY)
        path = f"/datasets/{made['id']}"

        held = api.patch(path, {"schedule": {"enabled": False}})["schedule"]

        assert held == {**NIGHTLY, "enabled": False}
        assert "schedule" not in api.patch(path, {"schedule": None})
        assert "schedule" not in api.get(path)

    def test_a_pause_keeps_the_schedule_as_it_was(self, api: Api) -> None:
        made = api.dataset(schedule=NIGHTLY)

        paused = api.patch(f"/datasets/{made['id']}", {"status": "paused"})

        assert paused["status"] == "paused"
        assert paused["schedule"]["enabled"] is True

    def test_what_cannot_be_empty_cannot_be_null(self, api: Api) -> None:
        made = api.dataset()

        for name in ("name", "sourceId", "extraction", "status"):
            assert api.refused("PATCH", f"/datasets/{made['id']}", {name: None}) == (422, [name])

    def test_a_new_name_keeps_the_identifier(self, api: Api) -> None:
        made = api.dataset()

        renamed = api.patch(f"/datasets/{made['id']}", {"name": "Fleet"})

        assert (renamed["name"], renamed["slug"]) == ("Fleet", "aircraft_inventory")

    def test_an_empty_change_answers_the_dataset(self, api: Api) -> None:
        made = api.dataset()

        assert api.patch(f"/datasets/{made['id']}", {})["name"] == made["name"]


class TestPreviewing:
    def test_the_first_rows_of_a_saved_dataset(self, api: Api) -> None:
        made = api.dataset()

        seen = api.get(f"/datasets/{made['id']}/preview?limit=2")

        assert [row["tail_number"] for row in seen["rows"]] == ["N12345", "N67890"]
        assert [each["name"] for each in seen["columns"]][:2] == ["tail_number", "mfr"]
        assert seen["truncated"] is True

    def test_an_unsaved_one_is_looked_into_and_not_kept(self, api: Api) -> None:
        source = api.source()

        seen = api.post("/datasets/preview", {"sourceId": source["id"], "limit": 1})

        assert len(seen["rows"]) == 1
        assert api.get("/datasets") == []

    def test_what_cannot_be_read_is_refused_with_a_sentence(self, api: Api) -> None:
        gone = api.post("/sources", {"name": "Gone", "type": "csv", "connection": {"path": "gone.csv"}})

        reply = api.client.post("/api/v1/dataops/datasets/preview", json={"sourceId": gone["id"]})

        assert reply.status_code == 422
        assert reply.json()["detail"]
        assert "Traceback" not in reply.text

    def test_no_more_than_a_thousand_rows(self, api: Api) -> None:
        made = api.dataset()

        assert api.refused("GET", f"/datasets/{made['id']}/preview?limit=1001") == (422, ["limit"])


class TestExtracting:
    def test_every_row_is_accounted_for(self, api: Api) -> None:
        made = api.dataset()

        done = api.post(f"/datasets/{made['id']}/extract")

        assert (done["success"], done["records"], done["rejected"]) == (True, 3, 0)
        assert made["id"] in done["s3Path"]
        found = api.get(f"/datasets/{made['id']}")
        assert found["records"] == 3
        assert found["lastExtractedAt"].endswith("Z")

    def test_its_history_tells_of_it(self, api: Api) -> None:
        made = api.dataset()
        done = [api.post(f"/datasets/{made['id']}/extract") for _ in range(2)]

        reply = api.client.get(f"/api/v1/dataops/datasets/{made['id']}/history?limit=1")

        assert reply.headers["X-Total-Count"] == "2"
        (newest,) = reply.json()
        assert newest["executionId"] == done[1]["executionId"]
        assert (newest["status"], newest["records"], newest["s3Path"]) == ("completed", 3, done[1]["s3Path"])

    def test_an_encoding_that_was_guessed_is_told(self, api: Api) -> None:
        (api.files / "names.csv").write_bytes("id,name\n1,Inês Araújo\n".encode("cp1252"))
        source = api.post("/sources", {"name": "Names", "type": "csv", "connection": {"path": "names.csv"}})
        made = api.dataset(source=source)

        [note] = api.get(f"/datasets/{made['id']}/preview")["notes"]
        assert "cp1252, guessed" in note
        assert api.post(f"/datasets/{made['id']}/extract")["notes"] == [note]
        assert api.get(f"/datasets/{made['id']}/history")[0]["notes"] == [note]

    def test_a_source_that_refuses_ends_the_run_with_one_sentence(self, api: Api) -> None:
        gone = api.post("/sources", {"name": "Gone", "type": "csv", "connection": {"path": "gone.csv"}})
        made = api.dataset(source=gone)

        reply = api.client.post(f"/api/v1/dataops/datasets/{made['id']}/extract")

        assert reply.status_code == 422
        failed = api.get(f"/executions/{reply.json()['executionId']}")
        assert (failed["status"], failed["error"]) == ("failed", reply.json()["detail"])

    def test_the_request_is_launched_with_its_record(self, api: Api, launcher: InProcessLauncher) -> None:
        made = api.dataset()

        done = api.post(f"/datasets/{made['id']}/extract")

        (launch,) = launcher.launched
        ids = {"subject_id": made["id"], "run_id": done["executionId"]}
        assert launch.job == "extract_dataset"
        assert launch.run_config == {"ops": {"extract_dataset_by_id": {"config": ids}}}
        assert launch.tags["dataops/run_id"] == done["executionId"]
        assert launch.tags["dagster/max_runtime"] == "86460"

    def test_a_request_that_does_not_wait_is_told_where_to_look(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        made = api.dataset()

        reply = api.client.post(f"/api/v1/dataops/datasets/{made['id']}/extract", headers={"Prefer": "respond-async"})

        assert reply.status_code == 202
        assert reply.headers["Location"] == reply.json()["statusUrl"]
        assert reply.json()["status"] == "running"
        assert api.client.get(reply.json()["statusUrl"]).json()["id"] == reply.json()["executionId"]


class TestDeletingADataset:
    def test_its_schedule_and_it_go_and_its_history_stays(self, api: Api, client: TestClient) -> None:
        made = api.dataset(schedule=NIGHTLY)
        done = api.post(f"/datasets/{made['id']}/extract")

        assert client.delete(f"/api/v1/dataops/datasets/{made['id']}").status_code == 204

        assert api.refused("GET", f"/datasets/{made['id']}")[0] == 404
        assert api.get(f"/executions/{done['executionId']}")["status"] == "completed"
        assert api.dataset("Aircraft Inventory", source=api.source("Other"), schedule=NIGHTLY)
