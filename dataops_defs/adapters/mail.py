"""Mail, handed to the server that an administrator has set."""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.line import ended_after, shut
from dataops_defs.adapters.undelivered import Receipt, Undelivered
from dataops_defs.domain.mail import Mail, MailServer, one_line, wrong_address
from dataops_defs.errors import SourceUnavailable

SECONDS = 30.0
SECONDS_OF_SILENCE = 10.0
MAX_SUBJECT = 200
ACCEPTED = 250


def send(server: MailServer, mail: Mail, seconds: float = SECONDS) -> Receipt:
    """Hand a message to the server; it has arrived once the server has taken it for one address at least.

    Raises:
        Undelivered: the server cannot be reached, wants other credentials, or refuses the message.
    """
    message = composed(server, mail)
    line = HeldLine()
    try:
        with ended_after(seconds, line.cut), _connected(server, line) as smtp:
            refused = smtp.send_message(message, server.sender, list(mail.to))
    except (OSError, SourceUnavailable) as error:  # all errors of smtplib and ssl are among them
        late = f"{server.host} needs longer than the {seconds:g} seconds that it has"
        raise Undelivered(late) if line.is_cut else _undelivered(server, error) from None
    return Receipt(ACCEPTED, f"Not taken for {_told(refused)}" if refused else None)


def composed(server: MailServer, mail: Mail) -> EmailMessage:
    """The message as it is sent; whatever is in its texts, it has these headers and no others.

    Raises:
        Undelivered: somebody it is for has no mail address.
    """
    for address in mail.to:
        if problem := wrong_address(address):
            raise Undelivered(problem)
    message = EmailMessage(policy=SMTP)
    message["From"] = server.sender
    message["To"] = ", ".join(mail.to)
    message["Subject"] = one_line(mail.subject, MAX_SUBJECT)
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{one_line(mail.id, 100)}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office notice answers it
    message.set_content(mail.text)
    return message


class _Session(smtplib.SMTP):
    """A session whose line is known before its first answer: a server may also greet without end."""

    def __init__(self, server: MailServer, line: HeldLine, **options: Any) -> None:
        self._line = line
        # Our own name is not looked up: that may take long.
        name = socket.gethostname() or "localhost"
        super().__init__(server.host, server.port, name, timeout=SECONDS_OF_SILENCE, **options)

    def getreply(self) -> tuple[int, bytes]:
        """The next answer, if it comes in time."""
        self._line.hold(self.end)
        return super().getreply()

    def end(self) -> None:
        """Wait for the server no more; its socket is another one once TLS has begun."""
        if self.sock is not None:
            shut(self.sock)


class _TlsSession(_Session, smtplib.SMTP_SSL):
    """The same through TLS from the first byte on."""


@contextmanager
def _connected(server: MailServer, line: HeldLine) -> Iterator[smtplib.SMTP]:
    """A session with the server, logged in; its password is sent through TLS only, or to this machine."""
    trusted = ssl.create_default_context()
    smtp = _TlsSession(server, line, context=trusted) if server.security == "tls" else _Session(server, line)
    try:
        if server.security == "starttls":
            smtp.starttls(context=trusted)
        if server.user is not None and server.password is not None:
            smtp.login(server.user, server.password)
        yield smtp
        with suppress(OSError, SourceUnavailable):  # it has the message already
            smtp.quit()
    finally:
        smtp.close()


def _undelivered(server: MailServer, error: Exception) -> Undelivered:
    """What a person may read of an error, with the server's code where it gave one."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, _ = next(iter(error.recipients.values()))
        return Undelivered(f"{server.host} takes it for nobody: {_told(error.recipients)}", code)
    if isinstance(error, smtplib.SMTPResponseException):
        said = _said(error.smtp_code, error.smtp_error)
        return Undelivered(f"{server.host} answered with {said}", error.smtp_code)
    if isinstance(error, smtplib.SMTPException):
        return Undelivered(f"{server.host} cannot be used: {one_line(str(error), 200)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Undelivered(f"The certificate of {server.host} is not one that is trusted here")
    return Undelivered(f"{server.host}:{server.port} cannot be reached")


def _told(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address} ({_said(code, said)})" for address, (code, said) in refused.items())


def _said(code: int, text: bytes | str) -> str:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    return one_line(f"{code} {said}", 200)
