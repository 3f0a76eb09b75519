"""Tell people by mail how the runs ended that they asked to be told of."""

import time
from collections.abc import Sequence

from dataops_defs.adapters import mail
from dataops_defs.adapters.undelivered import Undelivered
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_notices import RunNotices
from dataops_defs.catalogue.trigger_rows import RunNoticeRow
from dataops_defs.domain.alerts import DeliveryState
from dataops_defs.domain.mail import Mail, one_line
from dataops_defs.domain.trigger import HISTORY_WORDS, PARAMETERS
from dataops_defs.flows.deliver_alerts import NO_SERVER, Sent
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.trigger_orders import public_run_id

SECONDS = 20.0
EXECUTIONS = "/api/v1/dataops/executions/"


def mail_run_ends(platform: Platform, seconds: float = SECONDS) -> Sent:
    """Send what is due, one after the other; no message is begun later than this."""
    told, deadline = Sent(), time.monotonic() + seconds
    while time.monotonic() < deadline and (found := _claim(platform)) is not None:
        _send(platform, *found, told)
    return told


def _claim(platform: Platform) -> tuple[RunNoticeRow, RunRow] | None:
    with platform.catalogue() as session:
        return RunNotices(session).claim()


def _send(platform: Platform, notice: RunNoticeRow, run: RunRow, told: Sent) -> None:
    try:
        server = platform.settings.mail_server
        if server is None:
            raise Undelivered(NO_SERVER)
        mail.send(server, message_of(platform.settings.public_url or platform.settings.api_url, notice, run))
    except Undelivered as error:
        with platform.catalogue() as session:
            state = RunNotices(session).not_sent(notice.id, notice.tries, str(error))
        (told.failed if state is DeliveryState.FAILED else told.later).append(f"{public_run_id(run.id)}: {error}")
        return
    with platform.catalogue() as session:
        RunNotices(session).sent(notice.id)
    told.arrived += 1


def message_of(base: str, notice: RunNoticeRow, run: RunRow) -> Mail:
    """The message about the end of a run."""
    name, word = run.subject_name or run.id, HISTORY_WORDS[run.state]
    subject = one_line(f"Pipeline '{name}': {word}", 200)
    return Mail(notice.id, [notice.address], subject, "\n".join(_lines(base, name, word, run)) + "\n")


def _lines(base: str, name: str, word: str, run: RunRow) -> Sequence[str]:
    began, ended = run.started_at or run.created_at, run.finished_at or run.updated_at
    lines = [
        f"The run of pipeline '{one_line(name, 200)}' ended: {word}.",
        "",
        f"Run: {public_run_id(run.id)}",
        f"Began: {began.isoformat(timespec='seconds')}, took {(ended - began).total_seconds():.1f} seconds",
        f"Rows: {run.records_processed} read, {run.records_succeeded} written or left as they were,"
        f" {run.records_failed} rejected",
    ]
    if run.error:
        lines.append(f"Error: {one_line(run.error, 500)}")
    if given := run.parameters.get(PARAMETERS):
        lines.append(one_line("Parameters: " + ", ".join(f"{key} = {value}" for key, value in given.items()), 1000))
    return [*lines, "", f"{base.rstrip('/')}{EXECUTIONS}{run.id}"]
