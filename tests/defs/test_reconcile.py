"""Run records and Dagster's runs agree again, whichever side has missed something."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from dataops_defs.catalogue.audit import AuditFilter, audit_lines
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.reconcile import reconcile
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.outbox import RUN_ID_TAG, due_launches, reap
from tests.scenes import World

Status = dg.DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@dg.job
def some_job() -> None: ...


def dagster_run(instance: dg.DagsterInstance, status: Status, record: str | None = None) -> str:
    tags = {RUN_ID_TAG: record} if record else {}
    return instance.create_run_for_job(some_job, status=status, tags=tags).run_id


def request(world: World) -> str:
    with world.platform.catalogue() as session:
        row = Runs(session).request(RunKind.EXTRACT, new_id(), "test")
        Outbox(session).hold(row)
        return row.id


def launched(world: World, record: str, run: str) -> None:
    with world.platform.catalogue() as session:
        Outbox(session).launched(record, run)


def begun(world: World, run: str) -> str:
    record = request(world)
    with world.platform.catalogue() as session:
        assert Leases(session).begin(record, run)
    return record


def row(world: World, record: str) -> RunRow:
    with world.platform.catalogue() as session:
        return Runs(session).get(record)


class TestARecordWhoseRun:
    @pytest.mark.parametrize("status", [Status.FAILURE, Status.SUCCESS])
    def test_ended_before_it_began_is_launched_again(
        self, world: World, instance: dg.DagsterInstance, status: Status
    ) -> None:
        record = request(world)
        launched(world, record, dagster_run(instance, status))

        reconcile(instance, world.platform)

        assert [each.run_id for each in due_launches(world.platform)] == [record]

    def test_was_deleted_before_it_began_is_launched_again(self, world: World, instance: dg.DagsterInstance) -> None:
        record = request(world)
        launched(world, record, new_id())

        reconcile(instance, world.platform)

        assert [each.run_id for each in due_launches(world.platform)] == [record]

    @pytest.mark.parametrize("status", [Status.FAILURE, Status.SUCCESS])
    def test_ended_without_saying_so_is_continued(
        self, world: World, instance: dg.DagsterInstance, status: Status
    ) -> None:
        record = begun(world, dagster_run(instance, status))

        reconcile(instance, world.platform)

        assert reap(world.platform) == 1
        assert (row(world, record).state, row(world, record).dagster_run_id) == (RunState.QUEUED, None)

    def test_was_terminated_in_dagster_is_cancelled(self, world: World, instance: dg.DagsterInstance) -> None:
        record = begun(world, dagster_run(instance, Status.CANCELED))

        reconcile(instance, world.platform)

        assert (row(world, record).state, row(world, record).error) == (
            RunState.CANCELLED,
            "The run was terminated in Dagster",
        )

    def test_is_under_way_is_left_alone(self, world: World, instance: dg.DagsterInstance) -> None:
        record = begun(world, dagster_run(instance, Status.STARTED))

        reconcile(instance, world.platform)

        assert reap(world.platform) == 0
        assert row(world, record).state is RunState.RUNNING

    def test_was_asked_for_by_a_sensor_is_not_launched_twice(self, world: World, instance: dg.DagsterInstance) -> None:
        record = request(world)
        run = dagster_run(instance, Status.NOT_STARTED, record)

        reconcile(instance, world.platform)

        assert row(world, record).dagster_run_id == run


class TestADagsterRunOfASchedule:
    def lost(self, instance: dg.DagsterInstance, subject: str) -> str:
        """As a worker leaves it that was killed before its first act."""
        job = build_definitions({}).resolve_job_def("extract_dataset")
        origin = RemoteJobOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("dataops"), "__repository__"), "extract_dataset"
        )
        run = instance.create_run_for_job(
            job,
            run_config={"ops": {op_name("extract_dataset"): {"config": {"subject_id": subject}}}},
            tags={"dagster/schedule_name": "dataset__planes"},
            remote_job_origin=origin,
            job_code_origin=None,
        )
        instance.report_run_failed(run, "its worker was killed")
        return run.run_id

    def test_that_died_before_it_began_becomes_a_request_once(self, world: World, instance: dg.DagsterInstance) -> None:
        subject = new_id()
        lost = self.lost(instance, subject)

        for _ in range(2):
            reconcile(instance, world.platform)

        [launch] = due_launches(world.platform)
        assert launch.run_config["ops"][op_name("extract_dataset")]["config"]["subject_id"] == subject
        record = row(world, launch.run_id)
        assert (record.kind, record.trigger, record.subject_id) == (RunKind.EXTRACT, "schedule", subject)
        with world.platform.catalogue() as session:
            [line] = audit_lines(session, AuditFilter(subject=subject), limit=10)
        assert (line.actor, line.action) == ("schedule:dataset__planes", "dataset.extract")
        assert line.detail == {"executionId": record.id}
        run = instance.get_run_by_id(lost)
        assert run is not None
        assert run.tags[RUN_ID_TAG] == launch.run_id


class TestADagsterRun:
    def test_whose_record_another_run_carries_by_now_is_closed(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        record = begun(world, dagster_run(instance, Status.STARTED))
        abandoned = dagster_run(instance, Status.STARTED, record)

        reconcile(instance, world.platform)

        closed = instance.get_run_by_id(abandoned)
        assert closed is not None
        assert closed.status is Status.FAILURE


class TestARunOfAssets:
    def test_that_is_continued_does_what_was_left_under_the_same_record(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tailnum,year\nN1,2001\n"))
        kind = world.object_type("plane", "tail", {"tail": {"type": "string"}})
        world.mapping(dataset, kind, {"tail": "tailnum"})
        first = materialize(instance)
        with world.platform.catalogue() as session:
            [record] = session.query(RunRow).all()
            assert instance.get_run_by_id(first.run_id).tags[RUN_ID_TAG] == record.id  # type: ignore[union-attr]
            # As if its worker had died before its last asset was noted.
            record.state, record.finished_at, record.lease_until = RunState.RUNNING, None, record.created_at
            record.result = {}

        [launch] = due_launches(world.platform)
        assert launch.job == "__ASSET_JOB"
        assert [path[1] for path in launch.assets] == ["raw", "sync"]
        assert materialize(instance, tags=dict(launch.tags)).success

        again = row(world, record.id)
        assert (again.state, again.epoch, again.records_processed) == (RunState.SUCCEEDED, 2, 2)
        assert world.sql("SELECT count(*) FROM dataops.ledger") == [(2,)]

    def test_that_is_continued_begins_anew_although_its_launch_is_noted(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        record = begun(world, dagster_run(instance, Status.FAILURE))
        reconcile(instance, world.platform)
        [launch] = due_launches(world.platform)
        launched(world, launch.run_id, "the next one")

        with world.platform.catalogue() as session:
            leases = Leases(session)
            assert leases.join(record, "the next one") is None
            held = leases.begin(record, "the next one")
            assert held is not None
            assert held.epoch == 2
            assert leases.join(record, "the next one") == held


class TestAPausedRecord:
    def test_is_not_noted_as_launched_and_not_cancelled_with_its_queued_run(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        record = request(world)
        with world.platform.catalogue() as session:
            RunControl(session).pause(record)
        launched(world, record, dagster_run(instance, Status.CANCELED))

        reconcile(instance, world.platform)

        assert (row(world, record).state, row(world, record).dagster_run_id) == (RunState.PAUSED, None)

    def test_that_was_resumed_in_time_does_not_pause(self, world: World, instance: dg.DagsterInstance) -> None:
        record = begun(world, dagster_run(instance, Status.STARTED))
        with world.platform.catalogue() as session:
            control = RunControl(session)
            control.pause(record)
            control.resume(record)
            session.flush()
            assert not Runs(session).pause(record, 1)
        assert row(world, record).state is RunState.RUNNING


class TestARunThatRepeatsAnother:
    def test_is_left_alone_while_it_waits(self, world: World, instance: dg.DagsterInstance) -> None:
        record = begun(world, dagster_run(instance, Status.STARTED))
        first = row(world, record).dagster_run_id
        repeated = instance.create_run_for_job(
            some_job, tags={RUN_ID_TAG: record}, root_run_id=first, parent_run_id=first
        )

        reconcile(instance, world.platform)

        found = instance.get_run_by_id(repeated.run_id)
        assert found is not None
        assert not found.is_finished


class TestAWrongId:
    def test_does_not_stop_the_others(self, world: World, instance: dg.DagsterInstance) -> None:
        TestADagsterRunOfASchedule().lost(instance, "nope")
        subject = new_id()
        TestADagsterRunOfASchedule().lost(instance, subject)

        reconcile(instance, world.platform)

        assert len(due_launches(world.platform)) == 1


def materialize(instance: dg.DagsterInstance, **more: Any) -> dg.ExecuteInProcessResult:
    job = build_definitions(read_state()).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, **more)
