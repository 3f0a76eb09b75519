"""Credentials reach the REST API that they are for, and nobody else."""

import logging
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dataops_defs.adapters.sources.http.api import ApiSource
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import SourceError
from tests.adapters.sources.api_scenes import BRISK, PAGINGS, TOKEN, ids, paged, read, source, wanted
from tests.adapters.sources.rest_server import Reply, RestServer


class TestCredentials:
    @pytest.mark.parametrize(
        ("connection", "place", "name", "value"),
        [
            ({"authType": "bearer"}, "headers", "authorization", f"Bearer {TOKEN}"),
            ({"authType": "apikey"}, "headers", "x-api-key", TOKEN),
            ({"authType": "apikey", "apiKeyName": "X-Token"}, "headers", "x-token", TOKEN),
            ({"authType": "apikey", "apiKeyName": "key", "apiKeyIn": "query"}, "query", "key", TOKEN),
        ],
    )
    def test_go_with_every_request_and_into_no_log(
        self,
        rest: RestServer,
        caplog: pytest.LogCaptureFixture,
        connection: dict[str, str],
        place: str,
        name: str,
        value: str,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        rest.routes["/v2/aircraft"] = paged(4000)
        rest.routes["/aircraft"] = paged(4000)
        api = source(rest, "/v2", TOKEN, headers={"X-Team": "ops", "accept": "application/hal+json"}, **connection)

        found = ids(api, wanted(recordsPath="data.items", paging=PAGINGS["link"]))

        assert len(found) == 10_000
        assert len(rest.asked) == 3
        for asked in rest.asked:
            assert getattr(asked, place)[name] == value
            assert (asked.headers["x-team"], asked.headers["accept"]) == ("ops", "application/hal+json")
        assert "s3cret" not in caplog.text

    def test_that_are_refused_are_told_and_never_shown(self, rest: RestServer) -> None:
        said = {"error": f"bad token {TOKEN} or {TOKEN.replace('/', '%2F').replace('+', '%2B').replace('&', '%26')}"}
        for status in (401, 403):
            rest.answers("/aircraft", Reply(said, status))
            api = source(rest, "", TOKEN, authType="bearer")
            with pytest.raises(SourceError, match="refused the credentials") as refused:
                read(api, wanted())
            assert not refused.value.retryable
            assert "s3cret" not in str(refused.value)
            assert "bad token *** or ***" in str(refused.value)

    def test_are_not_sent_to_another_host(self, rest: RestServer, elsewhere: RestServer) -> None:
        led = [
            Reply(status=302, headers={"Location": f"{elsewhere.url}/aircraft"}),
            Reply(status=307, headers={"Location": f"//127.0.0.1:{elsewhere.port}/aircraft"}),
            Reply(status=301, headers={"Location": f"https://127.0.0.1:{rest.port}/aircraft"}),
            Reply([{"id": 1}], headers={"Link": f'<{elsewhere.url}/aircraft>; rel="next"'}),
        ]
        for reply in led:
            rest.answers("/aircraft", reply)
            with pytest.raises(SourceError, match="where the credentials must not go"):
                read(source(rest, "", TOKEN, authType="bearer"), wanted(paging={"type": "link"}))

    def test_follow_a_redirect_on_the_same_host(self, rest: RestServer) -> None:
        rest.answers("/old", Reply(status=302, headers={"Location": "/new?a=1"}))
        rest.answers("/new", Reply([{"id": 1}]))

        assert ids(source(rest, "", TOKEN, authType="bearer"), wanted("/old")) == [1]
        assert rest.asked[1].headers["authorization"] == f"Bearer {TOKEN}"

        rest.answers("/round", Reply(status=302, headers={"Location": "/round"}))
        with pytest.raises(SourceError, match="redirected more than 5 times"):
            read(source(rest), wanted("/round"))
        with pytest.raises(SourceError, match="loses its body"):
            read(source(rest), wanted("/old", method="POST", body={"a": 1}))

    def test_of_the_environment_and_its_proxies_are_not_used(
        self, rest: RestServer, elsewhere: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        rest.answers("/aircraft", Reply([{"id": 1}]))

        assert ids(source(rest), wanted()) == [1]


class TestCertificates:
    def test_one_that_is_not_trusted_is_refused_and_one_that_is_holds_for_the_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = _certificate(tmp_path, "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with RestServer(context).running() as rest:
            rest.answers("/aircraft", Reply([{"id": 1}]))

            def at(host: str) -> ApiSource:
                given = {"endpoint": f"https://{host}:{rest.port}"}
                found = open_source(Source("1", "a", "a", SourceType.API, "x", given), roots=(), allowed_hosts=[host])
                assert isinstance(found, ApiSource)
                return replace(found, limits=BRISK)

            with pytest.raises(SourceError, match="not one that is trusted"):
                read(at("localhost"), wanted())
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            assert ids(at("localhost"), wanted()) == [1]
            with pytest.raises(SourceError, match="not one that is trusted"):
                read(at("127.0.0.1"), wanted())


def _certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
