"""Where an alert's messages go: to mail addresses, or to a webhook. What could be a credential is kept apart."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dataops_defs.domain.connections import HEADER_NAME, RESERVED_HEADERS, text
from dataops_defs.domain.mail import wrong_address
from dataops_defs.errors import Invalid

EMAIL, WEBHOOK = "email", "webhook"
MOST_ADDRESSES = 50
MOST_HEADERS = 20
SHORTEST_SECRET = 16
# A key in the form in which other senders of webhooks show it. Source: standard-webhooks, "Signature scheme".
ENCODED_SECRET = "whsec_"  # noqa: S105 - a prefix
ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"
OWN_HEADERS = {
    *RESERVED_HEADERS,
    *("content-type", "content-encoding", "idempotency-key"),
    *(name.lower() for name in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER)),
}
NO_URL = "must begin with http:// or https://, without a user or a fragment"
_URL = re.compile(r"https?://[^/?#@\\\s]+(/[^?#\\\s]*)?(\?[^#\\\s]*)?")


@dataclass(frozen=True)
class EmailChannel:
    """Mail to these addresses, in one message."""

    to: Sequence[str]

    @classmethod
    def of(cls, to: Sequence[str]) -> "EmailChannel":
        """A channel to addresses.

        Raises:
            Invalid: one is none, comes twice, or there are none or too many.
        """
        if not 1 <= len(to) <= MOST_ADDRESSES:
            raise Invalid.field("channel.to", f"must name 1 to {MOST_ADDRESSES} addresses")
        for number, address in enumerate(to):
            if problem := wrong_address(address):
                raise Invalid.field(f"channel.to.{number}", problem)
        return cls(list(dict.fromkeys(to)))

    @property
    def shown(self) -> dict[str, Any]:
        """What anybody may see."""
        return {"type": EMAIL, "to": list(self.to)}

    @property
    def hidden(self) -> dict[str, Any]:
        """What is sealed: nothing."""
        return {}


@dataclass(frozen=True)
class WebhookChannel:
    """A POST to a URL, signed where there is a secret. The URL is a credential too: many carry a token in it."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str, secret: str | None = None, headers: Mapping[str, str] | None = None) -> "WebhookChannel":
        """A channel to a URL.

        Raises:
            Invalid: the URL, the secret or a header is none that can be used.
        """
        if problem := text(url) or (None if _is_url(url) else NO_URL):
            raise Invalid.field("channel.url", problem)
        made = cls(url, secret, dict(headers or {}))
        if secret is not None and len(made.key or b"") < SHORTEST_SECRET:
            raise Invalid.field("channel.secret", f"must hold at least {SHORTEST_SECRET} bytes")
        if problem := _wrong_headers(made.headers):
            raise Invalid.field("channel.headers", problem)
        return made

    @property
    def place(self) -> str:
        """Scheme, host and port: all that is told of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def key(self) -> bytes | None:
        """The bytes that sign: those that ``whsec_…`` encodes, or the secret's own."""
        if self.secret is None:
            return None
        if self.secret.startswith(ENCODED_SECRET):
            try:
                return base64.b64decode(self.secret.removeprefix(ENCODED_SECRET), validate=True)
            except ValueError:
                raise Invalid.field("channel.secret", f"is not in base64 after '{ENCODED_SECRET}'") from None
        return self.secret.encode()

    @property
    def shown(self) -> dict[str, Any]:
        """What anybody may see."""
        return {
            "type": WEBHOOK,
            "url": f"{self.place}/…",
            "headers": sorted(self.headers),
            "signed": self.secret is not None,
        }

    @property
    def hidden(self) -> dict[str, Any]:
        """What is sealed."""
        return {"url": self.url, "secret": self.secret, "headers": dict(self.headers)}


Channel = EmailChannel | WebhookChannel


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """``v1,`` and the HMAC-SHA256 of ``<id>.<timestamp>.<body>``, in base64; ``timestamp`` in seconds since 1970.

    Source: DECISIONS 31; standard-webhooks, "Signature scheme".
    """
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _is_url(url: str) -> bool:
    try:
        return bool(_URL.fullmatch(url)) and urlsplit(url).port != 0
    except ValueError:
        return False


def _wrong_headers(headers: Mapping[str, str]) -> str | None:
    if len(headers) > MOST_HEADERS:
        return f"must be at most {MOST_HEADERS}"
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            return f"'{name[:50]}' is no name of a header"
        if name.lower() in OWN_HEADERS:
            return f"'{name}' cannot be given: it follows from the message"
        if problem := text(value) or (None if value.isascii() else "must be ASCII"):
            return f"'{name}' {problem}"
    return None
