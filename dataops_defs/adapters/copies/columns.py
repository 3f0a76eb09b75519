"""Columns of a raw copy and of rows that were read since, brought together without loss."""

from collections.abc import Collection

import pyarrow as pa

from dataops_defs.domain.incremental import Unlike

MAX_DIGITS = 38
# What the digits of a 64-bit integer need.
INTEGER_DIGITS = 19


def check_none_is_new(kept: pa.Schema, read: pa.Schema) -> None:
    """Refuse a column that the copy lacks.

    Raises:
        Unlike: there is one, and rows that are not read again would not have its values.
    """
    for each in read:
        if each.name not in kept.names:
            raise Unlike(f"column '{each.name}' is new ({each.type})")


def joined(kept: pa.Schema, read: pa.Schema, *, by_value: bool, empty: Collection[str]) -> pa.Schema:
    """The schema of the next copy.

    Args:
        by_value: the types are those that the values needed: of fewer rows they may be narrower, or columns left out.
        empty: columns of which all values are null.

    Raises:
        Unlike: a column's types cannot be joined.
    """
    before = {each.name: each.type for each in kept}
    made = []
    for each in read:
        kind = each.type
        if each.name in before and not (by_value and each.name in empty):
            kind = _wider(before[each.name], each.type, by_value)
            if kind is None:
                raise Unlike(f"column '{each.name}' is now {each.type}, was {before[each.name]}")
        elif each.name in before:
            kind = before[each.name]
        made.append(pa.field(each.name, kind))
    if not by_value:
        return pa.schema(made)
    found = {each.name: each for each in made}
    stay = [found.pop(name, pa.field(name, kind)) for name, kind in before.items()]
    return pa.schema([*stay, *found.values()])


def _wider(kept: pa.DataType, read: pa.DataType, by_value: bool) -> pa.DataType | None:
    if kept == read:
        return kept
    if not pa.types.is_decimal(kept) or not (pa.types.is_decimal(read) or (by_value and pa.types.is_int64(read))):
        return None
    precision, scale = (read.precision, read.scale) if pa.types.is_decimal(read) else (INTEGER_DIGITS, 0)
    digits = max(kept.precision - kept.scale, precision - scale)
    scale = max(kept.scale, scale)
    return pa.decimal128(digits + scale, scale) if digits + scale <= MAX_DIGITS else None


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of a schema: those it lacks are null, and decimals get their digits."""
    columns = []
    for each in schema:
        place = batch.schema.get_field_index(each.name)
        column = batch.column(place) if place >= 0 else pa.nulls(batch.num_rows, each.type)
        if column.type != each.type:
            whole = column.null_count < len(column)
            column = column.cast(each.type) if whole else pa.nulls(batch.num_rows, each.type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
