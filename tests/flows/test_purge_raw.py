"""Raw copies by policy: what a newer copy superseded, what no ledger speaks of, what was left half-written."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import RunRow
from dataops_defs.domain.naming import raw_key
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge_raw import PurgedRaw, purge_raw_copies
from tests.scenes import World

NOW = datetime.now(UTC)
SCHEMA = pa.schema([("tail", pa.string())])
ROWS = [pa.record_batch([["N1", "N2"]], schema=SCHEMA)]


@dataclass
class Shelf:
    """One dataset's raw copies; each is written for real, and made to look as old as the story says."""

    world: World
    dataset: str

    def copy(self, days: float, *, accounted: bool = True, current: bool = False, prefix: str = "default") -> str:
        taken_at = NOW - timedelta(days=days)
        store = self.world.platform.raw_store
        uri = store.write("raw", raw_key(prefix, self.dataset, taken_at, "parquet"), SCHEMA, ROWS).uri
        os.utime(self.file(uri), (taken_at.timestamp(), taken_at.timestamp()))
        if accounted:
            self.account(uri)
        if current:
            with self.world.platform.catalogue() as session:
                Datasets(session).get(self.dataset).raw_uri = uri
        return uri

    def account(self, uri: str) -> None:
        with psycopg2.connect(libpq_url(self.world.platform.settings.url("warehouse"))) as connection:
            connection.cursor().execute(
                "INSERT INTO dataops.ledger (run_id, subject_kind, subject_id, target) VALUES (%s, 'dataset', %s, %s)",
                (new_id(), self.dataset, uri),
            )
        connection.close()

    def file(self, uri: str) -> Path:
        return self.world.platform.settings.home / "raw" / uri.removeprefix("raw:")

    def left(self) -> set[str]:
        return {copy.uri for copy in self.world.platform.raw_store.copies(f"raw:raw/default/{self.dataset}")}


@pytest.fixture
def shelf(world: World) -> Shelf:
    return Shelf(world, world.dataset(world.csv("planes.csv", "tail\nN1\nN2\n")))


def purge(world: World, now: datetime = NOW, **settings: Any) -> PurgedRaw:
    platform = Platform(world.platform.settings.model_copy(update=settings))
    return purge_raw_copies(platform, lambda _text: None, now)


class TestACopyThatWasSuperseded:
    def test_goes_when_it_is_old_and_not_one_of_the_newest(self, world: World, shelf: Shelf) -> None:
        old = [shelf.copy(days) for days in (400, 300)]
        kept = [shelf.copy(days) for days in (200, 100, 80)]
        current = shelf.copy(2, current=True)
        size = sum(shelf.file(uri).stat().st_size for uri in old)

        gone = purge(world, raw_days=90, raw_keep=4)

        assert shelf.left() == {*kept, current}
        assert (gone.superseded.items, gone.superseded.bytes) == (2, size)
        assert purge(world, raw_days=90, raw_keep=4) == PurgedRaw()

    def test_stays_while_it_is_young_and_among_the_newest_however_old(self, world: World, shelf: Shelf) -> None:
        young = {shelf.copy(80), shelf.copy(60), shelf.copy(2, current=True)}
        purge(world, raw_days=90, raw_keep=1)
        assert shelf.left() == young
        purge(world, raw_days=1, raw_keep=3)
        assert shelf.left() == young

    def test_stays_for_ever_when_the_policy_says_so(self, world: World, shelf: Shelf) -> None:
        copies = {shelf.copy(4000), shelf.copy(3000), shelf.copy(2, current=True)}
        purge(world, raw_days=0, raw_keep=1)
        assert shelf.left() == copies

    def test_stays_while_it_is_current_however_old_it_is(self, world: World, shelf: Shelf) -> None:
        current = shelf.copy(900, current=True)
        older, newer = shelf.copy(901), shelf.copy(899)
        purge(world, raw_days=1, raw_keep=1)
        assert shelf.left() == {current, newer}
        assert older not in shelf.left()

    def test_stays_while_a_run_may_be_reading_it(self, world: World, shelf: Shelf) -> None:
        was_current_an_hour_ago = shelf.copy(900)
        current = shelf.copy(1 / 24, current=True)
        purge(world, raw_days=1, raw_keep=1)
        assert shelf.left() == {was_current_an_hour_ago, current}

    def test_stays_while_a_run_is_open_that_may_read_it_again(self, world: World, shelf: Shelf) -> None:
        read_by_a_paused_run = shelf.copy(30)
        current = shelf.copy(10, current=True)
        with world.platform.catalogue() as session:
            session.add(RunRow(kind=RunKind.SYNC, subject_name="a sync", created_at=NOW - timedelta(days=20)))
        purge(world, raw_days=1, raw_keep=1)
        assert shelf.left() == {read_by_a_paused_run, current}

    def test_goes_also_from_where_the_dataset_kept_its_copies_before(self, world: World, shelf: Shelf) -> None:
        elsewhere = shelf.copy(400, prefix="before")
        current = shelf.copy(2, current=True)
        assert purge(world, raw_keep=1).superseded.items == 1
        assert not shelf.file(elsewhere).exists()
        assert shelf.left() == {current}

    def test_stays_when_its_dataset_is_deleted(self, world: World, shelf: Shelf) -> None:
        copies = {shelf.copy(days) for days in (400, 300, 200)}
        with world.platform.catalogue() as session:
            session.delete(Datasets(session).get(shelf.dataset))
        purge(world, raw_keep=1)
        assert shelf.left() == copies


