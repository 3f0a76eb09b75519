"""The sensors behind every request: they launch what could not be launched, and continue what died.

The REST API does the same about twice a second; these work while the API is down, and the other way round.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from dataops_defs.catalogue.fingerprint import LABEL, PUBLISHING_SENSOR
from dataops_defs.defs.reconcile import reconcile
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.flows.outbox import Launch, due_launches, note_not_launched

Requests = Iterator[dg.RunRequest | dg.SkipReason]


def launching_sensors(jobs: Sequence[dg.JobDefinition], fingerprint: str) -> list[dg.SensorDefinition]:
    """One sensor for the static jobs, which also settles the records, and one for runs of assets.

    Args:
        fingerprint: of the definitions that this location is built from, for those who compare them.
    """

    @dg.sensor(
        name=PUBLISHING_SENSOR,
        jobs=[*jobs],
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        metadata={LABEL: fingerprint},
        description="Launches requests that wait, continues runs whose worker died, settles run records with Dagster",
    )
    def launch(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Requests:
        opened = platform.open()
        settled = reconcile(context.instance, opened)
        launches = due_launches(opened, of_assets=False)
        yield from (run_request(each) for each in launches)
        if not launches:
            yield dg.SkipReason(settled)

    @dg.sensor(
        name="launch_asset_requests",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Continues runs of assets whose worker died",
    )
    def launch_assets(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Requests:
        opened = platform.open()
        known = context.repository_def.asset_graph.executable_asset_keys if context.repository_def else set()
        requests = []
        for each in due_launches(opened, of_assets=True):
            keys = [dg.AssetKey(list(path)) for path in each.assets]
            if keys and known >= set(keys):
                requests.append(run_request(each, keys))
            else:
                note_not_launched(opened, each.run_id, "Some of its assets are not defined any more")
        yield from requests
        if not requests:
            yield dg.SkipReason("No run of assets waits")

    return [launch, launch_assets]


def run_request(launch: Launch, assets: Sequence[dg.AssetKey] | None = None) -> dg.RunRequest:
    """What Dagster is asked for."""
    return dg.RunRequest(
        run_key=f"{launch.run_id}:{launch.attempt}",
        job_name=None if assets else launch.job,
        asset_selection=assets,
        run_config=dict(launch.run_config),
        tags=dict(launch.tags),
    )
