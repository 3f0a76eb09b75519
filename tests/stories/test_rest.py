"""A client's day over REST, on real processes: create, launch at once, break things, read what became of it."""

from typing import Any

import httpx
import pytest

from tests.stories.conftest import RunningStack, wait_for

BASE = "/api/v1/dataops"


def create(stack: RunningStack, kind: str, **body: Any) -> dict[str, Any]:
    answer = stack.api.post(f"{BASE}/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def put_file(stack: RunningStack, name: str, content: bytes) -> str:
    folder = stack.home / "files" / "stories"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return f"stories/{name}"


class TestALaunchRightAfterACreate:
    def test_works_before_the_location_has_reloaded_and_shows_in_dagster_soon_after(self, stack: RunningStack) -> None:
        source = create(
            stack, "sources", name="Fresh", type="csv", connection={"path": put_file(stack, "f.csv", b"a,b\n1,x\n")}
        )
        dataset = create(stack, "datasets", name="Fresh rows", sourceId=source["id"], extraction={"type": "file"})
        answer = stack.api.post(f"{BASE}/datasets/{dataset['id']}/extract")
        assert answer.status_code == 200, answer.text
        assert answer.json()["records"] == 1
        assert answer.json()["s3Path"].startswith("raw:captify-datasets/")

        def shown() -> bool:
            query = {"query": '{ assetNodeOrError(assetKey: {path: ["default", "raw", "fresh_rows"]}) { __typename } }'}
            answer = httpx.post(f"{stack.ui_url}/graphql", json=query, timeout=30).json()
            return bool(answer["data"]["assetNodeOrError"]["__typename"] == "AssetNode")

        wait_for(shown, 30)


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("missing.csv", None, "missing.csv"),
            ("binary.csv", b"\x00\x01\x02\xff" * 50, "it is no text"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_one_sentence_and_a_failed_record(
        self, stack: RunningStack, name: str, content: bytes | None, says: str
    ) -> None:
        path = f"stories/{name}" if content is None else put_file(stack, name, content)
        source = create(stack, "sources", name=f"Bad {name}", type="csv", connection={"path": path})
        dataset = create(stack, "datasets", name=f"Bad rows {name}", sourceId=source["id"], extraction={"type": "file"})
        answer = stack.api.post(f"{BASE}/datasets/{dataset['id']}/extract")
        assert 400 <= answer.status_code < 500, answer.text
        text = answer.json()["detail"]
        assert says in text
        assert "Traceback" not in text
        assert str(stack.home) not in text
        [last] = stack.api.get(f"{BASE}/datasets/{dataset['id']}/history").json()[:1]
        assert last["status"] == "failed"

    def test_ragged_rows_are_kept_and_the_others_extracted(self, stack: RunningStack) -> None:
        path = put_file(stack, "ragged.csv", b"a,b\n1,x\n2\n3,z,extra\n4,w\n")
        source = create(stack, "sources", name="Ragged", type="csv", connection={"path": path})
        dataset = create(stack, "datasets", name="Ragged rows", sourceId=source["id"], extraction={"type": "file"})
        answer = stack.api.post(f"{BASE}/datasets/{dataset['id']}/extract").json()
        assert (answer["records"], answer["rejected"]) == (2, 2)
        kept = stack.api.get(f"{BASE}/datasets/{dataset['id']}/rejects").json()
        assert [(row["rowNumber"], row["raw"]["line"]) for row in kept] == [(2, "2"), (3, "3,z,extra")]

    def test_a_wrong_password_is_told_without_the_password(self, stack: RunningStack) -> None:
        body = {
            "name": "Wrong",
            "type": "postgres",
            "connection": {
                "host": "127.0.0.1",
                "port": int(stack.url("WAREHOUSE").rpartition(":")[2].partition("/")[0]),
                "database": "warehouse",
                "username": "dataops",
                "password": "canary-pass-phrase",
            },
        }
        answer = stack.api.post(f"{BASE}/sources/test", json=body)
        assert answer.status_code == 200
        assert answer.json()["success"] is False
        assert "canary" not in answer.text


class TestSecrets:
    def test_no_answer_log_event_or_process_shows_a_source_password(self, stack: RunningStack) -> None:
        canary = "canary-7f3a9c"
        connection = {"host": "127.0.0.1", "port": 1, "database": "x", "username": "u", "password": canary}
        source = create(stack, "sources", name="Canary", type="postgres", connection=connection)
        dataset = create(
            stack,
            "datasets",
            name="Canary rows",
            sourceId=source["id"],
            extraction={"type": "sql", "query": "SELECT 1 AS a"},
        )
        stack.api.post(f"{BASE}/sources/{source['id']}/test")
        stack.api.post(f"{BASE}/datasets/{dataset['id']}/extract")
        answers = [stack.api.get(f"{BASE}/{path}").text for path in ("sources", f"sources/{source['id']}", "audit")]
        assert not any(canary in text for text in answers)
        found = [
            path
            for path in stack.home.rglob("*")
            if path.is_file() and path.suffix in (".log", ".err", ".out", ".yaml")
        ]
        assert not any(canary in path.read_text(errors="replace") for path in found)
        [(events,)] = stack.sql("INSTANCE", "SELECT count(*) FROM event_logs WHERE event LIKE %s", f"%{canary}%")
        [(runs,)] = stack.sql("INSTANCE", "SELECT count(*) FROM runs WHERE run_body LIKE %s", f"%{canary}%")
        [(rows,)] = stack.sql("CATALOGUE", "SELECT count(*) FROM source WHERE source::text LIKE %s", f"%{canary}%")
        assert (events, runs, rows) == (0, 0, 0)


class TestASchedule:
    def test_is_stopped_until_it_is_enabled_and_dagster_follows(self, stack: RunningStack) -> None:
        [pipeline] = [
            each for each in stack.api.get(f"{BASE}/pipelines").json() if each["name"] == "Aircraft Data Pipeline"
        ]
        assert pipeline["schedule"]["enabled"] is False
        change = {"schedule": {**pipeline["schedule"], "enabled": True}}
        assert stack.api.patch(f"{BASE}/pipelines/{pipeline['id']}", json=change).status_code == 200

        def status() -> str:
            query = """{ scheduleOrError(scheduleSelector: {repositoryLocationName: "dataops",
              repositoryName: "__repository__", scheduleName: "pipeline__aircraft_data_pipeline"})
              { ... on Schedule { scheduleState { status } } } }"""
            data = httpx.post(f"{stack.ui_url}/graphql", json={"query": query}, timeout=30).json()["data"]
            return str(data["scheduleOrError"]["scheduleState"]["status"])

        wait_for(lambda: status() == "RUNNING", 30)
        change["schedule"]["enabled"] = False
        stack.api.patch(f"{BASE}/pipelines/{pipeline['id']}", json=change)
        wait_for(lambda: status() == "STOPPED", 30)


class TestADefinitionDamagedBehindThePlatformsBack:
    def test_is_set_aside_with_its_reason_and_the_rest_goes_on(self, stack: RunningStack) -> None:
        path = put_file(stack, "d.csv", b"a\n1\n")
        source = create(stack, "sources", name="Damage", type="csv", connection={"path": path})
        dataset = create(stack, "datasets", name="Damaged", sourceId=source["id"], extraction={"type": "file"})
        stack.change(
            "CATALOGUE", 'UPDATE dataset SET extraction = \'{"type": "witchcraft"}\' WHERE id = %s', dataset["id"]
        )
        create(stack, "datasets", name="Sound beside it", sourceId=source["id"], extraction={"type": "file"})

        def told() -> bool:
            found = stack.api.get(f"{BASE}/datasets/{dataset['id']}").json()
            return found["status"] == "error" and "witchcraft" in found["problem"]

        wait_for(told, 30)
        asset = '{ assetNodeOrError(assetKey: {path: ["%s"]}) { ... on AssetNode { description } } }'

        def shown() -> bool:
            query = {"query": asset % '", "'.join(["set_aside", "datasets", "damaged"])}
            data = httpx.post(f"{stack.ui_url}/graphql", json=query, timeout=30).json()["data"]
            return "witchcraft" in data["assetNodeOrError"].get("description", "")

        wait_for(shown, 30)
        assert stack.api.get("/health").json()["status"] == "healthy"
        stack.change("CATALOGUE", "DELETE FROM dataset WHERE id = %s", dataset["id"])
