"""What a run's worker builds: the assets its run selects, and nothing of the other two thousand."""

import dagster as dg

from dataops_defs.defs.build import build_revision, keep_state, read_state, state_of
from dataops_defs.defs.selection import Selected
from tests.scenes import World

PLANES = "tailnum,year\nN1,2001\n"


def keys_of(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().executable_asset_keys}


def scene(world: World) -> None:
    planes = world.dataset(world.csv("planes.csv", PLANES), "Planes")
    world.dataset(world.csv("others.csv", PLANES), "Others")
    kind = world.object_type("plane", "tail", {"tail": {"type": "string"}})
    mapping = world.mapping(planes, kind, {"tail": "tailnum"})
    world.pipeline("Fleet", {"dataset": planes, "mapping": mapping})


class TestAWorker:
    def test_of_a_static_job_builds_no_assets_and_reads_no_state(self, world: World) -> None:
        scene(world)
        only = Selected.of_run("extract_dataset", [])

        built = build_revision("of no content at all", only)

        assert keys_of(built) == set()
        assert built.resolve_job_def("extract_dataset").name == "extract_dataset"

    def test_of_some_assets_builds_those(self, world: World) -> None:
        scene(world)
        revision = keep_state(read_state())

        built = build_revision(revision["revision"], Selected.of_run("__ASSET_JOB", [("default", "raw", "planes")]))

        assert keys_of(built) == {"default/raw/planes"}

    def test_of_a_pipelines_job_builds_its_nodes(self, world: World) -> None:
        scene(world)
        revision = keep_state(read_state())

        built = build_revision(revision["revision"], Selected.of_run("pipeline__fleet", []))

        assert {key.split("/")[1] for key in keys_of(built)} == {"raw", "sync"}
        assert "default/raw/others" not in keys_of(built)
        assert built.resolve_job_def("pipeline__fleet").name == "pipeline__fleet"


class TestARevision:
    def test_is_the_same_while_nothing_changes_and_says_what_was_loaded(self, world: World) -> None:
        scene(world)
        first, again = keep_state(read_state()), keep_state(read_state())
        world.dataset(world.csv("more.csv", PLANES), "More")

        later = keep_state(read_state())

        assert first == again != later
        assert len(state_of(first["revision"])["datasets"]) == 2
        assert len(state_of(later["revision"])["datasets"]) == 3

    def test_holds_numbers_of_any_length_and_loads(self, world: World) -> None:
        dataset = world.dataset(world.csv("planes.csv", PLANES), "Planes")
        properties = {"tail": {"type": "string"}, "mass": {"type": "number", "enum": [10**30, 1], "x-a": -(2**80)}}
        kind = world.object_type("plane", "tail", properties)
        world.mapping(dataset, kind, {"tail": "tailnum", "mass": {"sourceColumn": "year", "defaultValue": 10**30}})

        revision = keep_state(read_state())

        assert state_of(revision["revision"])["object_types"][0]["schema"]["properties"] == properties
        assert "default/raw/planes" in keys_of(build_revision(revision["revision"]))
