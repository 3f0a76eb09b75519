"""Dry runs in Dagster: nothing is materialised, nothing checked, and a run that is run again stays dry."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.reconcile import request_again
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import DRY_RUN, RunKind, RunState
from dataops_defs.flows.outbox import launch_of
from tests.flows.graph_scenes import Fleet, fleet
from tests.scenes import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def graph(world: World) -> Fleet:
    return fleet(world)


def run_job(instance: dg.DagsterInstance, name: str, **config: Any) -> dg.ExecuteInProcessResult:
    job = build_definitions(read_state()).resolve_job_def(name)
    run_config = {"ops": {op_name(name): {"config": config}}}
    return job.execute_in_process(run_config, instance=instance, raise_on_error=False)


def records(graph: Fleet) -> list[RunRow]:
    with graph.world.platform.catalogue() as session:
        return list(session.query(RunRow).order_by(RunRow.id))


class TestADryRunInDagster:
    def test_asked_for_over_rest_logs_no_materialisation_and_no_check(
        self, graph: Fleet, instance: dg.DagsterInstance
    ) -> None:
        with graph.world.platform.catalogue() as session:
            row = Runs(session).request(RunKind.PIPELINE, graph.pipeline, "Fleet", parameters={DRY_RUN: True})
            launch = launch_of(row, 60)
        assert launch.tags["dataops/dry_run"] == "true"

        result = run_job(instance, launch.job, **launch.run_config["ops"][op_name(launch.job)]["config"])

        assert result.success
        assert not [each for each in result.all_events if each.is_step_materialization]
        assert result.get_asset_check_evaluations() == []
        assert graph.world.sql("SELECT to_regclass('objects.plane') IS NULL") == [(True,)]
        assert graph.world.sql("SELECT count(*) FROM dataops.ledger") == [(0,)]
        assert not list(graph.world.platform.settings.home.rglob("*.parquet"))
        [record] = records(graph)
        assert (record.state, record.records_processed) == (RunState.SUCCEEDED, 13)

    def test_started_in_dagster_makes_a_dry_record_and_is_tagged(
        self, graph: Fleet, instance: dg.DagsterInstance
    ) -> None:
        result = run_job(instance, "execute_pipeline", subject_id=graph.pipeline, dry_run=True)

        [record] = records(graph)
        assert record.parameters == {DRY_RUN: True}
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["dataops/dry_run"] == "true"

    def test_that_was_lost_before_it_began_is_asked_for_dry_again(self, graph: Fleet) -> None:
        config = {"ops": {op_name("execute_pipeline"): {"config": {"subject_id": graph.pipeline, "dry_run": True}}}}
        lost = dg.DagsterRun(job_name="execute_pipeline", run_config=config)

        with graph.world.platform.catalogue() as session:
            row = request_again(session, lost, 60)

        assert row is not None
        assert (row.kind, row.parameters) == (RunKind.PIPELINE, {DRY_RUN: True})

    def test_of_what_cannot_be_told_beforehand_is_refused(self, graph: Fleet, instance: dg.DagsterInstance) -> None:
        result = run_job(instance, "replay_rejects", subject_id=graph.ids["m1"], dry_run=True)

        assert not result.success
        failure: Any = result.get_step_failure_events()[0].step_failure_data
        assert "cannot be told beforehand" in failure.user_failure_data.description
        assert records(graph) == []
