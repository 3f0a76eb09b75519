"""The sensor that looks at mounts."""

from collections.abc import Iterator

import dagster as dg

from dataops_defs.defs.resources import PlatformResource
from dataops_defs.flows.look_at_mounts import look_at_mounts

SECONDS_BETWEEN_LOOKS = 30


@dg.sensor(
    name="look_at_mounts",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks at all mounts: one that does not answer is shown as degraded until it does again",
)
def mounts_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Iterator[dg.SkipReason]:
    """A tick tells what each mount said; no run is asked for."""
    seen = look_at_mounts(platform.open())
    for each in seen:
        if each.changed is not None:
            context.log.info("%s is %s now", each.local_path, each.changed)
    away = [f"{each.local_path}: {each.error}" for each in seen if each.error]
    yield dg.SkipReason(f"{len(seen)} mounts, {len(away)} of them degraded{'; ' if away else ''}{'; '.join(away)}")
