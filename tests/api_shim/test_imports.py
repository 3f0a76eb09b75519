"""Imports over HTTP: the printed answer, refusals, rejects. Source: document 000, "Auto-Import File"."""

import os
from typing import Any

import pytest

from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher

PREFIX = "/api/v1/mvp/storage"
CUSTOMERS = "customer_id,name,created_at\n1,Ann,2024-06-01 10:00:00\n2,Bob,2024-06-02 11:30:00\n"
PEOPLE = "id,name,age\n1,Ann,33\n2,Bob,old\n3,Cid,7\n4,Dan\n"
PRINTED = {
    "import_id",
    "status",
    "file_path",
    "rows_imported",
    "target_table",
    "inferred_schema",
    "import_duration_seconds",
}


class Storage:
    """The routes in a few words."""

    def __init__(self, api: Api) -> None:
        self.api, self.client, self.files = api, api.client, api.files

    def put(self, name: str, content: str) -> str:
        (self.files / name).write_text(content)
        return name

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        reply = self.client.request(method, f"{PREFIX}{path}", json=body, **options)
        return reply.status_code, reply.json()

    def imported(self, path: str, **more: Any) -> Any:
        status, answer = self.send("POST", "/import", {"file_path": path, **more})
        assert status == 200, answer
        return answer

    def refused(self, body: Any) -> tuple[int, str]:
        status, answer = self.send("POST", "/import", body)
        assert status >= 400
        assert set(answer) >= {"detail", "code"}
        return status, answer["detail"]


@pytest.fixture
def storage(api: Api) -> Storage:
    return Storage(api)


