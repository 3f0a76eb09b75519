"""A REST API as a source, asked over real HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from dataops_defs.errors import SourceError, SourceUnavailable
from tests.adapters.sources.api_scenes import BRISK, PAGINGS, RECORDS, ids, paged, read, source, wanted
from tests.adapters.sources.rest_server import Reply, RestServer


class TestRecords:
    def test_no_number_loses_a_digit(self, rest: RestServer) -> None:
        big = b'[{"id": 12345678901234567890123456789012345678, "price": 0.1234567890123456789, "n": 9007199254740993}]'
        rest.answers("/aircraft", Reply(big))

        (row,) = read(source(rest), wanted()).to_pylist()

        assert {name: str(value) for name, value in row.items()} == {
            "id": "12345678901234567890123456789012345678",
            "price": "0.1234567890123456789",
            "n": "9007199254740993",
        }

    def test_planted_records_that_are_no_objects_are_rejected_and_every_record_is_accounted_for(
        self, rest: RestServer
    ) -> None:
        planted: list[Any] = [*RECORDS[:1000]]
        for place in range(0, 1000, 37):
            planted.insert(place, [None, 5, "x", [1]][place % 4])
        rest.routes["/aircraft"] = paged(100, planted)

        with source(rest).read(wanted(recordsPath="data.items", paging=PAGINGS["cursor"])) as reading:
            rows = sum(batch.num_rows for batch in reading.batches)

        assert (rows, len(reading.rejected), reading.expected_rows) == (1000, 28, 1028)
        assert [each.number for each in reading.rejected] == list(range(1, 1001, 37))

    def test_an_object_is_one_record(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply({"id": 1, "home": {"city": "Zürich", "at": [47.46, 8.55]}}))

        (row,) = read(source(rest), wanted()).to_pylist()

        assert row == {"id": 1, "home": '{"city":"Zürich","at":[47.46,8.55]}'}

    def test_what_is_no_json_or_holds_no_records_is_told(self, rest: RestServer) -> None:
        cases = [
            (Reply(b"<html>Please log in</html>"), None, r"is no JSON \(.*\): <html>Please log in"),
            (Reply(b'[{"id": 1}'), None, r"is no JSON \(it breaks off\)"),
            (Reply({"rows": []}), "items", "nothing at 'items'; there are: 'rows'"),
            (Reply([1], headers={"Content-Type": "application/json; charset=klingon"}), None, "written in 'klingon'"),
            (Reply(b"[]", headers={"Content-Encoding": "br"}), None, "packed as 'br'"),
        ]
        for reply, path, reason in cases:
            rest.answers("/aircraft", reply)
            with pytest.raises(SourceError, match=reason):
                read(source(rest), wanted(recordsPath=path))

    def test_an_answer_in_gzip_is_unpacked_and_one_that_is_too_long_is_refused(self, rest: RestServer) -> None:
        packed = {"Content-Encoding": "gzip"}
        rest.answers("/aircraft", Reply(RECORDS[:500], headers=packed))
        assert len(ids(source(rest), wanted())) == 500

        for headers in ({}, {"Content-Encoding": "gzip"}):
            rest.answers("/aircraft", Reply(b"[" + b" " * 20_000_000 + b"]", headers=headers))
            with pytest.raises(SourceError, match="longer than 1 MB"):
                read(replace(source(rest), limits=replace(BRISK, answer_bytes=2**20)), wanted())


class TestLooking:
    def test_a_preview_is_the_beginning_of_the_first_page(self, rest: RestServer) -> None:
        rest.routes["/aircraft"] = paged(500)
        what = wanted(recordsPath="data.items", paging=PAGINGS["page"])

        seen = source(rest).preview(what, 3)

        assert [row["id"] for row in seen.rows] == [0, 1, 2]
        assert [(each.name, each.type) for each in seen.columns] == [("id", "int64"), ("name", "string")]
        assert seen.truncated
        assert len(rest.asked) == 1

    def test_it_tells_whether_there_is_more(self, rest: RestServer) -> None:
        for paging, records, more in [("link", 700, True), ("link", 300, False), ("cursor", 501, True)]:
            rest.routes["/aircraft"] = paged(500, RECORDS[:records])
            seen = source(rest).preview(wanted(recordsPath="data.items", paging=PAGINGS[paging]), 1000)
            assert (len(seen.rows), seen.truncated) == (min(500, records), more)

    def test_a_test_says_what_answered(self, rest: RestServer) -> None:
        assert source(rest, "/v1").test() == "127.0.0.1 answered with 404: nothing lies at the endpoint itself"
        rest.answers("/v1", Reply({"ok": True}))
        assert source(rest, "/v1").test() == "127.0.0.1 answered with 200 (application/json)"
        rest.answers("/v1", Reply({"error": "no"}, 401))
        with pytest.raises(SourceError, match="refused the credentials"):
            source(rest, "/v1").test()
        rest.answers("/v1", Reply({"error": "no"}, 503))
        with pytest.raises(SourceUnavailable, match="503"):
            source(rest, "/v1").test()

    def test_a_test_does_not_read_what_never_ends(self, rest: RestServer) -> None:
        rest.answers("/v1", Reply(b"x" * 10_000, drip=0.05))
        api = replace(source(rest, "/v1"), quick=replace(BRISK, seconds=0.5))

        assert "answered with 200" in api.test()
