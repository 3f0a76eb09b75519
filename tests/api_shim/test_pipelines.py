"""Pipelines and executions over HTTP. Source: document 004, US-4."""

from typing import Any

from tests.api_shim.conftest import Api
from tests.api_shim.following import wait_for
from tests.api_shim.in_process import InProcessLauncher


def graph(api: Api) -> dict[str, Any]:
    """The drawn part of a pipeline that is saved."""
    made = api.pipeline()
    return {name: made[name] for name in ("nodes", "edges")}


def filled_in(api: Api, template: dict[str, Any]) -> list[dict[str, Any]]:
    """A template's nodes, each standing for a thing of its own, made along the template's edges."""
    origin = {edge["target"]: edge["source"] for edge in reversed(template["edges"])}
    made: dict[str, Any] = {}
    for kind in ("source", "dataset", "mapping"):
        for node in template["nodes"]:
            if node["type"] == kind:
                name = f"{template['id']} {node['id']}"
                read = made.get(origin.get(node["id"], ""))
                made[node["id"]] = {
                    "source": lambda name=name, read=read: api.source(name),
                    "dataset": lambda name=name, read=read: api.dataset(name, source=read),
                    "mapping": lambda name=name, read=read: api.mapping(read, name=name),
                }[kind]()
    return [{**node, "data": {f"{node['type']}Id": made[node["id"]]["id"]}} for node in template["nodes"]]


class TestDrawingAPipeline:
    def test_the_graph_is_kept_as_drawn(self, api: Api) -> None:
        made = api.pipeline()

        assert [node["id"] for node in made["nodes"]] == ["src-1", "ds-1", "map-1"]
        assert made["nodes"][0]["position"] == {"x": 0, "y": 1}
        assert made["nodes"][1]["position"] == {"x": 0, "y": 0}
        assert made["edges"][1] == {"id": "e2", "source": "ds-1", "target": "map-1"}
        assert api.get(f"/pipelines/{made['id']}") == made

    def test_a_graph_that_cannot_run_is_refused_and_validated_with_the_same_fields(self, api: Api) -> None:
        sound = graph(api)
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"nodes": []}, ["nodes"]),
            ({"edges": [{"id": "e", "source": "ds-1", "target": "nowhere"}]}, ["edges.0.target"]),
            ({"edges": [{"id": "e", "source": "ds-1", "target": "src-1"}]}, ["edges.0"]),
            (
                {
                    "edges": [
                        {"id": "a", "source": "map-1", "target": "ds-1"},
                        {"id": "b", "source": "ds-1", "target": "map-1"},
                    ]
                },
                ["edges"],
            ),
            (
                {
                    "nodes": [
                        {"id": "n", "type": "source", "data": {}},
                        {"id": "o", "type": "wing", "data": {}},
                        {"id": "p", "type": "dataset", "data": {"datasetId": "none"}},
                    ],
                    "edges": [{"id": "e", "source": "n", "target": "q"}],
                },
                ["nodes.0.data.sourceId", "nodes.1.type", "edges.0.target", "nodes.2.data.datasetId"],
            ),
        ]
        for wrong, fields in cases:
            body = {**sound, **wrong}

            assert api.refused("POST", "/pipelines", {"name": "Wrong", **body}) == (422, fields)
            checked = api.post("/pipelines/validate", body)
            assert (checked["valid"], checked["order"]) == (False, [])
            assert [each["field"] for each in checked["errors"]] == fields
            assert len(api.get("/pipelines")) == 1

    def test_an_edge_leads_from_what_its_target_reads(self, api: Api) -> None:
        sound = graph(api)
        other = api.dataset("Other", source=api.source("Elsewhere"))
        nodes = [
            *sound["nodes"],
            {"id": "src-2", "type": "source", "data": {"sourceId": other["sourceId"]}},
            {"id": "ds-2", "type": "dataset", "data": {"datasetId": other["id"]}},
        ]
        edges = [
            {"id": "e1", "source": "src-2", "target": "ds-1"},
            {"id": "e2", "source": "ds-2", "target": "map-1"},
            {"id": "e3", "source": "src-2", "target": "ds-2"},
        ]

        checked = api.post("/pipelines/validate", {"nodes": nodes, "edges": edges})

        assert {each["field"]: each["message"] for each in checked["errors"]} == {
            "edges.0": "dataset 'ds-1' does not read the source of 'src-2'",
            "edges.1": "mapping 'map-1' does not read the dataset of 'ds-2'",
        }

    def test_a_graph_is_validated_without_being_saved(self, api: Api) -> None:
        sound = graph(api)
        api.client.delete(f"/api/v1/dataops/pipelines/{api.get('/pipelines')[0]['id']}")

        checked = api.post("/pipelines/validate", {**sound, "edges": sound["edges"][:1]})

        assert (checked["valid"], checked["errors"]) == (True, [])
        assert checked["order"] == ["src-1", "map-1", "ds-1"]
        assert [each["field"] for each in checked["warnings"]] == ["nodes.2"]
        assert api.get("/pipelines") == []
        assert api.refused("POST", "/pipelines/validate", {**sound, "name": "Not asked for"}) == (422, ["name"])

    def test_ids_are_kept_in_one_form(self, api: Api) -> None:
        sound = graph(api)
        loud = [{**node, "data": {name: id.upper() for name, id in node["data"].items()}} for node in sound["nodes"]]

        assert api.post("/pipelines", {"name": "Loud", **sound, "nodes": loud})["nodes"] == sound["nodes"]

    def test_what_it_uses_is_not_deleted(self, api: Api) -> None:
        made = api.pipeline()
        by_id = {node["id"]: node["data"] for node in made["nodes"]}

        assert api.refused("DELETE", f"/mappings/{by_id['map-1']['mappingId']}")[0] == 409
        assert api.refused("DELETE", f"/datasets/{by_id['ds-1']['datasetId']}")[0] == 409
        assert api.refused("DELETE", f"/sources/{by_id['src-1']['sourceId']}")[0] == 409

    def test_pausing_is_a_status_and_lists_filter_by_it(self, api: Api) -> None:
        made = api.pipeline()

        api.patch(f"/pipelines/{made['id']}", {"status": "paused"})

        assert [each["id"] for each in api.get("/pipelines?status=paused")] == [made["id"]]
        assert api.get("/pipelines?status=active") == []


