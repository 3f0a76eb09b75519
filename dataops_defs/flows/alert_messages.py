"""What an alert's message says, as JSON for webhooks and as a text for people; made when it is sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_deliveries import Deliveries
from dataops_defs.catalogue.alert_rows import AlertDeliveryRow, AlertRow
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.alerts import AlertEvent, printed
from dataops_defs.domain.mail import one_line
from dataops_defs.domain.run import DATAOPS_WORDS
from dataops_defs.settings import Settings

MOST_TOLD = 20
EXECUTIONS = "/api/v1/dataops/executions/"
WORDS = {
    AlertEvent.RUN_SUCCEEDED: "succeeded",
    AlertEvent.RUN_FAILED: "failed",
    AlertEvent.RUN_TIMED_OUT: "ran out of time",
    AlertEvent.RUN_CANCELLED: "was cancelled",
    AlertEvent.RUN_RECOVERED: "works again",
    AlertEvent.ROWS_REJECTED: "rejected rows",
    AlertEvent.SCHEMA_DRIFT: "found changed columns",
    AlertEvent.FRESHNESS: "was not refreshed in time",
}


@dataclass(frozen=True)
class Message:
    """One message: ``content`` is what a webhook gets; ``subject`` and ``text`` are for people."""

    id: str
    content: Mapping[str, Any]
    subject: str
    text: str

    @property
    def body(self) -> bytes:
        """The content as a webhook gets it."""
        return json.dumps(self.content, ensure_ascii=False, separators=(",", ":")).encode()


def message_of(session: Session, settings: Settings, alert: AlertRow, row: AlertDeliveryRow) -> Message:
    """The message of an event, and of the newest ones that happened while the alert was throttled, 20 in all."""
    others = Deliveries(session).told_by(row.id, MOST_TOLD - 1) if row.events_count > 1 else []
    rows = [row, *others]
    runs = Runs(session).by_ids([each.run_id for each in rows if each.run_id])
    base = (settings.public_url or settings.api_url).rstrip("/")
    events = [_event(each, runs.get(each.run_id or ""), base) for each in rows]
    lines = [_line(each) for each in events]
    more = f" (and {row.events_count - 1} more)" if row.events_count > 1 else ""
    subject = f"[DataOps] {lines[0]}{more}"
    content = {
        "id": row.id,
        **events[0],
        "alert": {"id": alert.id, "name": alert.name},
        "count": row.events_count,
        "text": subject,
    }
    if others:
        content["events"] = events
    return Message(row.id, content, subject, _text(alert, row, events, lines))


def _event(row: AlertDeliveryRow, run: RunRow | None, base: str) -> dict[str, Any]:
    told: dict[str, Any] = {"event": str(row.event), "at": printed(row.occurred_at)}
    if row.subject_id is not None:
        told["subjectId"] = row.subject_id
    if run is not None:
        told["execution"] = _execution(run, base)
    return told | ({"detail": row.detail} if row.detail else {})


def _execution(run: RunRow, base: str) -> dict[str, Any]:
    """An execution as ``GET /executions/{id}`` names its fields."""
    told = {
        "id": run.id,
        "kind": str(run.kind),
        "subjectId": run.subject_id,
        "name": run.subject_name,
        "status": DATAOPS_WORDS[run.state],
        "state": str(run.state),
        "startedAt": printed(run.started_at or run.created_at),
        "completedAt": printed(run.finished_at) if run.finished_at else None,
        "recordsProcessed": run.records_processed,
        "recordsSucceeded": run.records_succeeded,
        "recordsFailed": run.records_failed,
        "error": run.error,
        "errorCode": run.error_code,
        "trigger": run.trigger,
        "requestedBy": run.requested_by,
        "url": f"{base}{EXECUTIONS}{run.id}",
    }
    return {name: value for name, value in told.items() if value is not None}


def _line(told: Mapping[str, Any]) -> str:
    """An event in a few words."""
    event, run, detail = AlertEvent(told["event"]), told.get("execution"), told.get("detail", {})
    if run:
        what = f"{run['kind']} of '{run.get('name') or run['id']}'"
    else:
        what = f"{detail.get('kind', 'execution')} '{detail.get('name', told.get('subjectId', ''))}'"
    return one_line(f"{what} {WORDS[event]}", 200)


def _text(alert: AlertRow, row: AlertDeliveryRow, events: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> str:
    paragraphs = [_paragraph(told, line) for told, line in zip(events, lines, strict=True)]
    left = row.events_count - len(events)
    if left > 0:
        paragraphs.append(f"… and {left} more that happened in between.")
    paragraphs.append(f"You get this by the alert '{one_line(alert.name, 200)}'.")
    return "\n\n".join(paragraphs) + "\n"


def _paragraph(told: Mapping[str, Any], line: str) -> str:
    run, detail = told.get("execution", {}), told.get("detail", {})
    parts = [f"{line}, {told['at']}"]
    if "error" in run:
        parts.append(f"  {one_line(run['error'], 500)}")
    if run:
        counts = ("recordsProcessed", "recordsSucceeded", "recordsFailed")
        processed, succeeded, failed = (run[name] for name in counts)
        parts.append(f"  {processed} rows read, {succeeded} written or left as they were, {failed} rejected")
    if "drift" in detail:
        parts.append(f"  changed: {one_line(json.dumps(detail['drift'], ensure_ascii=False), 500)}")
    if "staleMinutes" in detail:
        last = detail.get("lastRefreshedAt", "never")
        parts.append(f"  last refreshed: {last}; it should be every {detail['staleMinutes']} minutes")
    if run:
        parts.append(f"  {run['url']}")
    return "\n".join(parts)