class TestAnImport:
    def test_answers_as_printed(self, storage: Storage) -> None:
        body = {
            "file_path": storage.put("customers_2024_06.csv", CUSTOMERS),
            "target_format": "postgres",
            "target_table": "raw.customers",
            "infer_schema": True,
            "data_types": {"customer_id": "VARCHAR(50)", "created_at": "TIMESTAMP"},
        }
        status, answer = storage.send("POST", "/import", body)
        assert status == 200
        assert set(answer) >= PRINTED
        assert answer["import_id"].startswith("import_")
        assert {name: answer[name] for name in sorted(PRINTED - {"import_id", "import_duration_seconds"})} == {
            "status": "completed",
            "file_path": "customers_2024_06.csv",
            "rows_imported": 2,
            "target_table": "raw.customers",
            "inferred_schema": {"customer_id": "VARCHAR(50)", "name": "TEXT", "created_at": "TIMESTAMP"},
        }
        assert storage.send("GET", f"/imports/{answer['import_id']}") == (200, answer)

    def test_of_a_path_alone_makes_a_table_of_the_file_s_name(self, storage: Storage) -> None:
        answer = storage.imported(storage.put("Orders June.csv", CUSTOMERS))
        assert answer["target_table"] == "raw.orders_june"

    def test_of_the_same_file_in_other_words_is_of_the_same_rows(self, storage: Storage) -> None:
        storage.put("customers.csv", CUSTOMERS)
        for path in ("customers.csv", "./customers.csv", f"{storage.files}//customers.csv"):
            answer = storage.imported(path, target_table="raw.customers")
            assert (answer["file_path"], answer["rows_imported"]) == (path, 2)

    def test_that_goes_on_answers_202_and_where_to_look(self, storage: Storage, launcher: InProcessLauncher) -> None:
        launcher.held = True
        path = storage.put("customers.csv", CUSTOMERS)
        status, answer = storage.send("POST", "/import", {"file_path": path}, headers={"Prefer": "respond-async"})
        assert (status, answer["status"]) == (202, "running")
        reply = storage.client.get(answer["status_url"])
        assert (reply.status_code, reply.json()["status"]) == (200, "pending")

    def test_with_the_same_idempotency_key_is_one_import(self, storage: Storage) -> None:
        body = {"file_path": storage.put("customers.csv", CUSTOMERS)}
        first, again = (storage.send("POST", "/import", body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
        assert first == again
        assert first[0] == 200

    def test_that_fails_says_why_and_is_kept(self, storage: Storage) -> None:
        status, told = storage.refused({"file_path": storage.put("broken.json", '[{"a"')})
        assert (status, told.startswith("broken.json: ")) == (422, True)


class TestARefusal:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"target_table": "dataops.reject"}, "target_table"),
            ({"target_table": "pg_catalog.pg_class"}, "target_table"),
            ({"target_table": 'raw.x"; DROP TABLE raw.y; --'}, "target_table"),
            ({"target_table": "raw." + "x" * 70}, "target_table"),
            ({"data_types": {"name": "VARCHAR(0)"}}, "data_types.name"),
            ({"data_types": {"name": "TEXT; DROP TABLE x"}}, "data_types.name"),
            ({"data_types": {"name": "regclass"}}, "data_types.name"),
            ({"target_format": "oracle"}, "target_format"),
            ({"encoding": "rot13"}, "encoding"),
            ({"delimiter": "a"}, "delimiter"),
            ({"sheet": "Sheet1"}, "sheet"),
            ({"notification_email": "a@b.c\nBcc: all@example.com"}, "notification_email"),
            ({"mystery": 1}, "mystery"),
            ({"file_path": "../../../etc/passwd"}, "file_path"),
            ({"file_path": "/etc/passwd.csv"}, "file_path"),
            ({"file_path": "customers.exe"}, "file_path"),
        ],
    )
    def test_names_the_field(self, storage: Storage, body: dict[str, Any], field: str) -> None:
        storage.put("customers.csv", CUSTOMERS)
        status, answer = storage.send("POST", "/import", {"file_path": "customers.csv", **body})
        assert (status, answer["detail"].partition(":")[0]) == (422, field)

    def test_of_a_type_for_no_column_names_it(self, storage: Storage) -> None:
        storage.put("customers.csv", CUSTOMERS)
        body = {"file_path": "customers.csv", "data_types": {"shoe": "TEXT"}}
        status, answer = storage.send("POST", "/import", body)
        assert (status, [each["field"] for each in answer["errors"]]) == (422, ["data_types.shoe"])

    def test_of_what_is_no_file(self, storage: Storage) -> None:
        (storage.files / "folder.csv").mkdir()
        os.mkfifo(storage.files / "pipe.csv")
        (storage.files / "link.csv").symlink_to("/etc/passwd")
        for name in ("folder.csv", "pipe.csv", "link.csv", "gone.csv"):
            assert storage.refused({"file_path": name})[0] in (404, 422)

    def test_of_a_table_that_a_datamart_makes(self, storage: Storage) -> None:
        made = {"name": "sums", "query": "SELECT 1 AS one", "type": "table", "schema": "analytics"}
        assert storage.client.post("/api/v1/mvp/datamarts/create", json=made).status_code == 200
        storage.put("customers.csv", CUSTOMERS)
        assert storage.refused({"file_path": "customers.csv", "target_table": "analytics.sums"})[0] in (409, 422)

    def test_of_another_file_s_table_is_a_conflict(self, storage: Storage) -> None:
        storage.imported(storage.put("a.csv", CUSTOMERS), target_table="raw.one")
        status, told = storage.refused({"file_path": storage.put("b.csv", CUSTOMERS), "target_table": "raw.one"})
        assert (status, "holds the rows of a.csv" in told) == (409, True)

    def test_of_an_id_that_is_none_is_404(self, storage: Storage) -> None:
        for id in ("import_abc", "x", "import_" + "0" * 32):
            for path in ("", "/rejects"):
                assert storage.send("GET", f"/imports/{id}{path}")[0] == 404
            assert storage.send("POST", f"/imports/{id}/rejects/replay")[0] == 404

    def test_of_a_viewer_s_wish(self, storage: Storage) -> None:
        made = storage.client.post("/api/v1/dataops/tokens", json={"name": "v", "role": "viewer"})
        viewer = {"Authorization": f"Bearer {made.json()['token']}"}
        storage.put("customers.csv", CUSTOMERS)
        assert storage.send("POST", "/import", {"file_path": "customers.csv"}, headers=viewer)[0] == 403
        assert storage.send("GET", "/files", headers=viewer)[0] == 200


