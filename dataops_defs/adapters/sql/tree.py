"""The walk over PostgreSQL's own parse tree: what is allowed in a query, and which tables it reads.

Everything not named here is refused: statements, clauses and node types that PostgreSQL may add later too.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from pglast import ast, enums

from dataops_defs.adapters.sql.functions import BUILT_IN

Table = tuple[str | None, str]

_ALLOWED: tuple[type[ast.Node], ...] = (
    ast.RawStmt,
    ast.SelectStmt,
    ast.ResTarget,
    ast.ColumnRef,
    ast.A_Star,
    ast.RangeVar,
    ast.RangeSubselect,
    ast.RangeFunction,
    ast.RangeTableSample,
    ast.JoinExpr,
    ast.A_Const,
    ast.Integer,
    ast.Float,
    ast.String,
    ast.Boolean,
    ast.BitString,
    ast.A_Expr,
    ast.BoolExpr,
    ast.NullTest,
    ast.BooleanTest,
    ast.CaseExpr,
    ast.CaseWhen,
    ast.CoalesceExpr,
    ast.MinMaxExpr,
    ast.FuncCall,
    ast.TypeCast,
    ast.TypeName,
    ast.SubLink,
    ast.WithClause,
    ast.CommonTableExpr,
    ast.CTESearchClause,
    ast.CTECycleClause,
    ast.SortBy,
    ast.WindowDef,
    ast.Alias,
    ast.GroupingSet,
    ast.GroupingFunc,
    ast.A_ArrayExpr,
    ast.A_Indirection,
    ast.A_Indices,
    ast.RowExpr,
    ast.SQLValueFunction,
    ast.CollateClause,
    ast.NamedArgExpr,
    ast.ColumnDef,
)
_REASONS = {
    "IntoClause": "SELECT INTO writes a table",
    "LockingClause": "FOR UPDATE and FOR SHARE lock rows",
    "InsertStmt": "it holds an INSERT",
    "UpdateStmt": "it holds an UPDATE",
    "DeleteStmt": "it holds a DELETE",
    "MergeStmt": "it holds a MERGE",
    "ParamRef": "it holds a parameter ($1)",
    "XmlExpr": "XML functions may not be used",
    "XmlSerialize": "XML functions may not be used",
}
_CLOCKS = frozenset(
    getattr(enums.SQLValueFunctionOp, f"SVFOP_{name}{precision}")
    for name in ("CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP")
    for precision in ("", "_N")
) | {enums.SQLValueFunctionOp.SVFOP_CURRENT_DATE}
_SAMPLES = frozenset({"bernoulli", "system"})


class Refused(Exception):
    """Why a query may not run, in words that finish the sentence "this query may not run: …"."""


@dataclass
class Rules:
    """What a query may use beyond the built-in list. ``schemas`` None leaves it to the grants of the role."""

    functions: Collection[str] = frozenset()
    schemas: Collection[str] | None = None
    tables: list[Table] = field(default_factory=list)

    def walk(self, root: ast.Node) -> None:
        """Check every node below ``root`` and collect the tables; Refused at the first that may not be there.

        An own stack instead of recursion: the depth is the user's to choose.
        """
        waiting: list[tuple[ast.Node, frozenset[str]]] = [(root, frozenset())]
        while waiting:
            node, named = waiting.pop()
            self._check(node, named)
            waiting += _children(node, named)

    def _check(self, node: ast.Node, named: frozenset[str]) -> None:
        kind = type(node).__name__
        if type(node) not in _ALLOWED:
            raise Refused(_REASONS.get(kind, f"{kind} is not part of a plain query"))
        if isinstance(node, ast.RangeVar):
            self._check_table(node, named)
        elif isinstance(node, ast.FuncCall):
            self._check_function(node)
        elif isinstance(node, ast.TypeName):
            self._check_type(_strings(node.names))
        elif isinstance(node, (ast.A_Expr, ast.SubLink, ast.SortBy)):
            _check_operator(node)
        elif isinstance(node, ast.SQLValueFunction) and node.op not in _CLOCKS:
            raise Refused("names of users, databases and schemas may not be asked for")
        elif isinstance(node, ast.RangeTableSample) and _strings(node.method)[-1] not in _SAMPLES:
            raise Refused("TABLESAMPLE takes bernoulli or system")
        elif isinstance(node, ast.CollateClause) and len(_strings(node.collname)) > 1:
            self._check_schema(_strings(node.collname)[0])

    def _check_table(self, node: ast.RangeVar, named: frozenset[str]) -> None:
        schema, table = node.schemaname, node.relname or ""
        if node.catalogname:
            raise Refused("a table is named schema.table, without a database")
        if schema is None and table in named:
            return
        if schema is None and table.lower().startswith("pg_"):
            raise Refused(f"system table '{table}' may not be read")
        if schema is not None or self.schemas is not None:
            self._check_schema(schema or "public")
        if (schema, table) not in self.tables:
            self.tables.append((schema, table))

    def _check_schema(self, schema: str) -> None:
        if schema.lower().startswith("pg_") or schema.lower() == "information_schema":
            raise Refused(f"system schema '{schema}' may not be read")
        if self.schemas is not None and schema not in self.schemas:
            raise Refused(f"schema '{schema}' is not open to queries")

    def _check_function(self, node: ast.FuncCall) -> None:
        names = _strings(node.funcname)
        shown = ".".join(names)
        if shown in self.functions:
            return
        # EXTRACT, TRIM, AT TIME ZONE and the like arrive as pg_catalog functions.
        spelled = node.funcformat == enums.CoercionForm.COERCE_SQL_SYNTAX and names[0] == "pg_catalog"
        if len(names) > 1 and not spelled:
            raise Refused(f"function '{shown}' may not be used: functions are called without a schema")
        if names[-1] not in BUILT_IN:
            raise Refused(f"function '{shown}' may not be used")

    def _check_type(self, names: list[str]) -> None:
        if names[-1].lower().startswith("reg") or names[-1].lower() in ("xml", "refcursor"):
            raise Refused(f"a cast to {names[-1]} may not be used")
        if len(names) > 1 and names[0] != "pg_catalog":
            self._check_schema(names[0])


def _children(node: ast.Node, named: frozenset[str]) -> Iterator[tuple[ast.Node, frozenset[str]]]:
    """Nodes directly below, each with the names of the WITH queries it can see."""
    clause = getattr(node, "withClause", None)
    if clause is not None:
        below = set(named)
        queries = list(clause.ctes or ())
        everywhere = named | {each.ctename for each in queries}
        for query in queries:
            yield query, everywhere if clause.recursive else frozenset(below)
            below.add(query.ctename)
        named = everywhere
    for name in node:
        if name != "withClause":
            for child in _nodes(getattr(node, name)):
                yield child, named


def _nodes(value: object) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _nodes(each)


def _check_operator(node: ast.A_Expr | ast.SubLink | ast.SortBy) -> None:
    attribute = {"A_Expr": "name", "SubLink": "operName", "SortBy": "useOp"}[type(node).__name__]
    names = getattr(node, attribute)
    if len(_strings(names)) > 1:
        raise Refused("operators are written without a schema")


def _strings(names: object) -> list[str]:
    return [each.sval or "" for each in names if isinstance(each, ast.String)] if isinstance(names, tuple) else []
