"""SQL laid out for people to read: only white space differs. No tree is built: a thousand queries may be shown."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

FITS_A_LINE = 80
_QUERY = {TokenType.SELECT, TokenType.WITH, TokenType.VALUES}
_JOINING = {TokenType.LEFT, TokenType.RIGHT, TokenType.FULL, TokenType.INNER, TokenType.CROSS, TokenType.NATURAL}
_CLAUSE = {
    TokenType.SELECT,
    TokenType.FROM,
    TokenType.JOIN,
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.HAVING,
    TokenType.WINDOW,
    TokenType.UNION,
    TokenType.EXCEPT,
    TokenType.INTERSECT,
    TokenType.ORDER_BY,
    TokenType.LIMIT,
    TokenType.OFFSET,
    TokenType.FETCH,
}


@lru_cache(maxsize=5_000)
def laid_out(query: str) -> str:
    """A query that is one long line, a clause and a column on each line; any other as its author has laid it out."""
    if len(query) <= FITS_A_LINE or "\n" in query.strip():
        return query
    try:
        tokens = Postgres().tokenize(query)
    except SqlglotError:
        return query
    lines, begin = [], 0
    for place, indent in _breaks(tokens):
        lines.append(query[begin:place].strip())
        begin = place
        lines.append("\n" + "  " * indent)
    return "".join([*lines, query[begin:].strip()])


def _breaks(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Where lines begin, and how deep; within parentheses only where they hold a query."""
    clauses: list[TokenType | None] = [each.token_type for each in tokens[:1]]
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        kind = token.token_type
        if kind is TokenType.L_PAREN:
            holds_query = after is not None and after.token_type in _QUERY
            clauses.append(TokenType.L_PAREN if holds_query else None)
        elif kind is TokenType.R_PAREN:
            del clauses[max(1, len(clauses) - 1) :]
        elif clauses[-1] is not None and before is not None:
            deep = sum(each is not None for each in clauses) - 1
            if before.token_type is TokenType.COMMA and clauses[-1] is TokenType.SELECT:
                yield token.start, deep + 1
            elif _begins_clause(before, token, after):
                clauses[-1] = kind
                yield token.start, deep


def _begins_clause(before: Token, token: Token, after: Token | None) -> bool:
    if token.token_type in _JOINING:
        return after is not None and after.token_type in {TokenType.JOIN, TokenType.OUTER, *_JOINING}
    joined = before.token_type in {TokenType.OUTER, *_JOINING}
    return token.token_type in _CLAUSE and not (token.token_type is TokenType.JOIN and joined)
