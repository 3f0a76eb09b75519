"""The end of an execution and what is noted of it are one transaction, however it ends."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from dataops_defs.catalogue.alert_events import note_end
from dataops_defs.catalogue.alert_freshness import note_stale
from dataops_defs.catalogue.alert_rows import AlertDeliveryRow
from dataops_defs.catalogue.alerts import Alerts
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.keys import rotate
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import DatasetRow, MappingRow, RunRow, RunStepRow
from dataops_defs.catalogue.outbox import MOST_LAUNCHES, Outbox
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.alert_channels import WebhookChannel
from dataops_defs.domain.alerts import AlertStatus
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import MAX_WORKERS, RunKind, RunState
from tests.alert_scenes import alert, begun, deliveries, end, ended, long_ago, step, told
from tests.scenes import World

S = RunState
ENDS = ("run_failed", "run_timed_out", "run_cancelled", "run_succeeded")


def dies(world: World, id: str, **values: Any) -> None:
    """The worker of an execution is gone, and that is noticed."""
    with world.platform.catalogue() as session:
        row = session.get_one(RunRow, id)
        row.lease_until = now() - timedelta(seconds=1)
        for name, value in values.items():
            setattr(row, name, value)
    with world.platform.catalogue() as session:
        assert [each.run_id for each in Leases(session).reap()] == [id]


def waiting(world: World) -> str:
    with world.platform.catalogue() as session:
        return Runs(session).request(RunKind.EXTRACT, new_id(), "Aircraft").id


def begun_assets(world: World) -> str:
    """Somebody has materialised assets in Dagster."""
    with world.platform.catalogue() as session:
        id = Runs(session).request(RunKind.ASSETS, None, "Aircraft").id
        assert Leases(session).begin(id, new_id())
        return id


def cancel(world: World, id: str) -> None:
    with world.platform.catalogue() as session:
        RunControl(session).cancel(id)


def cancelled_while_paused(world: World) -> str:
    id = waiting(world)
    with world.platform.catalogue() as session:
        RunControl(session).pause(id)
    cancel(world, id)
    return id


def cancelled_before_it_began(world: World) -> str:
    id = waiting(world)
    cancel(world, id)
    return id


def died_while_cancelled(world: World) -> str:
    id = begun(world)
    cancel(world, id)
    dies(world, id)
    return id


def died_too_often(world: World) -> str:
    id = begun(world)
    dies(world, id, deaths=MAX_WORKERS - 1)
    return id


def died_after_its_time(world: World) -> str:
    id = begun(world)
    dies(world, id, timeout_seconds=5, started_at=now() - timedelta(seconds=9))
    return id


def could_not_be_launched(world: World) -> str:
    id = waiting(world)
    with world.platform.catalogue() as session:
        session.get_one(RunRow, id).failed_launches = MOST_LAUNCHES
    with world.platform.catalogue() as session:
        assert list(Outbox(session).claim(1)) == []
    return id


class TestAnExecution:
    def test_is_told_of_however_it_ends(self, world: World) -> None:
        endings: list[tuple[Callable[[World], str], str]] = [
            (lambda world: ended(world, S.SUCCEEDED), "run_succeeded"),
            (lambda world: ended(world, S.FAILED), "run_failed"),
            (lambda world: ended(world, S.TIMED_OUT), "run_timed_out"),
            (lambda world: ended(world, S.CANCELLED), "run_cancelled"),
            (cancelled_before_it_began, "run_cancelled"),
            (cancelled_while_paused, "run_cancelled"),
            (died_while_cancelled, "run_cancelled"),
            (died_too_often, "run_failed"),
            (died_after_its_time, "run_timed_out"),
            (could_not_be_launched, "run_failed"),
        ]
        wanted, other = alert(world, *ENDS), alert(world, "run_recovered")

        happened = [(how(world), event) for how, event in endings]

        noted = deliveries(world, wanted)
        assert [(each.run_id, str(each.event)) for each in noted] == happened
        assert {str(each.state) for each in noted} == {"pending"}
        assert deliveries(world, other) == []

    def test_that_goes_on_with_another_worker_has_not_ended(self, world: World) -> None:
        wanted = alert(world, *ENDS)
        dies(world, begun(world))
        assert deliveries(world, wanted) == []

    def test_and_what_is_noted_of_it_are_one_transaction(self, world: World) -> None:
        wanted, id = alert(world, "run_failed"), begun(world)
        with pytest.raises(RuntimeError), world.platform.catalogue() as session:  # noqa: PT012
            assert Runs(session).finish(id, S.FAILED)
            raise RuntimeError("the process dies before the COMMIT")
        assert deliveries(world, wanted) == []

        end(world, id, S.FAILED)
        assert told(world, wanted) == ["run_failed"]

    def test_is_noted_once(self, world: World) -> None:
        wanted, id = alert(world, "run_failed"), ended(world)
        with world.platform.catalogue() as session:
            assert Runs(session).finish(id, S.FAILED) is None
            note_end(session, id)
        assert told(world, wanted) == ["run_failed"]

    def test_is_not_told_of_while_the_alert_is_paused(self, world: World) -> None:
        wanted = alert(world, "run_failed", status=AlertStatus.PAUSED)
        ended(world)
        assert deliveries(world, wanted) == []

    def test_that_only_rehearses_is_nobodys_news(self, world: World) -> None:
        wanted, id = alert(world, *ENDS), begun(world)
        step(world, id, new_id())
        with world.platform.catalogue() as session:
            session.execute(text("UPDATE run SET parameters = '{\"dryRun\": true}'"))
        end(world, id, S.SUCCEEDED)
        assert deliveries(world, wanted) == []

    def test_ends_although_its_alert_is_deleted_at_that_moment(self, world: World) -> None:
        wanted, id = alert(world, "run_failed"), begun(world)
        with world.platform.catalogue() as deleting:
            alerts = Alerts(deleting, world.platform.keyring)
            alerts.remove(alerts.get(wanted, lock=True))
            ending = threading.Thread(target=end, args=(world, id, S.FAILED))
            ending.start()
            ending.join(0.5)  # it reads of the alert, and waits for what becomes of it
        ending.join()
        assert deliveries(world, wanted) == []
        with world.platform.catalogue() as session:
            assert session.get_one(RunRow, id).state is S.FAILED

    def test_keeps_its_alert_from_being_deleted_and_nobody_else_from_anything(self, world: World) -> None:
        wanted, id = alert(world, "run_failed"), begun(world)
        with world.platform.catalogue() as ending:
            assert Runs(ending).finish(id, S.FAILED)
            with world.platform.catalogue() as deleting, pytest.raises(Exception, match="lock timeout"):  # noqa: PT012
                deleting.execute(text("SET LOCAL lock_timeout TO '100ms'"))
                alerts = Alerts(deleting, world.platform.keyring)
                alerts.get(wanted, lock=True)
            # Whoever sends for the alert, and other executions, wait for nobody.
            with world.platform.catalogue() as other:
                other.execute(text("SET LOCAL lock_timeout TO '100ms'"))
                other.execute(text("SELECT id FROM alert FOR NO KEY UPDATE"))
                assert Runs(other).finish(begun(world), S.FAILED)
        assert told(world, wanted) == ["run_failed", "run_failed"]


class TestARecovery:
    def test_is_the_first_success_after_a_failure(self, world: World) -> None:
        wanted, dataset = alert(world, "run_recovered"), new_id()
        for state in (S.SUCCEEDED, S.FAILED, S.CANCELLED, S.SUCCEEDED, S.SUCCEEDED, S.TIMED_OUT, S.SUCCEEDED):
            ended(world, state, subject_id=dataset)
        ended(world, S.SUCCEEDED)
        with world.platform.catalogue() as session:
            runs = [session.get_one(RunRow, each.run_id) for each in deliveries(world, wanted)]
            all_runs = [row.id for row in session.query(RunRow).order_by(RunRow.id)]
        assert [all_runs.index(run.id) for run in runs] == [3, 6]

    def test_is_none_after_a_rehearsal_that_failed(self, world: World) -> None:
        dataset = new_id()
        alerts = [alert(world, "run_recovered"), alert(world, "run_recovered", filter={"subject_id": dataset})]
        for kind, subject in ((RunKind.EXTRACT, dataset), (RunKind.PIPELINE, new_id())):
            for state in (S.SUCCEEDED, S.FAILED, S.SUCCEEDED):
                id = begun(world, subject, kind)
                step(world, id, dataset, state)
                with world.platform.catalogue() as session:
                    session.get_one(RunRow, id).parameters = {"dryRun": True} if state is S.FAILED else {}
                    session.execute(update(RunStepRow).where(RunStepRow.run_id == id).values(dry_run=state is S.FAILED))
                end(world, id, state)
        assert [told(world, each) for each in alerts] == [[], []]

    def test_is_seen_for_a_definition_whatever_execution_it_was_part_of(self, world: World) -> None:
        dataset, pipeline = new_id(), new_id()
        wanted = alert(world, "run_recovered", filter={"subject_id": dataset})
        for state in (S.FAILED, S.SUCCEEDED):
            id = begun(world, pipeline, RunKind.PIPELINE)
            step(world, id, dataset, state)
            end(world, id, state)
        assert told(world, wanted) == ["run_recovered"]

    def test_is_seen_for_assets_that_no_definition_stands_for(self, world: World) -> None:
        wanted, dataset = alert(world, "run_recovered"), new_id()
        for state in (S.FAILED, S.SUCCEEDED):
            id = begun_assets(world)
            step(world, id, dataset, state)
            end(world, id, state)
        assert told(world, wanted) == ["run_recovered"]


class TestRowsAndColumns:
    def test_rejected_rows_are_told_from_a_threshold_on(self, world: World) -> None:
        few = alert(world, "rows_rejected", thresholds={"rejected_share": 0.1})
        many = alert(world, "rows_rejected", thresholds={"rejected_rows": 20})
        id = begun(world)
        step(world, id, new_id(), ledger=Ledger(read=100, inserted=88, rejected=12))
        end(world, id, S.SUCCEEDED)
        assert [each.detail for each in deliveries(world, few)] == [{"rejected": 12, "share": 0.12}]
        assert deliveries(world, many) == []

    def test_changed_columns_are_told(self, world: World) -> None:
        wanted = alert(world, "schema_drift")
        changed = [True, ["tail is gone"], {"added": [{"name": "x"}], "removed": [], "nullability": ["y"]}]
        unchanged = [False, [], {"added": [], "removed": [], "retyped": [], "nullability": ["y"]}]
        for drift in (*changed, *unchanged):
            id = begun(world)
            step(world, id, new_id(), drift=drift)
            end(world, id, S.SUCCEEDED)
        found = [each.detail["drift"] for each in deliveries(world, wanted)]
        assert found == [[True], ["tail is gone"], [{"added": [{"name": "x"}]}]]

    def test_columns_that_made_it_fail_are_told_too(self, world: World) -> None:
        wanted, id = alert(world, "schema_drift"), begun(world)
        with world.platform.catalogue() as session:
            Runs(session).finish(id, S.FAILED, error="column 'tail' is gone", code="SCHEMA_CHANGED")
        assert [each.detail for each in deliveries(world, wanted)] == [{"drift": ["column 'tail' is gone"]}]


class TestFilters:
    def test_take_the_app_of_what_an_execution_works_at(self, world: World) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail\nN1\n"))
        default, other = (alert(world, "run_failed", filter={"app": app}) for app in ("default", "other"))
        ended(world, subject_id=dataset)
        assert (told(world, default), told(world, other)) == (["run_failed"], [])

    def test_take_a_definition_and_a_kind(self, world: World) -> None:
        dataset = new_id()
        mine = alert(world, "run_failed", filter={"subject_id": dataset, "kind": "extract"})
        not_mine = alert(world, "run_failed", filter={"subject_id": new_id()})
        syncs = alert(world, "run_failed", filter={"kind": "sync"})
        ended(world, subject_id=dataset)
        assert [told(world, each) for each in (mine, not_mine, syncs)] == [["run_failed"], [], []]

    def test_take_the_kinds_of_work_in_a_run_of_assets_and_of_a_graph_its_own(self, world: World) -> None:
        extracts = alert(world, "run_failed", filter={"kind": "extract"})
        graphs = alert(world, "run_failed", filter={"kind": "pipeline"})
        assets, graph = begun_assets(world), begun(world, new_id(), RunKind.PIPELINE)
        for id in (assets, graph):
            step(world, id, new_id(), S.FAILED)
            end(world, id, S.FAILED)
        found = [[each.run_id for each in deliveries(world, wanted)] for wanted in (extracts, graphs)]
        assert found == [[assets], [graph]]


class TestWhatIsNotRefreshed:
    def note(self, world: World) -> int:
        with world.platform.catalogue() as session:
            return note_stale(session)

    def test_in_time_is_told_once_for_each_time(self, world: World) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail\nN1\n"))
        wanted = alert(world, "freshness", thresholds={"stale_minutes": 60})
        assert self.note(world) == 0
        long_ago(world, DatasetRow, dataset, days=1)

        assert [self.note(world), self.note(world)] == [1, 0]
        [noted] = deliveries(world, wanted)
        assert (noted.subject_id, noted.run_id) == (dataset, None)
        assert noted.detail == {"kind": "dataset", "name": "Aircraft", "app": "default", "staleMinutes": 60}

        for refreshed, is_news in ((now() - timedelta(minutes=61), 1), (now(), 0)):
            with world.platform.catalogue() as session:
                session.get_one(DatasetRow, dataset).last_extracted_at = refreshed
            assert self.note(world) == is_news
        assert "lastRefreshedAt" in deliveries(world, wanted)[-1].detail

    def test_is_an_active_dataset_or_mapping_that_the_filter_takes(self, world: World) -> None:
        dataset, paused = (world.dataset(world.csv(f"{n}.csv", "tail\nN1\n"), n) for n in ("planes", "ships"))
        kind = world.object_type("plane", "tail", {"tail": {"type": "string"}})
        mapping = world.mapping(dataset, kind, {"tail": "tail"})
        for row, id in ((DatasetRow, dataset), (DatasetRow, paused), (MappingRow, mapping)):
            long_ago(world, row, id, days=1)
        with world.platform.catalogue() as session:
            session.get_one(DatasetRow, paused).status = DefinitionStatus.PAUSED
        filters = (
            {},
            {"kind": "sync"},
            {"kind": "extract"},
            {"subject_id": dataset},
            {"app": "other"},
            {"kind": "etl"},
        )
        alerts = [alert(world, "freshness", thresholds={"stale_minutes": 1}, filter=each) for each in filters]

        self.note(world)

        found = [{each.subject_id for each in deliveries(world, id)} for id in alerts]
        assert found == [{dataset, mapping}, {mapping}, {dataset}, {dataset}, set(), set()]


class TestTheSecretsOfAWebhook:
    def test_are_sealed_and_survive_a_rotation_of_keys(self, world: World) -> None:
        canary = "canary-canary-canary"
        made = WebhookChannel.of(f"https://example.com/{canary}", canary, {"X": canary})
        id = alert(world, "run_failed", to=made)

        def stored() -> str:
            with world.platform.catalogue() as session:
                return str(session.execute(text("SELECT alert::text FROM alert")).scalar_one())

        before = stored()
        assert rotate(world.platform.settings) == 1
        assert stored() != before
        assert canary not in before
        assert canary.encode().hex() not in before
        with world.platform.catalogue() as session:
            alerts = Alerts(session, world.platform.keyring)
            assert alerts.channel_of(alerts.get(id)) == made

    def test_go_with_the_alert_and_so_does_what_it_has_noted(self, world: World) -> None:
        wanted = alert(world, "run_failed")
        ended(world)
        with world.platform.catalogue() as session:
            alerts = Alerts(session, world.platform.keyring)
            alerts.remove(alerts.get(wanted, lock=True))
        with world.platform.catalogue() as session:
            assert session.query(AlertDeliveryRow).count() == 0
