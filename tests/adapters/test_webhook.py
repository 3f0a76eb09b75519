"""Webhooks, sent to real servers: signed, bounded, and only where they may go."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.adapters.undelivered import Undelivered
from dataops_defs.adapters.webhook import check_reach, post
from dataops_defs.domain.alert_channels import WebhookChannel
from dataops_defs.errors import Invalid
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.adapters.sources.test_http_credentials import _certificate

BODY = json.dumps({"event": "run_failed", "name": "Самолёты"}, ensure_ascii=False).encode()
KEY = "a-secret-of-the-receiver"


@pytest.fixture
def rest() -> Iterator[RestServer]:
    with RestServer().running() as server:
        server.answers("/hook", Reply({}))
        yield server


def sent(rest: RestServer, path: str = "/hook", *, allowed: str | None = None, seconds: float = 5, **more: Any) -> int:
    channel = WebhookChannel.of(f"{rest.url}{path}", **more)
    return post(channel, "message-1", BODY, f"127.0.0.1:{rest.port}" if allowed is None else allowed, seconds).code


@contextmanager
def raw_server(answer: bytes, again: bytes = b"", *, asked: bool = True) -> Iterator[str]:
    """A server that says this once it is asked, or unasked, whatever it is, and then ``again`` and again."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    asking, _ = server.accept()
                    threading.Thread(target=talk, args=(asking,), daemon=True).start()
            except OSError:
                pass

        def talk(asking: socket.socket) -> None:
            try:
                with asking:
                    if asked:
                        asking.recv(65_536)
                    asking.sendall(answer)
                    while again:
                        asking.sendall(again)
                        time.sleep(0.01)
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


class TestAMessage:
    def test_arrives_signed_with_an_id_to_tell_repetitions_by(self, rest: RestServer) -> None:
        assert (
            sent(rest, "/hook?tenant=7", secret=KEY, headers={"Authorization": "Bearer x", "User-Agent": "us"}) == 200
        )

        [asked] = rest.asked
        assert (asked.method, asked.path, asked.query, asked.raw) == ("POST", "/hook", {"tenant": "7"}, BODY)
        assert asked.headers["webhook-id"] == asked.headers["idempotency-key"] == "message-1"
        assert abs(int(asked.headers["webhook-timestamp"]) - time.time()) < 60
        signed = f"message-1.{asked.headers['webhook-timestamp']}.".encode() + BODY
        expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
        assert asked.headers["webhook-signature"] == f"v1,{expected}"
        assert (asked.headers["authorization"], asked.headers["user-agent"]) == ("Bearer x", "us")
        assert (asked.headers["content-type"], asked.headers["host"]) == ("application/json", f"127.0.0.1:{rest.port}")

    def test_is_not_signed_where_there_is_no_secret(self, rest: RestServer) -> None:
        sent(rest)
        assert "webhook-signature" not in rest.asked[0].headers

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_has_arrived_when_that_is_said(self, rest: RestServer, status: int) -> None:
        rest.answers("/hook", Reply(b"", status))
        assert sent(rest) == status

    @pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
    def test_has_not_arrived_when_something_else_is_said(self, rest: RestServer, status: int) -> None:
        rest.answers("/hook", Reply({"error": "what was asked: secret"}, status))
        with pytest.raises(Undelivered, match=f"^127.0.0.1 answered with {status}$") as error:
            sent(rest)
        assert error.value.answer_code == status

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_follows_nobody_elsewhere(self, rest: RestServer, status: int) -> None:
        with RestServer().running() as elsewhere:
            rest.answers("/hook", Reply(b"", status, {"Location": f"{elsewhere.url}/x"}))
            with pytest.raises(Undelivered, match="redirects are not followed"):
                sent(rest, allowed=f"127.0.0.1:{rest.port},127.0.0.1:{elsewhere.port}")
            assert elsewhere.asked == []


