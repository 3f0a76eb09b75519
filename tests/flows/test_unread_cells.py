"""Workbooks with errors, and texts in an encoding that nobody named: nothing of them is taken silently."""

from io import BytesIO
from typing import Any

import openpyxl

from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.import_mail import message_of
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.import_scenes import imported, put, rejects
from tests.scenes import World

PRICES = "SELECT id, price FROM objects.part ORDER BY id"
NEVER = "cell B3 has a formula that was never computed: open and save the file in Excel"
NAMES = "id,name\n1,Inês Araújo\n2,João Magalhães\n3,Conceição Simões\n".encode("cp1252")


def parts(*prices: Any) -> bytes:
    book, content = openpyxl.Workbook(), BytesIO()
    book.active.append(["id", "price"])
    for id, price in enumerate(prices, start=1):
        book.active.append([id, price])
        if str(price).startswith("#"):
            book.active.cell(id + 1, 2).data_type = "e"
    book.save(content)
    return content.getvalue()


class TestAWorkbookWithErrors:
    def test_overwrites_no_good_object(self, world: World) -> None:
        put(world, "parts.xlsx", parts(10, 20, 30))
        dataset = world.dataset(world.source("Parts", "excel", path="parts.xlsx"))
        kind = world.object_type("part", "id", {"id": {"type": "integer"}, "price": {"type": "number"}})
        mapping = world.mapping(dataset, kind, {"id": "id", "price": "price"})
        sync_mapping(world.work(), mapping)
        put(world, "parts.xlsx", parts("#N/A", "=1+1", 33))

        outcome = extract_dataset(world.work(), dataset)
        sync_mapping(world.work(), mapping)

        assert world.sql(PRICES) == [(1, 10), (2, 20), (3, 33)]
        assert (outcome.ledger.read, outcome.ledger.inserted, outcome.ledger.rejected) == (3, 1, 2)
        assert rejects(world, dataset) == [
            (1, "price", "cell B2 holds #N/A", {"id": 1, "price": "#N/A"}),
            (2, "price", NEVER, {"id": 2, "price": "=1+1"}),
        ]
        assert outcome.details["notes"] == [
            "2 rows hold cells without a value, and cannot be taken; the first: cell B2 holds #N/A"
        ]

    def test_is_imported_without_these_rows(self, world: World) -> None:
        done = imported(world, put(world, "parts.xlsx", parts(10, "=1+1", 30)), "parts")

        assert (done.rows_imported, done.rows_rejected) == (2, 1)
        assert world.sql("SELECT id, price FROM raw.parts ORDER BY id") == [(1, 10), (3, 30)]
        assert rejects(world, done.id) == [(2, "price", NEVER, {"id": 2, "price": "=1+1"})]


class TestAnEncodingThatWasGuessed:
    def test_is_told_by_an_extraction(self, world: World) -> None:
        outcome = extract_dataset(world.work(), world.dataset(world.csv("names.csv", NAMES)))

        assert [row["name"] for row in outcome.preview] == ["Inês Araújo", "João Magalhães", "Conceição Simões"]
        [note] = outcome.details["notes"]
        assert "cp1252, guessed from its bytes" in note

    def test_is_told_by_an_import_and_its_mail(self, world: World) -> None:
        done = imported(world, put(world, "names.csv", NAMES), "names")

        assert world.sql("SELECT name FROM raw.names WHERE id = 1") == [("Inês Araújo",)]
        assert "cp1252, guessed from its bytes" in (done.note or "")
        assert f"Note:      {done.note}" in message_of(done).text

    def test_is_told_again_of_content_that_is_there_already(self, world: World) -> None:
        put(world, "names.csv", NAMES)
        first = imported(world, "names.csv", "names")

        assert (imported(world, "names.csv", "names").note, first.note is None) == (first.note, False)

    def test_is_none_where_it_was_named(self, world: World) -> None:
        assert imported(world, put(world, "names.csv", NAMES), "names", encoding="cp1252").note is None
