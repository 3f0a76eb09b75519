"""Random histories of a table: after every extraction the copy equals the table, and the ledger tells what was done."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.flows.extraction_scenes import Orders

LAG = 2
EXAMPLES = 8
KEYS = st.integers(1, 8)
NAMES = st.sampled_from(["x", "y", None])
# How far before the newest cursor a row's cursor is: late, but within the lag; None for one without a cursor.
LATE = st.sampled_from([0, 0, 0, 1, LAG, None])
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, NAMES, LATE),
    st.tuples(st.just("delete"), KEYS, st.none(), st.none()),
    st.tuples(st.just("extract"), st.sampled_from([False] * 4 + [True]), st.none(), st.none()),
)


class Model:
    """The table as it should be, what was extracted of it last, and the newest cursor so far."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[str | None, int | None]] = {}
        self.copied: dict[int, tuple[str | None, int | None]] = {}
        self.newest = 100

    def put(self, key: int, name: str | None, late: int | None) -> int | None:
        self.newest += late == 0
        cursor = None if late is None else self.newest - late
        self.table[key] = (name, cursor)
        return cursor

    def counts(self) -> tuple[int, int, int]:
        """What an extraction inserts, updates and deletes."""
        both = self.table.keys() & self.copied.keys()
        changed = sum(self.table[key] != self.copied[key] for key in both)
        return len(self.table.keys() - both), changed, len(self.copied.keys() - both)


class TestAnyHistory:
    @pytest.mark.parametrize("deletions", ["keys", "none"])
    def test_ends_with_a_copy_like_the_table(self, orders: Orders, deletions: str) -> None:
        numbers = itertools.count(1)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        @given(st.lists(STEPS, min_size=8, max_size=20))
        def story(steps: list[tuple[Any, ...]]) -> None:
            table = f"history_{deletions}_{next(numbers)}"
            orders.sql(f"CREATE TABLE {table} (id int, name text, version int)")
            how = {"cursorColumn": "version", "keyColumns": ["id"], "lag": LAG, "deletions": deletions}
            orders.define(query=f"SELECT * FROM {table}", incremental=how, name=table)
            model = Model()
            self._lived(orders, table, model, steps, with_deletions=deletions == "keys")

        story()

    @staticmethod
    def _lived(orders: Orders, table: str, model: Model, steps: list[tuple[Any, ...]], *, with_deletions: bool) -> None:
        def put(key: int, name: str | None, late: int | None) -> None:
            cursor = model.put(key, name, late)
            orders.sql(f"DELETE FROM {table} WHERE id = %s", key)
            orders.sql(f"INSERT INTO {table} VALUES (%s, %s, %s)", key, name, cursor)

        def delete(key: int, *_: Any) -> None:
            # One row stays: of a source that has none any more, nothing is deleted.
            if with_deletions and len(model.table) > 1:
                gone = sorted(model.table)[key % len(model.table)]
                del model.table[gone]
                orders.sql(f"DELETE FROM {table} WHERE id = %s", gone)

        def extract(full: bool, *_: Any) -> None:
            ledger = orders.extract(full=full).ledger
            assert (ledger.inserted, ledger.updated, ledger.deleted) == model.counts()
            assert {id: (name, version) for id, name, version in orders.rows()} == model.table
            model.copied = dict(model.table)

        does: dict[str, Callable[..., None]] = {"put": put, "delete": delete, "extract": extract}
        for kind, *values in [*steps, ("extract", False, None, None)]:
            does[kind](*values)
