"""Several assets in one Dagster run share one record: it ends with the last of them, and is nobody else's meanwhile."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.domain.run import RunState
from dataops_defs.flows import extract_dataset as extracting
from tests.scenes import World

GOOD = "tailnum,year\nN1,2001\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def materialize(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(read_state())
    job = definitions.get_repository_def().get_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=False)


def records(world: World) -> list[RunRow]:
    with world.platform.catalogue() as session:
        return session.query(RunRow).order_by(RunRow.id).all()


def steps(world: World) -> dict[str, str]:
    with world.platform.catalogue() as session:
        return {each.subject_name: str(each.state) for each in session.query(RunStepRow).all()}


class TestAnAssetThatFails:
    def test_does_not_end_the_record_of_those_that_go_on(self, world: World, instance: dg.DagsterInstance) -> None:
        broken = world.dataset(world.source("gone", path="gone.csv"), "broken")
        kind = world.object_type("plane", "tail", {"tail": {"type": "string"}})
        world.mapping(broken, kind, {"tail": "tailnum"})
        for name in ("first", "second"):
            world.dataset(world.csv(f"{name}.csv", GOOD), name)

        assert not materialize(instance).success

        [record] = records(world)
        assert (record.state, record.records_processed) == (RunState.FAILED, 2)
        assert "gone.csv" in (record.error or "")
        assert steps(world) == {"broken": "failed", "first": "succeeded", "second": "succeeded"}
        assert len(record.result["assetsSkipped"]) == 1
        with world.platform.catalogue() as session:
            last = max(each.finished_at for each in session.query(RunStepRow).all() if each.finished_at)
        assert record.finished_at is not None
        assert record.finished_at >= last


class TestAPause:
    def test_of_a_run_of_assets_leaves_the_others_to_whoever_resumes_it(
        self, world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("first", "second", "third"):
            world.dataset(world.csv(f"{name}.csv", GOOD), name)
        extract = extracting._extract

        def pausing(*arguments: object) -> object:
            [record] = records(world)
            if not record.pause_requested:
                with world.platform.catalogue() as session:
                    RunControl(session).pause(record.id)
            return extract(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(extracting, "_extract", pausing)
        materialize(instance)

        [record] = records(world)
        assert record.state is RunState.PAUSED
        assert len(steps(world)) < 3
