"""Relationships are detected by a Dagster job, also once more."""

import dagster as dg

from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.jobs import static_jobs
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.detect_relationships import Wanted
from tests.scenes import World

JOB = "detect_relationships"
WANTED = Wanted(["customers", "orders"], "public", 0.8, use_ai=False)


def execute(**config: str) -> dg.ExecuteInProcessResult:
    job = next(each for each in static_jobs() if each.name == JOB)
    return job.execute_in_process(
        {"ops": {op_name(JOB): {"config": config}}}, resources={"platform": PlatformResource()}, raise_on_error=False
    )


def request(world: World) -> str:
    with world.platform.catalogue() as session:
        run = Runs(session).request(RunKind.DETECT, None, WANTED.name, parameters=WANTED.as_parameters())
        run.subject_id = run.id
        return run.id


def test_a_run_carries_out_what_its_record_asks_for_and_can_be_repeated_in_dagster(world: World) -> None:
    world.sql("CREATE TABLE customers AS SELECT n AS id FROM generate_series(1, 50) n")
    world.sql("CREATE TABLE orders AS SELECT n AS id, 1 + mod(n * 7, 50) AS customer_id FROM generate_series(1, 400) n")
    asked = request(world)

    first = execute(subject_id=asked, run_id=asked)
    again = execute(subject_id=asked)

    assert first.success
    assert again.success
    with world.platform.catalogue() as session:
        runs = Runs(session)
        records = [runs.by_dagster_run(each.run_id) for each in (first, again)]
        assert [each.state for each in records if each] == [RunState.SUCCEEDED] * 2
        found = [runs.steps(each.id)[0].result["details"]["relationships"] for each in records if each]
    assert found[0] == found[1]
    assert [(each["from_column"], each["to_table"]) for each in found[0]] == [("customer_id", "customers")]


def test_a_run_without_a_request_says_what_is_missing(world: World) -> None:
    with world.platform.catalogue() as session:
        other = Runs(session).request(RunKind.SYNC, None, "a mapping").id

    failed = execute(subject_id=other)

    assert not failed.success
    with world.platform.catalogue() as session:
        record = Runs(session).by_dagster_run(failed.run_id)
        assert record is not None
        assert "subject_id: must be the id of an earlier execution that detected relationships" in (record.error or "")
