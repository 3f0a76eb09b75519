"""Mail, handed to a real server."""

import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from dataops_defs.adapters.mail import send
from dataops_defs.adapters.undelivered import Undelivered
from dataops_defs.domain.mail import Mail, MailServer
from dataops_defs.services.embedded import free_port
from dataops_defs.settings import Settings
from tests.adapters.sources.test_http_credentials import _certificate
from tests.adapters.test_webhook import raw_server
from tests.mailbox import PASSWORD, SENDER, USER, Mailbox

MAIL = Mail(
    "0192f3a1", ["anna@example.com", "bert@example.com"], "extract of 'Самолёты' failed", "Because.\n.\nEnde 🛬\n"
)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox().running() as mailbox:
        yield mailbox


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """One for localhost, that is trusted here."""
    path = _certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def server(mailbox: Mailbox, scheme: str = "smtp", host: str = "127.0.0.1", login: str = "") -> MailServer:
    return MailServer.of(f"{scheme}://{login}{host}:{mailbox.port}", SENDER)


class TestAMail:
    def test_arrives_at_all_addresses_with_an_id_to_tell_repetitions_by(self, mailbox: Mailbox) -> None:
        assert send(server(mailbox), MAIL).remark is None

        [got] = mailbox.messages
        assert mailbox.to == [["anna@example.com", "bert@example.com"]]
        assert (got["Subject"], got["From"]) == ("extract of 'Самолёты' failed", SENDER)
        assert got["Message-ID"] == "<0192f3a1@example.com>"
        assert got["Auto-Submitted"] == "auto-generated"
        assert parsedate_to_datetime(str(got["Date"]))
        assert got.get_content().replace("\r\n", "\n") == "Because.\n.\nEnde 🛬\n"

    def test_has_no_headers_but_ours_whatever_things_are_called(self, mailbox: Mailbox) -> None:
        send(
            server(mailbox), Mail("1", ["anna@example.com"], "x\r\nBcc: eve@example.com\r\n\r\nHello\u2028you\x00", "")
        )
        [got] = mailbox.messages
        assert got["Subject"] == "x Bcc: eve@example.com Hello you"
        assert "Bcc" not in got
        assert mailbox.to == [["anna@example.com"]]

    def test_goes_to_no_address_that_is_none(self, mailbox: Mailbox) -> None:
        with pytest.raises(Undelivered, match="is no mail address"):
            send(server(mailbox), Mail("1", ["anna@example.com\r\nBcc: eve@example.com"], "x", ""))
        assert mailbox.messages == []

    def test_has_arrived_when_it_is_taken_for_one_of_its_addresses(self, mailbox: Mailbox) -> None:
        mailbox.refused = frozenset({"bert@example.com"})
        receipt = send(server(mailbox), MAIL)
        assert (receipt.code, receipt.remark) == (250, "Not taken for bert@example.com (550 no such mailbox)")
        assert mailbox.to == [["anna@example.com"]]


class TestAServer:
    def test_that_refuses_it_is_quoted(self, mailbox: Mailbox) -> None:
        mailbox.refused = frozenset(MAIL.to)
        with pytest.raises(
            Undelivered, match=r"takes it for nobody: anna@example.com \(550 no such mailbox\)"
        ) as error:
            send(server(mailbox), MAIL)
        assert error.value.answer_code == 550
        mailbox.refused, mailbox.answer = frozenset(), "451 come back\tlater"
        with pytest.raises(Undelivered, match="answered with 451 come back later") as error:
            send(server(mailbox), MAIL)
        assert error.value.answer_code == 451

    def test_that_is_not_there_hangs_up_or_speaks_otherwise_is_told(self) -> None:
        with pytest.raises(Undelivered, match=r"^127.0.0.1:\d+ cannot be reached$"):
            send(MailServer.of(f"smtp://127.0.0.1:{free_port()}", SENDER), MAIL)
        with raw_server(b"HTTP/1.1 400 Bad\r\n\r\n", asked=False) as host, pytest.raises(Undelivered):
            send(MailServer.of(f"smtp://{host}", SENDER), MAIL)

    def test_that_greets_without_end_is_left(self) -> None:
        with raw_server(b"", b"220-hello\r\n", asked=False) as host, pytest.raises(Undelivered, match="longer than"):
            send(MailServer.of(f"smtp://{host}", SENDER), MAIL, seconds=0.5)

    def test_takes_a_password_and_refuses_a_wrong_one(self) -> None:
        with Mailbox(login=True).running() as mailbox:
            send(server(mailbox, login=f"{USER}:p%40ss%3Aword%2F1@"), MAIL)
            with pytest.raises(Undelivered, match="answered with 535") as error:
                send(server(mailbox, login=f"{USER}:wrong@"), MAIL)
            assert "wrong" not in str(error.value)
            with pytest.raises(Undelivered, match="530"):
                send(server(mailbox), MAIL)
            assert len(mailbox.messages) == 1
            assert PASSWORD not in str(mailbox.messages[0])

    @pytest.mark.parametrize(("scheme", "tls"), [("smtps", True), ("smtp+starttls", False)])
    def test_is_spoken_to_through_tls_when_it_is_the_right_one(
        self, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, scheme: str, tls: bool
    ) -> None:
        with Mailbox(certificate, tls=tls, login=True).running() as mailbox:
            login = f"{USER}:p%40ss%3Aword%2F1@"
            send(server(mailbox, scheme, "localhost", login), MAIL)
            with pytest.raises(Undelivered, match="not one that is trusted"):
                send(server(mailbox, scheme, "127.0.0.1", login), MAIL)
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(Undelivered, match="not one that is trusted"):
                send(server(mailbox, scheme, "localhost", login), MAIL)
            assert len(mailbox.messages) == 1

    def test_without_tls_gets_nothing_where_tls_is_asked_for(self, mailbox: Mailbox) -> None:
        with pytest.raises(Undelivered, match="STARTTLS"):
            send(server(mailbox, "smtp+starttls"), MAIL)
        assert mailbox.messages == []


class TestTheSetting:
    def test_is_checked_at_start_without_showing_the_password(self) -> None:
        for url, sender in (
            ("smtp://u:hunter2@mail.example.com", SENDER),
            ("smtps://u:hunter2@mail.example.com", None),
        ):
            with pytest.raises(ValidationError, match="DATAOPS_SMTP_URL") as refused:
                Settings(_env_file=None, smtp_url=url, smtp_from=sender)  # type: ignore[call-arg, arg-type]
            assert "hunter2" not in str(refused.value)
        assert Settings(_env_file=None).mail_server is None  # type: ignore[call-arg]
