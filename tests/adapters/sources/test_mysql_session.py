"""How a connection to MySQL is made: encryption, ways to log in, servers that are not what they say."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from dataops_defs.errors import SourceError, SourceUnavailable
from tests.mariadb import Shop, query


class TestEncryption:
    @pytest.fixture(autouse=True)
    def counted_from_zero(self, shop: Shop) -> None:
        shop.server.sql("FLUSH STATUS")
        self.accepted = self._accepts(shop)

    def _accepts(self, shop: Shop) -> int:
        return int(shop.server.sql("SHOW GLOBAL STATUS LIKE 'Ssl_accepts'")[0][1])

    def _connects(self, shop: Shop, **other: object) -> bool:
        """Whether a connection that works was encrypted."""
        assert shop.open(**other).preview(query("SELECT 'x' AS x"), 1).rows == [{"x": "x"}]
        return self._accepts(shop) > self.accepted

    def test_is_used_when_it_can_be(self, shop: Shop):
        assert not self._connects(shop, sslmode="disable")
        for mode in ("prefer", "allow", "require"):
            assert self._connects(shop, sslmode=mode)

    def test_a_certificate_must_be_trusted_where_that_is_asked_for(self, shop: Shop):
        for mode in ("verify-ca", "verify-full"):
            with pytest.raises(SourceError, match="its certificate is not trusted") as refused:
                shop.open(sslmode=mode).test()
            assert not refused.value.retryable

    def test_a_certificate_must_be_of_the_host_where_that_is_asked_for(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(shop.server.certificate))
        assert self._connects(shop, sslmode="verify-ca")
        assert self._connects(shop, sslmode="verify-full", host="localhost")
        with pytest.raises(SourceError, match="not trusted: IP address mismatch"):
            shop.open(sslmode="verify-full").test()


class StrangeServer:
    """Greets as MySQL does, without encryption, then says what it was told; remembers what it heard."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            line, _ = self._listener.accept()
            for number, answer in enumerate(self._answers):
                line.sendall(struct.pack("<I", len(answer))[:3] + bytes([SEQUENCE.get(number, 1)]) + answer)
                self.heard += line.recv(65536)
            line.close()


# The greeting and what follows the login are numbered on; then each command counts anew.
SEQUENCE = {0: 0, 1: 2}
PLAIN = 0x0200 | 0x8000 | 0x0008 | 0x2000
PLUGINS = 0x0008
GREETING = (
    b"\x0a8.4.0\x00"
    + struct.pack("<I8sxHBHHB10x", 7, b"saltsalt", PLAIN, 45, 2, PLUGINS, 21)
    + b"saltsaltsalt\x00mysql_native_password\x00"
)
OK = b"\x00\x00\x00\x02\x00\x00\x00"


@pytest.fixture
def greets() -> Iterator[StrangeServer]:
    with closing(StrangeServer(GREETING, b"\xfemysql_clear_password\x00")) as made:
        yield made


class TestStrangeServers:
    def test_encryption_that_the_server_has_not_is_said(self, shop: Shop, greets: StrangeServer):
        with pytest.raises(SourceError, match="TLS mode asked for is not possible"):
            shop.open(port=greets.port, sslmode="require").test()
        assert greets.heard == b""

    @pytest.mark.parametrize("way", [b"mysql_clear_password", b"dialog", b"mysql_old_password"])
    def test_a_password_is_not_given_away(self, shop: Shop, way: bytes):
        with closing(StrangeServer(GREETING, b"\xfe" + way + b"\x00", OK)) as server:
            with pytest.raises(SourceError, match="would give its password away"):
                shop.open(port=server.port, sslmode="prefer").test()
            assert shop.password.encode() not in server.heard

    def test_a_file_that_a_server_asks_for_is_not_sent(self, shop: Shop):
        with closing(StrangeServer(GREETING, OK, b"\xfb/etc/passwd", b"\xfb/etc/passwd", OK)) as server:
            with pytest.raises(SourceUnavailable):
                shop.open(port=server.port).test()
            assert b"root:" not in server.heard

    @pytest.mark.parametrize("greeting", [b"", b"\x0a", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\x10\x04Too many"])
    def test_what_is_no_mysql_is_said(self, shop: Shop, greeting: bytes):
        with closing(StrangeServer(greeting)) as server, pytest.raises(SourceError, match="MySQL at"):
            shop.open(port=server.port).test()
