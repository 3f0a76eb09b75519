"""Imports and watched folders in Dagster: runs with their records, materialisations, assets with lineage."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.snapshot import MOST
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.selection import Selected
from dataops_defs.defs.sensors import watch_sensor
from dataops_defs.domain.importing import TargetFormat
from dataops_defs.domain.run import RunState
from tests.defs.test_jobs_and_assets import run_job
from tests.flows.import_scenes import asked, found, imported, put
from tests.scenes import World

CUSTOMERS = "id,name\n1,Ann\n2,Bob\n"
TYPES = {"Order No": "BIGINT", "Amount": "NUMERIC(18,2)", "At": "DATE"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def a_watch(world: World, **more: object) -> str:
    (world.files / "in").mkdir(exist_ok=True)
    with world.platform.catalogue() as session:
        row = WatchRow(name="Inbox", folder="in", patterns=[{"pattern": "*.csv"}], **more)
        return Watches(session).add(row).id


class TestAnImport:
    @pytest.mark.parametrize(
        ("format", "key"),
        [
            (TargetFormat.POSTGRES, ["warehouse", "raw", "customers"]),
            (TargetFormat.ICEBERG, ["iceberg", "raw", "customers"]),
        ],
    )
    def test_is_a_run_with_a_record_and_a_materialisation(
        self, world: World, instance: dg.DagsterInstance, format: TargetFormat, key: list[str]
    ) -> None:
        id = asked(world, put(world, "customers.csv", CUSTOMERS), format=format)
        assert run_job("import_file", instance, subject_id=id).success
        event = instance.get_latest_materialization_event(dg.AssetKey(key))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["dagster/row_count"].value == 2
        with world.platform.catalogue() as session:
            run = session.get_one(RunRow, found(world, id).run_id)
            assert (run.state, run.subject_id) == (RunState.SUCCEEDED, id)


class TestAnImportedTable:
    def test_tells_of_its_file_its_types_its_rows_and_its_rejects(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        text = "".join(f"{number},{number}.50,2024-06-01\n" for number in range(1, 30)) + "30,no number,2024-06-01\n"
        id = asked(world, put(world, "paid.csv", f"Order No,Amount,At\n{text}"), table="paid", data_types=TYPES)
        result = run_job("import_file", instance, subject_id=id)

        metadata = shown(instance, "paid")
        assert (metadata["file"].value, metadata["import_id"].value) == ("paid.csv", id)
        assert metadata["content_hash"].value == found(world, id).content_hash
        assert [(each.name, each.type) for each in metadata["dagster/column_schema"].value.columns] == [
            ("Order No", "BIGINT"),
            ("Amount", "NUMERIC(18,2)"),
            ("At", "DATE"),
        ]
        assert "Amount" in metadata["reasons_for_types"].value
        assert "| 1 | 1.5 | 2024-06-01 |" in metadata["preview"].value
        [check] = result.get_asset_check_evaluations()
        assert (check.check_name, check.passed) == ("rows_accepted", False)

    def test_tells_the_same_after_its_rejects_were_tried_again(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        id = asked(world, put(world, "paid.csv", "id,n\n1,2\n1,x\n"), table="paid", data_types={"n": "BIGINT"})
        for job in ("import_file", "replay_rejects"):
            assert run_job(job, instance, subject_id=id).success

        metadata = shown(instance, "paid")
        assert (metadata["file"].value, metadata["dagster/row_count"].value) == ("paid.csv", 1)
        assert [each.type for each in metadata["dagster/column_schema"].value.columns] == ["BIGINT", "BIGINT"]

    def test_has_a_check_that_can_be_evaluated_until_its_rejects_are_repaired(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        id = asked(world, put(world, "paid.csv", "id,n\n1,2\n1,x\n"), table="paid", data_types={"n": "BIGINT"})
        other = asked(world, put(world, "others.csv", CUSTOMERS), table="others")
        for each in (id, other):
            assert run_job("import_file", instance, subject_id=each).success

        assert checked(instance) == {"paid": False, "others": True}
        world.sql("UPDATE dataops.reject SET state = 'repaired'")
        assert checked(instance) == {"paid": True, "others": True}

    def test_of_any_name_is_shown_and_can_be_checked(self, world: World, instance: dg.DagsterInstance) -> None:
        names = ("заказы", "t$x", "t_x")
        for name in names:
            asked_for = asked(world, put(world, f"{name}.csv", CUSTOMERS), table=name)
            assert run_job("import_file", instance, subject_id=asked_for).success

        assert checked(instance) == dict.fromkeys(names, True)

    def test_is_checked_in_a_worker_that_builds_nothing_else(self, world: World, instance: dg.DagsterInstance) -> None:
        for name in ("paid", "others"):
            run_job("import_file", instance, subject_id=asked(world, put(world, f"{name}.csv", CUSTOMERS), table=name))

        built = build_definitions(read_state(), Selected.of_run("__ASSET_JOB", [("warehouse", "raw", "paid")]))

        [only] = built.resolve_asset_graph().asset_check_keys
        assert (only.asset_key.path[-1], only.name) == ("paid", "rows_accepted")


def shown(instance: dg.DagsterInstance, table: str) -> Any:
    event = instance.get_latest_materialization_event(dg.AssetKey(["warehouse", "raw", table]))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata


def checked(instance: dg.DagsterInstance) -> dict[str, bool]:
    job = build_definitions(read_state()).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance)
    assert result.success
    return {each.asset_key.path[-1]: each.passed for each in result.get_asset_check_evaluations()}


class TestDefinitions:
    def test_show_a_table_downstream_of_its_watched_folder(self, world: World, instance: dg.DagsterInstance) -> None:
        watch = a_watch(world)
        put(world, "in/jan.csv", CUSTOMERS)
        look = looking(world, instance, watch)
        assert look().run_requests == []
        [request] = look().run_requests
        config = request.run_config["ops"]["import_arrivals_by_id"]["config"]
        assert run_job("import_arrivals", instance, **config).success
        graph = build_definitions(read_state()).resolve_asset_graph()
        table, folder = dg.AssetKey(["warehouse", "raw", "jan"]), dg.AssetKey(["default", "watch", "inbox"])
        assert folder in graph.get(table).parent_keys

    def test_show_the_table_in_which_files_are_gathered(self, world: World) -> None:
        a_watch(world, target_table="weather")
        graph = build_definitions(read_state()).resolve_asset_graph()
        assert (
            dg.AssetKey(["default", "watch", "inbox"])
            in graph.get(dg.AssetKey(["warehouse", "raw", "weather"])).parent_keys
        )

    def test_show_the_newest_of_very_many_tables(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(MOST, "import_targets", 2)
        for name in ("jan", "feb", "mar"):
            imported(world, put(world, f"{name}.csv", CUSTOMERS), name)
        graph = build_definitions(read_state()).resolve_asset_graph()
        shown = {key.path[-1] for key in graph.get_all_asset_keys() if key.path[:2] == ["warehouse", "raw"]}
        assert shown == {"feb", "mar"}

    def test_of_a_folder_that_is_gone_say_so_in_the_sensor_s_tick(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        watch = a_watch(world)
        (world.files / "in").rmdir()
        assert looking(world, instance, watch)().skip_message == "no such folder: in"


def looking(world: World, instance: dg.DagsterInstance, watch: str) -> Callable[[], Any]:
    """The sensor of a watch, evaluated by hand."""
    state = read_state()
    [row] = [each for each in state["watches"] if each["id"] == watch]
    sensor = watch_sensor(row, build_definitions(state).resolve_job_def("import_arrivals"))

    def look() -> Any:
        with dg.build_sensor_context(instance, resources={"platform": PlatformResource()}) as context:
            return sensor.evaluate_tick(context)

    return look
