"""What lies at a path inside the values of a column: structs, maps, lists, and JSON text."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_values import exact_number
from dataops_defs.adapters.shaping.made import Made, of_values
from dataops_defs.domain.paths import Step

_LONG_NUMBER = re.compile(r"[\d.]{16}")
_LONGEST_SHOWN = 60


def picked(column: pa.Array, steps: Sequence[Step], parsed: Made | None = None) -> Made:
    """The values at the end of the steps; a missing field, key or place is null.

    Text is taken for JSON; where it is none, that is the row's problem.

    Args:
        parsed: of a column of text its JSON values, where they are known.
    """
    for at, step in enumerate(steps):
        if is_text(column.type):
            return walked_in(parsed or parsed_json(column), steps[at:])
        column = _stepped(column, step)
    return Made(column)


def is_text(kind: pa.DataType) -> bool:
    """Whether its values may be JSON text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's lists."""
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _stepped(column: pa.Array, step: Step) -> pa.Array:
    kind = column.type
    if isinstance(step, int):
        return _element(column, step) if is_list(kind) else pa.nulls(len(column))
    if pa.types.is_struct(kind) and kind.get_field_index(step) >= 0:
        return pc.struct_field(column, step)
    if pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
        return pc.map_lookup(column, pa.scalar(step), "first")
    return pa.nulls(len(column))


def _element(column: pa.Array, place: int) -> pa.Array:
    lists = column.cast(pa.large_list(column.type.value_type))
    there = pc.fill_null(pc.greater(pc.list_value_length(lists), place), False)
    starts = lists.offsets.slice(0, len(lists))
    return lists.values.take(pc.if_else(there, pc.add(starts, place), None))


def parsed_json(column: pa.Array) -> Made:
    """The JSON values of a column of text."""
    values: list[Any] = []
    problems: dict[int, str] = {}
    for row, text in enumerate(column.to_pylist()):
        try:
            values.append(None if text is None else read_json(text))
        except ValueError:
            values.append(None)
            problems[row] = no_json(text)
    odd = {row: value for row, value in enumerate(values) if value is not None}
    return Made(pa.nulls(len(values)), odd, problems=problems)


def walked_in(parsed: Made, steps: Sequence[Step]) -> Made:
    """What lies at the end of the steps in JSON values."""
    values = [walked(parsed.odd.get(row), steps) for row in range(len(parsed))]
    return of_values(values, parsed.problems)


def no_json(text: str) -> str:
    """Why text that should be JSON is of no use."""
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return f"'{shown}' is no JSON"


def read_json(text: str) -> Any:
    """The value of a JSON text, numbers as `json_values` shows them; blank text is null.

    Raises:
        ValueError: it is no JSON.
    """
    return _read(text, exact_number) if text and not text.isspace() else None


def read_nested(text: str) -> Any:
    """The value of a JSON text that is stored as it is: whole numbers of any length, others as `read_json` has them.

    Raises:
        ValueError: it is no JSON.
    """
    return _read(text, int)


def _read(text: str, whole_number: Callable[[str], Any]) -> Any:
    if not _LONG_NUMBER.search(text):
        return orjson.loads(text)
    try:
        found = json.loads(text, parse_int=whole_number, parse_float=exact_number, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is a ValueError
    return found


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def walked(value: Any, steps: Sequence[Step]) -> Any:
    """What lies at the end of the steps in a JSON value, or null."""
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
