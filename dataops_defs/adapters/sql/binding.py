"""Named parameters of a query (``:date``), bound as literals where PostgreSQL's own scanner sees a name after a colon.

Never inside of texts, comments, quoted names, casts or slices; what is made of them passes the guard like any query.
"""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pglast import parser

from dataops_defs.errors import Invalid

COLON, OPENS, CLOSES = "ASCII_58", "ASCII_91", "ASCII_93"
FIELD = "parameters"
_NAME = re.compile(r"[^\W\d]\w*")


def bind(query: str, values: Mapping[str, Any]) -> str:
    """The query with its parameters filled in; one that has no value is NULL.

    A text stands there without a type, so that it is what the query compares it with: a date, a number, a text.

    Raises:
        Invalid: the value of a parameter that the query names is an object or a list.
    """
    if ":" not in query:
        return query
    try:
        tokens = parser.scan(query)
    except parser.ParseError:
        return query  # the guard says what is wrong with it
    made, at, depth = [], 0, 0
    for token, following in pairwise(tokens):
        depth += (token.name == OPENS) - (token.name == CLOSES)
        name = query[following.start : following.end + 1]
        if token.name == COLON and not depth and following.start == token.end + 1 and _NAME.fullmatch(name):
            made += [query[at : token.start], literal(name, values.get(name))]
            at = following.end + 1
    return "".join([*made, query[at:]])


def literal(name: str, value: Any) -> str:
    """A value as PostgreSQL reads it, whatever its settings.

    Raises:
        Invalid: there is no such literal; the parameter is named.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return f"({value!r})"
    if not isinstance(value, str) or "\x00" in value:
        raise Invalid.field(f"{FIELD}.{name[:60]}", "is named in the pipeline's query: it must be a text or a number")
    quoted = value.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in value else f"'{quoted}'"
