import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from elasticsearch import BadRequestError

from dataops_defs.adapters.sinks.etl_target import Written
from dataops_defs.adapters.sinks.index.reading import count
from dataops_defs.domain.etl import EtlMode, SqlColumn
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import (
    Conflict,
    DependencyUnavailable,
    SchemaChanged,
    StaleWorker,
)
from tests.adapters.sinks.cinema import FILM, FULL, INCREMENTAL, NO_CONNECTION, Cinema, films, publish, write
from tests.adapters.sinks.index_proxy import Proxy


class TestFullLoad:
    def test_readers_see_the_old_documents_or_the_new_ones(self, cinema: Cinema) -> None:
        assert cinema.fully(films(range(300))) == Ledger(inserted=300)
        seen: set[int] = set()
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                seen.add(count(cinema.client, "film_dim"))

        def wait_until_seen(counts: int) -> None:
            while len(seen) < counts and not reader.done():
                time.sleep(0.001)

        with ThreadPoolExecutor() as pool:
            reader = pool.submit(read)
            sink = cinema.begin(FULL, "b2", 2)
            for first in range(0, 200, 50):
                write(sink, films(range(first, first + 50), "Remake"), first + 1)
            wait_until_seen(1)
            assert publish(sink) == Ledger(inserted=200, deleted=100)
            wait_until_seen(2)
            over.set()
            reader.result()
        assert seen == {300, 200}
        assert cinema.all() == {each: f"Remake {each}" for each in range(200)}
        assert cinema.indexes() == ["film_dim-b2"]

    def test_a_worker_that_continues_finds_what_was_written(self, cinema: Cinema) -> None:
        assert cinema.load(FULL).prepare(NO_CONNECTION, FILM) is False
        write(cinema.begin(FULL), films(range(10)))
        successor = cinema.load(FULL, turn=2)
        assert successor.prepare(NO_CONNECTION, FILM) is True
        write(successor, films(range(10)))  # its predecessor's commit was lost
        write(successor, films(range(10, 20)), 11)
        assert publish(successor) == Ledger(inserted=20)

    def test_what_is_counted_is_refreshed_and_counted_before_the_alias_moves(self, proxy: Proxy) -> None:
        # The stand-in finds documents without being told to refresh, so the requests must tell.
        Cinema(proxy.url).fully(films(range(3)))
        asked = [path.partition("?")[0] for path, _ in proxy.requests]
        steps = [asked.index(f"POST /{each}") for each in ("film_dim-a1/_refresh", "film_dim-a1/_count", "_aliases")]
        assert steps == sorted(steps)

    def test_publishing_again_after_a_crash_counts_the_same(self, cinema: Cinema) -> None:
        cinema.fully(films(range(30)))
        assert cinema.fully(films(range(10)), "b2", 2) == Ledger(inserted=10, deleted=20)
        successor = cinema.load(FULL, "b2", 3)
        assert successor.prepare(NO_CONNECTION, FILM) is True
        write(successor, films(range(10)))  # the last batch was in the same transaction
        assert publish(successor) == Ledger(inserted=10, deleted=20)
        assert len(cinema.all()) == 10

    def test_a_crash_before_the_alias_moved_leaves_the_old_documents(self, cinema: Cinema) -> None:
        cinema.fully(films(range(30)))
        write(cinema.begin(FULL, "b2", 2), films(range(10)))
        assert len(cinema.all()) == 30

    def test_left_indexes_of_this_alias_go_and_no_others(self, cinema: Cinema) -> None:
        cinema.begin(FULL, "0dd")
        cinema.fully(films(range(3)), alias="film_dim-new")
        cinema.client.indices.create(index="film_dim-notes")
        cinema.fully(films(range(5)), "b2", 2)
        assert cinema.indexes() == ["film_dim-b2", "film_dim-new-a1", "film_dim-notes"]

    def test_discarding_keeps_what_readers_find(self, cinema: Cinema) -> None:
        cinema.fully(films(range(3)))
        cinema.load(FULL).discard(NO_CONNECTION)
        cinema.begin(FULL, "b2", 2).discard(NO_CONNECTION)
        cinema.load(FULL, "c3", 3).discard(NO_CONNECTION)
        assert cinema.indexes() == ["film_dim-a1"]
        assert len(cinema.all()) == 3

    def test_a_late_request_makes_no_index_of_its_own(self, cinema: Cinema) -> None:
        late = cinema.begin(FULL)
        cinema.load(FULL).discard(NO_CONNECTION)
        with pytest.raises(DependencyUnavailable, match="removed"):
            late.write(NO_CONNECTION, films([1]), 1)
        assert cinema.indexes() == []

    def test_a_late_request_does_not_reach_a_published_index(self, cinema: Cinema) -> None:
        late = cinema.begin(FULL)
        write(late, films([1]))
        publish(cinema.load(FULL, turn=2))
        with pytest.raises(DependencyUnavailable):
            late.write(NO_CONNECTION, films([1], "Late"), 1)
        assert cinema.all() == {1: "Film 1"}

    def test_of_rows_with_one_key_the_last_remains(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL)
        twice = pa.concat_batches([films([1, 2]), films([1], "Again")])
        assert write(sink, twice) == Written(inserted=2, filtered=1)
        assert write(sink, films([2], "Later"), 4) == Written(inserted=1)
        assert publish(sink) == Ledger(inserted=2)
        assert cinema.all() == {1: "Again 1", 2: "Later 2"}

    def test_without_keys_every_row_is_a_document(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL, keys=())
        write(sink, films([7, 7]))
        write(sink, films([7]), 3)
        assert publish(sink) == Ledger(inserted=3)

    def test_a_load_whose_columns_changed_begins_anew(self, cinema: Cinema) -> None:
        write(cinema.begin(FULL), films(range(5)))
        changed = [SqlColumn("film_id", "bigint"), SqlColumn("title", "uuid"), SqlColumn("rating", "numeric(3,1)")]
        assert cinema.load(FULL, turn=2).prepare(NO_CONNECTION, changed) is False


