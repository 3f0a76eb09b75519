"""User SQL that may run: one query that only reads, as two parsers see it.

What runs is rendered from PostgreSQL's own parse tree, so comments, encodings and dialect tricks of the text given
do not reach the server. The guard is the first of several walls: roles, read-only transactions and timeouts stand
behind it (SAFETY, section 4).
"""

from collections.abc import Collection

import sqlglot
from pglast import ast, parser
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dataops_defs.adapters.sql.tree import Refused, Rules, Table
from dataops_defs.errors import FieldProblem, UnsafeQuery

MAX_BYTES = 64 * 1024
MAX_NESTING = 30
MAX_JOINTS = 4_000
_FLAT_TOKENS = frozenset({"IDENT", "UIDENT", "ICONST", "FCONST", "SCONST", "USCONST", "ASCII_44"})
_WRITES = (
    exp.DML,
    exp.Merge,
    exp.DDL,
    exp.Command,
    exp.Into,
    exp.Lock,
    exp.Create,
    exp.Drop,
    exp.Alter,
    exp.Set,
    exp.Transaction,
    exp.Commit,
    exp.Rollback,
    exp.Copy,
)


def check_query(
    sql: str,
    *,
    allowed_functions: Collection[str] = frozenset(),
    allowed_schemas: Collection[str] | None = None,
    field: str = "query",
) -> str:
    """The query as it may run, rendered from its parse tree, without comments and without a semicolon.

    Args:
        allowed_functions: user-defined functions, lower case; ``schema.name`` for one that is called with its schema.
        allowed_schemas: schemas whose tables may be read (``public`` stands for tables without one); None leaves
            that to the grants of the role. System schemas are never open.
        field: the request field that a refusal names.
    Raises:
        UnsafeQuery: with one reason.
    """
    rules = Rules(frozenset(allowed_functions), allowed_schemas)
    try:
        return _checked(sql, rules)
    except Refused as refused:
        message = f"this query may not run: {refused}"
        raise UnsafeQuery(f"{field}: {message}", [FieldProblem(field, message)]) from None


def tables_of(sql: str) -> list[Table]:
    """Tables that a query reads, ``(schema or None, table)``, each once; names of WITH queries are left out.

    Raises:
        UnsafeQuery: the query could not run either; user-defined functions are not looked at.
    """
    rules = _AnyFunction()
    try:
        _checked(sql, rules)
    except Refused as refused:
        raise UnsafeQuery.field("query", f"this query may not run: {refused}") from None
    return sorted(rules.tables, key=lambda table: (table[0] or "", table[1]))


class _AnyFunction(Rules):
    def _check_function(self, node: ast.FuncCall) -> None:
        """Reading table names runs nothing."""


def _checked(sql: str, rules: Rules) -> str:
    _check_size(sql)
    statement = _parsed(sql)
    rules.walk(statement)
    _second_opinion(sql)
    return _rendered(sql, statement)


def _check_size(sql: str) -> None:
    """Bounds that keep both parsers, which recurse, off the end of their stacks."""
    if "\x00" in sql:
        raise Refused("it holds a NUL character")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise Refused("it is not valid UTF-8") from None
    if size > MAX_BYTES:
        raise Refused(f"it is longer than {MAX_BYTES // 1024} KB")
    joints = depth = 0
    for token in _tokens(sql):
        joints += token not in _FLAT_TOKENS
        depth += (token in ("ASCII_40", "ASCII_91", "CASE")) - (token in ("ASCII_41", "ASCII_93", "END_P"))
        if depth > MAX_NESTING:
            raise Refused(f"it is nested deeper than {MAX_NESTING} levels")
    if joints > MAX_JOINTS:
        raise Refused("it is too complex; split it")


def _tokens(sql: str) -> list[str]:
    try:
        return [token.name for token in parser.scan(sql)]
    except parser.ParseError as error:
        raise Refused(f"PostgreSQL cannot parse it ({_first(error)})") from None


def _parsed(sql: str) -> ast.SelectStmt:
    try:
        statements = parser.parse_sql(sql)
    except (parser.ParseError, RecursionError) as error:
        raise Refused(f"PostgreSQL cannot parse it ({_first(error)})") from None
    if len(statements) != 1:
        raise Refused("it must be one statement" if statements else "it is empty")
    statement = statements[0].stmt
    if not isinstance(statement, ast.SelectStmt):
        raise Refused("it must be a SELECT")
    return statement


def _second_opinion(sql: str) -> None:
    """A second parser must see one query without anything that writes or locks."""
    try:
        found = [each for each in sqlglot.parse(sql, read="postgres") if each is not None]
        agreed = len(found) == 1 and isinstance(found[0], exp.Query) and not any(found[0].find_all(*_WRITES))
    except (SqlglotError, RecursionError, ValueError):
        raise Refused("it could not be read with certainty; write it more simply") from None
    if not agreed:
        raise Refused("it must be one SELECT that only reads")


def _rendered(sql: str, statement: ast.SelectStmt) -> str:
    try:
        text = str(parser.deparse_protobuf(parser.parse_sql_protobuf(sql)))
        same = parser.parse_sql(text)[0].stmt == statement
    except (parser.ParseError, parser.DeparseError, RecursionError):
        same = False
    if not same:
        raise Refused("it could not be read with certainty; write it more simply")
    return text


def _first(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return str(said).splitlines()[0][:200] if said else type(error).__name__
