"""Alerts in the catalogue; where their messages go is sealed here and opened only to send one."""

import json
from collections.abc import Sequence

from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_rows import AlertRow
from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.sealing import Keyring, seal_to_keep, unseal
from dataops_defs.domain.alert_channels import Channel, EmailChannel, WebhookChannel


def secret_context(alert_id: str) -> str:
    """Associated data of an alert's sealed secrets."""
    return f"alert:{alert_id}:secrets"


class Alerts(Definitions[AlertRow]):
    """All reads and writes of alerts."""

    row = AlertRow
    noun = "alert"

    def __init__(self, session: Session, keyring: Keyring) -> None:
        super().__init__(session)
        self._keyring = keyring

    def send_to(self, row: AlertRow, channel: Channel) -> None:
        """Set where an alert's messages go. The row needs its id."""
        row.channel = channel.shown
        hidden = json.dumps(channel.hidden).encode()
        sealed = seal_to_keep(self.session, self._keyring, hidden, secret_context(row.id)) if channel.hidden else None
        row.secrets = sealed

    def channel_of(self, row: AlertRow) -> Channel:
        """Where an alert's messages go, in the clear.

        Raises:
            CannotUnseal: its key is gone.
        """
        if row.secrets is None:
            return EmailChannel(row.channel["to"])
        return WebhookChannel(**json.loads(unseal(self._keyring, row.secrets, secret_context(row.id))))

    def dependants(self, row: AlertRow) -> Sequence[Named]:
        """Nothing is built on an alert."""
        return []