class TestIncrementalLoad:
    def test_new_rows_are_inserted_and_known_ones_updated(self, cinema: Cinema) -> None:
        sink = cinema.begin(INCREMENTAL)
        assert write(sink, films(range(10))) == Written(inserted=10)
        assert publish(sink) == Ledger()
        sink = cinema.begin(INCREMENTAL, "b2", 2)
        assert write(sink, films(range(8, 12), "Cut")) == Written(inserted=2, updated=2)
        publish(sink)
        assert cinema.all() == {**{i: f"Film {i}" for i in range(8)}, **{i: f"Cut {i}" for i in range(8, 12)}}
        assert cinema.indexes() == ["film_dim-a1"]

    def test_a_batch_done_twice_has_the_effect_of_once(self, cinema: Cinema) -> None:
        sink = cinema.begin(INCREMENTAL)
        assert write(sink, films(range(10))) == Written(inserted=10)
        once = cinema.all()
        assert write(sink, films(range(10))) == Written(updated=10)
        again = cinema.load(INCREMENTAL, turn=2)
        assert again.prepare(NO_CONNECTION, FILM) is True
        assert write(again, films(range(10))) == Written(updated=10)
        assert cinema.all() == once

    def test_a_worker_that_was_overtaken_changes_nothing(self, cinema: Cinema) -> None:
        stale = cinema.begin(INCREMENTAL)
        write(stale, films([1, 2]))
        write(cinema.begin(INCREMENTAL, turn=2), films([1], "Newer"))
        with pytest.raises(StaleWorker):
            stale.write(NO_CONNECTION, films([1], "Stale"), 1)
        assert cinema.all() == {1: "Newer 1", 2: "Film 2"}

    def test_a_request_given_up_for_lost_does_not_overwrite_later_rows(self, cinema: Cinema) -> None:
        sink = cinema.begin(INCREMENTAL)
        write(sink, films([1], "Later"), 51)
        assert write(sink, films([1], "Lost"), 1) == Written(filtered=1)
        assert cinema.all() == {1: "Later 1"}

    def test_columns_may_be_added_and_numbers_may_be_narrower(self, cinema: Cinema) -> None:
        write(cinema.begin(INCREMENTAL), films([1]))
        wider = [SqlColumn("film_id", "integer"), *FILM[1:], SqlColumn("year", "smallint")]
        sink = cinema.begin(INCREMENTAL, "b2", 2, columns=wider)
        write(sink, films([2]).append_column("year", pa.array([1999], pa.int16())))
        assert cinema.all("film_id", "year")[2] == {"film_id": 2, "year": 1999}

    def test_a_column_of_another_type_is_named(self, cinema: Cinema) -> None:
        write(cinema.begin(INCREMENTAL), films([1]))
        changed = [FILM[0], SqlColumn("title", "jsonb"), FILM[2]]
        with pytest.raises(SchemaChanged, match=r"Column 'title' is text in index film_dim-a1.* jsonb \(object\)"):
            cinema.begin(INCREMENTAL, "b2", 2, columns=changed)

    @pytest.mark.parametrize("mode", EtlMode)
    def test_the_name_is_taken_by_an_index(self, cinema: Cinema, mode: EtlMode) -> None:
        cinema.client.indices.create(index="film_dim")
        with pytest.raises(Conflict, match="'film_dim' is an index"):
            cinema.begin(mode)

    def test_the_name_stands_for_two_indexes(self, cinema: Cinema) -> None:
        for each in ("one", "two"):
            cinema.client.indices.create(index=each, aliases={"film_dim": {}})
        with pytest.raises(Conflict, match="one, two"):
            cinema.begin(INCREMENTAL)

    def test_nobody_adds_fields_by_writing(self, cinema: Cinema) -> None:
        cinema.begin(INCREMENTAL)
        with pytest.raises(BadRequestError, match="strict"):
            cinema.client.index(index="film_dim", document={"fim_id": 1})

    def test_a_name_that_an_index_would_read_as_a_path(self, cinema: Cinema) -> None:
        with pytest.raises(SchemaChanged, match=r"film\.id"):
            cinema.begin(FULL, columns=[SqlColumn("film.id", "bigint")])


