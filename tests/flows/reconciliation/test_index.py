from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.sinks.index.client import client_of
from dataops_defs.adapters.sinks.index.target import IndexSink
from dataops_defs.domain.etl import EtlConfig, EtlMode
from dataops_defs.domain.reconciliation import Difference, DifferenceKind, Reconciliation
from dataops_defs.errors import SourceError
from dataops_defs.flows.etl_source import etl_source
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.reconcile_pipeline import reconcile_pipeline
from tests.scenes import World

MISSING, EXTRA, DIFFERENT, MULTIPLICITY = DifferenceKind
NO_CONNECTION = cast(Connection, None)  # an index takes part in no transaction
FILM = "id bigint, title text, rating numeric(38,20), score real, made_at timestamptz, day date, doc jsonb, tags text[]"
THREE_FILMS = """
    (1, 'Ä', 1.50, 0.1, '2020-01-01 12:00:00.000001Z', '2020-02-29', '{"a": [1, 2.50]}', '{x,"y,z"}'),
    (2, '', 12345678901234567.12345678901234567890, NULL, NULL, NULL, 'null', '{}'),
    (9007199254740993, NULL, 3, 1e10, '1999-12-31 23:59:59Z', '1999-12-31', '{"b": 1.0}', NULL)
"""


@dataclass
class Cinema:
    """Films in the warehouse, and a pipeline that keeps the index ``film_dim`` like them."""

    world: World

    @property
    def client(self) -> Any:
        return closing(client_of(self.world.platform.settings))

    def config(self, *keys: str) -> EtlConfig:
        return EtlConfig("films", EtlMode.FULL, "es:film_dim", 1000, "SELECT * FROM content.film", key_columns=keys)

    def film(self, rows: str, columns: str = FILM) -> None:
        self.world.sql(f"DROP TABLE IF EXISTS content.film; CREATE TABLE content.film ({columns})")
        if rows:
            self.world.sql(f"INSERT INTO content.film VALUES {rows}")

    def load(self, load: str = "a1") -> None:
        """A full load of what the query gives, as a run does it."""
        source = etl_source(self.world.platform, self.config())
        columns = source.columns()
        with self.client as client:
            sink = IndexSink(client, "film_dim", EtlMode.FULL, (), load, 1)
            sink.prepare(NO_CONNECTION, columns)
            first = 1
            with source.adapter.read(source.query(columns, None)) as reading:
                for batch in reading.batches:
                    sink.write(NO_CONNECTION, batch, first)
                    first += batch.num_rows
            sink.publish(NO_CONNECTION, complete=True)
            client.indices.refresh(index="film_dim")

    def reconciled(self, *keys: str) -> Reconciliation:
        return reconcile_pipeline(self.world.platform, self.config(*keys))

    def differences(self, *keys: str) -> Sequence[Difference]:
        found = self.reconciled(*keys)
        assert found.in_sync is not bool(found.findings.differences)
        return found.findings.differences


@pytest.fixture
def cinema(world: World, elasticsearch_url: str) -> Cinema:
    where = {"elasticsearch_url": elasticsearch_url, "elasticsearch_compatible": True}
    settings = type(world.platform.settings)(**where)
    return Cinema(World(Platform(settings), world.files))


def test_an_index_that_was_just_loaded_is_in_sync(cinema: Cinema) -> None:
    cinema.film(THREE_FILMS)
    cinema.load()
    found = cinema.reconciled()
    assert found.in_sync
    assert (found.rows_source, found.rows_target, found.notes) == (3, 3, [])
    assert [each.low for each in found.findings.ranges] == ["1", "2", "9007199254740993"]


def test_what_changed_since_is_named(cinema: Cinema) -> None:
    cinema.film(THREE_FILMS)
    cinema.load()
    cinema.world.sql(
        "DELETE FROM content.film WHERE id = 1;"
        "UPDATE content.film SET rating = rating + 0.00000000000000000001, doc = '0' WHERE id = 2;"
        "INSERT INTO content.film (id) VALUES (9007199254740992), (NULL), (NULL);"
        "INSERT INTO content.film SELECT * FROM content.film WHERE id = 9007199254740993"
    )
    found = cinema.reconciled()
    assert found.findings.differences == [
        Difference({"id": 1}, EXTRA, 0, 1),
        Difference({"id": 2}, DIFFERENT, 1, 1, ("rating", "doc")),
        Difference({"id": 9007199254740992}, MISSING, 1, 0),
        Difference({"id": 9007199254740993}, MULTIPLICITY, 2, 1),
        Difference({"id": None}, MISSING, 2, 0),
    ]
    assert "one after the other" in found.notes[-1]


def test_keys_of_text_fractions_and_lists(cinema: Cinema) -> None:
    cinema.film(THREE_FILMS)
    cinema.load()
    cinema.world.sql("DELETE FROM content.film WHERE id = 1")
    key = ("title", "rating", "tags")
    assert [each.key for each in cinema.differences(*key)] == [
        {"title": "Ä", "rating": "1.5", "tags": '["x","y,z"]'},
    ]


def test_a_value_that_no_document_holds_is_missing(cinema: Cinema) -> None:
    cinema.film("(1, 'NaN'), (2, 1)", "id int, score double precision")
    cinema.load()
    assert cinema.differences() == [Difference({"id": 1}, MISSING, 1, 0)]


def test_many_rows_are_read_through_in_batches(cinema: Cinema) -> None:
    cinema.film("", "id int, title text")
    cinema.world.sql("INSERT INTO content.film SELECT i, 'Film ' || i FROM generate_series(1, 6000) i")
    cinema.load()
    found = cinema.reconciled()
    assert found.in_sync
    assert len(found.findings.ranges) == 16
    cinema.world.sql("UPDATE content.film SET title = 'Remake' WHERE id = 5555")
    assert cinema.differences() == [Difference({"id": 5555}, DIFFERENT, 1, 1, ("title",))]


def test_an_index_that_is_missing_lacks_every_row(cinema: Cinema) -> None:
    cinema.film(THREE_FILMS)
    found = cinema.reconciled()
    assert not found.in_sync
    assert found.findings.total == 3
    assert "es:film_dim does not exist" in found.notes[0]


def test_no_server_is_configured(world: World) -> None:
    cinema = Cinema(world)
    cinema.film(THREE_FILMS)
    with pytest.raises(SourceError, match="DATAOPS_ELASTICSEARCH_URL"):
        cinema.reconciled()


ROWS = st.lists(st.tuples(st.none() | st.integers(0, 5), st.sampled_from(["", "a", "ä"])), max_size=6)


@given(loaded=ROWS, place=st.integers(0, 5), instead=ROWS)
@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_verdict_is_that_of_multisets(cinema: Cinema, loaded: Any, place: int, instead: Any) -> None:
    now = [*loaded[:place], *instead[:2], *loaded[place + 1 :]]
    cinema.film(_values(loaded), "id int, title text")
    cinema.load(f"{abs(hash((str(loaded), place, str(instead)))):x}")
    cinema.film(_values(now), "id int, title text")
    found = cinema.reconciled()
    mine, theirs = Counter(now), Counter(loaded)
    assert found.in_sync is (mine == theirs)
    assert {each.key["id"] for each in found.findings.differences} == {
        row[0] for row in (mine - theirs) + (theirs - mine)
    }


def _values(rows: Sequence[tuple[Any, ...]]) -> str:
    return ", ".join(f"({'NULL' if id is None else id}, '{title}')" for id, title in rows)
