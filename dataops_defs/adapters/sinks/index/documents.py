"""Rows as documents of an index: JSON text that keeps every digit, and an id that follows from the row's key."""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2.extensions import STRINGARRAY

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sinks.index.mapping import field_type, is_array
from dataops_defs.domain.columns import RejectedRow

MAX_ID_BYTES = 512
HASHED = "sha256:"
NULL = "null"
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_BOUNDS = re.compile(r"\[[-+]?\d+:")


@dataclass(frozen=True)
class Document:
    """A row for an index: its number in the load, its id, and its JSON text, which has no line breaks."""

    number: int
    id: str
    source: str


@dataclass(frozen=True)
class Unfit:
    """Stands for a value that JSON, or an index, cannot hold."""

    reason: str


def documents_of(
    batch: pa.RecordBatch, first: int, types: Mapping[str, str], keys: Sequence[str]
) -> tuple[list[Document], list[RejectedRow]]:
    """The rows of a batch as documents, and those that cannot become one.

    Args:
        first: the number of the batch's first row.
        types: the columns' PostgreSQL types; what comes as text is read by them.
        keys: the columns that make the id; without any it is the row's number.
    """
    names = batch.schema.names
    labels = [f"{json.dumps(name, ensure_ascii=False)}:" for name in names]
    columns = [json_texts(batch.column(name), types.get(name, "text")) for name in names]
    places = [names.index(key) for key in keys]
    taken: list[Document] = []
    rejected: list[RejectedRow] = []
    for offset, row in enumerate(zip(*columns, strict=True)):
        problem = _problem(row, places)
        if problem is not None:
            place, reason = problem
            raw = json_rows(batch.slice(offset, 1))[0]
            rejected.append(RejectedRow(first + offset, reason, names[place], raw))
            continue
        key = [str(row[place]) for place in places]
        source = ",".join(f"{label}{value}" for label, value in zip(labels, row, strict=True))
        taken.append(Document(first + offset, document_id(key) if key else str(first + offset), f"{{{source}}}"))
    return taken, rejected


def _problem(row: Sequence[str | Unfit], places: Sequence[int]) -> tuple[int, str] | None:
    for place, value in enumerate(row):
        if isinstance(value, Unfit):
            return place, value.reason
    for place in places:
        if row[place] == NULL:
            return place, "the key is empty"
    return None


def document_id(key: Sequence[str]) -> str:
    """The id for a key, given as the JSON text of its values: another key has another id.

    One value is its own id, several are a JSON list; what is longer than 512 bytes (Elasticsearch's limit) is hashed.
    """
    plain = str(json.loads(key[0])) if len(key) == 1 and key[0].startswith('"') else ",".join(key)
    text = plain if len(key) == 1 else f"[{plain}]"
    if text and len(text.encode()) <= MAX_ID_BYTES and not text.startswith(HASHED):
        return text
    return HASHED + sha256(text.encode()).hexdigest()


def json_texts(column: pa.Array, kind: str) -> list[str | Unfit]:
    """The JSON text of each value of a column, read by its Arrow type, and by its PostgreSQL type where it is text."""
    show = _form(column.type, kind)
    values = column if pa.types.is_binary(column.type) else column.cast(pa.string())
    return [NULL if value is None else show(value) for value in values.to_pylist()]


def _form(arrow: pa.DataType, kind: str) -> Callable[[Any], str | Unfit]:
    if pa.types.is_boolean(arrow) or pa.types.is_integer(arrow) or pa.types.is_decimal(arrow):
        return str
    if pa.types.is_floating(arrow):
        return _number
    if pa.types.is_timestamp(arrow):
        return lambda value: f'"{value.replace(" ", "T")}"'
    if pa.types.is_binary(arrow):
        return lambda value: f'"{base64.b64encode(value).decode()}"'
    if not pa.types.is_string(arrow) and not pa.types.is_large_string(arrow):
        return lambda value: f'"{value}"'
    element = _TEXT_FORMS.get(field_type(kind)["type"], _text)
    return partial(_array, element) if is_array(kind) else element


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: str) -> str | Unfit:
    return value if _NUMBER.fullmatch(value) else Unfit(f"{value} is no number that an index can hold")


def _boolean(value: str) -> str:
    return "true" if value.startswith("t") else "false"


def _moment(value: str) -> str | Unfit:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return Unfit(f"{value} is no moment that an index can hold")
    if ":" not in value:
        return f'"{value}"'
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f'"{moment.isoformat(timespec="microseconds").replace("+00:00", "Z")}"'


def _bytes(value: str) -> str:
    return f'"{base64.b64encode(bytes.fromhex(value.removeprefix(chr(92) + "x"))).decode()}"'


def _json(value: str) -> str:
    # Line breaks may stand between JSON's tokens, never inside them.
    return value.replace("\n", " ").replace("\r", " ")


def _array(element: Callable[[str], str | Unfit], value: str) -> str | Unfit:
    """An array as PostgreSQL prints it (``{1,2}``, ``[0:1]={1,2}``), or as JSON."""
    if value.startswith("[") and not _BOUNDS.match(value):
        return _json(value)
    try:
        return _list(element, STRINGARRAY(value, None))
    except psycopg2.DataError as error:
        return Unfit(f"not an array: {error}")


def _list(element: Callable[[str], str | Unfit], values: Sequence[Any]) -> str | Unfit:
    shown: list[str] = []
    for each in values:
        text = NULL if each is None else _list(element, each) if isinstance(each, list) else element(each)
        if isinstance(text, Unfit):
            return text
        shown.append(text)
    return f"[{','.join(shown)}]"


_TEXT_FORMS: Mapping[str, Callable[[str], str | Unfit]] = {
    **dict.fromkeys(("short", "integer", "long", "float", "double"), _number),
    "boolean": _boolean,
    "date": _moment,
    "object": _json,
    "binary": _bytes,
}