class TestRejectedRows:
    COLUMNS = (SqlColumn("film_id", "bigint"), SqlColumn("length", "integer"), SqlColumn("score", "double precision"))

    @staticmethod
    def rows(*rows: tuple[int | None, int | None, float | None]) -> pa.RecordBatch:
        ids, lengths, scores = zip(*rows, strict=True)
        return pa.record_batch(
            {"film_id": pa.array(ids, pa.int64()), "length": pa.array(lengths, pa.int64()), "score": pa.array(scores)}
        )

    def test_a_row_that_the_server_refuses_is_kept_and_no_other(self, cinema: Cinema) -> None:
        sink = cinema.begin(INCREMENTAL, columns=self.COLUMNS)
        written = write(sink, self.rows((1, 90, 1.0), (2, 5_000_000_000, 1.0), (3, None, None)), 11)
        assert (written.inserted, len(written.rejected)) == (2, 1)
        (rejected,) = written.rejected
        assert (rejected.number, rejected.column) == (12, "length")
        assert "out of range" in rejected.reason
        assert rejected.raw == {"film_id": 2, "length": 5_000_000_000, "score": 1.0}
        assert set(cinema.all("film_id")) == {1, 3}

    def test_what_json_cannot_say_and_empty_keys(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL, columns=self.COLUMNS)
        written = write(sink, self.rows((1, 90, float("nan")), (None, 90, 1.0), (3, 90, float("-inf")), (4, 90, 1e300)))
        assert [(each.number, each.column) for each in written.rejected] == [(1, "score"), (2, "film_id"), (3, "score")]
        assert written.inserted == 1

    def test_a_refused_row_does_not_take_an_earlier_ones_place(self, cinema: Cinema) -> None:
        sink = cinema.begin(FULL, columns=self.COLUMNS)
        written = write(sink, self.rows((1, 10, 1.0), (1, 20, 1.0), (1, 5_000_000_000, 1.0)))
        assert (written.inserted, written.filtered, [each.number for each in written.rejected]) == (1, 1, [3])
        publish(sink)
        assert cinema.all("film_id", "length")[1]["length"] == 20