class TestATemplate:
    def test_becomes_a_pipeline_that_runs_once_its_nodes_are_filled_in(self, api: Api) -> None:
        templates = api.get("/pipelines/templates")

        assert len(templates) == 5
        for each in templates:
            assert set(each["labels"]) == {node["id"] for node in each["nodes"]}
            drawn = {"nodes": filled_in(api, each), "edges": each["edges"]}
            checked = api.post("/pipelines/validate", drawn)
            assert (checked["errors"], checked["warnings"]) == ([], [])
            made = api.post("/pipelines", {"name": each["name"], **drawn, "schedule": each.get("schedule")})
            assert made.get("schedule", {}).get("cron") == each.get("schedule", {}).get("cron")

            done = api.post(f"/pipelines/{made['id']}/execute")

            assert done["status"] == "completed", done
            assert [node["id"] for node in done["nodes"]] == checked["order"]
            assert {node["status"] for node in done["nodes"]} == {"completed"}


class TestExecutingAPipeline:
    def test_every_node_does_its_work(self, api: Api) -> None:
        made = api.pipeline()

        done = api.post(f"/pipelines/{made['id']}/execute")

        assert (done["pipelineId"], done["status"]) == (made["id"], "completed")
        assert [step["kind"] for step in done["steps"]] == ["extract", "sync"]
        assert (done["recordsProcessed"], done["recordsSucceeded"], done["recordsFailed"]) == (6, 5, 1)
        assert len(api.get("/object-types/aircraft/objects")) == 2

    def test_a_failed_one_says_so_in_its_status(self, api: Api) -> None:
        made = api.pipeline()
        (api.files / "registry.csv").unlink()

        failed = api.post(f"/pipelines/{made['id']}/execute")

        assert failed["status"] == "failed"
        assert failed["error"]
        assert [each["id"] for each in api.get(f"/pipelines/{made['id']}/executions")] == [failed["id"]]

    def test_without_waiting_the_execution_itself_is_answered(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        made = api.pipeline()

        reply = api.client.post(f"/api/v1/dataops/pipelines/{made['id']}/execute", headers={"Prefer": "respond-async"})

        body = reply.json()
        assert (reply.status_code, body["status"]) == (202, "running")
        assert body["id"] == body["executionId"]
        assert body["startedAt"]
        assert api.client.get(body["statusUrl"]).json()["status"] == "running"


class TestTheNodesOfAnExecution:
    def test_are_told_with_the_pipeline_and_with_the_execution(self, api: Api) -> None:
        made = api.pipeline()
        assert "lastExecution" not in made
        (api.files / "registry.csv").unlink()

        failed = api.post(f"/pipelines/{made['id']}/execute")

        assert [(node["id"], node["status"]) for node in failed["nodes"]] == [
            ("src-1", "failed"),
            ("ds-1", "skipped"),
            ("map-1", "skipped"),
        ]
        assert failed["errorCode"] == "NODES_FAILED"
        assert "registry.csv" in failed["nodes"][0]["error"]
        shown = api.get(f"/pipelines/{made['id']}")["lastExecution"]
        assert (shown["id"], shown["nodes"]) == (failed["id"], failed["nodes"])
        assert api.get(f"/executions/{failed['id']}")["nodes"] == failed["nodes"]
        [listed] = api.get("/pipelines")
        assert (listed["lastExecution"]["id"], "nodes" in listed["lastExecution"]) == (failed["id"], False)

    def test_wait_with_the_execution(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        made = api.pipeline()
        path = f"/api/v1/dataops/pipelines/{made['id']}/execute"
        run = api.client.post(path, headers={"Prefer": "respond-async"}).json()
        wait_for(lambda: "dagsterRunId" in api.get(f"/executions/{run['id']}"))

        assert [node["status"] for node in api.get(f"/executions/{run['id']}")["nodes"]] == ["waiting"] * 3
        cancelled = api.post(f"/executions/{run['id']}/cancel")
        assert "nodes" not in cancelled


class TestCancelling:
    def test_a_waiting_execution_is_cancelled_and_leaves_the_queue(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        made = api.pipeline()
        run = api.client.post(
            f"/api/v1/dataops/pipelines/{made['id']}/execute", headers={"Prefer": "respond-async"}
        ).json()
        wait_for(lambda: "dagsterRunId" in api.get(f"/executions/{run['id']}"))

        cancelled = api.post(f"/executions/{run['id']}/cancel")

        assert cancelled["status"] == "cancelled"
        assert launcher.terminated == [cancelled["dagsterRunId"]]

    def test_one_that_has_ended_is_a_conflict(self, api: Api) -> None:
        made = api.pipeline()
        done = api.post(f"/pipelines/{made['id']}/execute")

        assert api.refused("POST", f"/executions/{done['id']}/cancel")[0] == 409
        assert api.refused("POST", "/executions/none/cancel")[0] == 404
