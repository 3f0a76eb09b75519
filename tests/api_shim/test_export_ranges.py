"""Parts of a workbook: a Range that asks for none gives the whole file. Source: RFC 9110, section 14."""

import pytest
from fastapi.testclient import TestClient

from api_shim.schemas.exports import QUERY
from tests.api_shim.export_scenes import _rows, export, link

__all__ = ["_rows"]


class TestARange:
    @pytest.mark.parametrize(
        "asked", ["bytes=abc", "bytes=5-2", "items=0-1", "bytes=", "bytes=1-2,x", "0-5", "bytes=-"]
    )
    def test_that_is_none_is_passed_over(self, client: TestClient, asked: str) -> None:
        address = link(export(client, body=QUERY))
        whole = client.get(address).content

        reply = client.get(address, headers={"Range": asked})

        assert (reply.status_code, reply.content) == (200, whole)

    def test_gives_its_part(self, client: TestClient) -> None:
        address = link(export(client, body=QUERY))
        whole = client.get(address).content

        for asked, part in (("bytes=2-5", whole[2:6]), ("bytes=-10", whole[-10:]), ("Bytes=3-", whole[3:])):
            reply = client.get(address, headers={"Range": asked})
            assert (reply.status_code, reply.content) == (206, part)
        assert client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416
