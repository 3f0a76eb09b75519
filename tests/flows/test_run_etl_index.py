"""ETL pipelines into an index, on a stand-in for Elasticsearch: the same promises as for a table."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from dataops_defs.adapters.sinks.index.client import open_client
from dataops_defs.adapters.sinks.index.reading import documents
from dataops_defs.catalogue.etl_pipelines import EtlPipelines, config_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.reconcile_pipeline import reconcile_pipeline
from dataops_defs.flows.run_etl import run_etl
from tests.flows.etl_scenes import TABLE, asked, counts, dies_after, finish, lease_ends, more, pipeline, ran, worker
from tests.scenes import World

FILMS = "SELECT id AS film_id, title, rating, updated_at FROM content.film_work"
ALIAS = "film_dim"


@pytest.fixture
def films(world: World, elasticsearch_url: str) -> World:
    wanted = {"elasticsearch_url": SecretStr(elasticsearch_url), "elasticsearch_compatible": True}
    platform = Platform(world.platform.settings.model_copy(update=wanted))
    made = replace(world, platform=platform)
    made.sql(TABLE)
    more(made, 1, 25)
    return made


@pytest.fixture
def index(elasticsearch_url: str) -> Iterator["Index"]:
    with open_client(elasticsearch_url, compatible=True) as client:
        yield Index(client)


class Index:
    """What readers of the alias find."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def titles(self) -> list[str]:
        return sorted(row["title"] for page in documents(self._client, ALIAS, ["title"], 100) for row in page)

    def delete(self) -> None:
        for each in self._client.indices.get_alias(name=ALIAS).body:
            self._client.indices.delete(index=each)


def titles(world: World) -> list[str]:
    return sorted(title for (title,) in world.sql("SELECT title FROM content.film_work"))


def in_sync(world: World, id: str) -> bool:
    with world.platform.catalogue() as session:
        config = config_of(EtlPipelines(session).get(id))
    return reconcile_pipeline(world.platform, config).in_sync


class TestAnIndex:
    def test_is_reloaded_as_a_whole(self, films: World, index: Index) -> None:
        id = pipeline(films, target_table="es:film_dim", key_columns=["film_id"])
        assert counts(ran(films, id))[:2] == (25, 25)
        films.sql("DELETE FROM content.film_work WHERE id <= 5")
        ran(films, id)
        assert index.titles() == titles(films)
        assert in_sync(films, id)

    def test_takes_what_is_new(self, films: World, index: Index) -> None:
        id = pipeline(films, "incremental", target_table="es:film_dim", key_columns=["film_id"])
        ran(films, id)
        more(films, 24, 30, "2025-03-01")
        outcome = ran(films, id)
        assert (outcome.ledger.inserted, outcome.ledger.updated) == (5, 2)
        assert index.titles() == titles(films)

    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_is_gone_on_with_by_the_next_worker(self, films: World, index: Index, mode: str) -> None:
        id = pipeline(films, mode, target_table="es:film_dim", key_columns=["film_id"])
        run = asked(films, id)
        dies_after(films, worker(films, run), id, 2)
        lease_ends(films)
        work = worker(films, run)
        outcome = run_etl(work, id)
        finish(films, work)
        assert outcome.ledger.read == 25
        assert index.titles() == titles(films)

    def test_that_was_deleted_is_filled_with_all_rows_again(self, films: World, index: Index) -> None:
        id = pipeline(films, "incremental", target_table="es:film_dim", key_columns=["film_id"])
        ran(films, id)
        index.delete()
        more(films, 26, 27, "2025-03-01")
        assert counts(ran(films, id))[:2] == (27, 27)
        assert index.titles() == titles(films)

    def test_may_be_written_by_two_pipelines(self, films: World, index: Index) -> None:
        full = pipeline(films, target_table="es:film_dim", key_columns=["film_id"])
        new = pipeline(films, "incremental", target_table="es:film_dim", key_columns=["film_id"])
        ran(films, full)
        more(films, 20, 30, "2025-03-01")
        ran(films, new)
        ran(films, full)
        assert index.titles() == titles(films)
