"""A replay in Dagster: a job of its own, which materialises the mapping's asset."""

import dagster as dg

from dataops_defs.defs.jobs import static_jobs
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import op_name
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.scenes import World


def test_materialises_the_mappings_asset_with_what_was_repaired_and_what_is_still_open(world: World) -> None:
    dataset = world.dataset(world.csv("planes.csv", "tail,year\nN1,2001\nN2,early\nN3,late\n"))
    kind = world.object_type("plane", "tail", {"tail": {"type": "string"}, "year": {"type": "integer"}})
    mapping = world.mapping(dataset, kind, {"tail": "tail", "year": "year"})
    sync_mapping(world.work(), mapping)
    world.sql("UPDATE dataops.reject SET corrected = '{\"year\": \"1903\"}' WHERE raw->>'tail' = 'N2'")
    job = next(each for each in static_jobs() if each.name == "replay_rejects")
    config = {"ops": {op_name(job.name): {"config": {"subject_id": mapping}}}}

    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(config, instance=instance, resources={"platform": PlatformResource()})

        made = {event.asset_key.to_user_string(): event for event in done.all_events if event.is_step_materialization}
        [key] = [each for each in made if "/sync/" in each]
        metadata = made[key].materialization.metadata
        assert (metadata["rejects_repaired"].value, metadata["rejects_still_open"].value) == (1, 1)
        assert (metadata["rows_inserted"].value, metadata["rows_rejected"].value) == (1, 1)
        checks = {each.check_name: each.passed for each in done.get_asset_check_evaluations()}
    assert checks == {"rows_accepted": False, "ledger_balanced": True}
    assert world.sql("SELECT year FROM objects.plane WHERE tail = 'N2'") == [(1903,)]
