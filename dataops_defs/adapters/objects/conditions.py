"""Conditions on objects as SQL: names are identifiers of the type's own columns, values are parameters."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from psycopg2 import sql

from dataops_defs.adapters.objects.columns import INDEXED_CHARACTERS, index_expression
from dataops_defs.domain.object_query import Condition, Operator
from dataops_defs.domain.object_type import ObjectTable

SYSTEM = {"_mappingId": "_mapping_id", "_runId": "_run_id", "_createdAt": "_created_at", "_updatedAt": "_updated_at"}
COMPARISONS = {
    Operator.EQ: "{} = {}",
    Operator.NE: "{} IS DISTINCT FROM {}",
    Operator.LT: "{} < {}",
    Operator.LE: "{} <= {}",
    Operator.GT: "{} > {}",
    Operator.GE: "{} >= {}",
    Operator.IN: "{} = ANY({})",
    Operator.CONTAINS: "{} ILIKE {}",
}
ARRAYS = {
    "string": "text[]",
    "any": "text[]",
    "integer": "numeric[]",
    "number": "numeric[]",
    "boolean": "boolean[]",
    "date": "date[]",
    "date-time": "timestamptz[]",
}
# What is inside an object may be of another type than its schema says by now: then it is compared as missing.
_TEXT = "CASE WHEN jsonb_typeof({0}) = 'string' THEN {0} #>> '{{}}' END"
_NUMBER = "CASE WHEN jsonb_typeof({0}) = 'number' THEN ({0} #>> '{{}}')::numeric END"
_TIME = r"CASE WHEN {0} #>> '{{}}' ~ '^\d{{4}}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d' THEN ({0} #>> '{{}}')::timestamptz END"
INSIDE = {
    "string": _TEXT,
    "date": r"CASE WHEN {0} #>> '{{}}' ~ '^\d{{4}}-\d\d-\d\d$' THEN ({0} #>> '{{}}')::date END",
    "date-time": _TIME,
    "integer": _NUMBER,
    "number": _NUMBER,
    "boolean": "CASE WHEN jsonb_typeof({0}) = 'boolean' THEN ({0} #>> '{{}}')::boolean END",
    "any": "{0} #>> '{{}}'",
}
# What a text inside an object is written otherwise for, when the object is written as a text.
ESCAPED = re.compile(r'["\\\x00-\x1f]')
TEXTS_INSIDE = (
    "EXISTS (SELECT FROM jsonb_path_query({0}, 'strict $.** ? (@.type() == \"string\")') v"
    " WHERE v #>> '{{}}' ILIKE {1})"
)


class Conditions:
    """Makes SQL of conditions on the columns that a table really has; ``values`` are its parameters."""

    def __init__(self, table: ObjectTable, present: Mapping[str, str]) -> None:
        self._table, self._present = table, present
        self.values: dict[str, Any] = {}

    def column(self, name: str) -> sql.Composable:
        """The column of a property; empty where objects were written before there was such a property."""
        if name in SYSTEM:
            return sql.SQL("_t.{}").format(sql.Identifier(SYSTEM[name]))
        if name not in self._present:
            return sql.SQL("NULL::" + self._table.columns[name])
        return sql.SQL("_t.{}").format(sql.Identifier(name))

    def parameter(self, value: Any) -> sql.Composable:
        """A placeholder for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)

    def sql_of(self, condition: Condition) -> sql.Composable:
        """One condition."""
        if condition.operator is Operator.NULL:
            return self._null(condition)
        if condition.kind == "array":
            return self._has(condition)
        found = self._operand(condition)
        if condition.operator is Operator.CONTAINS:
            return sql.SQL(COMPARISONS[Operator.CONTAINS]).format(found, self.parameter(like(condition.value)))
        made = sql.SQL(COMPARISONS[condition.operator]).format(found, self._values(condition))
        return sql.SQL("({} AND {})").format(self._beginning(condition), made) if self._by_index(condition) else made

    def search(self, text: str) -> sql.Composable:
        """Whether any text, the key, or any text inside an object or array holds the text."""
        wanted = self.parameter(like(text))
        tests = []
        for name, kind in self._table.columns.items():
            if kind == "text":
                tests.append(sql.SQL("{} ILIKE {}").format(self.column(name), wanted))
            elif name == self._table.key:
                tests.append(sql.SQL("{}::text ILIKE {}").format(self.column(name), wanted))
            elif kind == "jsonb" and name in self._present:
                inside = TEXTS_INSIDE if ESCAPED.search(text) else f"({{0}}::text ILIKE {{1}} AND {TEXTS_INSIDE})"
                tests.append(sql.SQL(inside).format(self.column(name), wanted))
        return sql.SQL("({})").format(sql.SQL(" OR ").join(tests)) if tests else sql.SQL("false")

    def _operand(self, condition: Condition) -> sql.Composable:
        column = self.column(str(condition.path[0]))
        if condition.nested or condition.kind == "any":
            return sql.SQL("(" + INSIDE[condition.kind] + ")").format(self._inside(condition))
        return column + sql.SQL("::text") if condition.path[0] in ("_mappingId", "_runId") else column

    def _inside(self, condition: Condition) -> sql.Composable:
        column = self.column(str(condition.path[0]))
        if not condition.nested:
            return column
        way = self.parameter([str(each) for each in condition.path[1:]])
        return sql.SQL("({} #> {}::text[])").format(column, way)

    def _null(self, condition: Condition) -> sql.Composable:
        test = sql.SQL("coalesce(jsonb_typeof({}), 'null') = 'null'" if condition.nested else "{} IS NULL")
        made = test.format(self._inside(condition))
        return made if condition.value else sql.SQL("NOT ({})").format(made)

    def _has(self, condition: Condition) -> sql.Composable:
        found = self._inside(condition)
        wanted = self.parameter(f"[{_json(condition.value)}]")
        return sql.SQL("coalesce(jsonb_typeof({0}) = 'array' AND {0} @> {1}::jsonb, false)").format(found, wanted)

    def _values(self, condition: Condition) -> sql.Composable:
        value = condition.value
        if condition.operator is not Operator.IN:
            return self.parameter(value)
        return sql.SQL("{}::" + ARRAYS[condition.kind]).format(self.parameter(value))

    def _by_index(self, condition: Condition) -> bool:
        whole = not condition.nested and condition.operator in (Operator.EQ, Operator.IN)
        name = str(condition.path[0])
        return whole and name in self._table.indexed and self._present.get(name) == "text"

    def _beginning(self, condition: Condition) -> sql.Composable:
        """The same of the beginnings of texts, which is what the index knows."""
        name = str(condition.path[0])
        several = condition.operator is Operator.IN
        values = [each[:INDEXED_CHARACTERS] for each in (condition.value if several else [condition.value])]
        return sql.SQL("{} = ANY({}::text[])").format(index_expression(name, "text"), self.parameter(values))


def like(text: str) -> str:
    """A pattern for texts that hold this one, whatever characters it has."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _json(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value)
