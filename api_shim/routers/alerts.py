"""Alerts: somebody is told when an execution fails, recovers, rejects rows, …, by mail or by a webhook."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api_shim.changes import refuse_nulls
from api_shim.dependencies import PROTECTED, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, Page, SortedPage, count
from api_shim.schemas.alerts import AlertChange, AlertCreate, AlertFilter, AlertOut, ChannelIn, DeliveryOut
from api_shim.schemas.base import refusals
from dataops_defs.adapters.webhook import check_reach
from dataops_defs.catalogue.alert_deliveries import Deliveries
from dataops_defs.catalogue.alert_events import apps_of
from dataops_defs.catalogue.alert_rows import AlertRow
from dataops_defs.catalogue.alerts import Alerts
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.domain.alert_channels import Channel, EmailChannel, WebhookChannel
from dataops_defs.domain.alerts import AlertStatus, Rule
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Invalid
from dataops_defs.flows.deliver_alerts import NO_SERVER
from dataops_defs.settings import Settings

router = APIRouter(prefix="/api/v1/dataops/alerts", tags=["dataops: alerts"], dependencies=PROTECTED)


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_alerts(
    page: Annotated[SortedPage, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[AlertOut]:
    """All alerts, newest first, each with its newest message and what became of it."""
    rows, total = Alerts(session, shim.platform.keyring).page(**page.arguments())
    count(response, total)
    last = Deliveries(session).last_of([row.id for row in rows])
    return [AlertOut.of(row, last.get(row.id)) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_alert(body: AlertCreate, change: ChangeDep) -> AlertOut:
    """Add an alert. Events count from now on."""
    row = AlertRow(id=new_id(), name=body.name, throttle_seconds=body.throttle_seconds, status=body.status)
    alerts = Alerts(change.session, change.shim.platform.keyring)
    _apply(change, alerts, row, body.given())
    alerts.add(row)
    change.note("alert.create", row.id, {"name": row.name, "on": row.events, "channel": row.channel})
    return AlertOut.of(row)


@router.get("/{alert_id}", responses=refusals(404), response_model_exclude_none=True)
def get_alert(alert_id: str, session: ReadingDep, shim: ShimDep) -> AlertOut:
    """One alert with its newest message."""
    row = Alerts(session, shim.platform.keyring).get(alert_id)
    return AlertOut.of(row, Deliveries(session).last_of([row.id]).get(row.id))


@router.patch("/{alert_id}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_alert(alert_id: str, body: AlertChange, change: ChangeDep) -> AlertOut:
    """Change an alert; what waits is sent to the new channel. A paused one takes note of nothing and sends nothing."""
    alerts = Alerts(change.session, change.shim.platform.keyring)
    row = alerts.get(alert_id, lock=True)
    given = body.given()
    refuse_nulls(given, ("name", "on", "channel", "throttle_seconds", "status"))
    if "name" in given:
        alerts.rename(row, given["name"])
    if "throttle_seconds" in given:
        row.throttle_seconds = given["throttle_seconds"]
    if "status" in given:
        row.status = AlertStatus(given["status"])
    _apply(change, alerts, row, given)
    change.session.flush()
    change.note("alert.update", row.id, {"name": row.name, "fields": sorted(given)})
    return AlertOut.of(row, Deliveries(change.session).last_of([row.id]).get(row.id))


@router.delete("/{alert_id}", status_code=204, responses=refusals(404, 409))
def delete_alert(alert_id: str, change: ChangeDep) -> None:
    """Delete an alert with what it has sent and what waits."""
    alerts = Alerts(change.session, change.shim.platform.keyring)
    row = alerts.get(alert_id, lock=True)
    alerts.remove(row)
    change.note("alert.delete", row.id, {"name": row.name})


@router.get("/{alert_id}/deliveries", responses={**refusals(404), **LISTED}, response_model_exclude_none=True)
def list_deliveries(
    alert_id: str, page: Annotated[Page, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[DeliveryOut]:
    """The alert's events, newest first: sent, waiting for another try, grouped, or given up."""
    row = Alerts(session, shim.platform.keyring).get(alert_id)
    rows, total = Deliveries(session).page(row.id, limit=page.limit, offset=page.offset)
    count(response, total)
    return [DeliveryOut.of(each) for each in rows]


def _apply(change: Change, alerts: Alerts, row: AlertRow, given: dict[str, Any]) -> None:
    """Set what an alert asks for, and where it goes."""
    if "on" in given:
        row.events = sorted({str(each) for each in given["on"]})
    if "filter" in given or row.filter is None:
        row.filter = _filter(change, AlertFilter.model_validate(given.get("filter") or {}))
    if "thresholds" in given or row.thresholds is None:
        row.thresholds = _without_nulls(given.get("thresholds") or {})
    Rule.of(row.events, row.filter, row.thresholds).check()
    if "channel" in given:
        alerts.send_to(row, _channel(change.shim.settings, ChannelIn.model_validate(given["channel"])))


def _filter(change: Change, wanted: AlertFilter) -> dict[str, Any]:
    made = _without_nulls(wanted.model_dump(mode="json"))
    if wanted.app is not None:
        made["app"] = slug(wanted.app, "filter.app")
    if wanted.subject_id is not None:
        id = as_uuid(wanted.subject_id)
        if id is None or not apps_of(change.session, [id]):
            raise Invalid.field("filter.subjectId", f"there is nothing of the id '{wanted.subject_id}'")
        made["subject_id"] = id
    return made


def _channel(settings: Settings, wanted: ChannelIn) -> Channel:
    """The channel of a request.

    Raises:
        Invalid: it is ill-formed, goes where messages must not go, or no server is set that takes mail.
    """
    own = {"email": ("to",), "webhook": ("url", "secret", "headers")}[wanted.type]
    for name in wanted.given():
        if name != "type" and name not in own:
            raise Invalid.field(f"channel.{name}", f"belongs to no channel of the type {wanted.type}")
    if wanted.type == "email":
        if settings.mail_server is None:
            raise Invalid.field("channel.type", NO_SERVER)
        return EmailChannel.of(wanted.to or [])
    if wanted.url is None:
        raise Invalid.field("channel.url", "is required for a webhook")
    made = WebhookChannel.of(wanted.url, wanted.secret, wanted.headers)
    check_reach(made.url, settings.hosts)
    return made


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
