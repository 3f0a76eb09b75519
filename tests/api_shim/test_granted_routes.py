"""Who may see and use a source: every route that reaches one, or shows rows as they came from it."""

import json

import pytest

from tests.api_shim.conftest import COLUMNS
from tests.api_shim.grant_scenes import ETL, FAMILY, Asked, Scene, etl_pipeline, scene

__all__ = ["scene"]
NOWHERE = "0192f3a1-0000-7000-8000-000000000001"


def that_use(scene: Scene) -> list[Asked]:
    """Every request that takes the right to use the source, in an order in which each can succeed."""
    source, dataset, mapping = scene.source, f"/datasets/{scene.extracted['id']}", f"/mappings/{scene.mapping['id']}"
    mapped = {"datasetId": scene.extracted["id"], "objectType": "aircraft"}
    nodes = [{"id": "d", "type": "dataset", "data": {"datasetId": scene.extracted["id"]}}]
    synced = [{"id": "m", "type": "mapping", "data": {"mappingId": scene.first_sync["id"]}}]
    scheduled = {"schedule": {"enabled": True, "cron": "0 2 * * *"}}
    return [
        ("POST", f"/sources/{source}/test", None),
        ("PATCH", f"/sources/{source}", {"description": "x"}),
        ("GET", f"{dataset}/preview", None),
        ("GET", f"{dataset}/rejects", None),
        ("PATCH", dataset, {"extraction": {"type": "file"}}),
        ("PATCH", dataset, scheduled),
        ("POST", f"{dataset}/extract", None),
        ("POST", "/mappings/preview", mapped | {"mappings": COLUMNS}),
        ("POST", "/mappings/suggest", mapped),
        ("GET", f"{mapping}/rejects", None),
        ("GET", f"{mapping}/rejects?format=csv", None),
        ("POST", f"{mapping}/rejects/replay", None),
        ("POST", "/pipelines", {"name": "Unsynced", "nodes": synced, "edges": []}),
        ("PATCH", f"/mappings/{scene.first_sync['id']}", scheduled),
        ("POST", "/mappings", mapped | {"datasetId": scene.waiting["id"], "mappings": COLUMNS} | scheduled),
        ("POST", f"/mappings/{scene.first_sync['id']}/sync", None),
        ("POST", "/mappings", mapped | {"name": "Brings rows out", "mappings": COLUMNS}),
        ("PATCH", mapping, {"description": "x"}),
        ("POST", f"{mapping}/sync", None),
        ("POST", "/pipelines", {"name": "Another", "nodes": nodes, "edges": []}),
        ("PATCH", f"/pipelines/{scene.graph['id']}", scheduled),
        ("POST", f"/pipelines/{scene.graph['id']}/execute", None),
        ("DELETE", f"/pipelines/{scene.graph['id']}", None),
        ("POST", f"{ETL}/{scene.etl['id']}/run", None),
        ("POST", f"{ETL}/film_dim/run", None),
        ("GET", f"{ETL}/film_dim/reconciliation", None),
        ("PATCH", f"{ETL}/film_dim", {"description": "x"}),
    ]


def that_name_it(scene: Scene) -> list[Asked]:
    """Requests whose body names the source itself: to whoever may not see it, as if it did not exist."""
    dataset = {"name": "Mine", "sourceId": scene.source}
    nodes = [{"id": "s", "type": "source", "data": {"sourceId": scene.source}}]
    return [
        ("POST", "/datasets", dataset),
        ("POST", "/datasets/preview", {"sourceId": scene.source}),
        ("POST", "/pipelines", {"name": "Mine", "nodes": nodes, "edges": []}),
        ("POST", ETL, etl_pipeline(scene.database, "film_of_mine")),
    ]


