"""What the nine combinations of mode and conflict do with a row, on real PostgreSQL.

An earlier sync of the mapping made the objects A and B. A later one meets one of these situations; the cell says what
becomes of its row. ``passed`` is left out on purpose, and counts as filtered.
"""

from decimal import Decimal
from typing import Any

import pytest

from dataops_defs.domain.ledger import Ledger
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.scenes import World

TABLE = """
                        | upsert                        | replace                       | append
                        | skip      overwrite merge     | skip      overwrite merge     | skip      overwrite merge
new key                 | inserted  inserted  inserted  | inserted  inserted  inserted  | inserted  inserted  inserted
known, equal content    | unchanged unchanged unchanged | unchanged unchanged unchanged | passed    rejected  rejected
known, other content    | passed    updated   updated   | passed    updated   updated   | passed    rejected  rejected
known, with a null      | passed    emptied   filled    | passed    emptied   filled    | passed    rejected  rejected
gone from the dataset   | stays     stays     stays     | deleted   deleted   deleted   | stays     stays     stays
second of its key       | rejected  rejected  rejected  | rejected  rejected  rejected  | rejected  rejected  rejected
breaks the schema       | rejected  rejected  rejected  | rejected  rejected  rejected  | rejected  rejected  rejected
gone, another rejected  | stays     stays     stays     | stays     stays     stays     | stays     stays     stays
"""
MODES = ("upsert", "replace", "append")
CONFLICTS = ("skip", "overwrite", "merge")
CELLS: dict[str, list[str]] = {
    name.strip(): " ".join(cells).split() for name, *cells in (line.split("|") for line in TABLE.splitlines()[3:])
}
HEAD = "key,name,price\n"
A, B, BAD = "A,Ann,1.50\n", "B,Bob,2.50\n", "C,Cid,-1\n"
# The rows of the dataset beside B, and how many of them the cell does not speak of: they hold what their objects hold.
SITUATIONS: dict[str, tuple[str, int]] = {
    "new key": (A + "C,Cid,3.50\n", 1),
    "known, equal content": (A, 0),
    "known, other content": ("A,Amy,9.50\n", 0),
    "known, with a null": ("A,,9.50\n", 0),
    "gone from the dataset": ("", 0),
    "second of its key": (A + "A,Amy,9.50\n", 1),
    "breaks the schema": (A + BAD, 1),
    "gone, another rejected": (BAD, 0),
}
# What the ledger counts for a cell, and what A is afterwards (as it was, where nothing is said).
COUNTED = {"passed": "filtered", "emptied": "updated", "filled": "updated"}
A_AFTERWARDS = {
    "updated": ("A", "Amy", Decimal("9.50")),
    "emptied": ("A", None, Decimal("9.50")),
    "filled": ("A", "Ann", Decimal("9.50")),
    "deleted": None,
}


def ledger(situation: str, cell: str, mode: str, conflict: str) -> Ledger:
    """Every row that was read, and the objects that were deleted."""
    counts = dict.fromkeys(Ledger().as_json(), 0)
    same = "unchanged" if mode != "append" else "filtered" if conflict == "skip" else "rejected"
    counts[same] += 1 + SITUATIONS[situation][1]
    if cell != "stays":
        counts[COUNTED.get(cell, cell)] += 1
    if situation == "gone, another rejected":
        counts["rejected"] += 1
    counts["read"] = sum(count for name, count in counts.items() if name != "deleted")
    return Ledger(**counts)


def objects(cell: str) -> list[tuple[Any, ...]]:
    a = A_AFTERWARDS.get(cell, ("A", "Ann", Decimal("1.50")))
    c = ("C", "Cid", Decimal("3.50")) if cell == "inserted" else None
    return [each for each in (a, ("B", "Bob", Decimal("2.50")), c) if each]


@pytest.mark.parametrize("conflict", CONFLICTS)
@pytest.mark.parametrize("mode", MODES)
def test_each_situation(world: World, mode: str, conflict: str) -> None:
    column = MODES.index(mode) * 3 + CONFLICTS.index(conflict)
    properties = {"key": {"type": "string"}, "name": {"type": "string"}, "price": {"type": "number", "minimum": 0}}
    for number, (situation, (rows, _)) in enumerate(SITUATIONS.items()):
        name, cell = f"thing_{number}", CELLS[situation][column]
        dataset = world.dataset(world.csv(f"{name}.csv", HEAD + A + B), name)
        kind = world.object_type(name, "key", properties, required=["key"])
        mapping = world.mapping(dataset, kind, {each: each for each in properties}, mode=mode, onConflict=conflict)
        assert sync_mapping(world.work(), mapping).ledger == Ledger(read=2, inserted=2)

        (world.files / f"{name}.csv").write_text(HEAD + rows + B)
        extract_dataset(world.work(), dataset)
        done = sync_mapping(world.work(), mapping).ledger

        assert done == ledger(situation, cell, mode, conflict), situation
        assert world.sql(f"SELECT key, name, price FROM objects.{name} ORDER BY key") == objects(cell), situation
