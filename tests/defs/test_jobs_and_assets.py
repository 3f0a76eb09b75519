"""The same work from the REST API's jobs and from the assets of the Dagster UI, recorded alike."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.audit import AuditFilter, audit_lines
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import RunKind, RunState
from tests.scenes import World

PLANES = "tailnum,year\nN1,2001\nN2,1998\nX3,1999\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def plane(world: World) -> dict[str, str]:
    dataset = world.dataset(world.csv("planes.csv", PLANES))
    kind = world.object_type(
        "plane", "tail", {"tail": {"type": "string", "pattern": "^N"}, "year": {"type": "integer"}}
    )
    mapping = world.mapping(dataset, kind, {"tail": "tailnum", "year": "year"})
    return {"dataset": dataset, "mapping": mapping}


def run_job(
    name: str, instance: dg.DagsterInstance, tags: dict[str, str] | None = None, **config: str
) -> dg.ExecuteInProcessResult:
    job = build_definitions(read_state()).resolve_job_def(name)
    run_config = {"ops": {op_name(name): {"config": config}}}
    return job.execute_in_process(run_config, instance=instance, raise_on_error=False, tags=tags)


def records(world: World) -> list[RunRow]:
    with world.platform.catalogue() as session:
        return list(session.query(RunRow).order_by(RunRow.id))


class TestAStaticJob:
    def test_does_the_work_of_the_record_it_carries(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        with world.platform.catalogue() as session:
            record = Runs(session).request(RunKind.SYNC, plane["mapping"], "m").id
        result = run_job("sync_mapping", instance, subject_id=plane["mapping"], run_id=record)
        assert result.success
        [row] = records(world)
        assert (row.id, row.state, row.dagster_run_id) == (record, RunState.SUCCEEDED, result.run_id)
        assert (row.records_processed, row.records_succeeded, row.records_failed) == (6, 5, 1)

    def test_logs_materialisations_and_checks_as_the_assets_would(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        result = run_job("sync_mapping", instance, subject_id=plane["mapping"])
        keys = {event.asset_key.to_user_string() for event in result.all_events if event.is_step_materialization}
        mapping = next(key for key in keys if "/sync/" in key)
        assert keys == {"default/raw/aircraft", "default/objects/plane", mapping}
        checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
        assert checks == {"schema_unchanged": True, "rows_accepted": False, "ledger_balanced": True}

    def test_launched_twice_for_one_record_works_once(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        with world.platform.catalogue() as session:
            record = Runs(session).request(RunKind.EXTRACT, plane["dataset"], "d").id
        for _ in range(2):
            assert run_job("extract_dataset", instance, subject_id=plane["dataset"], run_id=record).success
        assert world.sql("SELECT count(*) FROM dataops.ledger") == [(1,)]

    def test_that_fails_says_one_readable_sentence_in_dagster_and_in_the_record(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        (world.files / "planes.csv").unlink()
        result = run_job("extract_dataset", instance, subject_id=plane["dataset"])
        assert not result.success
        [row] = records(world)
        assert row.state is RunState.FAILED
        assert row.error
        assert "planes.csv" in row.error
        assert "Traceback" not in row.error
        failure: Any = result.get_step_failure_events()[0].step_failure_data
        assert failure.user_failure_data.description == row.error


class TestTheAudit:
    @pytest.mark.parametrize(
        ("tags", "actor"),
        [
            ({"dagster/schedule_name": "dataset__planes"}, "schedule:dataset__planes"),
            ({"dagster/sensor_name": "watch__inbox"}, "sensor:watch__inbox"),
            ({}, "dagster"),
        ],
    )
    def test_knows_who_launched_what_no_request_asked_for(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance, tags: dict[str, str], actor: str
    ) -> None:
        run_job("extract_dataset", instance, tags, subject_id=plane["dataset"])

        [record] = records(world)
        with world.platform.catalogue() as session:
            [line] = audit_lines(session, AuditFilter(subject=plane["dataset"]), limit=10)
        assert (line.actor, line.action, line.detail) == (actor, "dataset.extract", {"executionId": record.id})


class TestAssets:
    def test_materialised_in_the_ui_make_one_record_with_a_step_each(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        definitions = build_definitions(read_state())
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
        assert result.success
        [row] = records(world)
        assert (row.kind, row.state, row.records_processed) == (RunKind.ASSETS, RunState.SUCCEEDED, 6)
        with world.platform.catalogue() as session:
            assert [step.kind for step in Runs(session).steps(row.id)] == [RunKind.EXTRACT, RunKind.SYNC]

    def test_show_rows_columns_lineage_preview_and_ledger(
        self, world: World, plane: dict[str, str], instance: dg.DagsterInstance
    ) -> None:
        run_job("sync_mapping", instance, subject_id=plane["mapping"])
        event = instance.get_latest_materialization_event(dg.AssetKey(["default", "objects", "plane"]))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["dagster/row_count"].value == 2
        assert [each.name for each in metadata["dagster/column_schema"].value.columns] == ["tail", "year"]
        assert "tail" in metadata["dagster/column_lineage"].value.deps_by_column
        assert "| N1 | 2001 |" in metadata["preview"].value
        assert "X3" in metadata["rejected_rows"].value


class TestABrokenRow:
    def test_is_shown_with_its_reason_and_the_rest_loads(self, world: World, plane: dict[str, str]) -> None:
        bad = world.dataset(world.csv("other.csv", "a\n1\n"), "Broken", type="witchcraft")
        definitions = build_definitions(read_state())
        graph = definitions.resolve_asset_graph()
        keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
        assert "default/raw/aircraft" in keys
        assert "default/raw/broken" not in keys
        set_aside = graph.get(dg.AssetKey(["set_aside", "datasets", "broken"]))
        assert "witchcraft" in (set_aside.description or "")
        with world.platform.catalogue() as session:
            from dataops_defs.catalogue.datasets import Datasets

            assert "witchcraft" in (Datasets(session).get(bad).problem or "")
