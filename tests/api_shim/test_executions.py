"""Executions, alone and in lists: their progress, filters and order, in a fixed number of queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from api_shim.schemas.base import iso
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.database import engine
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.api_shim.following import AnExecution


@pytest.fixture
def platform(shim_settings: Settings) -> Platform:
    return Platform(shim_settings)


@contextmanager
def statements(url: str) -> Iterator[list[str]]:
    """The SQL that is sent to a database meanwhile, but for that of the app's own look for requests to launch."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "SKIP LOCKED" not in statement and "run.dagster_run_id IS NOT NULL" not in statement:
            seen.append(statement)

    event.listen(engine(url), "before_cursor_execute", note)
    yield seen
    event.remove(engine(url), "before_cursor_execute", note)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in found]


class TestProgress:
    def test_of_one_at_work_tells_percent_pace_and_time_left(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform).begin().step(250, 1000, batches=5)
        run.set(started_at=now() - timedelta(seconds=100))

        found = api.get(f"/executions/{run.id}")

        progress = found["progress"]
        assert (progress["rowsDone"], progress["rowsTotal"], progress["batchesDone"]) == (250, 1000, 5)
        assert (progress["percent"], progress["stepsDone"], progress["stepsTotal"]) == (25.0, 0, 1)
        assert progress["secondsLeft"] == pytest.approx(3 * 250 / progress["rowsPerSecond"], rel=0.1)
        (step,) = found["steps"]
        assert (step["rowsTotal"], step["batchesDone"], step["percent"], step["state"]) == (1000, 5, 25.0, "running")
        assert (found["status"], found["state"], found["workersUsed"]) == ("running", "running", 1)

    def test_of_a_pipeline_counts_its_steps(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform, RunKind.PIPELINE).begin(steps=2).step(900, key="first")

        before = api.get(f"/executions/{run.id}")["progress"]
        run.end_step(1000).step(30, 60, key="second")
        after = api.get(f"/executions/{run.id}")["progress"]

        assert (before["percent"], before["stepsDone"], before["rowsDone"]) == (0.0, 0, 900)
        assert "rowsTotal" not in before
        assert (after["percent"], after["stepsDone"], after["stepsTotal"]) == (75.0, 1, 2)
        assert (after["rowsDone"], after["rowsTotal"]) == (1030, 1060)

    def test_is_left_out_where_it_cannot_be_known(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform).begin().step(250)

        found = api.get(f"/executions/{run.id}")

        assert not {"percent", "secondsLeft", "rowsTotal"} & set(found["progress"])
        assert "percent" not in found["steps"][0]

    def test_of_one_that_succeeded_is_whole(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform).begin().step(9).end_step(10).finish()

        progress = api.get(f"/executions/{run.id}")["progress"]

        assert (progress["percent"], progress["rowsDone"], progress["rowsTotal"]) == (100.0, 10, 10)
        assert "secondsLeft" not in progress

    def test_one_that_waits_tells_since_when_and_why(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform).set(launch_error="Dagster does not answer")

        found = api.get(f"/executions/{run.id}")

        assert (found["status"], found["state"]) == ("running", "queued")
        assert found["launchError"] == "Dagster does not answer"
        assert found["waitingSince"] == found["startedAt"]
        assert found["progress"] == {"rowsDone": 0, "batchesDone": 0, "stepsDone": 0, "stepsTotal": 1}
        run.begin()
        assert not {"waitingSince", "launchError"} & set(api.get(f"/executions/{run.id}"))

    def test_one_that_was_continued_tells_its_workers(self, api: Api, platform: Platform) -> None:
        run = AnExecution(platform).begin().set(state=RunState.QUEUED, dagster_run_id=None).begin()

        assert api.get(f"/executions/{run.id}")["workersUsed"] == 2

    def test_of_an_execution_over_rest_is_that_of_its_real_steps(self, api: Api) -> None:
        made = api.pipeline()

        done = api.post(f"/pipelines/{made['id']}/execute")

        progress = api.get(f"/executions/{done['id']}")["progress"]
        assert (progress["stepsDone"], progress["stepsTotal"], progress["percent"]) == (2, 2, 100.0)
        assert progress["rowsDone"] == progress["rowsTotal"] == done["recordsProcessed"] == 6
        (listed,) = api.get(f"/pipelines/{made['id']}/executions")
        assert listed["progress"] == progress


