"""What a sync fits without a transform, and a table that goes while it is at work."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.objects.table import TableSink
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.nested_scenes import TEXT, imported, mapped, objects
from tests.scenes import World


def test_fits_what_loses_nothing_in_whole_columns(world: World) -> None:
    """Decimals without a fraction are whole numbers; times of day have a zone afterwards."""
    table = pa.table(
        {
            "id": ["A", "B", "C"],
            "n": pa.array([Decimal("5.00"), Decimal("-0.00"), Decimal("5.25")], pa.decimal128(10, 2)),
            "at": ["12:00:00", "23:59:59.5+02", None],
        }
    )
    properties = {"id": TEXT, "n": {"type": "integer"}, "at": {"type": "string", "format": "time"}}
    made = mapped(world, imported(world, table), properties, {name: name for name in properties})

    assert sync_mapping(world.work(), made).ledger == Ledger(read=3, inserted=2, rejected=1)
    assert objects(world, "id", "n", "at") == [("A", 5, "12:00:00Z"), ("B", 0, "23:59:59.5+02:00")]


def test_into_a_table_that_is_dropped_meanwhile_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mapped(world, imported(world, pa.table({"id": ["A"]})), {"id": TEXT}, {"id": "id"})
    sync_mapping(world.work(), made)
    lock = TableSink._lock

    def dropped_first(sink: TableSink, *given: Any) -> None:
        world.sql("DROP TABLE objects.thing")
        lock(sink, *given)

    monkeypatch.setattr(TableSink, "_lock", dropped_first)

    with pytest.raises(Conflict, match=r"objects\.thing was dropped while the sync was at work"):
        sync_mapping(world.work(), made)
