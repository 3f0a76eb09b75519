"""Mail: addresses, the server that takes it, and one message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from dataops_defs.errors import Invalid

MAX_ADDRESS = 254
MAX_LOCAL = 64
# An address without quotes and comments, in ASCII. Source: RFC 5321, section 4.1.2; RFC 5322, section 3.2.3.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
SECURITY: dict[str, Literal["none", "starttls", "tls"]] = {"smtp": "none", "smtp+starttls": "starttls", "smtps": "tls"}
PORTS = {"none": 25, "starttls": 587, "tls": 465}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def wrong_address(value: str) -> str | None:
    """Why this is no address that mail can be sent to; None when it is one."""
    found = _ADDRESS.fullmatch(value)
    if found is None:
        return f"'{one_line(value, 60)}' is no mail address; it has the form name@example.com, in ASCII"
    if len(value) > MAX_ADDRESS or len(found[1]) > MAX_LOCAL:
        return f"'{value[:60]}…' is longer than a mail address can be"
    return None


def one_line(text: str, length: int) -> str:
    """The text on one line, without control characters: nothing in it can end a header."""
    plain = " ".join("".join(" " if not each.isprintable() else each for each in text).split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"


@dataclass(frozen=True)
class Mail:
    """A message; whoever gets the same ``id`` twice has the same message twice."""

    id: str
    to: Sequence[str]
    subject: str
    text: str


@dataclass(frozen=True)
class MailServer:
    """A server that takes mail, and the address that it comes from."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, sender: str | None) -> "MailServer":
        """The server of a URL: ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with user and password if needed.

        Raises:
            Invalid: it is none, or a password would travel in the clear.
        """
        form = "must have the form smtp://host:25, smtp+starttls://user:password@host:587 or smtps://…:465"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise Invalid(form) from None
        security = SECURITY.get(parts.scheme)
        if host is None or security is None or parts.path.strip("/") or parts.query or parts.fragment:
            raise Invalid(form)
        if sender is None or wrong_address(sender):
            raise Invalid("needs DATAOPS_SMTP_FROM, the address that mail comes from")
        user, password = (unquote(each) if each else None for each in (parts.username, parts.password))
        if (user is None) != (password is None):
            raise Invalid("needs a user with a password, or neither")
        if password is not None and security == "none" and host not in LOOPBACK:
            raise Invalid("would send its password in the clear; take smtps:// or smtp+starttls://")
        return cls(host, port or PORTS[security], security, sender, user, password)
