"""Grants on a source: given, shown, checked, inherited, ended with their token, and in the audit."""

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from api_shim.app import create_app
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import REGISTRY
from tests.api_shim.grant_scenes import ETL, FAMILY, Scene, etl_pipeline, grant, scene
from tests.api_shim.holders import holder
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.test_executions import statements

__all__ = ["scene"]


class TestGrants:
    def test_without_any_everybody_may_what_their_role_lets_them(self, scene: Scene) -> None:
        told = grant(scene.api, scene.source)

        assert told == {"restricted": False, "grants": []}
        assert scene.stranger.post(f"/sources/{scene.source}/test")["success"] is True

    def test_are_shown_as_they_were_given_a_token_by_its_name(self, scene: Scene) -> None:
        ids = {each["name"]: each["id"] for each in scene.api.get("/tokens")}

        told = grant(scene.api, scene.source, {"token": ids["sees"], "may": "see"}, {"role": "editor", "may": "use"})

        wanted = [{"token": "sees", "may": "see"}, {"role": "editor", "may": "use"}]
        assert told == {"restricted": True, "grants": wanted}
        assert scene.sees.get(f"/sources/{scene.source}/grants") == told

    def test_for_a_role_hold_for_those_above_it(self, scene: Scene) -> None:
        grant(scene.api, scene.source, {"role": "editor", "may": "see"})
        assert [each["name"] for each in scene.stranger.get("/sources")] == ["Registry"]
        assert scene.viewer.get("/sources") == []

        grant(scene.api, scene.source, {"role": "viewer", "may": "use"})
        assert scene.viewer.get(f"/datasets/{scene.extracted['id']}/preview?limit=1")["rows"]
        assert scene.stranger.post(f"/sources/{scene.source}/test")["success"] is True

    def test_a_viewer_needs_one_too(self, scene: Scene) -> None:
        preview = f"/datasets/{scene.extracted['id']}/preview"
        assert scene.viewer.refused("GET", preview)[0] == 403

        grant(scene.api, scene.source, {"token": "watches", "may": "use"})

        assert scene.viewer.get(preview)["rows"]
        assert scene.viewer.refused("POST", f"/sources/{scene.source}/test")[0] == 403

    def test_of_a_revoked_token_end_and_the_source_stays_closed(self, scene: Scene, app: FastAPI) -> None:
        grant(scene.api, scene.source, {"token": "uses", "may": "use"})
        [token] = [each["id"] for each in scene.api.get("/tokens") if each["name"] == "uses"]

        scene.api.client.delete(f"{FAMILY}/tokens/{token}")
        successor = holder(scene.api, app, "uses", "editor")

        assert scene.api.get(f"/sources/{scene.source}/grants") == {"restricted": True, "grants": []}
        assert successor.refused("GET", f"/sources/{scene.source}")[0] == 404
        assert scene.stranger.refused("GET", f"/sources/{scene.source}")[0] == 404

    def test_are_set_by_an_admin_and_by_who_made_the_source(self, scene: Scene) -> None:
        own = scene.uses.source("Payroll", REGISTRY)["id"]

        grant(scene.uses, own, {"token": "sees", "may": "use"})

        assert scene.uses.post(f"/sources/{own}/test")["success"] is True
        assert scene.sees.refused("PUT", f"/sources/{own}/grants", {"grants": []})[0] == 403
        assert scene.uses.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 403
        assert scene.uses.patch(f"/sources/{scene.source}", {"owner": "uses"})["owner"] == "uses"
        assert scene.uses.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 403

    def test_that_are_wrong_are_named_and_change_nothing(self, scene: Scene) -> None:
        before = scene.api.get(f"/sources/{scene.source}/grants")
        cases: list[tuple[Any, list[str]]] = [
            ([{"token": "nobody", "may": "see"}], ["grants.0.token"]),
            ([{"token": "sees", "may": "see"}, {"token": "sees", "may": "use"}], ["grants.1"]),
            ([{"role": "admin", "may": "see"}], ["grants.0.role"]),
            ([{"role": "editor", "may": "own"}], ["grants.0.may"]),
            ([{"role": "editor", "token": "sees", "may": "use"}], ["grants.0"]),
            ([{"may": "use"}], ["grants.0"]),
            (None, ["grants"]),
        ]
        for grants, fields in cases:
            assert scene.api.refused("PUT", f"/sources/{scene.source}/grants", {"grants": grants}) == (422, fields)
        assert scene.api.get(f"/sources/{scene.source}/grants") == before

    def test_are_in_the_audit_as_they_were_and_as_they_are(self, scene: Scene) -> None:
        grant(scene.api, scene.source, {"role": "viewer", "may": "see"})

        newest = scene.api.get(f"/audit?action=source.grants&subject={scene.source}")[0]

        assert newest["detail"]["before"] == [{"token": "uses", "may": "use"}, {"token": "sees", "may": "see"}]
        assert newest["detail"]["after"] == [{"role": "viewer", "may": "see"}]


class TestALongList:
    def test_takes_no_query_for_each_row(self, scene: Scene, catalogue_url: str) -> None:
        for number in range(15):
            grant(scene.api, scene.api.source(f"Source {number}")["id"], {"token": "sees", "may": "see"})
        scene.sees.get("/sources?limit=1")

        counts = []
        for limit in (1, 17):
            with statements(catalogue_url) as made:
                assert len(scene.sees.get(f"/sources?limit={limit}")) == limit
            counts.append(len(made))

        assert counts[0] == counts[1]


class TestCompatMode:
    def test_lets_nobody_known_use_what_takes_a_grant(
        self, scene: Scene, shim_settings: Settings, launcher: InProcessLauncher
    ) -> None:
        with Platform(shim_settings).catalogue() as session:
            session.execute(update(SourceRow).values(creator_id=None))  # as of sources whose maker's token was revoked
        app = create_app(shim_settings.model_copy(update={"auth_mode": "compat"}), launcher)
        with TestClient(app) as anonymous:
            assert anonymous.post(f"{ETL}/film_dim/run").status_code == 403
            assert anonymous.post(ETL, json=etl_pipeline(scene.database, "mine")).status_code == 422
            assert anonymous.get(f"{ETL}/film_dim").status_code == 200
