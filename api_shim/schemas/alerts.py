"""Alerts of document 004's family: who is told of what, and what was sent."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api_shim.schemas.base import Moment, Name, Reply, Request
from dataops_defs.catalogue.alert_rows import AlertDeliveryRow, AlertRow
from dataops_defs.domain.alerts import AlertEvent, AlertStatus, DeliveryState
from dataops_defs.domain.run import RunKind

FAILURES: dict[str, Any] = {
    "name": "Nightly failures",
    "on": ["run_failed", "run_timed_out", "run_recovered"],
    "filter": {"app": "aviation"},
    "channel": {
        "type": "webhook",
        "url": "https://hooks.example.com/dataops",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
    "throttleSeconds": 300,
}
Events = Annotated[list[AlertEvent], Field(min_length=1, max_length=len(AlertEvent))]
Throttle = Annotated[
    int,
    Field(ge=0, le=86_400, description="After a message, what happens within so long is told in one; 0: each alone"),
]


class AlertFilter(Request):
    """Which executions, or definitions, count; what is left out takes all."""

    app: str | None = Field(default=None, min_length=1, max_length=80)
    kind: RunKind | None = Field(
        default=None, description="Of the execution, or of the assets in it; for freshness: extract or sync"
    )
    subject_id: str | None = Field(
        default=None, max_length=80, description="A dataset, mapping, pipeline, …, whatever execution works at it"
    )


class AlertThresholds(Request):
    """From when on it counts; of two for rejected rows, both must be reached."""

    rejected_rows: int | None = Field(default=None, ge=1, le=2**53)
    rejected_share: float | None = Field(default=None, gt=0, le=1, description="Of the rows read, 0 to 1")
    stale_minutes: int | None = Field(default=None, ge=1, le=5_256_000, description="Required for freshness")


class ChannelIn(Request):
    """Where messages go. A webhook's URL, secret and headers are sealed and never shown again."""

    type: Literal["email", "webhook"]
    to: list[str] | None = Field(default=None, max_length=50, description="Of email: the addresses")
    url: str | None = Field(default=None, max_length=1024, description="Of a webhook: http:// or https://")
    secret: str | None = Field(
        default=None,
        max_length=1024,
        description="Of a webhook: signs `<Webhook-Id>.<Webhook-Timestamp>.<body>` by HMAC-SHA256; `whsec_…` is base64",
    )
    headers: dict[str, str] | None = Field(default=None, description="Of a webhook: sent with each message")


class AlertCreate(Request):
    """A new alert."""

    model_config = ConfigDict(json_schema_extra={"examples": [FAILURES]})
    name: Name
    on: Events
    filter: AlertFilter | None = None
    thresholds: AlertThresholds | None = None
    channel: ChannelIn
    throttle_seconds: Throttle = 0
    status: AlertStatus = AlertStatus.ACTIVE


class AlertChange(Request):
    """A changed alert: what is left out stays; ``filter``, ``thresholds`` and ``channel`` are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "paused"}]})
    name: Name | None = None
    on: Events | None = None
    filter: AlertFilter | None = None
    thresholds: AlertThresholds | None = None
    channel: ChannelIn | None = None
    throttle_seconds: Throttle | None = None
    status: AlertStatus | None = None


class ChannelOut(Reply):
    """Where messages go, as far as it is shown: of a webhook the host, its headers' names, and if it is signed."""

    type: str
    to: list[str] | None = None
    url: str | None = None
    headers: list[str] | None = None
    signed: bool | None = None


class DeliveryOut(Reply):
    """One event, and what became of its message: pending, sent, failed, or grouped into the message of another."""

    id: str = Field(description="The message's id: Webhook-Id, and the first part of a mail's Message-ID")
    event: AlertEvent
    state: DeliveryState
    at: Moment
    execution_id: str | None = None
    subject_id: str | None = None
    tries: int = Field(description="Begun so far; after six in vain it has failed")
    next_try_at: Moment | None = Field(default=None, description="While it is pending")
    sent_at: Moment | None = None
    answer_code: int | None = Field(default=None, description="HTTP status, or the mail server's code")
    reason: str | None = Field(default=None, description="Why the last try was in vain")
    grouped_into: str | None = None
    count: int = Field(description="Of how many events the message tells")
    detail: dict[str, Any] = {}

    @classmethod
    def of(cls, row: AlertDeliveryRow) -> "DeliveryOut":
        """The form of a delivery row."""
        same = ("id", "event", "state", "subject_id", "tries", "sent_at", "answer_code", "reason", "grouped_into")
        return cls(
            **{name: getattr(row, name) for name in (*same, "detail")},
            at=row.occurred_at,
            execution_id=row.run_id,
            next_try_at=(row.claimed_until or row.due_at) if row.state is DeliveryState.PENDING else None,
            count=row.events_count,
        )


class AlertOut(Reply):
    """An alert, and its newest message."""

    id: str
    name: str
    slug: str
    on: list[str]
    filter: dict[str, Any]
    thresholds: dict[str, Any]
    channel: ChannelOut
    throttle_seconds: int
    status: AlertStatus
    last_delivery: DeliveryOut | None = None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, row: AlertRow, last: AlertDeliveryRow | None = None) -> "AlertOut":
        """The form of an alert row."""
        same = ("id", "name", "slug", "throttle_seconds", "status", "created_at", "updated_at")
        return cls(
            **{name: getattr(row, name) for name in same},
            on=row.events,
            filter=AlertFilter(**row.filter).as_printed(),
            thresholds=AlertThresholds(**row.thresholds).as_printed(),
            channel=ChannelOut(**row.channel),
            last_delivery=DeliveryOut.of(last) if last else None,
        )
