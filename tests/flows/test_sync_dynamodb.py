"""Objects in DynamoDB: the same ledgers as in PostgreSQL, exact values, and runs that are killed end the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from dataops_defs.adapters.objects.dynamodb import sink as objects_dynamodb
from dataops_defs.adapters.objects.dynamodb import table as objects_dynamodb_table
from dataops_defs.adapters.objects.dynamodb.items import json_of
from dataops_defs.adapters.objects.dynamodb.table import DynamoTable
from dataops_defs.adapters.warehouse.object_plans import purge_plans
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.models import ObjectTypeRow
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import DRY_RUN
from dataops_defs.errors import Conflict, DependencyUnavailable
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.test_continuation import Death, continued, request, worker
from tests.scenes import World

PROPERTIES: dict[str, Any] = {
    "tail": {"type": "string"},
    "year": {"type": "integer"},
    "price": {"type": "number"},
    "seen": {"type": "string", "format": "date-time"},
    "crew": {"type": ["object", "null"]},
}
COLUMNS: dict[str, Any] = {
    "tail": "tailnum",
    "year": "year",
    "price": "price",
    "seen": "seen",
    "crew": {"sourceColumn": "crew", "transform": "parseJSON"},
}
HEAD = "tailnum,year,price,seen,crew\n"
FIRST = HEAD + (
    'N1,2001,12.30,2020-01-01T10:00:00Z,"{""size"": 2, ""names"": [""Ada"", null]}"\n'
    "N2,,7.05,,\n"
    "N3,1998,0.1,2020-01-03T10:00:00Z,\n"
)
THEN = HEAD + (
    'N1,2001,12.3,2020-01-01T10:00:00Z,"{""names"": [""Ada"", null], ""size"": 2.0}"\n'
    "N2,1999,,2020-01-02T10:00:00Z,\n"
    "N4,2004,4,,\n"
    "N4,2005,5,,\n"
)
COMBINATIONS = [
    (mode, meeting) for mode in ("upsert", "replace", "append") for meeting in ("skip", "overwrite", "merge")
]


def object_type(world: World, name: str, store: str, properties: dict[str, Any] = PROPERTIES, key: str = "tail") -> str:
    schema = {"type": "object", "properties": properties}
    with world.platform.catalogue() as session:
        return ObjectTypes(session).add(ObjectTypeRow(name=name, schema=schema, key_field=key, store=store)).id


def scene(world: World, table: str, text: str = FIRST, **sync: str) -> tuple[str, str]:
    """A dataset of a CSV file and a mapping of it to objects in a table of DynamoDB; ids of both."""
    dataset = world.dataset(world.csv("planes.csv", text))
    return dataset, world.mapping(dataset, object_type(world, "plane", f"dynamodb:{table}"), COLUMNS, **sync)


def again(world: World, dataset: str, mapping: str, text: str) -> Ledger:
    (world.files / "planes.csv").write_text(text)
    extract_dataset(world.work(), dataset)
    return sync_mapping(world.work(), mapping).ledger


def name_of(pair: tuple[str, str]) -> str:
    return "_".join(pair)


def twin(world: World, dataset: str, pair: tuple[str, str], store: str) -> str:
    name = name_of(pair) if store == "postgres" else f"{name_of(pair)}_cloud"
    return world.mapping(dataset, object_type(world, name, store), COLUMNS, mode=pair[0], onConflict=pair[1])


def rows(world: World, name: str) -> dict[str, dict[str, Any]]:
    """The same of objects in PostgreSQL."""
    found = world.sql(f"SELECT to_jsonb(t) FROM objects.{name} t")
    return {
        row["tail"]: {name: value for name, value in row.items() if value is not None and not name.startswith("_")}
        for (row,) in found
    }


def objects(dynamodb: Any, table: str) -> dict[str, dict[str, Any]]:
    """What the table holds, by key, without where it comes from."""
    items = dynamodb.scan(TableName=table)["Items"]
    made = [{name: json_of(value) for name, value in item.items() if not name.startswith("_")} for item in items]
    return {each["tail"]: each for each in made}


class TestASync:
    def test_makes_the_table_and_an_exact_item_of_every_row(self, cloud: World, dynamodb: Any, table_name: str) -> None:
        dataset, mapping = scene(cloud, table_name)
        ledger = sync_mapping(cloud.work(), mapping).ledger
        assert (ledger.read, ledger.inserted) == (3, 3)
        found = objects(dynamodb, table_name)
        assert found["N1"] == {
            "tail": "N1",
            "year": 2001,
            "price": Decimal("12.3"),
            "seen": "2020-01-01T10:00:00+00:00",
            "crew": {"size": 2, "names": ["Ada", None]},
        }
        assert found["N2"] == {"tail": "N2", "price": Decimal("7.05")}
        described = dynamodb.describe_table(TableName=table_name)["Table"]
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        item = dynamodb.get_item(TableName=table_name, Key={"tail": {"S": "N1"}})["Item"]
        assert item["_mappingId"] == {"S": mapping}
        assert cloud.sql("SELECT target, inserted FROM dataops.ledger WHERE subject_id = %s", mapping) == [
            (f"dynamodb:{table_name}", 3)
        ]
        assert cloud.sql("SELECT count(*) FROM dataops.object_plan") == [(0,)]
        assert again(cloud, dataset, mapping, FIRST).unchanged == 3

    def test_counts_and_writes_what_postgresql_would_in_all_nine_combinations(
        self, cloud: World, dynamodb: Any
    ) -> None:
        dataset = cloud.dataset(cloud.csv("planes.csv", FIRST))
        tables = {pair: f"planes-{uuid4().hex[:12]}" for pair in COMBINATIONS}
        pairs = {
            pair: (twin(cloud, dataset, pair, f"dynamodb:{table}"), twin(cloud, dataset, pair, "postgres"))
            for pair, table in tables.items()
        }
        for text in (FIRST, THEN):
            (cloud.files / "planes.csv").write_text(text)
            extract_dataset(cloud.work(), dataset)
            for pair, (mine, theirs) in pairs.items():
                ledger = sync_mapping(cloud.work(), mine).ledger
                assert (pair, ledger) == (pair, sync_mapping(cloud.work(), theirs).ledger)
                assert (pair, as_floats(objects(dynamodb, tables[pair]))) == (pair, rows(cloud, name_of(pair)))
        reasons = "SELECT row_number, reason, raw->>'price' FROM dataops.reject WHERE subject_id = %s ORDER BY 1, 2"
        for mine, theirs in pairs.values():
            assert cloud.sql(reasons, mine) == cloud.sql(reasons, theirs)

    def test_leaves_what_other_mappings_wrote_into_the_same_object(
        self, cloud: World, dynamodb: Any, table_name: str
    ) -> None:
        dataset, mapping = scene(cloud, table_name)
        sync_mapping(cloud.work(), mapping)
        with cloud.platform.catalogue() as session:
            kind = ObjectTypes(session).named("plane").id
        years = cloud.mapping(dataset, kind, {"tail": "tailnum", "year": {"sourceColumn": "year", "transform": "1950"}})

        ledger = sync_mapping(cloud.work(), years).ledger

        assert ledger.updated == 3
        found = objects(dynamodb, table_name)["N1"]
        assert (found["year"], found["price"]) == (1950, Decimal("12.3"))

    def test_keys_that_are_numbers_are_numbers(self, cloud: World, dynamodb: Any, table_name: str) -> None:
        dataset = cloud.dataset(cloud.csv("numbers.csv", "id,v\n9007199254740993,a\n-1,b\n"))
        properties = {"id": {"type": "integer"}, "v": {"type": "string"}}
        kind = object_type(cloud, "number", f"dynamodb:{table_name}", properties, "id")
        mapping = cloud.mapping(dataset, kind, {"id": "id", "v": "v"}, mode="replace")
        sync_mapping(cloud.work(), mapping)
        assert {item["id"]["N"] for item in dynamodb.scan(TableName=table_name)["Items"]} == {"9007199254740993", "-1"}

        (cloud.files / "numbers.csv").write_text("id,v\n9007199254740993,a\n")
        extract_dataset(cloud.work(), dataset)
        ledger = sync_mapping(cloud.work(), mapping).ledger
        assert (ledger.unchanged, ledger.deleted) == (1, 1)

    def test_rows_that_dynamodb_cannot_hold_are_rejected_and_nothing_is_deleted(
        self, cloud: World, dynamodb: Any, table_name: str
    ) -> None:
        long = "x" * 410_000
        digits = "1." + "1" * 40
        dataset, mapping = scene(cloud, table_name, mode="replace")
        sync_mapping(cloud.work(), mapping)
        text = HEAD + f'N1,2001,{digits},,\nN5,1,1,,"{{""note"": ""{long}""}}"\nN6,6,6,,\n'
        ledger = again(cloud, dataset, mapping, text)
        assert (ledger.inserted, ledger.rejected, ledger.deleted) == (1, 2, 0)
        reasons = [reason for (reason,) in cloud.sql("SELECT reason FROM dataops.reject ORDER BY row_number")]
        assert "38 digits" in reasons[0]
        assert "409,600" in reasons[1]
        assert set(objects(dynamodb, table_name)) == {"N1", "N2", "N3", "N6"}

    def test_a_table_with_another_key_is_refused(self, cloud: World, dynamodb: Any, table_name: str) -> None:
        dynamodb.create_table(
            TableName=table_name,
            AttributeDefinitions=[{"AttributeName": "serial", "AttributeType": "N"}],
            KeySchema=[{"AttributeName": "serial", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        _, mapping = scene(cloud, table_name)
        with pytest.raises(Conflict, match=r"has the key serial \(N\), not tail \(S\)"):
            sync_mapping(cloud.work(), mapping)


def as_floats(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: as_floats(each) for name, each in value.items()}
    return [as_floats(each) for each in value] if isinstance(value, list) else value


@contextmanager
def dies_after(batches: int) -> Iterator[None]:
    """Kills whoever writes, after so many batches."""
    with counted_batches(batches), pytest.raises(Death):
        yield


@dataclass
class Batches:
    """How many were written, and how many may be."""

    written: int = 0
    limit: int | None = None


@contextmanager
def counted_batches(limit: int | None = None) -> Iterator[Batches]:
    """Writes in windows of two batches, one after the other."""
    met = Batches(limit=limit)
    written = DynamoTable._write_batch

    def write(self: DynamoTable, requests: Any) -> None:
        if met.written == met.limit:
            raise Death
        met.written += 1
        written(self, requests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoTable, "_write_batch", write)
        patch.setattr(objects_dynamodb_table, "CONNECTIONS", 1)
        patch.setattr(objects_dynamodb, "WRITTEN_AT_ONCE", 50)
        yield met


class TestASyncThatIsKilled:
    """150 writes in batches of 25: two or three batches are written, then the worker is gone."""

    @pytest.fixture
    def fleet(self, cloud: World, dynamodb: Any, table_name: str) -> tuple[str, str]:
        """A table of 100 objects and a dataset that changes 50 of them, drops 50 and brings 50 new ones."""
        old = "".join(f"N{n},2000,1,,\n" for n in range(100))
        new = "".join(f"N{n},2001,1,,\n" for n in range(50)) + "".join(f"M{n},2001,1,,\n" for n in range(50))
        dataset, mapping = scene(cloud, table_name, HEAD + old, mode="replace")
        sync_mapping(cloud.work(), mapping)
        (cloud.files / "planes.csv").write_text(HEAD + new)
        extract_dataset(cloud.work(), dataset)
        return dataset, mapping

    def test_is_continued_to_the_same_objects_and_counts(
        self, cloud: World, dynamodb: Any, table_name: str, fleet: tuple[str, str]
    ) -> None:
        _, mapping = fleet
        run = request(cloud, mapping)
        with dies_after(3):
            sync_mapping(worker(cloud, run), mapping)
        half = objects(dynamodb, table_name)
        assert 0 < sum(each["year"] == 2001 for each in half.values()) < 100
        assert cloud.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(0,)]

        with counted_batches() as met:
            ledger = sync_mapping(continued(cloud, run), mapping).ledger

        assert met.written == 4, "the first window of two batches is known to be written, the second is written again"
        assert (ledger.read, ledger.inserted, ledger.updated, ledger.unchanged, ledger.deleted) == (100, 50, 50, 0, 50)
        now = objects(dynamodb, table_name)
        assert len(now) == 100
        assert {each["year"] for each in now.values()} == {2001}
        assert cloud.sql("SELECT count(*) FROM dataops.object_plan") == [(0,)]
        assert cloud.sql("SELECT count(*) FROM dataops.object_write") == [(0,)]

    def test_and_not_continued_is_brought_to_its_end_by_the_next_one(
        self, cloud: World, dynamodb: Any, table_name: str, fleet: tuple[str, str]
    ) -> None:
        _, mapping = fleet
        with dies_after(2):
            sync_mapping(cloud.work(), mapping)
        with cloud.platform.warehouse() as connection:
            assert purge_plans(connection, now() - timedelta(days=1)) == 0
            assert purge_plans(connection, now() + timedelta(days=1)) == 1

        ledger = sync_mapping(cloud.work(), mapping).ledger

        assert ledger.read == ledger.inserted + ledger.updated + ledger.unchanged == 100
        assert ledger.unchanged == 50, "two batches of the run before"
        assert {each["year"] for each in objects(dynamodb, table_name).values()} == {2001}


class TestARehearsal:
    def test_counts_and_touches_neither_the_table_nor_the_plans(
        self, cloud: World, dynamodb: Any, table_name: str
    ) -> None:
        dataset, mapping = scene(cloud, table_name)
        sync_mapping(cloud.work(), mapping)
        before = objects(dynamodb, table_name)
        (cloud.files / "planes.csv").write_text(THEN)
        extract_dataset(cloud.work(), dataset)

        run = request(cloud, mapping, parameters={DRY_RUN: True})
        ledger = sync_mapping(replace(worker(cloud, run), dry_run=True), mapping).ledger

        assert (ledger.read, ledger.inserted, ledger.updated, ledger.unchanged, ledger.rejected) == (4, 1, 1, 1, 1)
        assert objects(dynamodb, table_name) == before
        assert cloud.sql("SELECT count(*) FROM dataops.object_plan") == [(0,)]


class TestASlowServer:
    def test_that_leaves_items_undone_is_asked_again(
        self, cloud: World, dynamodb: Any, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, mapping = scene(cloud, table_name, HEAD + "".join(f"N{n},2000,1,,\n" for n in range(60)))
        client = objects_dynamodb_table.client_of(cloud.platform.settings.dynamodb_endpoint)
        asked: list[int] = []
        write = client.batch_write_item

        def half(RequestItems: Any) -> Any:  # noqa: N803
            [(name, requests)] = RequestItems.items()
            asked.append(len(requests))
            taken = requests[: max(len(requests) // 2, 1)]
            write(RequestItems={name: taken})
            left = requests[len(taken) :]
            return {"UnprocessedItems": {name: left} if left else {}}

        monkeypatch.setattr(client, "batch_write_item", half)
        assert sync_mapping(cloud.work(), mapping).ledger.inserted == 60
        assert len(objects(dynamodb, table_name)) == 60
        assert len(asked) > 3

    def test_that_takes_nothing_ends_in_an_error_that_says_so(
        self, cloud: World, dynamodb: Any, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = DynamoTable(table_name, "tail", "S", cloud.platform.settings.dynamodb_endpoint)
        table.ensure()
        monkeypatch.setattr(objects_dynamodb_table, "PATIENCE_SECONDS", 0.2)
        nothing = lambda RequestItems: {"UnprocessedItems": RequestItems}  # noqa: E731, N803
        monkeypatch.setattr(table._client, "batch_write_item", nothing)
        with pytest.raises(DependencyUnavailable, match="throttled"):
            table.write([{"tail": {"S": "N1"}}], [])
