"""Values that travel as text to PostgreSQL, checked to be what their column takes."""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from uuid import UUID

import pyarrow as pa

from dataops_defs.domain import sql_types as sql
from dataops_defs.domain.sql_types import SqlType

SHOWN = 60
# PostgreSQL's jsonb holds no NUL, no half of a character, and no number of more than 131,072 digits.
_NOT_IN_JSONB = re.compile(r"\\u0000|\\u[dD][89a-fA-F]|[eE][+-]?\d{5,}")
Bad = dict[int, str]


def checked(texts: Sequence[str | None], wanted: SqlType, bad: Bad) -> tuple[pa.Array, Bad]:
    """Texts of a type, and by place why some are not of it, which are null then; ``bad`` are known already."""
    check = TEXTS[wanted.name]
    made: list[str | None] = []
    for place, text in enumerate(texts):
        try:
            made.append(None if text is None else check(text, wanted))
        except ValueError as error:
            made.append(None)
            bad.setdefault(place, f"'{text[:SHOWN] if text else ''}' {error}")
    return pa.array(made, pa.string()), bad


def _within(text: str, wanted: SqlType) -> str:
    if wanted.length is not None and len(text) > wanted.length:
        raise ValueError(f"has {len(text)} characters, more than {wanted.printed} takes")
    return text


def _uuid(text: str, _wanted: SqlType) -> str:
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise ValueError("is no UUID") from None


def _json(text: str, wanted: SqlType) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if wanted.name == sql.JSONB and (found := _NOT_IN_JSONB.search(text)) and not _is_whole(text):
        raise ValueError(f"holds {found[0]}, which jsonb does not keep")
    return text


def _is_whole(text: str) -> bool:
    """Whether what looks like something that jsonb does not keep is only part of a text, or of a whole character."""
    try:
        plain = json.dumps(json.loads(text, parse_float=_plain_number), ensure_ascii=False)
        plain.encode()
    except (ValueError, RecursionError):
        return False
    return "\\u0000" not in plain.replace("\\\\", "")


def _plain_number(text: str) -> str:
    if re.search(r"[eE][+-]?\d{5,}", text):
        raise ValueError
    return text


def _number(text: str, wanted: SqlType) -> str:
    if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII) is None:
        raise ValueError("is no number")
    if wanted.parameters:
        precision, scale = wanted.parameters
        exact = Context(prec=precision + 1_000)
        value = exact.create_decimal(text.strip())
        if value.adjusted() >= precision - scale or value != value.quantize(Decimal(1).scaleb(-scale), context=exact):
            raise ValueError(f"does not fit {wanted.printed}")
    return text.strip()


TEXTS: dict[str, Callable[[str, SqlType], str]] = {
    sql.VARCHAR: _within,
    sql.CHAR: _within,
    sql.TEXT: _within,
    sql.UUID: _uuid,
    sql.JSON: _json,
    sql.JSONB: _json,
    sql.NUMERIC: _number,
}
