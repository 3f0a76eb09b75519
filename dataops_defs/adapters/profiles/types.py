"""PostgreSQL's types, as far as their values may be keys: what they are compared with, and as which text."""

from dataclasses import dataclass

from psycopg2 import sql

from dataops_defs.matching.relationships.profiles import Family

# Text that is the same exactly where the values are equal, also between the types of one family.
_TEXTS = {
    "plain": sql.SQL("{}::text"),
    "number": sql.SQL("trim_scale({}::numeric)::text"),
    "moment": sql.SQL("trim_scale(extract(epoch FROM {}))::text"),
    "caseless": sql.SQL("lower({}::text)"),
}
_KNOWN = {
    **dict.fromkeys(("int2", "int4", "int8"), (Family.NUMBER, "plain")),
    **dict.fromkeys(("numeric", "float4", "float8"), (Family.NUMBER, "number")),
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), (Family.TEXT, "plain")),
    "citext": (Family.TEXT, "caseless"),
    "uuid": (Family.UUID, "plain"),
    "date": (Family.DATE, "plain"),
    **dict.fromkeys(("timestamp", "timestamptz"), (Family.MOMENT, "moment")),
    **dict.fromkeys(("inet", "cidr", "macaddr", "macaddr8", "oid", "char"), (Family.OTHER, "plain")),
}
# Texts that other types write themselves: a text column of nothing else may refer to them.
_WRITES = {**dict.fromkeys(("int2", "int4", "int8"), Family.NUMBER), "uuid": Family.UUID}
READ_AS = {
    Family.NUMBER: "^(?:0|-?[1-9][0-9]{0,17})$",
    Family.UUID: "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
}
LONGEST_READ = 36
FRACTIONS = frozenset({"numeric", "float4", "float8"})
ENUM = "e"
DAY_SECONDS = 86400


@dataclass(frozen=True)
class ColumnType:
    """A column as the database describes it; ``base`` and ``kind`` are those below all domains."""

    name: str
    shown: str
    base: str
    kind: str

    @property
    def family(self) -> Family | None:
        """What its values may be compared with; None where they are no keys."""
        if self.kind == ENUM:
            return Family.OTHER
        known = _KNOWN.get(self.base)
        return known[0] if known else None

    @property
    def why_not(self) -> str:
        """Why its values are not compared."""
        if self.base == "bool":
            return "true and false are no keys"
        return f"values of type {self.shown} are not compared"

    @property
    def writes(self) -> Family | None:
        """What its values as text read as by their type alone; of a text, only the values themselves can tell."""
        return _WRITES.get(self.base)

    @property
    def may_have_fractions(self) -> bool:
        """Whether it takes a look at the values to know that they are whole."""
        return self.base in FRACTIONS

    def text(self) -> sql.Composed:
        """SQL of a value as text that is equal where values are."""
        how = _KNOWN[self.base][1] if self.base in _KNOWN else "plain"
        return _TEXTS[how].format(sql.Identifier(self.name))

    def lowest_and_highest(self) -> list[sql.Composed]:
        """SQL of the ends of its range as text: numbers as they are, moments in seconds, dates in days."""
        column = sql.Identifier(self.name)
        if self.family is Family.NUMBER:
            form = sql.SQL("{}({})::text")
        elif self.family in (Family.DATE, Family.MOMENT):
            seconds = DAY_SECONDS if self.family is Family.DATE else 1
            form = sql.SQL(f"(extract(epoch FROM {{}}({{}})) / {seconds})::text")
        else:
            return [sql.Composed([sql.SQL("NULL::text")])] * 2
        return [form.format(sql.SQL(end), column) for end in ("min", "max")]
