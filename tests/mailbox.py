"""A mail server on a port of its own, that keeps what it is given."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from dataops_defs.services.embedded import free_port

SENDER = "dataops@example.com"
USER, PASSWORD = "dataops", "p@ss:word/1"


@dataclass
class Mailbox:
    """``refused`` are addresses that it takes nothing for; ``answer`` is what it says to a message, when it has one."""

    certificate: ssl.SSLContext | None = None
    tls: bool = False
    login: bool = False
    refused: frozenset[str] = frozenset()
    answer: str = "250 OK"
    on_message: Callable[[], None] = lambda: None
    messages: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @contextmanager
    def running(self) -> Iterator["Mailbox"]:
        options: dict[str, Any] = {"auth_required": self.login, "auth_require_tls": False}
        if self.login:
            options["authenticator"] = _authenticated
        if self.certificate is not None:
            options |= {"ssl_context": self.certificate} if self.tls else {"tls_context": self.certificate}
            options["require_starttls"] = not self.tls
        controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=20, **options)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    @property
    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.messages]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.to.append(list(envelope.rcpt_tos))
        self.on_message()
        return self.answer


def _authenticated(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=known)
