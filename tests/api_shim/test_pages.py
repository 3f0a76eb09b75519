"""The page of the API: it comes from this server alone, and its policy lets it load from nowhere else."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

REFERRED = re.compile(r"""(?:src|href|url:)\s*[=]?\s*["']([^"']+)["']""")


class TestTheDocsPage:
    def test_refers_to_no_other_host_and_all_that_it_refers_to_is_there(self, app: FastAPI) -> None:
        stranger = TestClient(app)
        page = stranger.get("/docs")
        assert page.status_code == 200
        assert "//" not in re.sub(r"^\s*//.*$", "", page.text, flags=re.MULTILINE)
        referred = REFERRED.findall(page.text)
        assert len(referred) == 4
        for address in referred:
            found = stranger.get(f"/{address}")
            assert found.status_code == 200, address
            assert len(found.content) > 1000
            assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert b"SwaggerUIBundle" in stranger.get("/docs/swagger-ui-bundle.js").content

    def test_may_load_from_this_server_only_and_be_framed_by_nobody(self, app: FastAPI) -> None:
        policy = TestClient(app).get("/docs").headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy

    @pytest.mark.parametrize("name", ["core.py", "..%2Fcore.py", "redoc.standalone.js", "%2E%2E/consts.py"])
    def test_gives_no_other_file(self, app: FastAPI, name: str) -> None:
        assert TestClient(app).get(f"/docs/{name}").status_code == 401