class TestAReceiver:
    def test_may_answer_for_ever(self) -> None:
        with raw_server(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536) as host:
            assert post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 5).code == 200
        with (
            raw_server(b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 65_536) as host,
            pytest.raises(Undelivered, match="with 500"),
        ):
            post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 5)

    @pytest.mark.parametrize("again", [b"", b"X-A: b\r\n"], ids=["silent", "headers without end"])
    def test_that_does_not_come_to_an_end_is_left(self, again: bytes) -> None:
        answer = b"HTTP/1.1 200 OK\r\n" if again else b""
        with raw_server(answer, again or b"\r") as host, pytest.raises(Undelivered):
            post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 0.5)

    def test_that_is_silent_is_given_its_time_and_no_more(self, rest: RestServer) -> None:
        rest.answers("/hook", Reply({}, silent=30))
        with pytest.raises(Undelivered, match=r"^127.0.0.1 did not answer within 0.3 seconds$"):
            sent(rest, seconds=0.3)

    def test_that_hangs_up_or_is_not_there_is_told(self) -> None:
        with raw_server(b"") as host, pytest.raises(Undelivered, match="broke off"):
            post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 5)
        with pytest.raises(Undelivered, match=r"^127.0.0.1 cannot be reached$"):
            post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 5)
        with pytest.raises(Undelivered, match=r"'nowhere\.invalid' is not known"):
            post(WebhookChannel.of("http://nowhere.invalid/"), "1", BODY, "", 5)

    def test_speaks_no_http(self) -> None:
        with raw_server(b"220 mail.example.com ESMTP\r\n") as host, pytest.raises(Undelivered, match="broke off"):
            post(WebhookChannel.of(f"http://{host}/"), "1", BODY, host, 5)

    def test_is_trusted_by_its_certificate_for_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        certificate = _certificate(tmp_path, "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with RestServer(context).running() as server:
            server.answers("/hook", Reply({}))
            channel = WebhookChannel.of(f"https://localhost:{server.port}/hook")
            with pytest.raises(Undelivered, match="not one that is trusted"):
                post(channel, "1", BODY, "localhost", 5)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            assert post(channel, "1", BODY, "localhost", 5).code == 200


class TestWhereWebhooksMayGo:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "localhost", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"),
            *("10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "[64:ff9b::a9fe:a9fe]"),
        ],
    )
    def test_is_not_this_machine_or_its_network(self, host: str) -> None:
        with pytest.raises(Invalid, match="is not a public host") as refused:
            check_reach(f"http://{host}:8080/x", "")
        assert refused.value.fields[0].field == "channel.url"
        with pytest.raises(Undelivered, match="is not a public host"):
            post(WebhookChannel.of(f"http://{host}:8080/x"), "1", BODY, "", 5)

    def test_is_a_listed_host_where_there_is_a_list(self, rest: RestServer) -> None:
        check_reach(f"{rest.url}/x", f"127.0.0.1:{rest.port}")
        check_reach("https://hooks.example.com/x", "")
        with pytest.raises(Invalid, match="not among the hosts"):
            check_reach("https://hooks.example.com/x", f"127.0.0.1:{rest.port}")
        with pytest.raises(Undelivered, match="not among the hosts"):
            sent(rest, allowed="hooks.example.com")
        assert rest.asked == []

    def test_is_decided_by_the_name_that_is_looked_up_once(
        self, rest: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_up: list[str] = []
        usual = socket.getaddrinfo

        def names(host: str, *arguments: Any, **more: Any) -> Any:
            looked_up.append(host)
            known = host == "hooks.example.com"
            # Asked again, the name would lead to this machine.
            address = "93.184.216.34" if looked_up.count(host) == 1 else "127.0.0.1"
            return usual(address if known else host, *arguments, **more)

        connected: list[Any] = []

        def no_network(address: Any, *_arguments: Any, **_more: Any) -> Any:
            connected.append(address[0])
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "getaddrinfo", names)
        monkeypatch.setattr(socket, "create_connection", no_network)
        with pytest.raises(Undelivered, match="cannot be reached"):
            post(WebhookChannel.of(f"http://hooks.example.com:{rest.port}/hook"), "1", BODY, "", 5)
        assert (looked_up.count("hooks.example.com"), connected) == (1, ["93.184.216.34"])

    def test_is_no_name_that_leads_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(2, 1, 6, "", ("127.0.0.1", 80))])
        with pytest.raises(Undelivered, match="is not a public host"):
            post(WebhookChannel.of("http://hooks.example.com/"), "1", BODY, "", 5)

    def test_is_not_where_the_environment_names_a_proxy(
        self, rest: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert sent(rest) == 200
