"""Send what alerts have to say: messages that are due, by mail or to webhooks. Nobody waits for it but its caller."""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import structlog

from dataops_defs.adapters import mail, webhook
from dataops_defs.adapters.undelivered import Receipt, Undelivered
from dataops_defs.catalogue.alert_deliveries import Deliveries
from dataops_defs.catalogue.alert_freshness import note_stale
from dataops_defs.catalogue.alerts import Alerts
from dataops_defs.catalogue.sealing import CannotUnseal
from dataops_defs.domain.alert_channels import Channel, EmailChannel
from dataops_defs.domain.alerts import DeliveryState
from dataops_defs.domain.mail import Mail
from dataops_defs.flows.alert_messages import Message, message_of
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings

LOG = structlog.get_logger()
ALERTS_AT_ONCE = 8
MOST_ALERTS = 100
# No message is begun later than this; the last one is sent, or given up, within as much again.
SECONDS = 20.0
NO_SERVER = "No mail server is set: an administrator has to set DATAOPS_SMTP_URL and DATAOPS_SMTP_FROM"


@dataclass
class Sent:
    """What a turn did: messages that arrived, tries in vain that are followed by others, and the ends of hopes."""

    arrived: int = 0
    later: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(self.arrived + other.arrived, self.later + other.later, self.failed + other.failed)


@dataclass(frozen=True)
class Claimed:
    """A message that is ours to send: for which alert, where to, and the how-manieth try this is."""

    alert: str
    message: Message
    tries: int
    channel: Channel | None


def note_freshness(platform: Platform) -> int:
    """Note what has not been refreshed for too long; returns how many datasets and mappings that is newly."""
    with platform.catalogue() as session:
        return note_stale(session)


def deliver_due(platform: Platform, seconds: float = SECONDS) -> Sent:
    """Send what is due. Alerts are served side by side, so that a slow receiver holds up no other; each in order."""
    with platform.catalogue() as session:
        alerts = Deliveries(session).due(MOST_ALERTS)
    if not alerts:
        return Sent()
    deadline = time.monotonic() + seconds
    pool = ThreadPoolExecutor(ALERTS_AT_ONCE, thread_name_prefix="alerts")
    turns = [pool.submit(_deliver, platform, each, deadline) for each in alerts]
    done, _ = wait(turns, timeout=2 * seconds)
    # What still hangs (in a look-up of a name, say) notes itself what comes of it.
    pool.shutdown(wait=False, cancel_futures=True)
    return sum((turn.result() for turn in done if not turn.cancelled()), Sent())


def _deliver(platform: Platform, alert_id: str, deadline: float) -> Sent:
    """One alert's messages, one after the other, until none is due, or one does not arrive: the rest waits a turn."""
    told = Sent()
    while time.monotonic() < deadline and (claimed := _claim(platform, alert_id)) is not None:
        told += _send(platform, claimed)
        if told.later or told.failed:
            break
    return told


def _claim(platform: Platform, alert_id: str) -> Claimed | None:
    with platform.catalogue() as session:
        found = Deliveries(session).claim(alert_id)
        if found is None:
            return None
        alert, row = found
        try:
            channel = Alerts(session, platform.keyring).channel_of(alert)
        except CannotUnseal:
            channel = None
        return Claimed(alert.name, message_of(session, platform.settings, alert, row), row.tries, channel)


def _send(platform: Platform, claimed: Claimed) -> Sent:
    try:
        receipt = _handed_over(platform.settings, claimed)
    except Undelivered as error:
        return _note_failure(platform, claimed, str(error), error.answer_code)
    except Exception as error:  # whatever one message meets, the others are sent
        LOG.error("a message of an alert could not be sent", alert=claimed.alert, exc_info=error)
        return _note_failure(platform, claimed, f"An unexpected error ({type(error).__name__})")
    with platform.catalogue() as session:
        Deliveries(session).sent(claimed.message.id, receipt.code, receipt.remark)
    return Sent(arrived=1)


def _handed_over(settings: Settings, claimed: Claimed) -> Receipt:
    message, channel = claimed.message, claimed.channel
    if channel is None:
        raise Undelivered("Where it goes cannot be read: the key that sealed it is gone. Set the alert's channel anew")
    if isinstance(channel, EmailChannel):
        server = settings.mail_server
        if server is None:
            raise Undelivered(NO_SERVER)
        return mail.send(server, Mail(message.id, channel.to, message.subject, message.text))
    return webhook.post(channel, message.id, message.body, settings.hosts)


def _note_failure(platform: Platform, claimed: Claimed, reason: str, code: int | None = None) -> Sent:
    with platform.catalogue() as session:
        state = Deliveries(session).not_sent(claimed.message.id, claimed.tries, code, reason)
    told = [f"'{claimed.alert}': {reason} (try {claimed.tries})"]
    return Sent(failed=told) if state is DeliveryState.FAILED else Sent(later=told)
