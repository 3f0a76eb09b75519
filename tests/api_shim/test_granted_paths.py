"""Paths to the files of a restricted source take its grant too: in previews, imports, watches, sources, mounts."""

import pytest

from tests.api_shim.conftest import REGISTRY
from tests.api_shim.grant_scenes import Asked, Scene, scene

__all__ = ["scene"]


class TestPaths:
    """A path leads to the rows of a restricted source of files: it takes the same right."""

    ASKED = (
        ("POST", "preview/path", {"file_path": "registry.csv"}),
        ("POST", "storage/import", {"file_path": "./registry.csv", "target_table": "raw.taken"}),
        ("POST", "storage/watch", {"folder_path": ".", "file_patterns": ["*.csv"], "auto_import": True}),
    )

    @pytest.mark.parametrize("asked", ASKED, ids=[path for _, path, _ in ASKED])
    def test_to_its_file_or_folder_are_refused_without_its_name(self, scene: Scene, asked: Asked) -> None:
        method, path, body = asked

        refused = scene.stranger.client.request(method, f"/api/v1/mvp/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert "Registry" not in refused.text

        assert scene.uses.client.request(method, f"/api/v1/mvp/{path}", json=body).status_code == 200

    def test_of_a_source_of_ones_own_are_refused_too(self, scene: Scene) -> None:
        for path in ("registry.csv", "./*.csv", "."):
            body = {"name": "Mine", "type": "csv", "connection": {"path": path}}
            assert scene.stranger.refused("POST", "/sources", body)[0] == 403
            assert scene.stranger.refused("POST", "/sources/test", body)[0] == 403

        assert scene.uses.post("/sources", {"name": "Mine", "type": "csv", "connection": {"path": "registry.csv"}})

    def test_to_another_file_are_not(self, scene: Scene) -> None:
        (scene.api.files / "open").mkdir()
        (scene.api.files / "open" / "other.csv").write_text(REGISTRY)

        reply = scene.stranger.client.post("/api/v1/mvp/preview/path", json={"file_path": "open/other.csv"})
        assert reply.status_code == 200

    def test_through_a_mount_are_refused_as_the_mount_is(self, scene: Scene) -> None:
        body = {"local_path": "/mnt/sec", "network_path": str(scene.api.files)}
        through = {"file_path": "/mnt/sec/registry.csv"}

        assert scene.stranger.client.post("/api/v1/mvp/storage/mount", json=body).status_code == 403
        assert scene.uses.client.post("/api/v1/mvp/storage/mount", json=body).status_code == 200

        asked = [(who, who.client.post("/api/v1/mvp/preview/path", json=through)) for who in (scene.uses, scene.viewer)]
        assert [reply.status_code for _, reply in asked] == [200, 403]
        watch = {"folder_path": "/mnt/sec", "file_patterns": ["*.csv"]}
        assert scene.stranger.client.post("/api/v1/mvp/storage/watch", json=watch).status_code == 403

    def test_to_rows_that_an_import_has_set_aside_are_refused(self, scene: Scene) -> None:
        storage = "/api/v1/mvp/storage"
        path = scene.api.files / "registry.csv"
        body = {"file_path": str(path), "data_types": {"seats": "SMALLINT"}, "target_table": "raw.taken"}
        path.write_text("tail,seats\nN1,many\nN2,200\n")
        made = scene.uses.client.post(f"{storage}/import", json=body).json()
        rejects = f"{storage}/imports/{made['import_id']}/rejects"

        assert scene.uses.client.get(rejects).json()["total"] == 1
        assert [who.client.get(rejects).status_code for who in (scene.stranger, scene.viewer)] == [403, 403]
        assert scene.stranger.client.post(f"{rejects}/replay").status_code == 403