class TestTheList:
    def test_shows_the_newest_first_page_by_page(self, api: Api, platform: Platform) -> None:
        made = [AnExecution(platform).id for _ in range(5)]

        reply = api.client.get("/api/v1/dataops/executions?limit=2&offset=1")

        assert ids(reply.json()) == [made[3], made[2]]
        assert reply.headers["X-Total-Count"] == "5"
        beyond = api.client.get("/api/v1/dataops/executions?limit=2&offset=9")
        assert (beyond.json(), beyond.headers["X-Total-Count"]) == ([], "5")

    def test_is_sorted_as_asked(self, api: Api, platform: Platform) -> None:
        first, second = AnExecution(platform), AnExecution(platform)
        first.begin()

        assert ids(api.get("/executions?sort=createdAt")) == [first.id, second.id]
        assert ids(api.get("/executions?sort=-updatedAt")) == [first.id, second.id]
        assert api.refused("GET", "/executions?sort=error")[0] == 422

    def test_is_filtered(self, api: Api, platform: Platform) -> None:
        dataset = new_id()
        waiting = AnExecution(platform, RunKind.SYNC)
        running = AnExecution(platform, subject_id=dataset).begin()
        late = AnExecution(platform, subject_id=dataset).begin().finish(RunState.TIMED_OUT)
        failed = AnExecution(platform, RunKind.REFRESH).begin().finish(RunState.FAILED)
        moment = now() + timedelta(seconds=1)
        cases = [
            ("status=running", [running.id, waiting.id]),
            ("state=running", [running.id]),
            ("status=failed", [failed.id, late.id]),
            ("status=failed&state=timed_out", [late.id]),
            ("status=completed&state=running", []),
            ("kind=sync", [waiting.id]),
            (f"subjectId={dataset}", [late.id, running.id]),
            (f"subjectId={dataset}&status=running", [running.id]),
            ("subjectId=none", []),
            (f"since={iso(moment)}", []),
            (f"since={iso(moment - timedelta(hours=1))}", [failed.id, late.id, running.id, waiting.id]),
        ]
        for query, wanted in cases:
            reply = api.client.get(f"/api/v1/dataops/executions?{query}")

            assert (query, ids(reply.json())) == (query, wanted)
            assert reply.headers["X-Total-Count"] == str(len(wanted))
        for wrong in ("status=great", "state=great", "kind=dance", "since=2025-01-01T00:00:00", "limit=0", "page=1"):
            assert api.client.get(f"/api/v1/dataops/executions?{wrong}").status_code == 422

    def test_knows_the_app_of_what_was_worked_at(self, api: Api, platform: Platform) -> None:
        dataset = api.dataset(app="fleet")
        of_app = AnExecution(platform, subject_id=dataset["id"])
        AnExecution(platform)

        assert ids(api.get("/executions?app=fleet")) == [of_app.id]
        assert api.get("/executions?app=other") == []

    def test_takes_the_same_few_queries_for_one_execution_as_for_many(
        self, api: Api, platform: Platform, catalogue_url: str
    ) -> None:
        pipeline = api.pipeline()
        for number in range(12):
            run = AnExecution(platform, RunKind.PIPELINE, pipeline["id"]).begin(steps=3)
            for key in ("a", "b", "c"):
                run.step(10, 20, key=key)
            # The list must not depend on how many there are.
            if number in (0, 11):
                with statements(catalogue_url) as of_all:
                    assert len(api.get("/executions")) == number + 1
                with statements(catalogue_url) as of_pipeline:
                    assert len(api.get(f"/pipelines/{pipeline['id']}/executions")) == number + 1

                assert len([each for each in of_all if "FROM run" in each or "JOIN run" in each]) == 1
                assert len([each for each in of_pipeline if "pipeline" in each or "JOIN run" in each]) == 2
