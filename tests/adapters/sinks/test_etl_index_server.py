import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from elasticsearch import Elasticsearch
from osmem_server import OsmemServer

from dataops_defs.adapters.sinks.etl_target import EtlSink, Written
from dataops_defs.adapters.sinks.index import bulk as etl_index_bulk
from dataops_defs.adapters.sinks.index.client import client_of, open_client
from dataops_defs.adapters.sinks.index.reading import count, documents
from dataops_defs.adapters.sinks.index.target import IndexSink
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.errors import (
    DependencyUnavailable,
    InsufficientStorage,
    SourceError,
)
from dataops_defs.settings import Settings
from tests.adapters.sinks.cinema import FILM, FULL, INCREMENTAL, NO_CONNECTION, Cinema, films, publish, write
from tests.adapters.sinks.index_proxy import TOO_BUSY, Proxy


class TestTrouble:
    def test_where_the_server_is_too_busy_for_some_only_those_are_sent_again(self, proxy: Proxy) -> None:
        cinema = Cinema(proxy.url)
        sink = cinema.begin(FULL)
        proxy.trouble = lambda id, times: TOO_BUSY if int(id) % 10 == 3 and times <= 2 else None
        assert write(sink, films(range(100))) == Written(inserted=100)
        publish(sink)
        assert len(cinema.all()) == 100
        assert proxy.sent == {str(each): 3 if each % 10 == 3 else 1 for each in range(100)}

    def test_a_server_that_stays_too_busy(self, proxy: Proxy) -> None:
        cinema = Cinema(proxy.url)
        sink = cinema.begin(INCREMENTAL)
        proxy.trouble = lambda id, _times: TOO_BUSY if id == "3" else None
        with pytest.raises(DependencyUnavailable, match="1 rows wait"):
            sink.write(NO_CONNECTION, films(range(10)), 1)
        proxy.trouble = lambda _id, _times: None
        write(sink, films(range(10)))
        assert len(cinema.all()) == 10

    def test_a_deleted_document_whose_version_is_still_kept(self, proxy: Proxy) -> None:
        sink = Cinema(proxy.url).begin(INCREMENTAL)
        conflict = (409, "version_conflict_engine_exception")
        proxy.trouble = lambda id, times: conflict if id == "3" and times <= 2 else None
        assert write(sink, films(range(5))) == Written(inserted=5)
        proxy.trouble = lambda id, _times: conflict if id == "7" else None
        with pytest.raises(DependencyUnavailable, match="deleted meanwhile"):
            sink.write(NO_CONNECTION, films(range(5, 10)), 6)

    def test_requests_are_of_bounded_size(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(etl_index_bulk, "MAX_REQUEST_BYTES", 4000)
        assert write(Cinema(proxy.url).begin(FULL), films(range(100))) == Written(inserted=100)
        sizes = [int(headers["content-length"]) for path, headers in proxy.requests if "_bulk" in path]
        assert len(sizes) > 3
        assert max(sizes) <= 4000

    def test_what_the_server_finds_too_large_is_halved(self, proxy: Proxy) -> None:
        proxy.max_bytes = 3000
        cinema = Cinema(proxy.url)
        sink = cinema.begin(FULL)
        written = write(sink, pa.concat_batches([films(range(100)), films([100], "F" * 5000)]))
        assert (written.inserted, [each.number for each in written.rejected]) == (100, [101])
        publish(sink)
        assert len(cinema.all()) == 100

    def test_full_disks(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL)
        flood_stage = {"index.blocks.read_only_allow_delete": True}  # what the server sets itself
        cinema.client.indices.put_settings(index="film_dim-a1", settings=flood_stage)
        with pytest.raises(InsufficientStorage, match="disk usage exceeded"):
            sink.write(NO_CONNECTION, films([1]), 1)

    def test_full_disks_as_older_servers_and_opensearch_say_it(self, proxy: Proxy) -> None:
        sink = Cinema(proxy.url).begin(FULL)
        proxy.reasons["cluster_block_exception"] = "blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
        proxy.trouble = lambda _id, _times: (403, "cluster_block_exception")
        with pytest.raises(InsufficientStorage):
            sink.write(NO_CONNECTION, films([1]), 1)

    def test_a_write_block_is_no_rows_fault(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL)
        cinema.client.indices.put_settings(index="film_dim-a1", settings={"index.blocks.write": True})
        with pytest.raises(SourceError, match="index write"):
            sink.write(NO_CONNECTION, films([1]), 1)

    @pytest.mark.parametrize(
        ("status", "error"), [(503, DependencyUnavailable), (401, SourceError), (403, SourceError), (400, SourceError)]
    )
    def test_a_server_that_refuses(self, proxy: Proxy, status: int, error: type[Exception]) -> None:
        sink = Cinema(proxy.url).begin(FULL)
        proxy.status = status
        for step in (
            lambda: sink.prepare(NO_CONNECTION, FILM),
            lambda: sink.write(NO_CONNECTION, films([1]), 1),
            lambda: publish(sink),
        ):
            with pytest.raises(error) as caught:
                step()
            assert caught.type is error

    def test_a_server_that_was_killed(self) -> None:
        with OsmemServer.start(japanese=False) as server:
            cinema = Cinema(server.url)
            sink = cinema.begin(FULL)
            write(sink, films(range(5)))
            server.process.kill()
            server.process.wait()
            for step in (
                lambda: sink.prepare(NO_CONNECTION, FILM),
                lambda: sink.write(NO_CONNECTION, films([1]), 1),
                lambda: publish(sink),
                lambda: sink.discard(NO_CONNECTION),
                lambda: count(cinema.client, "film_dim"),
            ):
                with pytest.raises(DependencyUnavailable, match="did not answer"):
                    step()


class TestClient:
    def test_by_default_it_is_the_official_one_as_it_is(self, proxy: Proxy) -> None:
        client = client_of(Settings(elasticsearch_url=proxy.url))  # type: ignore[arg-type]
        with pytest.raises(SourceError, match="DATAOPS_ELASTICSEARCH_COMPATIBLE"):
            IndexSink(client, "film_dim", FULL, (), "a1", 1).prepare(NO_CONNECTION, FILM)
        assert {headers["accept"] for _, headers in proxy.requests} == {
            "application/vnd.elasticsearch+json; compatible-with=8"
        }

    def test_a_server_that_does_not_name_itself_is_used_only_if_that_is_meant(self, proxy: Proxy) -> None:
        Cinema(proxy.url).fully(films([1]))
        proxy.nameless = True
        settings = Settings(elasticsearch_url=proxy.url)  # type: ignore[arg-type]
        with pytest.raises(SourceError, match="does not say that it is Elasticsearch"):
            count(client_of(settings), "film_dim")
        meant = client_of(settings.model_copy(update={"elasticsearch_compatible": True}))
        assert count(meant, "film_dim") == 1
        assert proxy.requests[-1][1]["accept"] == "application/json"

    def test_user_or_api_key(self, proxy: Proxy) -> None:
        for url, key, expected in (
            (proxy.url.replace("//", "//reader:pw@"), None, "Basic cmVhZGVyOnB3"),
            (proxy.url, "a2V5", "ApiKey a2V5"),
        ):
            count(open_client(url, api_key=key, compatible=True), "film_dim")
            assert proxy.requests[-1][1]["authorization"] == expected

    @pytest.mark.parametrize("url", ["http://no-port", "nonsense", "https://user:secret@host:port"])
    def test_a_url_that_cannot_be_read_is_not_repeated(self, url: str) -> None:
        with pytest.raises(SourceError, match="DATAOPS_ELASTICSEARCH_URL") as caught:
            client_of(Settings(elasticsearch_url=url, elasticsearch_api_key="k"))  # type: ignore[arg-type]
        assert url not in str(caught.value)

    def test_its_package_is_imported_only_to_open_it(self) -> None:
        code = "import dataops_defs.adapters.sinks.index.target, sys; sys.exit('elasticsearch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def test_none_is_configured(self) -> None:
        with pytest.raises(SourceError, match="set DATAOPS_ELASTICSEARCH_URL"):
            client_of(Settings())


class TestReading:
    def test_all_documents_in_pages(self, cinema: Cinema) -> None:
        cinema.fully(films(range(25)))
        pages = list(documents(cinema.client, "film_dim", ["film_id"], 10))
        assert [len(page) for page in pages] == [10, 10, 5]
        assert sorted(each["film_id"] for page in pages for each in page) == list(range(25))
        assert count(cinema.client, "film_dim") == 25
        assert count(cinema.client, "unknown") == 0

    def test_every_type_comes_back(self, cinema: Cinema) -> None:
        kinds: dict[str, tuple[str, Any, Any]] = {
            "film_id": ("uuid", "6f0e7b1c-0000-4000-8000-000000000001", "6f0e7b1c-0000-4000-8000-000000000001"),
            "flag": ("boolean", True, True),
            "small": ("smallint", -3, -3),
            "large": ("bigint", 2**62, 2**62),
            "price": ("numeric(12,2)", Decimal("12345.67"), Decimal("12345.67")),
            "free": ("numeric", "0.25", Decimal("0.25")),
            "whole": ("numeric(18,0)", Decimal(10**17 + 1), 10**17 + 1),
            "ratio": ("double precision", 0.1, Decimal("0.1")),
            "day": ("date", date(2013, 1, 31), "2013-01-31"),
            "moment": ("timestamp without time zone", datetime(2013, 1, 31, 5, 6, 7, 8), "2013-01-31T05:06:07.000008"),
            "zoned": (
                "timestamp(3) with time zone",
                pa.scalar(datetime(2013, 1, 31, 5, tzinfo=UTC), pa.timestamp("us", "UTC")),
                "2013-01-31T05:00:00.000000Z",
            ),
            "title": ("character varying(20)", 'Ünïcode "\n', 'Ünïcode "\n'),
            "more": ("jsonb", '{"a": [1,\n {"b": null}]}', {"a": [1, {"b": None}]}),
            "word": ("json", '"text"', "text"),
            "tags": ("text[]", '{a,"b c",NULL,"NULL"}', ["a", "b c", None, "NULL"]),
            "counts": ("integer[]", "[0:1]={1,2}", [1, 2]),
            "moments": ("timestamp with time zone[]", '{"2013-01-31 05:00:00+02"}', ["2013-01-31T03:00:00.000000Z"]),
            "bits": ("bytea", r"\x0001ff", "AAH/"),
            "span": ("interval", "1 day", "1 day"),
            "nothing": ("text", pa.scalar(None, pa.string()), None),
        }
        columns = [SqlColumn(name, kind) for name, (kind, _, _) in kinds.items()]
        batch = pa.record_batch(
            {name: pa.array([given.as_py()], given.type) if isinstance(given, pa.Scalar) else pa.array([given])
             for name, (_, given, _) in kinds.items()}
        )  # fmt: skip
        sink = cinema.begin(INCREMENTAL, columns=columns)
        assert write(sink, batch) == Written(inserted=1)
        (found,) = cinema.all(*kinds).values()
        assert found == {name: expected for name, (_, _, expected) in kinds.items()}

    def test_a_search_compares_whole_texts_words_and_numbers(self, cinema: Cinema) -> None:
        cinema.fully(films(range(20)))
        for query, found in (
            ({"term": {"title.keyword": "Film 7"}}, 1),
            ({"match": {"title": {"query": "film 7", "operator": "and"}}}, 1),
            ({"range": {"rating": {"gt": 7.4, "lt": 7.6}}}, 20),
        ):
            answer = cinema.client.search(index="film_dim", query=query, track_total_hits=True)
            assert answer["hits"]["total"]["value"] == found


def test_it_is_a_sink(elasticsearch_url: str) -> None:
    sink: EtlSink = IndexSink(Elasticsearch(elasticsearch_url), "film_dim", FULL, (), "a1", 1)
    assert sink is not None
