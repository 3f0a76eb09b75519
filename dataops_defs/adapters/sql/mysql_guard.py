"""User SQL that may run on MySQL and MariaDB: one query that only reads.

What runs are the user's own tokens without comments, not a text rendered from a parse tree: what a parser makes of
MySQL's dialect is not always the same query. The guard is the first of several walls, as for PostgreSQL: the login's
grants, read-only transactions and timeouts stand behind it.
"""

from collections.abc import Collection
from itertools import accumulate

from dataops_defs.adapters.sql.guard import check_shape, check_text, refusing, second_opinion
from dataops_defs.adapters.sql.mysql_functions import BUILT_IN
from dataops_defs.adapters.sql.mysql_tokens import Kind, Token, joined, tokens
from dataops_defs.adapters.sql.tree import Refused

SYSTEM_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
# Reserved words, so no column or table is called that without backticks.
_REASONS = {
    "into": "INTO writes files and variables",
    "outfile": "OUTFILE writes a file",
    "procedure": "PROCEDURE may not be used",
    "lock": "LOCK IN SHARE MODE locks rows",
    "update": "it holds an UPDATE or locks rows",
    "delete": "it holds a DELETE",
    "load": "it holds a LOAD",
    "call": "it holds a CALL",
    "current_user": "names of users may not be asked for",
    "current_role": "names of roles may not be asked for",
}
# Words that stand before a parenthesis without being called: keywords, and types of a CAST.
_KEYWORDS_AND_TYPES = """
    all and any as between binary by case char character columns cross dec decimal distinct div double else end escape
    except exists float from having in index inner int integer intersect interval is join key lateral left like limit
    minus mod natural nchar not numeric of offset on or outer over partition path regexp returning right rlike row rows
    select set signed some straight_join then time datetime timestamp union unsigned using values varbinary varchar
    when where with xor year against
"""
_NOT_CALLED = frozenset(_KEYWORDS_AND_TYPES.split())


def check_mysql_query(sql: str, *, allowed_functions: Collection[str] = frozenset(), field: str = "query") -> str:
    """The query as it may run, without comments and without a semicolon.

    Args:
        allowed_functions: user-defined functions, lower case; ``schema.name`` for one that is called with its schema.
        field: the request field that a refusal names.
    Raises:
        UnsafeQuery: with one reason.
    """
    with refusing(field):
        check_text(sql)
        found = _statement(tokens(sql))
        _check_nesting(found)
        _check_words(found)
        _check_functions(found, allowed_functions)
        made = joined(found)
        second_opinion(made, "mysql")
        return made


def _statement(found: list[Token]) -> list[Token]:
    """The tokens of the one statement, which is a query."""
    if found and found[-1].text == ";":
        found = found[:-1]
    if not found:
        raise Refused("it is empty")
    if any(each.text == ";" for each in found):
        raise Refused("it must be one statement")
    first = next((each for each in found if each.text != "("), found[0])
    if first.word not in ("select", "with"):
        raise Refused("it must be a SELECT")
    return found


def _check_nesting(found: list[Token]) -> None:
    steps = ((each.text == "(" or each.word == "case") - (each.text == ")" or each.word == "end") for each in found)
    check_shape(accumulate(steps), sum(_is_joint(each) for each in found))


def _is_joint(token: Token) -> bool:
    return token.word in _NOT_CALLED if token.kind is Kind.WORD else token.kind is Kind.SIGN and token.text not in ",."


def _check_words(found: list[Token]) -> None:
    for before, each, after in zip([None, *found], found, [*found[1:], None], strict=False):
        if each.kind is Kind.WORD and not each.text.isprintable():
            raise Refused("a name holds a sign that cannot be seen")
        if after is not None and after.text == "." and each.name in SYSTEM_SCHEMAS:
            raise Refused(f"system schema '{each.name}' may not be read")
        if before is not None and before.text == ".":
            continue
        if each.word in _REASONS:
            raise Refused(_REASONS[each.word])
        if each.word == "for" and after is not None and after.word == "share":
            raise Refused("FOR UPDATE and FOR SHARE lock rows")
        if each.word == "value" and after is not None and after.word == "for":
            raise Refused("sequences may not be used")


def _check_functions(found: list[Token], allowed: Collection[str]) -> None:
    for place in range(1, len(found)):
        called = found[place - 1]
        if found[place].text != "(" or called.name is None or _is_with_header(found, place):
            continue
        if place >= 3 and found[place - 2].text == ".":
            shown = f"{found[place - 3].name}.{called.name}"
            if shown not in allowed:
                raise Refused(f"function '{shown}' may not be used: functions are called without a schema")
        elif called.word not in _NOT_CALLED and called.name not in BUILT_IN and called.name not in allowed:
            raise Refused(f"function '{called.name}' may not be used")


def _is_with_header(found: list[Token], place: int) -> bool:
    """Whether this parenthesis lists the columns of a WITH query: ``name (column, …) AS (``."""
    at = place + 1
    while at + 1 < len(found) and found[at].name is not None and found[at + 1].text == ",":
        at += 2
    end = [each.text.lower() for each in found[at + 1 : at + 4]]
    return at < len(found) and found[at].name is not None and end == [")", "as", "("]
