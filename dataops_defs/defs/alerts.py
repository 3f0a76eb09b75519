"""The sensor that sends what alerts have to say, and the purge of what was sent long ago."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from dataops_defs.catalogue.alert_deliveries import Deliveries
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.flows.deliver_alerts import deliver_due, note_freshness
from dataops_defs.flows.purge import days_before

SECONDS_BETWEEN_TURNS = 5


class AlertsNotDelivered(Exception):
    """Messages that are not tried again; the tick that gave them up is shown as failed."""


@dg.sensor(
    name="deliver_alerts",
    minimum_interval_seconds=SECONDS_BETWEEN_TURNS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends the messages of alerts that are due; a tick fails when one of them is given up",
)
def deliver_alerts(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Iterator[dg.SkipReason]:
    """No run is waited for, and none waits."""
    opened = platform.open()
    stale = note_freshness(opened)
    told = deliver_due(opened)
    for each in told.later:
        context.log.warning("%s; it is tried again", each)
    if told.failed:
        raise AlertsNotDelivered(f"{len(told.failed)} messages are given up: {'; '.join(told.failed)}")
    yield dg.SkipReason(
        f"{told.arrived} messages sent, {len(told.later)} to be tried again, {stale} definitions newly out of date"
    )


@dg.op(description="Forget what alerts have sent after DATAOPS_ALERT_DAYS")
def purge_alert_deliveries(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """What is forgotten and still out of date is told again."""
    opened = platform.open()
    before = days_before(datetime.now(UTC), opened.settings.alert_days)
    gone = 0
    if before is not None:
        with opened.catalogue() as session:
            gone = Deliveries(session).purge(before)
    context.add_output_metadata({"events": gone})
