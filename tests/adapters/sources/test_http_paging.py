"""All pages of a REST API are read, each once, in whatever way it counts them."""

from collections.abc import Callable
from typing import Any

import pytest

from dataops_defs.adapters.sources.http import paging as http_paging
from dataops_defs.errors import Invalid, SourceError
from tests.adapters.sources.api_scenes import PAGINGS, RECORDS, ids, paged, read, source, wanted
from tests.adapters.sources.rest_server import Asked, Reply, RestServer


class TestPaging:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("paging", list(PAGINGS.values()), ids=list(PAGINGS))
    def test_all_of_ten_thousand_records_are_read_once(
        self, rest: RestServer, method: str, paging: dict[str, Any]
    ) -> None:
        rest.routes["/aircraft"] = paged(500)

        found = ids(source(rest), wanted(method=method, recordsPath="data.items", paging=paging))

        assert found == list(range(10_000))
        assert 20 <= len(rest.asked) <= 21

    def test_an_api_that_gives_fewer_than_asked_for_is_read_to_its_end(self, rest: RestServer) -> None:
        for kind in ("page", "offset"):
            rest.routes["/aircraft"] = paged(100, RECORDS[:250]) if kind == "offset" else _capped_pages(100)
            paging = PAGINGS[kind] | {"size": 1000}

            found = ids(source(rest), wanted(recordsPath="data.items", paging=paging))

            assert found == list(range(250))

    def test_an_api_that_does_not_know_the_page_after_the_last_has_come_to_its_end(self, rest: RestServer) -> None:
        def route(asked: Asked) -> Reply:
            page = int(asked.query["page"])
            return Reply([{"id": page}]) if page <= 3 else Reply({"detail": "Invalid page."}, 404)

        rest.routes["/aircraft"] = route

        assert ids(source(rest), wanted(paging={"type": "page", "param": "page"})) == [1, 2, 3]

    def test_an_answer_without_content_is_a_page_without_records(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply([{"id": 1}]), Reply(b"", 204))

        assert ids(source(rest), wanted(paging=PAGINGS["page"])) == [1]

    def test_the_first_page_and_its_size_are_those_that_are_named(self, rest: RestServer) -> None:
        rest.routes["/aircraft"] = lambda asked: Reply([{"id": 7}] if asked.query["p"] == "0" else [])
        paging = {"type": "page", "param": "p", "first": 0, "sizeParam": "n", "size": 25}

        assert ids(source(rest), wanted("/aircraft?active=true", paging=paging)) == [7]

        assert [each.query for each in rest.asked] == [
            {"active": "true", "n": "25", "p": "0"},
            {"active": "true", "n": "25", "p": "1"},
        ]

    def test_an_empty_page_with_a_cursor_is_not_the_last(self, rest: RestServer) -> None:
        pages = {"": ([1], "b"), "b": ([], "c"), "c": ([2], "")}

        def route(asked: Asked) -> Reply:
            found, cursor = pages[asked.query.get("after", "")]
            return Reply({"items": [{"id": each} for each in found], "meta": {"cursor": cursor}})

        rest.routes["/aircraft"] = route
        paging = {"type": "cursor", "param": "after", "cursorPath": "meta.cursor"}

        assert ids(source(rest), wanted(recordsPath="items", paging=paging)) == [1, 2]

    @pytest.mark.parametrize(
        ("paging", "reply", "reason"),
        [
            (PAGINGS["page"], Reply([{"id": 1}]), "the same records twice, for 'page' 2"),
            (PAGINGS["offset"], Reply([{"id": 1}]), "the same records twice"),
            (PAGINGS["cursor"], Reply({"next": "x"}), "the same cursor again"),
            (
                PAGINGS["link"],
                Reply([{"id": 1}], headers={"Link": "</aircraft>; rel=next"}),
                "the same next page again",
            ),
            (PAGINGS["cursor"], Reply({"next": {"x": 1}}), "is no cursor"),
        ],
    )
    def test_paging_without_an_end_is_noticed(
        self, rest: RestServer, paging: dict[str, Any], reply: Reply, reason: str
    ) -> None:
        rest.answers("/aircraft", reply)

        with pytest.raises(SourceError, match=reason):
            read(source(rest), wanted(paging=paging))

        assert len(rest.asked) <= 3

    def test_more_pages_than_the_limit_are_refused(self, rest: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
        rest.routes["/aircraft"] = lambda asked: Reply([{"id": int(asked.query["page"])}])
        monkeypatch.setattr(http_paging.Pages.pieces, "__defaults__", (5,))
        monkeypatch.setattr(http_paging, "MAX_PAGES", 5)

        with pytest.raises(SourceError, match="more than 5 pages"):
            read(source(rest), wanted(paging=PAGINGS["page"]))

    def test_a_body_that_is_no_object_cannot_be_paged(self, rest: RestServer) -> None:
        with pytest.raises(Invalid) as refused:
            read(source(rest), wanted(method="POST", body=[1], paging=PAGINGS["page"]))

        assert refused.value.fields[0].field == "extraction.body"


def _capped_pages(size: int) -> Callable[[Asked], Reply]:
    def route(asked: Asked) -> Reply:
        start = (int(asked.query["page"]) - 1) * size
        return Reply({"data": {"items": RECORDS[:250][start : start + size]}})

    return route
