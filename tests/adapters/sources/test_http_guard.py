"""Where requests to a REST API may go."""

import socket
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from dataops_defs.adapters.hosts import addresses_of, may_be_reached
from dataops_defs.adapters.sources.http.api import ApiSource
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid
from tests.adapters.sources.api_scenes import BRISK, PAGINGS, ids, paged, source, wanted
from tests.adapters.sources.rest_server import Reply, RestServer


class TestWhereRequestsMayGo:
    @pytest.mark.parametrize(
        "endpoint",
        [
            "http://127.0.0.1/x",
            "https://api.example.com/x",
            "//127.0.0.1/x",
            "../secret",
            "a/../../b",
            "a/%2e%2e/b",
            "/../../@127.0.0.1/",
            "a\\b",
            "a\nb",
            "a%0d%0ab",
            "a#b",
        ],
    )
    def test_an_endpoint_lies_below_the_sources(self, endpoint: str) -> None:
        with pytest.raises(Invalid) as refused:
            wanted(endpoint)

        assert refused.value.fields[0].field == "extraction.endpoint"

    def test_paths_are_joined_and_queries_kept(self, rest: RestServer) -> None:
        rest.answers("/v1/a/b", Reply([{"id": 1}]))
        for base, endpoint in [("/v1", "a/b?x=1%2B2"), ("/v1/", "/a/b?x=1%2B2"), ("/v1/a/b", "?x=1%2B2")]:
            assert ids(source(rest, base), wanted(endpoint)) == [1]
            assert rest.asked[-1].query == {"x": "1+2"}

    @pytest.mark.parametrize(
        ("address", "public", "listed", "listed_itself"),
        [
            ("93.184.216.34", True, True, True),
            ("2606:2800:220:1::1", True, True, True),
            ("64:ff9b::5db8:d822", True, True, True),
            ("10.1.2.3", False, True, True),
            ("172.16.0.1", False, True, True),
            ("192.168.0.1", False, True, True),
            ("100.64.0.1", False, True, True),
            ("fd00::1", False, True, True),
            ("127.0.0.1", False, False, True),
            ("::1", False, False, True),
            ("0.0.0.0", False, False, True),
            ("::", False, False, True),
            ("169.254.169.254", False, False, True),
            ("fe80::1%1", False, False, True),
            ("::ffff:127.0.0.1", False, False, True),
            ("::ffff:169.254.169.254", False, False, True),
            ("64:ff9b::a9fe:a9fe", False, False, True),
            ("64:ff9b:1::1", False, False, False),
            ("2002:7f00:1::", False, False, False),
            ("224.0.0.1", False, False, False),
            ("ff02::1", False, False, False),
            ("255.255.255.255", False, True, True),
        ],
    )
    def test_an_address_is_public_or_was_named(
        self, address: str, public: bool, listed: bool, listed_itself: bool
    ) -> None:
        found = ip_address(address)

        assert may_be_reached(found, "api.example.com", listed=False, private=False) is public
        assert may_be_reached(found, "api.example.com", listed=True, private=False) is listed
        assert may_be_reached(found, "10.0.0.1", listed=True, private=False) is listed_itself

    def test_a_name_with_an_address_of_the_own_network_among_others_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = [(2, 1, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: found)

        with pytest.raises(Invalid, match="is not a public host"):
            addresses_of("both.example.com", 80, "connection.endpoint", listed=False, private=False)
        assert addresses_of("both.example.com", 80, "connection.endpoint", listed=True, private=False) == [
            "93.184.216.34",
            "10.0.0.1",
        ]

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "localhost", "LOCALHOST", "127.1", "0", "0.0.0.0", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"],
    )
    def test_this_machine_is_not_asked_unless_it_was_named(self, elsewhere: RestServer, host: str) -> None:
        given = {"endpoint": f"http://{host}:{elsewhere.port}/x"}
        api = open_source(Source("1", "api", "api", SourceType.API, "app", given), roots=())

        for act in (api.test, lambda: api.preview(wanted(), 1)):
            with pytest.raises(Invalid, match="is not a public host"):
                act()

    def test_a_list_of_hosts_holds_for_apis_too(self, rest: RestServer, elsewhere: RestServer) -> None:
        given = Source("1", "api", "api", SourceType.API, "app", {"endpoint": elsewhere.url})
        for allowed in ("db.example.com", f"127.0.0.1:{rest.port}", f"[::1]:{elsewhere.port}"):
            with pytest.raises(Invalid, match="not among the hosts"):
                open_source(given, roots=(), allowed_hosts=allowed)

    def test_a_name_is_looked_up_once_and_its_address_is_what_is_asked(
        self, rest: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A second look-up could give another address than the one that was allowed.
        looked_up: list[str] = []
        usual = socket.getaddrinfo

        def names(host: str, *arguments: Any, **more: Any) -> Any:
            looked_up.append(host)
            return usual("127.0.0.1" if host == "localhost" else host, *arguments, **more)

        monkeypatch.setattr(socket, "getaddrinfo", names)
        rest.routes["/aircraft"] = paged(4000)
        given = {"endpoint": f"http://localhost:{rest.port}"}
        api = open_source(Source("1", "a", "a", SourceType.API, "x", given), roots=(), allowed_hosts=["localhost"])

        with api.read(wanted(recordsPath="data.items", paging=PAGINGS["cursor"])):
            assert looked_up == ["localhost", "127.0.0.1"]
        rest.answers("/aircraft", Reply([{"id": 1}], cut_after=1), Reply([{"id": 1}]))
        assert isinstance(api, ApiSource)
        assert ids(replace(api, limits=BRISK), wanted()) == [1]
        assert looked_up[2:] == ["localhost", "127.0.0.1"] * 2, "a host that was lost may have moved"
        assert {asked.headers["host"] for asked in rest.asked} == {f"localhost:{rest.port}"}
