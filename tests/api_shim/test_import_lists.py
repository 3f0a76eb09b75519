"""Imports are found again, and what a deletion takes with it is told. Source: document 000, storage monitoring."""

from typing import Any

import pytest
from fastapi import FastAPI

from dataops_defs.errors import FilesFailed
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder
from tests.api_shim.test_imports import Storage
from tests.flows.import_scenes import Folder
from tests.scenes import World

WEATHER = "day,rain\n2026-01-01,2\n2026-01-02,0\n"


@pytest.fixture
def storage(api: Api) -> Storage:
    return Storage(api)


def listed(storage: Storage, query: str = "", **options: Any) -> tuple[list[str], int]:
    """The files of the imports in a list, and the number of all."""
    status, answer = storage.send("GET", f"/imports{query}", **options)
    assert status == 200, answer
    return [each["file_path"] for each in answer["imports"]], answer["total"]


def watched(storage: Storage, **more: Any) -> str:
    (storage.files / "incoming").mkdir(exist_ok=True)
    body = {"folder_path": "incoming", "file_patterns": ["*.csv"], **more}
    status, answer = storage.send("POST", "/watch", body)
    assert status == 200, answer
    return str(answer["watch_id"])


@pytest.fixture
def folder(storage: Storage, shim_settings: Settings) -> tuple[str, Folder]:
    watch = watched(storage)
    return watch, Folder(World(Platform(shim_settings), storage.files), watch.removeprefix("watch_"))


class TestAListOfImports:
    def test_has_each_the_newest_first(self, storage: Storage) -> None:
        made = storage.imported(storage.put("a.csv", WEATHER), target_table="raw.a")
        storage.imported(storage.put("b.csv", WEATHER))
        _, answer = storage.send("GET", "/imports")
        assert (listed(storage), answer["total"]) == ((["b.csv", "a.csv"], 2), 2)
        [_, first] = answer["imports"]
        assert {name: made[name] for name in first} == first
        assert (first["import_id"], first["rows_imported"], first["target_table"]) == (made["import_id"], 2, "raw.a")

    def test_is_read_in_pages(self, storage: Storage) -> None:
        for name in ("a.csv", "b.csv", "c.csv"):
            storage.imported(storage.put(name, WEATHER))
        assert listed(storage, "?limit=1&offset=1") == (["b.csv"], 3)
        assert storage.send("GET", "/imports?limit=0")[0] == 422

    def test_is_filtered_by_state_watch_and_table(self, storage: Storage, folder: tuple[str, Folder]) -> None:
        watch, incoming = folder
        storage.put("incoming/jan.csv", WEATHER)
        storage.put("incoming/noise.csv", "\x00\x01\x02" * 100)
        with pytest.raises(FilesFailed, match=r"not imported: incoming/noise\.csv: it is no text"):
            incoming.settle()
        storage.imported(storage.put("mine.csv", WEATHER), target_table="raw.mine")

        assert listed(storage, "?state=failed") == (["incoming/noise.csv"], 1)
        assert sorted(listed(storage, f"?watch_id={watch}")[0]) == ["incoming/jan.csv", "incoming/noise.csv"]
        assert listed(storage, f"?watch_id={watch}&state=completed") == (["incoming/jan.csv"], 1)
        for table in ("raw.jan", "jan"):
            assert listed(storage, f"?target_table={table}") == (["incoming/jan.csv"], 1)
        assert listed(storage, "?target_table=raw.mine") == (["mine.csv"], 1)
        assert listed(storage, "?watch_id=nonsense") == ([], 0)
        status, answer = storage.send("GET", "/imports?state=lost")
        assert (status, answer["errors"][0]["field"]) == (422, "state")

    def test_leaves_out_what_somebody_may_not_use(self, storage: Storage, api: Api, app: FastAPI) -> None:
        (storage.files / "pay").mkdir()
        storage.imported(storage.put("pay/2026.csv", WEATHER))
        storage.imported(storage.put("open.csv", WEATHER))
        source = api.post("/sources", {"name": "Pay", "type": "csv", "connection": {"path": "pay/*.csv"}})
        editor, payroll = holder(api, app, "an editor", "editor"), holder(api, app, "payroll", "editor")
        grants = {"grants": [{"token": "payroll", "may": "use"}]}
        api.client.put(f"/api/v1/dataops/sources/{source['id']}/grants", json=grants).raise_for_status()

        assert listed(storage) == (["open.csv", "pay/2026.csv"], 2)
        for who, seen in ((editor, ["open.csv"]), (payroll, ["open.csv", "pay/2026.csv"])):
            answer = who.client.get("/api/v1/mvp/storage/imports").json()
            assert ([each["file_path"] for each in answer["imports"]], answer["total"]) == (seen, len(seen))


