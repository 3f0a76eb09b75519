"""Where a secret may be sent: an address counts only where nobody could read another host in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.secret import Server, allowed_servers, may_go_to
from dataops_defs.domain.source import CONNECTIONS, SourceType, check_connection, references_of
from dataops_defs.errors import Invalid

ALLOWED = ["api.example.com", "db.example.com:5433", "[2001:db8::1]"]


def server(kind: str, **connection: Any) -> Server | None:
    return CONNECTIONS[SourceType(kind)].of(connection).server


class TestTheServerOfAConnection:
    @pytest.mark.parametrize(
        ("kind", "connection", "place"),
        [
            ("postgres", {"host": "DB.example.com", "database": "d"}, "db.example.com:5432"),
            ("postgres", {"host": "2001:db8::1", "port": 1, "database": "d"}, "[2001:db8::1]:1"),
            ("mysql", {"host": "db", "database": "d"}, "db:3306"),
            ("api", {"endpoint": "https://api.example.com/v1"}, "api.example.com:443"),
            ("api", {"endpoint": "HTTP://API.example.com:8080"}, "api.example.com:8080"),
            ("csv", {"path": "sftp://files/in/a.csv"}, "files:22"),
            ("excel", {"path": "smb://files/share/a.xlsx"}, "files:445"),
            ("s3", {"bucket": "b"}, "amazonaws.com:443"),
            ("s3", {"bucket": "b", "endpoint": "http://minio:9000"}, "minio:9000"),
        ],
    )
    def test_is_its_host_and_port(self, kind: str, connection: dict[str, Any], place: str) -> None:
        assert str(server(kind, **connection)) == place

    @pytest.mark.parametrize(
        ("kind", "connection"),
        [
            ("csv", {"path": "local/a.csv"}),
            ("postgres", {"host": "api.example.com,evil.com", "database": "d"}),
            ("postgres", {"host": "api.example.com:80", "database": "d"}),
            ("postgres", {"host": "/run/postgresql", "database": "d"}),
            ("api", {"endpoint": "https://api.example.com@evil.com"}),
            ("api", {"endpoint": "https://api.example.com\\.evil.com"}),
            ("api", {"endpoint": "https://api.example.com:443:evil.com"}),
            ("api", {"endpoint": "https://api.example.com%2eevil.com"}),
            ("api", {"endpoint": "https://api.example.com?x=.evil.com"}),
            ("api", {"endpoint": "https://api.example.com#.evil.com"}),
            ("api", {"endpoint": "https://api.example.com."}),
            ("api", {"endpoint": "https://\u0430pi.example.com"}),
            ("api", {"endpoint": "https://api.example.com\n"}),
        ],
    )
    def test_is_unknown_where_it_could_be_read_in_two_ways(self, kind: str, connection: dict[str, Any]) -> None:
        assert server(kind, **connection) is None
        assert not may_go_to(None, ALLOWED)


class TestAllowedHosts:
    def test_name_any_port_or_one(self) -> None:
        assert may_go_to(Server("api.example.com", 8080), ALLOWED)
        assert may_go_to(Server("db.example.com", 5433), ALLOWED)
        assert may_go_to(Server("2001:db8::1", 80), ALLOWED)
        assert not may_go_to(Server("db.example.com", 5432), ALLOWED)
        assert not may_go_to(Server("evil.api.example.com", 8080), ALLOWED)

    def test_are_kept_in_one_form_each_once(self) -> None:
        assert allowed_servers(["API.example.com ", "api.example.com", "[::1]:80"]) == ["api.example.com", "[::1]:80"]

    @pytest.mark.parametrize(
        "wrong", ["", "*", "*.example.com", "http://a", "a/b", "a:0", "a:99999", "a b", "a,b", "::1"]
    )
    def test_that_are_none_are_refused(self, wrong: str) -> None:
        with pytest.raises(Invalid) as refused:
            allowed_servers(["a", wrong])
        assert refused.value.fields[0].field == "allowedHosts.1"

    @given(st.text(max_size=30), st.integers(1, 65535))
    def test_no_text_but_the_host_itself_is_allowed(self, text: str, port: int) -> None:
        found = Server.of(text, port)
        if found is not None and may_go_to(found, ["api.example.com"]):
            assert text.lower().partition(":")[0] == "api.example.com"


class TestAReference:
    def test_stands_for_a_secret_setting_only(self) -> None:
        connection = {
            "endpoint": "https://a.example",
            "authType": "bearer",
            "token": "secret:T",
            "apiKeyName": "secret:X",
        }

        assert references_of(connection) == {"token": "T"}

    def test_is_not_looked_at_as_the_value_it_stands_for(self) -> None:
        check_connection(SourceType.CSV, {"path": "sftp://h/x", "privateKey": "secret:KEY"})

    @pytest.mark.parametrize("name", ["", "a b", "x" * 101, "..", "ü"])
    def test_that_is_ill_formed_is_refused(self, name: str) -> None:
        with pytest.raises(Invalid, match=r"connection.password: must read secret:NAME"):
            check_connection(SourceType.CSV, {"path": "sftp://h/x", "password": f"secret:{name}"})
