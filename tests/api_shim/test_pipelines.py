"""Pipelines and executions over HTTP. Source: document 004, US-4."""

from tests.api_shim.conftest import Api
from tests.api_shim.following import wait_for
from tests.api_shim.in_process import InProcessLauncher


class TestDrawingAPipeline:
    def test_the_graph_is_kept_as_drawn(self, api: Api) -> None:
        made = api.pipeline()

        assert [node["id"] for node in made["nodes"]] == ["src-1", "ds-1", "map-1"]
        assert made["nodes"][0]["position"] == {"x": 0, "y": 1}
        assert made["nodes"][1]["position"] == {"x": 0, "y": 0}
        assert made["edges"][1] == {"id": "e2", "source": "ds-1", "target": "map-1"}
        assert api.get(f"/pipelines/{made['id']}") == made

    def test_a_graph_that_cannot_run_is_refused(self, api: Api) -> None:
        made = api.pipeline()
        cases = [
            ({"nodes": []}, "nodes"),
            ({"edges": [{"id": "e", "source": "ds-1", "target": "nowhere"}]}, "edges.0"),
            ({"edges": [{"id": "e", "source": "ds-1", "target": "src-1"}]}, "edges.0"),
            (
                {
                    "edges": [
                        {"id": "a", "source": "map-1", "target": "ds-1"},
                        {"id": "b", "source": "ds-1", "target": "map-1"},
                    ]
                },
                "edges",
            ),
            ({"nodes": [{"id": "n", "type": "source", "data": {}}], "edges": []}, "nodes.0.data.sourceId"),
            ({"nodes": [{"id": "n", "type": "wing", "data": {}}], "edges": []}, "nodes.0.type"),
            (
                {"nodes": [{"id": "n", "type": "dataset", "data": {"datasetId": "none"}}], "edges": []},
                "nodes.0.data.datasetId",
            ),
        ]
        for wrong, field in cases:
            body = {name: made[name] for name in ("nodes", "edges")}

            assert api.refused("POST", "/pipelines", {"name": "Wrong", **body, **wrong}) == (422, [field])
            assert len(api.get("/pipelines")) == 1

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
    def test_becomes_a_pipeline_once_its_nodes_are_filled_in(self, api: Api) -> None:
        data = {node["type"]: node["data"] for node in api.pipeline()["nodes"]}
        templates = api.get("/pipelines/templates")

        assert len(templates) == 5
        for each in templates:
            nodes = [{**node, "data": data[node["type"]]} for node in each["nodes"]]
            assert set(each["labels"]) == {node["id"] for node in nodes}
            made = api.post("/pipelines", {"name": each["name"], "nodes": nodes, "edges": each["edges"]})
            assert made["status"] == "active"


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
