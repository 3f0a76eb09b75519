"""Every family's wording of a refusal. Source: DECISIONS, the table and points 6 and 7."""

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient

from api_shim.answers import Family, body_of, family_of, refusal_of
from dataops_defs.catalogue.sealing import CannotUnseal
from dataops_defs.errors import (
    Conflict,
    DataOpsError,
    DependencyUnavailable,
    Duplicate,
    Forbidden,
    Invalid,
    LedgerImbalance,
    NotFound,
    SourceError,
    SourceUnavailable,
    StillRunning,
    TooLarge,
    Unauthenticated,
    UnsafeQuery,
)
from tests.api_shim.conftest import Api

PREFIX = {
    Family.MVP: "/api/v1/mvp",
    Family.PROVIDERS: "/api/providers",
    Family.TAURO: "/api/v1/projects",
    Family.ETL: "/api/v1/pipelines",
    Family.DATAOPS: "/api/v1/dataops",
}


class TestFamilies:
    @pytest.mark.parametrize("family", list(Family))
    def test_are_told_by_the_path(self, family: Family) -> None:
        assert family_of(PREFIX[family]) is family
        assert family_of(f"{PREFIX[family]}/x/y") is family

    def test_only_by_whole_parts_of_it(self) -> None:
        assert family_of("/api/v1/mvpx") is Family.TAURO
        assert family_of("/api/runsome") is Family.DATAOPS
        assert family_of("/health") is Family.DATAOPS


class TestStatus:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (Invalid("x"), 422),
            (UnsafeQuery("x"), 422),
            (Unauthenticated("x"), 401),
            (Forbidden("x"), 403),
            (NotFound("x"), 404),
            (Conflict("x"), 409),
            (Duplicate("x"), 409),
            (StillRunning("x"), 409),
            (TooLarge("x"), 413),
            (SourceError("x"), 422),
            (SourceUnavailable("x"), 422),
            (DependencyUnavailable("x"), 503),
            (LedgerImbalance("x"), 502),
            (CannotUnseal("x"), 500),
        ],
    )
    def test_follows_the_class(self, error: DataOpsError, status: int) -> None:
        assert refusal_of(error, Family.DATAOPS).status == status

    def test_a_duplicate_is_400_in_one_family(self) -> None:
        assert refusal_of(Duplicate("x"), Family.ETL).status == 400
        assert refusal_of(Conflict("x"), Family.ETL).status == 409

    def test_what_may_work_later_says_when(self) -> None:
        assert "Retry-After" in refusal_of(SourceUnavailable("x"), Family.DATAOPS).headers
        assert "Retry-After" not in refusal_of(SourceError("x"), Family.DATAOPS).headers

    def test_missing_fields_of_a_provider_are_400(self) -> None:
        missing = RequestValidationError([{"type": "missing", "loc": ("body", "uis"), "msg": "Field required"}])

        refusal = refusal_of(missing, Family.PROVIDERS)

        assert (refusal.status, refusal.message) == (400, "Missing required fields")


class TestWording:
    def test_of_each_family(self) -> None:
        error = Invalid.field("name", "is taken")
        bodies = {family: body_of(refusal_of(error, family), family, "req_1") for family in Family}
        problems = [{"field": "name", "message": "is taken"}]

        moment = bodies[Family.TAURO]["meta"].pop("timestamp")
        assert moment.endswith("Z")
        assert bodies == {
            Family.MVP: {"detail": "name: is taken", "code": "VALIDATION_ERROR", "errors": problems},
            Family.DATAOPS: {"detail": "name: is taken", "code": "VALIDATION_ERROR", "errors": problems},
            Family.ETL: {"detail": "name: is taken", "errors": problems},
            Family.PROVIDERS: {"error": "name: is taken", "code": "VALIDATION_ERROR"},
            Family.TAURO: {
                "error": {"code": "VALIDATION_ERROR", "message": "name: is taken", "details": problems},
                "meta": {"request_id": "req_1"},
            },
        }

    def test_an_unknown_error_tells_nothing(self) -> None:
        refusal = refusal_of(RuntimeError("password=secret at /srv/app.py SELECT 1"), Family.DATAOPS)

        assert (refusal.status, refusal.code) == (500, "INTERNAL_ERROR")
        assert "secret" not in refusal.message


class TestUnknownAddresses:
    def test_and_methods_are_worded_too(self, api: Api) -> None:
        assert api.client.get("/api/v1/dataops/nowhere").json()["code"] == "NOT_FOUND"
        assert api.client.get("/api/v1/nowhere").json()["error"]["code"] == "NOT_FOUND"
        assert "error" in api.client.get("/api/providers/x/y/z").json()
        wrong = api.client.put("/api/v1/dataops/sources", json={})
        assert (wrong.status_code, wrong.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert "GET" in wrong.headers["Allow"]

    def test_a_slash_too_many_is_no_redirect(self, api: Api) -> None:
        assert api.client.get("/api/v1/dataops/sources/", follow_redirects=False).status_code == 404


class TestAnErrorNobodyExpected:
    def test_is_answered_without_inner_details_and_logged(
        self, app: FastAPI, client: TestClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        @app.get("/api/v1/dataops/boom")
        def boom() -> None:
            raise RuntimeError("the inside story")

        reply = client.get("/api/v1/dataops/boom", headers={"X-Request-ID": "boom-1"})

        assert reply.status_code == 500
        assert reply.json()["code"] == "INTERNAL_ERROR"
        assert "inside" not in reply.text
        logged = [line for line in capsys.readouterr().out.splitlines() if "the inside story" in line]
        assert "boom-1" in logged[0]