class TestAFileThatNoLedgerSpeaksOf:
    def test_goes_when_no_living_run_can_have_written_it(self, world: World, shelf: Shelf) -> None:
        kept = {shelf.copy(3, current=True), shelf.copy(0.5, accounted=False)}
        shelf.copy(2, accounted=False)
        assert purge(world).unaccounted.items == 1
        assert shelf.left() == kept

    def test_goes_when_the_dataset_was_never_extracted_well_or_is_deleted(self, world: World, shelf: Shelf) -> None:
        shelf.copy(2, accounted=False)
        assert purge(world).unaccounted.items == 1
        known = shelf.copy(5)
        shelf.copy(2, accounted=False)
        with world.platform.catalogue() as session:
            session.delete(Datasets(session).get(shelf.dataset))
        assert purge(world).unaccounted.items == 1
        assert shelf.left() == {known}

    def test_stays_when_it_is_not_ours(self, world: World, shelf: Shelf) -> None:
        note = shelf.file(shelf.copy(5, current=True)).with_name("notes.parquet")
        note.write_text("keep me")
        os.utime(note, (0, 0))
        assert purge(world).unaccounted.items == 0
        assert note.exists()

    def test_stays_when_the_warehouse_is_not_the_one_that_knew_it(self, world: World, shelf: Shelf) -> None:
        copies = {shelf.copy(30), shelf.copy(20, current=True)}
        world.sql("TRUNCATE dataops.ledger")
        assert purge(world) == PurgedRaw()
        assert shelf.left() == copies


class TestAFileLeftHalfWritten:
    def test_goes_after_a_day_and_not_while_it_may_be_growing(self, world: World, shelf: Shelf) -> None:
        folder = shelf.file(shelf.copy(5, current=True)).parent
        for name, days in ((".0123.partial", 2), (".4567.partial", 0.1)):
            (folder / name).write_bytes(b"x" * 1000)
            os.utime(folder / name, ((NOW - timedelta(days=days)).timestamp(),) * 2)
        gone = purge(world)
        assert (gone.unfinished.items, gone.unfinished.bytes) == (1, 1000)
        assert [each.name for each in folder.glob(".*")] == [".4567.partial"]


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestS3:
    def test_is_purged_alike_and_what_others_keep_in_the_bucket_stays(
        self, world: World, shelf: Shelf, s3_address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        client = boto3.client("s3", endpoint_url=s3_address, region_name="us-east-1")
        here = {"raw_store": "s3://company", "s3_endpoint": s3_address}
        store = Platform(world.platform.settings.model_copy(update=here)).raw_store
        keys = [raw_key("default", shelf.dataset, NOW - timedelta(days=days), "parquet") for days in (3, 2, 1)]
        old, orphan, current = (store.write("raw", key, SCHEMA, ROWS).uri for key in keys)
        shelf.account(old)
        shelf.account(current)
        with world.platform.catalogue() as session:
            Datasets(session).get(shelf.dataset).raw_uri = current
        client.put_object(Bucket="company", Key="somebody/else.parquet", Body=b"theirs")
        client.put_object(Bucket="company", Key=f"raw/default/{shelf.dataset}/notes.txt", Body=b"theirs")

        young = purge(world, raw_days=1, raw_keep=1, **here)
        client.create_multipart_upload(Bucket="company", Key=f"raw/{keys[0]}")
        in_a_year = purge(world, NOW + timedelta(days=365), raw_keep=1, **here)

        assert young == PurgedRaw()
        assert [in_a_year.superseded.items, in_a_year.unaccounted.items, in_a_year.unfinished.items] == [1, 1, 1]
        assert [store.exists(uri) for uri in (old, orphan, current)] == [False, False, True]
        left = {each["Key"] for each in client.list_objects_v2(Bucket="company")["Contents"]}
        assert {key for key in left if not key.endswith(keys[2])} == {
            "somebody/else.parquet",
            f"raw/default/{shelf.dataset}/notes.txt",
        }
        assert "Uploads" not in client.list_multipart_uploads(Bucket="company")
