"""Words to set a scene with alerts: who is told of what, and executions that end in every way."""

from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from dataops_defs.catalogue.alert_deliveries import Deliveries
from dataops_defs.catalogue.alert_rows import AlertDeliveryRow, AlertRow
from dataops_defs.catalogue.alerts import Alerts
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.alert_channels import Channel, EmailChannel, WebhookChannel
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind, RunState
from tests.adapters.sources.rest_server import RestServer
from tests.mailbox import SENDER, Mailbox
from tests.scenes import World

SECRET = "a-secret-of-the-receiver"
ANNA = "anna@example.com"


def allow(world: World, *servers: RestServer) -> None:
    """An administrator lists these servers."""
    world.platform.settings.allowed_hosts = ",".join(f"127.0.0.1:{each.port}" for each in servers)


def take_mail_to(world: World, mailbox: Mailbox) -> None:
    """An administrator sets this mail server."""
    world.platform.settings.smtp_url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
    world.platform.settings.smtp_from = SENDER


def hook(rest: RestServer, path: str = "/hook", **more: Any) -> Channel:
    return WebhookChannel.of(f"{rest.url}{path}", **more)


def alert(world: World, *events: str, to: Channel | None = None, **more: Any) -> str:
    """An alert; mail to Anna unless it goes elsewhere."""
    with world.platform.catalogue() as session:
        alerts = Alerts(session, world.platform.keyring)
        values = {"filter": {}, "thresholds": {}} | more
        row = AlertRow(id=new_id(), name=values.pop("name", f"Alert {new_id()}"), events=list(events), **values)
        alerts.send_to(row, to or EmailChannel.of([ANNA]))
        return alerts.add(row).id


def begun(world: World, subject_id: str | None = None, kind: RunKind = RunKind.EXTRACT, name: str = "Aircraft") -> str:
    """An execution that somebody is at."""
    with world.platform.catalogue() as session:
        row = Runs(session).request(kind, subject_id or new_id(), name)
        assert Leases(session).begin(row.id, new_id())
        return row.id


def ended(world: World, state: RunState = RunState.FAILED, *, subject_id: str | None = None, **more: Any) -> str:
    """An execution that has ended."""
    id = begun(world, subject_id, **more)
    end(world, id, state)
    return id


def end(world: World, id: str, state: RunState, error: str | None = "The file is not there") -> None:
    with world.platform.catalogue() as session:
        told = None if state is RunState.SUCCEEDED else error
        assert Runs(session).finish(id, state, error=told)


def step(
    world: World,
    run_id: str,
    subject_id: str,
    state: RunState = RunState.SUCCEEDED,
    ledger: Ledger | None = None,
    **result: Any,
) -> None:
    """A piece of work that an execution has done."""
    with world.platform.catalogue() as session:
        runs = Runs(session)
        made = runs.step(run_id, new_id(), RunKind.EXTRACT, subject_id, "Aircraft")
        runs.end_step(made.id, state, ledger or Ledger(), result)


def deliveries(world: World, alert_id: str) -> list[AlertDeliveryRow]:
    """What an alert has noted, oldest first."""
    with world.platform.catalogue() as session:
        return list(Deliveries(session).page(alert_id, limit=500)[0])[::-1]


def told(world: World, alert_id: str) -> list[str]:
    return [str(each.event) for each in deliveries(world, alert_id)]


def later(world: World, by: timedelta, alert_id: str | None = None) -> None:
    """Time passes, for what is known of an alert's messages."""
    with world.platform.catalogue() as session:
        for row in session.query(AlertDeliveryRow).filter(
            AlertDeliveryRow.alert_id == alert_id if alert_id else AlertDeliveryRow.id.is_not(None)
        ):
            row.due_at -= by
            if row.claimed_until is not None:
                row.claimed_until -= by
        for each in session.query(AlertRow):
            if each.last_message_at is not None:
                each.last_message_at -= by


def long_ago(world: World, row: type[Any], id: str, days: float) -> None:
    with world.platform.catalogue() as session:
        session.get_one(row, id).created_at = now() - timedelta(days=days)
