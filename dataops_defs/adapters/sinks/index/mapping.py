"""An index's mapping for the columns of a query: which type each column has there, and whether an index fits.

Source: document 003, "Target Restrictions"; Elasticsearch reference, "Field data types".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dataops_defs.domain.etl import SqlColumn
from dataops_defs.errors import SchemaChanged

Properties = Mapping[str, Mapping[str, Any]]

MAX_DIGITS_OF_LONG = 18
# A term has at most 32,766 bytes, a character at most 4.
KEYWORD: Mapping[str, Any] = {"type": "keyword", "ignore_above": 8191}
TEXT: Mapping[str, Any] = {"type": "text", "fields": {"keyword": KEYWORD}}
DATE: Mapping[str, Any] = {"type": "date", "format": "strict_date_optional_time_nanos"}
JSON: Mapping[str, Any] = {"type": "object", "enabled": False}

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "boolean": {"type": "boolean"},
    "smallint": {"type": "short"},
    "integer": {"type": "integer"},
    "bigint": {"type": "long"},
    "oid": {"type": "long"},
    "real": {"type": "float"},
    "double precision": {"type": "double"},
    "numeric": {"type": "double"},
    "date": DATE,
    "timestamp without time zone": DATE,
    "timestamp with time zone": DATE,
    "json": JSON,
    "jsonb": JSON,
    "bytea": {"type": "binary"},
    **dict.fromkeys(("uuid", "inet", "cidr", "macaddr", "macaddr8", "interval"), KEYWORD),
    **dict.fromkeys(("time without time zone", "time with time zone"), KEYWORD),
}
_HOLDS: Mapping[str, tuple[str, ...]] = {
    "integer": ("short",),
    "long": ("short", "integer"),
    "double": ("short", "integer", "float"),
}
_MODIFIER = re.compile(r"\([^)]*\)")
_WHOLE = re.compile(r"numeric\((\d+)(?:,\s*0)?\)")


def is_array(kind: str) -> bool:
    """Whether a PostgreSQL type is an array; an index makes no difference between one value and several."""
    return kind.endswith("[]")


def field_type(kind: str) -> Mapping[str, Any]:
    """What a PostgreSQL type (``numeric(10,2)``, ``text[]``) becomes in an index.

    Whole numerics of up to 18 digits are ``long``. Other numerics are ``double``: ranges, sorting and aggregations
    work on the nearest double, while the document itself keeps every digit. Times are found to the millisecond
    (the document keeps microseconds), those without a zone are taken as UTC. Texts can be searched by word and,
    in ``.keyword``, compared as a whole up to 8,191 characters. JSON is kept as it is and is not searched: its
    values could otherwise contradict one another's types.
    """
    element = kind.replace("[]", "")
    whole = _WHOLE.fullmatch(element)
    if whole and int(whole[1]) <= MAX_DIGITS_OF_LONG:
        return {"type": "long"}
    return _TYPES.get(_MODIFIER.sub("", element), TEXT)


def properties_of(columns: Sequence[SqlColumn]) -> Properties:
    """The mapping's properties.

    Raises:
        SchemaChanged: a name that an index reads as a path.
    """
    for each in columns:
        if "." in each.name or not each.name.strip():
            raise SchemaChanged(
                f"Column '{each.name}' cannot be a field of an index (dots would part it): name it anew with AS"
            )
    return {each.name: field_type(each.type) for each in columns}


def missing_fields(index: str, present: Properties, columns: Sequence[SqlColumn]) -> Properties:
    """The fields that an index still needs to take the columns.

    Raises:
        SchemaChanged: a field has another type than its column needs.
    """
    wanted = properties_of(columns)
    for each in columns:
        if each.name not in present:
            continue
        held, needed = (fields[each.name].get("type", "object") for fields in (present, wanted))
        if held != needed and needed not in _HOLDS.get(held, ()):
            raise SchemaChanged(
                f"Column '{each.name}' is {held} in index {index}, the query now gives {each.type} ({needed}): "
                "cast it in the query, or load the target once in full mode"
            )
    return {name: kind for name, kind in wanted.items() if name not in present}