class TestWhoMayUseASource:
    def test_may_do_all_that_an_editor_does(self, scene: Scene) -> None:
        answers = [(scene.status(scene.uses, asked), asked) for asked in that_use(scene) + that_name_it(scene)]

        assert [each for each in answers if each[0] not in (200, 201, 204)] == []

    @pytest.mark.parametrize("who", ["sees", "stranger"])
    def test_and_nobody_else_by_any_route(self, scene: Scene, who: str) -> None:
        asker = getattr(scene, who)
        before = scene.api.client.get(f"{FAMILY}/executions").headers["X-Total-Count"]

        answers = [(scene.status(asker, asked), asked) for asked in that_use(scene)]

        of_the_source = f"/sources/{scene.source}"
        refusal = {True: 404 if who == "stranger" else 403, False: 403}
        assert [each for each in answers if each[0] != refusal[each[1][1].startswith(of_the_source)]] == []
        assert scene.api.client.get(f"{FAMILY}/executions").headers["X-Total-Count"] == before

    def test_a_body_that_names_it_tells_a_stranger_nothing(self, scene: Scene) -> None:
        for asked in that_name_it(scene):
            method, path, body = asked
            prefix = "" if path.startswith(ETL) else FAMILY

            def of_none(text: str) -> str:
                return text.replace(scene.source, NOWHERE).replace(scene.database, NOWHERE)

            hidden = scene.stranger.client.request(method, prefix + path, json=body)
            missing = scene.stranger.client.request(method, prefix + path, json=json.loads(of_none(json.dumps(body))))

            assert hidden.status_code == missing.status_code == 422
            assert of_none(hidden.text) == missing.text
            assert scene.status(scene.sees, asked) == 403

    def test_a_dataset_cannot_be_moved_to_it(self, scene: Scene) -> None:
        own = scene.stranger.dataset("Own", source=scene.stranger.source("Own"))

        moved = {"sourceId": scene.source}
        assert scene.stranger.refused("PATCH", f"/datasets/{own['id']}", moved) == (422, ["sourceId"])
        assert scene.sees.refused("PATCH", f"/datasets/{own['id']}", moved)[0] == 403

    def test_what_does_not_reach_it_goes_by_its_own_rules(self, scene: Scene) -> None:
        dataset, mapping = scene.extracted["id"], scene.mapping["id"]
        allowed: list[Asked] = [
            ("GET", f"/datasets/{dataset}", None),
            ("GET", f"/datasets/{dataset}/history", None),
            ("GET", "/datasets", None),
            ("GET", f"/executions?subjectId={dataset}", None),
            ("GET", f"/mappings/{mapping}", None),
            ("GET", "/object-types/aircraft/objects", None),
            ("GET", f"/pipelines/{scene.graph['id']}", None),
            ("GET", f"{ETL}/film_dim/state", None),
        ]

        assert [asked for asked in allowed if scene.status(scene.stranger, asked) != 200] == []


class TestWhoMayNotSeeASource:
    def test_finds_it_nowhere(self, scene: Scene) -> None:
        listed = scene.stranger.client.get(f"{FAMILY}/sources")

        assert (listed.json(), listed.headers["X-Total-Count"]) == ([], "0")
        paths = ["", "/grants"]
        assert [scene.stranger.refused("GET", f"/sources/{scene.source}{each}")[0] for each in paths] == [404, 404]
        assert scene.stranger.refused("DELETE", f"/sources/{scene.source}")[0] == 404
        assert scene.stranger.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 404
        seen = [f"/pipelines/{scene.graph['id']}/executions", "/executions", f"/datasets/{scene.extracted['id']}"]
        assert not [path for path in seen if "Registry" in scene.stranger.client.get(FAMILY + path).text]
        assert scene.stranger.get(f"/executions?subjectId={scene.source}") == []

    def test_cannot_check_a_graph_for_it(self, scene: Scene) -> None:
        graph = {"nodes": [{"id": "s", "type": "source", "data": {"sourceId": scene.source}}], "edges": []}

        assert scene.stranger.post("/pipelines/validate", graph)["valid"] is False
        assert scene.sees.post("/pipelines/validate", graph)["valid"] is True

    def test_whoever_sees_it_finds_it(self, scene: Scene) -> None:
        assert {each["name"] for each in scene.sees.get("/sources")} == {"Registry", "Operations"}
        assert scene.sees.get(f"/sources/{scene.source}")["restricted"] is True
        assert scene.sees.refused("DELETE", f"/sources/{scene.source}")[0] == 403