class TestRejects:
    @pytest.fixture
    def people(self, storage: Storage) -> Any:
        return storage.imported(storage.put("people.csv", PEOPLE), data_types={"age": "SMALLINT"})

    def test_are_listed_with_row_column_value_and_reason(self, storage: Storage, people: Any) -> None:
        assert (people["rows_imported"], people["rows_rejected"]) == (2, 2)
        _, listed = storage.send("GET", f"/imports/{people['import_id']}/rejects")
        assert (listed["total"], listed["import_id"]) == (2, people["import_id"])
        assert [(each["row_number"], each.get("column"), each["reason"]) for each in listed["rejects"]] == [
            (2, "age", "'old' is no whole number"),
            (4, None, "expected 3 fields, found 2"),
        ]
        assert listed["rejects"][0]["raw"] == {"id": 2, "name": "Bob", "age": "old"}
        _, page = storage.send("GET", f"/imports/{people['import_id']}/rejects?limit=1&offset=1")
        assert [each["row_number"] for each in page["rejects"]] == [4]

    def test_that_are_mended_become_rows_once(self, storage: Storage, people: Any) -> None:
        path = f"/imports/{people['import_id']}/rejects"
        first, ragged = (each["id"] for each in storage.send("GET", path)[1]["rejects"])
        body = {"rows": [{"id": first, "raw": {"age": "41"}}, {"id": ragged, "raw": {"id": 4, "name": "Dan"}}]}

        status, done = storage.send("POST", f"{path}/replay", body)
        again = storage.send("POST", f"{path}/replay", body)[1]

        assert (status, done["rows_repaired"], done["rows_failed"], done["rows_open"]) == (200, 2, 0, 0)
        assert (again["rows_tried"], again["rows_repaired"]) == (2, 0)
        row = storage.send("GET", f"/imports/{people['import_id']}")[1]
        assert (row["rows_imported"], row["rows_rejected"]) == (4, 0)
        assert storage.imported("people.csv", data_types={"age": "SMALLINT"})["unchanged"]

    def test_are_told_again_with_the_same_content(self, storage: Storage, people: Any) -> None:
        again = storage.imported("people.csv", data_types={"age": "SMALLINT"})
        assert (again["unchanged"], again["rows_imported"], again["rows_rejected"]) == (True, 2, 2)
        path = f"/imports/{again['import_id']}"
        _, listed = storage.send("GET", f"{path}/rejects")
        assert (listed["import_id"], listed["total"]) == (people["import_id"], 2)

        body = {"rows": [{"id": listed["rejects"][0]["id"], "raw": {"age": "41"}}]}
        assert storage.send("POST", f"{path}/rejects/replay", body)[1]["rows_repaired"] == 1
        for id in (again["import_id"], people["import_id"]):
            assert storage.send("GET", f"/imports/{id}")[1]["rows_rejected"] == 1

    def test_that_are_still_wrong_stay_open_with_their_new_reason(self, storage: Storage, people: Any) -> None:
        path = f"/imports/{people['import_id']}/rejects"
        first = storage.send("GET", path)[1]["rejects"][0]["id"]
        _, done = storage.send("POST", f"{path}/replay", {"rows": [{"id": first, "raw": {"age": "99999"}}]})
        assert (done["rows_repaired"], done["rows_failed"], done["rows_open"]) == (0, 1, 2)
        reason = storage.send("GET", path)[1]["rejects"][0]["reason"]
        assert reason == "'99999' does not fit the column's type SMALLINT"

    def test_of_the_lake_are_mended_there_and_of_a_parquet_file_nowhere(self, storage: Storage) -> None:
        storage.put("people.csv", PEOPLE)
        for format, status in (("iceberg", 200), ("parquet", 409)):
            made = storage.imported("people.csv", data_types={"age": "SMALLINT"}, target_format=format)
            path = f"/imports/{made['import_id']}/rejects"
            first = storage.send("GET", path)[1]["rejects"][0]["id"]
            body = {"rows": [{"id": first, "raw": {"age": "41"}}]}
            found, done = storage.send("POST", f"{path}/replay", body)
            assert found == status
        _, row = storage.send("GET", "/imports/" + made["import_id"])
        assert (row["rows_imported"], row["rows_rejected"], done["code"]) == (2, 2, "CONFLICT")

    def test_all_open_ones_as_they_are_change_nothing(self, storage: Storage, people: Any) -> None:
        _, done = storage.send("POST", f"/imports/{people['import_id']}/rejects/replay")
        assert (done["rows_tried"], done["rows_repaired"], done["rows_open"]) == (2, 0, 2)

    def test_of_an_earlier_version_are_of_no_use_any_more(self, storage: Storage, people: Any) -> None:
        storage.imported(storage.put("people.csv", "id,name,age\n1,Ann,34\n"), data_types={"age": "SMALLINT"})
        path = f"/imports/{people['import_id']}/rejects"
        listed = storage.send("GET", path)[1]["rejects"]
        assert {each["state"] for each in listed} == {"superseded"}
        status, told = storage.send("POST", f"{path}/replay")
        assert (status, "a later version" in told["detail"]) == (409, True)

    def test_of_no_such_column_or_of_another_import_are_refused(self, storage: Storage, people: Any) -> None:
        path = f"/imports/{people['import_id']}/rejects"
        first = storage.send("GET", path)[1]["rejects"][0]["id"]
        for rows in ([{"id": first, "raw": {"shoe": 1}}], [{"id": 10**6}], [{"id": first}, {"id": first}]):
            assert storage.send("POST", f"{path}/replay", {"rows": rows})[0] == 422
