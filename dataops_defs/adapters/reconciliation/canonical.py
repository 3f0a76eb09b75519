"""One text for equal values of PostgreSQL, whatever server prints them: what hashes of two sides are made of.

Forms follow what a load keeps: numbers by value (1.0 is 1.00), text without the padding of ``character``, JSON by
content. Two columns whose types have nothing in common are compared by their text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from dataops_defs.domain.etl import SqlColumn

WHOLE = frozenset({"smallint", "integer", "bigint"})
FLOATS = frozenset({"real", "double precision"})
NUMERIC = "numeric"
JSON = frozenset({"json", "jsonb"})
TEXTS = frozenset({"text", "character varying", "character", "name", "citext"})
MOMENTS = ("date", "timestamp without time zone", "timestamp with time zone")
BYTES = "bytea"


@dataclass(frozen=True)
class Form:
    """How both sides print a column.

    Args:
        expression: SQL with ``{}`` for the column; its text is equal exactly where the values are.
        ordered: the type that the expression's values are put into ranges as; ``bytea``: as the bytes of their text,
            which all servers order alike.
    """

    expression: str = "{}::pg_catalog.text"
    ordered: str = BYTES

    def value(self, column: sql.Composable) -> sql.Composable:
        """The value, typed."""
        return sql.SQL(self.expression).format(column)

    def text(self, column: sql.Composable) -> sql.Composable:
        """The text of the value; NULL for NULL."""
        return sql.SQL("({})::pg_catalog.text").format(self.value(column))

    def place(self, column: sql.Composable) -> sql.Composable:
        """The value as it is put into ranges."""
        if self.ordered == BYTES:
            return utf8(self.text(column))
        return self.value(column)


TEXT = Form()


@dataclass(frozen=True)
class ComparedColumn:
    """A column that both sides have."""

    name: str
    form: Form


def form_of(source: str, target: str, *, json_as_text: bool = False) -> Form:
    """The form for a column that has these two types, as PostgreSQL names them."""
    left, right = family(source), family(target)
    both = {left, right}
    if both <= WHOLE:
        return Form("{}::bigint", "bigint")
    if both <= WHOLE | {NUMERIC, "money"}:
        return Form("trim_scale({}::numeric)", NUMERIC)
    if both <= FLOATS:
        return _float(both)
    if both <= JSON and not json_as_text:
        return Form("{}::jsonb")
    if both <= set(MOMENTS):
        return Form(f"{{}}::{right}", right)
    if both <= TEXTS and "character" in both:
        return Form("rtrim({}::pg_catalog.text, ' ')")
    return _own_form(left) if left == right else TEXT


def family(kind: str) -> str:
    """A type without its limits: ``timestamp(3) with time zone`` is ``timestamp with time zone``."""
    head, _, rest = kind.partition("(")
    return head + rest.partition(")")[2]


def alike(source: str, target: str) -> bool:
    """Whether values of the two types can be compared as more than their text."""
    left, right = family(source), family(target)
    return left == right or {left, right} <= TEXTS or form_of(source, target) != TEXT


def utf8(text: sql.Composable) -> sql.Composable:
    """The bytes of a text, the same on servers of any encoding."""
    return sql.SQL("convert_to({}, 'UTF8')").format(text)


def hashed(text: sql.Composable) -> sql.Composable:
    """The first 60 bits of a text's MD5, as a bigint."""
    return sql.SQL("('x' || left(md5({}), 15))::bit(60)::bigint").format(utf8(text))


def listed(texts: Sequence[sql.Composable]) -> sql.Composable:
    """One array of texts: quoted by PostgreSQL so that no two lists print alike, NULL apart from any text."""
    return sql.SQL("ARRAY[{}]::pg_catalog.text[]").format(sql.SQL(", ").join(texts))


def compared(source: Sequence[SqlColumn], target: Sequence[SqlColumn], *, json_as_text: bool) -> list[ComparedColumn]:
    """The columns of the source that the target has too."""
    types = {each.name: each.type for each in target}
    return [
        ComparedColumn(each.name, form_of(each.type, types[each.name], json_as_text=json_as_text))
        for each in source
        if each.name in types
    ]


def _float(both: set[str]) -> Form:
    # A load carries a real as its shortest text; adding 0 makes -0 what it equals.
    through = "::pg_catalog.text" if "real" in both else ""
    return Form(f"({{}}{through}::double precision + 0)", "double precision")


def _own_form(family_of_both: str) -> Form:
    if family_of_both == "interval":
        return Form("justify_interval({})")
    return Form("{}", "uuid") if family_of_both == "uuid" else TEXT
