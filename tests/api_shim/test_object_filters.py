"""Filters over HTTP: objects are found by every type of property, and by a search in their texts."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api_shim.conftest import Api
from tests.api_shim.object_scenes import PROPERTIES, fleet, store, tails

__all__ = ["store"]


@pytest.mark.usefixtures("dynamodb")
class TestFilters:
    def test_find_by_every_type_and_inside_of_objects(self, api: Api, store: str) -> None:
        fleet(api, store)
        cases: list[tuple[list[str], set[str]]] = [
            (["model:eq:A320"], {"N2"}),
            (["model:ne:A320"], {"N1", "N/3", "Ñ 4%2F"}),
            (["model:contains:a320"], {"N2", "Ñ 4%2F"}),
            (["model:contains:0_n"], {"Ñ 4%2F"}),
            (["model:contains:%"], {"N/3"}),
            (['model:in:A320,"737-800"'], {"N1", "N2"}),
            (["year:ge:2015", "year:lt:2020"], {"N1", "N2"}),
            (["year:null:true"], {"N/3"}),
            (["year:null:false", "year:ne:2015"], {"N2", "Ñ 4%2F"}),
            (["year:in:2015,2020"], {"N1", "Ñ 4%2F"}),
            (["price:eq:12.3"], {"N1"}),
            (["price:gt:123456789012345678.4"], {"Ñ 4%2F"}),
            (["active:eq:true"], {"N1", "N2"}),
            (["active:ne:true"], {"N/3", "Ñ 4%2F"}),
            (["built:le:2015-01-31"], {"N1"}),
            (["seen:eq:2026-01-01T22:00:00Z"], {"N/3"}),
            (["seen:lt:2026-01-01T12:00:00"], {"N1"}),
            (["home.city:eq:Bern"], {"N2"}),
            (["home.city:contains:bern"], {"N2", "Ñ 4%2F"}),
            (["home.city:contains:ZÜR"], {"N1"}),
            (["home.gates:ge:3", "home.gates:lt:12"], {"N1"}),
            (["home.open:eq:2026-01-01T05:00:00Z"], {"N2"}),
            (["home.open:lt:2026-01-01T05:00:01Z"], {"N2"}),
            (["home.unknown:null:false"], set()),
            (["home:null:true"], {"N/3"}),
            (["tags:contains:old"], {"N1", "N/3"}),
            (['tags:contains:it\'s "new"'], {"N/3"}),
            (["tags[0]:eq:old", "tags[1]:null:true"], {"N1"}),
            (["tail:eq:Ñ 4%2F"], {"Ñ 4%2F"}),
            (["_runId:null:false", "_createdAt:gt:2020-01-01T00:00:00Z"], {"N1", "N2", "N/3", "Ñ 4%2F"}),
            (["_createdAt:gt:2999-01-01T00:00:00Z"], set()),
            (["model:eq:'; DROP TABLE objects.plane; --"], set()),
        ]
        for where, found in cases:
            assert (where, set(tails(api, where=where))) == (where, found)

    def test_search_looks_into_texts_and_nested_parts_in_any_case(self, api: Api, store: str) -> None:
        fleet(api, store)
        assert set(tails(api, q="zÜrich")) == {"N1"}
        assert set(tails(api, q="OLD")) == {"N1", "N/3"}
        assert set(tails(api, q="n/")) == {"N/3"}
        assert set(tails(api, q="100%")) == {"N/3"}
        assert set(tails(api, q="%")) == {"N/3", "Ñ 4%2F"}
        assert set(tails(api, q="_")) == {"Ñ 4%2F"}
        assert tails(api, q="' OR true --") == []
        assert tails(api, q="city") == []

    def test_that_cannot_be_understood_are_refused_with_their_field(self, api: Api) -> None:
        api.post("/object-types", {"name": "plane", "keyField": "tail", "schema": {"properties": PROPERTIES}})
        cases: list[tuple[dict[str, Any], str]] = [
            ({"where": "year:ge:many"}, "where.year"),
            ({"where": "year:ge:9223372036854775808"}, "where.year"),
            ({"where": "year:contains:2"}, "where.year"),
            ({"where": "price:eq:NaN"}, "where.price"),
            ({"where": "price:eq:1e999999999"}, "where.price"),
            ({"where": "active:eq:yes"}, "where.active"),
            ({"where": "built:eq:31.1.2015"}, "where.built"),
            ({"where": "seen:lt:now"}, "where.seen"),
            ({"where": "home:eq:Bern"}, "where.home"),
            ({"where": "year.deep:eq:1"}, "where.year.deep"),
            ({"where": "wings:eq:2"}, "where.wings"),
            ({"where": "model:like:x"}, "where.model"),
            ({"where": 'model:in:"a'}, "where.model"),
            ({"where": "model"}, "where"),
            ({"where": 'model" OR 1=1 --:eq:x'}, "where"),
            ({"where": "model:eq:a\x00b"}, "query"),
            ({"where": ["year:null:true"] * 21}, "where"),
            ({"q": "a\x00"}, "query"),
            ({"q": "x" * 201}, "q"),
            ({"sort": "home"}, "sort"),
            ({"sort": "wings"}, "sort"),
            ({"sort": "year,model,price,tail"}, "sort"),
            ({"fields": "tail,wings"}, "fields"),
            ({"after": "N1", "sort": "year"}, "after"),
            ({"limit": "0"}, "limit"),
            ({"wings": "2"}, "wings"),
        ]
        for query, field in cases:
            path = f"/object-types/plane/objects?{urlencode(query, doseq=True)}"
            assert (query, api.refused("GET", path)) == (query, (422, [field]))
