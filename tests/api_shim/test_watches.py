"""Watched folders over HTTP. Source: document 000, "Watch Folder" and "List Monitored Files"."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dataops_defs.errors import SourceUnavailable
from dataops_defs.flows.look_into_folder import look_into_folder
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.api_shim.test_imports import Storage
from tests.flows.import_scenes import Folder
from tests.mount_scenes import file_server, mounted
from tests.scenes import World

WEATHER = "station,temp\nEWR,39.02\nJFK,38.5\n"


@pytest.fixture
def storage(api: Api) -> Storage:
    (api.files / "incoming").mkdir()
    return Storage(api)


def watched(storage: Storage, **more: Any) -> Any:
    status, answer = storage.send(
        "POST", "/watch", {"folder_path": "incoming", "file_patterns": ["*.csv"], "auto_import": True, **more}
    )
    assert status == 200, answer
    return answer


def ids_of(watch: Any) -> str:
    return str(watch["watch_id"].removeprefix("watch_"))


class TestAWatch:
    def test_answers_as_printed(self, storage: Storage) -> None:
        config = {"schema_inference": True, "notification_email": "data-team@company.com"}
        answer = watched(storage, file_patterns=["*.csv", "*.xlsx"], recursive=True, import_config=config)
        assert answer.pop("watch_id").startswith("watch_")
        assert "DATAOPS_SMTP_URL" in answer.pop("notifications")
        assert answer == {
            "status": "success",
            "folder_path": "incoming",
            "patterns": ["*.csv", "*.xlsx"],
            "watching": True,
            "files_detected": 0,
        }

    def test_is_listed_with_what_became_of_its_files(self, storage: Storage, shim_settings: Settings) -> None:
        watch = watched(storage)
        folder = Folder(World(Platform(shim_settings), storage.files), ids_of(watch))
        storage.put("incoming/jan.csv", WEATHER)
        storage.put("incoming/copy.csv", WEATHER)
        folder.settle()
        storage.put("incoming/feb.csv", WEATHER)
        folder.look()

        _, listed = storage.send("GET", "/watches")
        [shown] = listed["watches"]
        assert (shown["watch_id"], shown["status"], shown["files_detected"]) == (watch["watch_id"], "watching", 3)
        assert shown["files_by_status"] == {"imported": 1, "skipped_duplicate": 1, "pending": 1}

        _, files = storage.send("GET", "/files")
        assert files["total_files"] == 3
        by_status = {each["status"]: each for each in files["files"]}
        assert set(by_status["pending"]) == {"file_path", "size_bytes", "detected_at", "status", "watch_id"}
        assert by_status["imported"]["import_id"].startswith("import_")
        _, row = storage.send("GET", f"/imports/{by_status['imported']['import_id']}")
        assert (row["status"], row["watch_id"], row["rows_imported"]) == ("completed", watch["watch_id"], 2)

    def test_shares_no_table_that_it_gathers_files_in(self, storage: Storage) -> None:
        config = {"target_table": "raw.weather"}
        watched(storage, import_config=config)
        body = {"folder_path": "incoming", "file_patterns": ["*.json"], "import_config": config}
        status, answer = storage.send("POST", "/watch", body)
        assert (status, answer["detail"]) == (
            409,
            "raw.weather gathers the files of another watch, of incoming: name another table",
        )

    def test_goes_on_with_the_table_of_a_deleted_one(self, storage: Storage, shim_settings: Settings) -> None:
        config, world = {"target_table": "raw.weather"}, World(Platform(shim_settings), storage.files)
        for name, rows in (("jan.csv", 2), ("feb.csv", 3)):
            watch = watched(storage, import_config=config)
            storage.put(f"incoming/{name}", WEATHER if name == "jan.csv" else "station,temp\nLGA,30.1\n")
            folder = Folder(world, ids_of(watch))
            folder.settle()
            assert (set(folder.states().values()), world.sql("SELECT count(*) FROM raw.weather")) == (
                {"imported"},
                [(rows,)],
            )
            assert storage.send("DELETE", f"/watches/{watch['watch_id']}")[0] == 200

    def test_gathers_in_no_table_that_others_have_made(self, storage: Storage, shim_settings: Settings) -> None:
        world = World(Platform(shim_settings), storage.files)
        storage.put("incoming/jan.csv", WEATHER)
        storage.imported("incoming/jan.csv", target_table="raw.by_hand")
        storage.imported("incoming/jan.csv", target_table="raw.by_hands", mode="append")
        world.sql("CREATE TABLE raw.by_sql (id int); SELECT 1")
        for table in ("by_hand", "by_hands", "by_sql"):
            body = {
                "folder_path": "incoming",
                "file_patterns": ["*"],
                "import_config": {"target_table": f"raw.{table}"},
            }
            status, answer = storage.send("POST", "/watch", body)
            assert (status, answer["detail"]) == (
                409,
                f"raw.{table} is there already, and no watch has made it: name another table, or drop that one",
            )
            world.sql(f"DROP TABLE raw.{table}; SELECT 1")
            assert storage.send("POST", "/watch", {**body, "file_patterns": [f"{table}*"]})[0] == 200

    def test_files_are_filtered_and_paged(self, storage: Storage, shim_settings: Settings) -> None:
        watch = watched(storage, auto_import=False)
        for number in range(5):
            storage.put(f"incoming/{number}.csv", WEATHER)
        for _ in range(2):
            look_into_folder(Platform(shim_settings), ids_of(watch))
        query = f"/files?watch_id={watch['watch_id']}&status=detected&limit=2&offset=4"
        _, page = storage.send("GET", query)
        assert (len(page["files"]), page["total_files"]) == (1, 5)
        assert storage.send("GET", "/files?status=imported")[1] == {"files": [], "total_files": 0}
        assert storage.send("GET", "/files?status=nonsense")[0] == 422
        assert storage.send("GET", "/files?watch_id=nonsense")[1]["total_files"] == 0

    def test_whose_folder_goes_is_shown_as_degraded(self, storage: Storage, shim_settings: Settings) -> None:
        watch = watched(storage)
        (storage.files / "incoming").rmdir()
        with pytest.raises(Exception, match="no such folder"):
            look_into_folder(Platform(shim_settings), ids_of(watch))
        [shown] = storage.send("GET", "/watches")[1]["watches"]
        assert (shown["status"], shown["last_error"]) == ("degraded", "no such folder: incoming")

    def test_that_is_deleted_leaves_what_it_imported(self, storage: Storage, shim_settings: Settings) -> None:
        watch = watched(storage)
        storage.put("incoming/jan.csv", WEATHER)
        world = World(Platform(shim_settings), storage.files)
        Folder(world, ids_of(watch)).settle()
        [file] = storage.send("GET", "/files")[1]["files"]

        status, gone = storage.send("DELETE", f"/watches/{watch['watch_id']}")

        assert (status, gone["status"], gone["imports_kept"]) == (200, "deleted", 1)
        assert storage.send("DELETE", f"/watches/{watch['watch_id']}")[0] == 404
        assert storage.send("GET", "/files")[1]["total_files"] == 0
        assert storage.send("GET", f"/imports/{file['import_id']}")[1]["status"] == "completed"
        assert world.sql("SELECT count(*) FROM raw.jan") == [(2,)]

    def test_of_the_same_folder_and_files_is_there_once(self, storage: Storage) -> None:
        watched(storage)
        body = {"folder_path": "incoming", "file_patterns": ["*.csv"]}
        assert storage.send("POST", "/watch", body)[0] == 409
        watched(storage, file_patterns=["*.json"])

    @pytest.mark.parametrize("spelling", ["./incoming", "incoming//", "{files}/incoming", "{files}//./incoming/"])
    def test_of_the_same_folder_in_other_words_too(self, storage: Storage, spelling: str) -> None:
        watched(storage)
        body = {"folder_path": spelling.format(files=storage.files), "file_patterns": ["*.csv"]}
        status, answer = storage.send("POST", "/watch", body)
        assert (status, "is watched already" in answer["detail"]) == (409, True)


class TestAFolderOfTwoNames:
    """A mount of a local folder, and that folder."""

    @pytest.fixture
    def mounted_here(self, storage: Storage) -> None:
        mounted(storage.client, {"local_path": "/mnt/loc", "network_path": f"{storage.files}/incoming"})

    @pytest.mark.usefixtures("mounted_here")
    def test_is_watched_once_for_the_same_files(self, storage: Storage) -> None:
        watched(storage)
        body = {"folder_path": "/mnt/loc", "file_patterns": ["*.csv"]}
        status, answer = storage.send("POST", "/watch", body)
        assert (status, answer["detail"]) == (409, "/mnt/loc is watched already, for the same files")

    @pytest.mark.usefixtures("mounted_here")
    def test_has_one_table_for_each_file(self, storage: Storage, shim_settings: Settings) -> None:
        world = World(Platform(shim_settings), storage.files)
        storage.put("incoming/jan.csv", WEATHER)
        for more in ({}, {"folder_path": "/mnt/loc", "file_patterns": ["j*.csv"]}):
            folder = Folder(world, ids_of(watched(storage, **more)))
            folder.settle()
            assert folder.states() == {"jan.csv": "imported"}
        assert storage.imported("/mnt/loc/jan.csv", target_table="raw.jan")["unchanged"]
        assert world.sql("SELECT relname FROM pg_class WHERE relname ~ '^jan'") == [("jan",)]


class TestAConnector:
    def test_leads_to_the_warehouse_by_name_or_id(self, storage: Storage, shim_settings: Settings) -> None:
        source = _source(storage, shim_settings.url("reader"), "conn_postgres_warehouse")
        watched(storage, import_config={"target_connector": "conn_postgres_warehouse"})
        id = f"conn_{source['id'].replace('-', '')}"
        watched(storage, file_patterns=["*.json"], import_config={"target_connector": id})

    def test_to_another_database_is_refused(self, storage: Storage, shim_settings: Settings) -> None:
        _source(storage, shim_settings.url("catalogue"), "elsewhere")
        for named in ("elsewhere", "nowhere", "☃"):
            body = {
                "folder_path": "incoming",
                "file_patterns": ["*.csv"],
                "import_config": {"target_connector": named},
            }
            status, answer = storage.send("POST", "/watch", body)
            assert (status, answer["detail"].partition(":")[0]) == (422, "import_config.target_connector")


class TestARefusal:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"folder_path": "/"}, "folder_path"),
            ({"folder_path": "/etc"}, "folder_path"),
            ({"folder_path": "incoming/../.."}, "folder_path"),
            ({"folder_path": "inc*"}, "folder_path"),
            ({"file_patterns": ["*" * 50]}, "file_patterns"),
            ({"file_patterns": ["../*"]}, "file_patterns"),
            ({"file_patterns": ["["]}, "file_patterns"),
            (
                {"file_patterns": ["*.json", "*.parquet"], "import_config": {"has_header": True}},
                "import_config.has_header",
            ),
            ({"file_patterns": []}, "file_patterns"),
            ({"import_config": {"target_table": "pg_catalog.x"}}, "import_config.target_table"),
            ({"import_config": {"target_schema": "objects"}}, "import_config.target_schema"),
            ({"import_config": {"data_types": {"a": "evil"}}}, "import_config.data_types.a"),
            ({"import_config": {"notification_email": "nobody"}}, "import_config.notification_email"),
            ({"import_config": {"mystery": 1}}, "import_config.mystery"),
            ({"recursive": "yes"}, "recursive"),
        ],
    )
    def test_names_the_field(self, storage: Storage, body: dict[str, Any], field: str) -> None:
        status, answer = storage.send("POST", "/watch", {"folder_path": "incoming", "file_patterns": ["*"], **body})
        assert (status, answer["detail"].partition(":")[0]) == (422, field)
        assert storage.send("GET", "/watches")[1]["total"] == 0


@pytest.mark.parametrize("patterns", [["*.json", "*.csv.gz"], ["*"], ["jan*", "*.json"]])
def test_a_header_may_be_told_where_files_can_have_one(storage: Storage, patterns: list[str]) -> None:
    watched(storage, file_patterns=patterns, import_config={"has_header": False})


def _source(storage: Storage, url: str, name: str) -> Any:
    parts = urlsplit(url)
    connection = {
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path.removeprefix("/"),
        "username": parts.username,
        "password": parts.password,
    }
    return storage.api.post("/sources", {"name": name, "type": "postgres", "connection": connection})


class TestAFolderOfAMount:
    def test_is_watched_and_degraded_while_its_server_is_away(
        self, storage: Storage, shim_settings: Settings, tmp_path: Path
    ) -> None:
        share = tmp_path / "share"
        (share / "incoming" / "2024").mkdir(parents=True)
        with file_server(share) as server:
            mounted(storage.client, server.mount)
            server.put("incoming/2024/jan.csv", WEATHER)
            body = {"folder_path": "/mnt/network_share/incoming", "file_patterns": ["*.csv"], "recursive": True}
            status, watch = storage.send("POST", "/watch", body)
            assert status == 200, watch
            folder = Folder(World(Platform(shim_settings), storage.files), ids_of(watch))
            folder.settle()
            server.stop()
            with pytest.raises(SourceUnavailable):
                folder.look()
            assert storage.send("GET", "/watches")[1]["watches"][0]["status"] == "degraded"
            assert folder.states() == {"jan.csv": "imported"}
            server.start()
            server.put("incoming/feb.csv", "station,temp\nLGA,30.1\n")
            folder.settle()
            assert folder.states() == {"jan.csv": "imported", "feb.csv": "imported"}
            assert storage.send("GET", "/watches")[1]["watches"][0]["status"] == "watching"
            answer = storage.imported("/mnt/network_share/incoming/feb.csv", target_table="raw.customers")
            assert (answer["rows_imported"], answer["file_path"]) == (1, "/mnt/network_share/incoming/feb.csv")