class TestAWatchThatIsDeleted:
    def test_counts_what_it_keeps_and_what_had_failed(self, storage: Storage, folder: tuple[str, Folder]) -> None:
        watch, incoming = folder
        storage.put("incoming/jan.csv", WEATHER)
        storage.put("incoming/noise.csv", "\x00\x01\x02" * 100)
        with pytest.raises(FilesFailed, match=r"not imported: incoming/noise\.csv: it is no text"):
            incoming.settle()
        _, noise = storage.send("GET", "/files?status=failed")
        assert "it is no text" in noise["files"][0]["error"]

        _, gone = storage.send("DELETE", f"/watches/{watch}")
        assert (gone["imports_kept"], gone["imports_failed"]) == (1, 1)


class TestWhatIsNotThere:
    def test_is_told_by_its_field(self, storage: Storage) -> None:
        for path, field, said in (
            ("/import", "file_path", "no such file: gone.csv"),
            ("/watch", "folder_path", "no such folder: gone.csv"),
        ):
            body = {field: "gone.csv", **({"file_patterns": ["*"]} if field == "folder_path" else {})}
            status, answer = storage.send("POST", path, body)
            assert (status, answer["errors"]) == (422, [{"field": field, "message": said}])

    def test_outside_of_all_places_says_what_may_be_done(self, storage: Storage) -> None:
        _, answer = storage.send("POST", "/import", {"file_path": "/srv/data/x.csv"})
        [told] = answer["errors"]
        assert told["field"] == "file_path"
        for part in ("mount its place first", "a path relative to", "DATAOPS_FILE_ROOTS", "nothing is mounted"):
            assert part in told["message"]
        assert str(storage.files) not in answer["detail"]


class TestATableThatHoldsOtherRows:
    def test_that_gathers_files_is_not_replaced_by_one(self, storage: Storage) -> None:
        storage.imported(storage.put("a.csv", WEATHER), target_table="raw.app", mode="append")
        status, said = storage.refused({"file_path": "a.csv", "target_table": "raw.app"})
        assert status == 409
        assert said.startswith("raw.app gathers the rows of several files, of which replace would leave one: use the")
        assert "mode append" in said

    def test_of_one_file_names_it(self, storage: Storage) -> None:
        storage.imported(storage.put("a.csv", WEATHER), target_table="raw.app")
        status, said = storage.refused(
            {"file_path": storage.put("b.csv", WEATHER), "target_table": "raw.app", "mode": "append"}
        )
        assert (status, "holds the rows of a.csv" in said) == (409, True)


def test_of_one_row_types_are_explained_in_the_singular(storage: Storage) -> None:
    told = storage.imported(storage.put("one.csv", "n\n1\n"))["explanations"]
    assert told["n"] == "whole number: all values that its only row has are whole numbers of at most 64 bits"


def test_of_broken_json_it_is_said_that_it_is_none_and_where(storage: Storage) -> None:
    said = storage.refused({"file_path": storage.put("x.json", "[{'a': 1}]")})[1]
    assert said == "x.json: it is no JSON: a name in double quotes is expected after character 2"
