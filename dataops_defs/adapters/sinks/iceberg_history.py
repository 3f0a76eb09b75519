"""What the snapshots of an Iceberg table tell of the writes that made them: which were ours, and what came after.

Source: Iceberg table specification, "Snapshots".
"""

from collections.abc import Iterator
from typing import Any

from dataops_defs.adapters.sinks.table_shape import Mode

WRITE_ID = "dataops.write-id"
RUN_ID = "dataops.run-id"
MODE = "dataops.mode"


def done_before(table: Any, writer: str, mode: Mode) -> Any | None:
    """The snapshot that a write of that id has made, if its rows are still there: in a replaced table, the newest."""
    if mode == "replace":
        newest = table.current_snapshot()
        return newest if _written_by(newest) == writer and _has_columns_of(table, newest) else None
    return next((each for each in _added_to(table) if _written_by(each) == writer), None)


def is_as_left_by(table: Any, writer: str) -> bool:
    """Whether the write made the rows of a table, to which others of ours only added, and nobody else did anything.

    Of a table that is replaced: whatever has been added there are repaired rows of that write.
    """
    ours = list(_added_to(table))
    if not ours or not _has_columns_of(table, ours[0]):
        return False
    return any(_written_by(each) == writer for each in ours) or _added_to_what_has_ended(table, ours[-1])


def _added_to(table: Any) -> Iterator[Any]:
    """The newest snapshots of ours, back to the one to which these only added; one of somebody else's ends them."""
    each = table.current_snapshot()
    while _written_by(each) is not None:
        yield each
        each = None if _replaces(each) else table.snapshot_by_id(each.parent_snapshot_id)


def _replaces(snapshot: Any) -> bool:
    added = str(snapshot.summary.operation.value) == "append"
    return not added or snapshot.summary.additional_properties.get(MODE) == "replace"


def _added_to_what_has_ended(table: Any, snapshot: Any) -> bool:
    """Whether rows were added to a snapshot that has ended by age; the one before it may not be named any more."""
    parent = snapshot.parent_snapshot_id
    adds = snapshot.summary.additional_properties.get(MODE) == "append"
    return adds and (parent is None or table.snapshot_by_id(parent) is None)


def _written_by(snapshot: Any) -> str | None:
    """The id of the write that has made a snapshot; None for one of somebody else's, and for none."""
    if snapshot is None or snapshot.summary is None:
        return None
    writer: str | None = snapshot.summary.additional_properties.get(WRITE_ID)
    return writer


def _has_columns_of(table: Any, snapshot: Any) -> bool:
    return bool(snapshot.schema_id == table.schema().schema_id)
