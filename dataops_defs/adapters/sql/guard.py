"""User SQL that may run: one query that only reads, as two parsers see it.

What runs is rendered from PostgreSQL's own parse tree, so comments, encodings and dialect tricks of the text given
do not reach the server. The guard is the first of several walls: roles, read-only transactions and timeouts stand
behind it (SAFETY, section 4).
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate

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
    with refusing(field):
        return _checked(sql, rules)


def tables_of(sql: str) -> list[Table]:
    """Tables that a query reads, ``(schema or None, table)``, each once; names of WITH queries are left out.

    Raises:
        UnsafeQuery: the query could not run either; user-defined functions are not looked at.
    """
    rules = _AnyFunction()
    with refusing("query"):
        _checked(sql, rules)
    return sorted(rules.tables, key=lambda table: (table[0] or "", table[1]))


@contextmanager
def refusing(field: str) -> Iterator[None]:
    """What is refused inside is refused to the user, who named it in this field of the request."""
    try:
        yield
    except Refused as refused:
        message = f"this query may not run: {refused}"
        raise UnsafeQuery(f"{field}: {message}", [FieldProblem(field, message)]) from None


def check_text(sql: str) -> None:
    """Refuse what is no text that a server could be sent, or too much of it."""
    if "\x00" in sql:
        raise Refused("it holds a NUL character")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        raise Refused("it is not valid UTF-8") from None
    if size > MAX_BYTES:
        raise Refused(f"it is longer than {MAX_BYTES // 1024} KB")


def check_shape(depths: Iterable[int], joints: int) -> None:
    """Bounds that keep parsers, which recurse, off the end of their stacks.

    Args:
        depths: how deep the query is nested, token by token.
        joints: its tokens that are neither names nor constants nor commas.
    """
    if max(depths, default=0) > MAX_NESTING:
        raise Refused(f"it is nested deeper than {MAX_NESTING} levels")
    if joints > MAX_JOINTS:
        raise Refused("it is too complex; split it")


def second_opinion(sql: str, dialect: str) -> None:
    """A second parser must see one query without anything that writes or locks."""
    try:
        found = [each for each in sqlglot.parse(sql, read=dialect) if each is not None]
        agreed = len(found) == 1 and isinstance(found[0], exp.Query) and not any(found[0].find_all(*_WRITES))
    except (SqlglotError, RecursionError, ValueError):
        raise Refused("it could not be read with certainty; write it more simply") from None
    if not agreed:
        raise Refused("it must be one SELECT that only reads")


class _AnyFunction(Rules):
    def _check_function(self, node: ast.FuncCall) -> None:
        """Reading table names runs nothing."""


def _checked(sql: str, rules: Rules) -> str:
    check_text(sql)
    _check_tokens(sql)
    statement = _parsed(sql)
    rules.walk(statement)
    second_opinion(sql, "postgres")
    return _rendered(sql, statement)


def _check_tokens(sql: str) -> None:
    tokens = _tokens(sql)
    steps = (
        (token in ("ASCII_40", "ASCII_91", "CASE")) - (token in ("ASCII_41", "ASCII_93", "END_P")) for token in tokens
    )
    check_shape(accumulate(steps), sum(token not in _FLAT_TOKENS for token in tokens))


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
