"""SQL cut into tokens as MySQL and MariaDB cut it, in a session without ANSI_QUOTES and NO_BACKSLASH_ESCAPES.

Source: MySQL 8.4 Reference Manual, sections 11.1.1 "String Literals", 11.2 "Schema Object Names", 11.7 "Comments";
MariaDB Server Documentation, "Comment Syntax".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dataops_defs.adapters.sql.tree import Refused


class Kind(Enum):
    """What a token is. A word is a keyword, a name or a number; a name here is one between backticks."""

    BLANK = "blank"
    COMMENT = "comment"
    DIRECTIVE = "directive"
    TEXT = "text"
    NAME = "name"
    WORD = "word"
    SIGN = "sign"


@dataclass(frozen=True)
class Token:
    """A piece of the query; ``spaced`` says that a blank or a comment stood before it."""

    kind: Kind
    text: str
    spaced: bool = False

    @property
    def word(self) -> str | None:
        """The word, in lower case, that could be a keyword."""
        return self.text.lower() if self.kind is Kind.WORD else None

    @property
    def name(self) -> str | None:
        """What is named, in lower case, if this can be a name."""
        if self.kind is Kind.NAME:
            return self.text[1:-1].replace("``", "`").lower()
        return self.word


_TOKEN = re.compile(
    r"""
      (?P<blank> [ \t\n\v\f\r]+)
    | (?P<directive> /\*M?!|/\*\+)
    | (?P<comment> \#[^\n]*|--(?=[\x00-\x20\x7f]|\Z)[^\n]*|/\*.*?\*/)
    | (?P<text> '(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+")
    | (?P<name> `(?:[^`]|``)++`)
    | (?P<word> (?:\d+\.\d*|\.?\d+)(?:[eE][+-]?\d+)?(?![\w$])|[\w$]+)
    | (?P<sign> [-+*%=<>!~&|^(),.;]|/(?!\*))
    """,
    re.DOTALL | re.VERBOSE,
)


def tokens(sql: str) -> list[Token]:
    """The tokens of a query, without blanks and comments.

    Raises:
        Refused: a comment that MySQL would carry out, something unfinished, or a sign that no plain query has.
    """
    found: list[Token] = []
    spaced = False
    for each in _cut(sql):
        if each.kind is Kind.DIRECTIVE:
            raise Refused("comments that are carried out (/*! */) and hints (/*+ */) may not be used")
        if each.kind in (Kind.BLANK, Kind.COMMENT):
            spaced = True
            continue
        found.append(Token(each.kind, each.text, spaced))
        spaced = False
    return found


def joined(found: list[Token]) -> str:
    """The query of these tokens, as it was written but for blanks and comments."""
    return "".join(f" {each.text}" if each.spaced else each.text for each in found).strip()


def _cut(sql: str) -> Iterator[Token]:
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            raise Refused(_unknown(sql[at : at + 2]))
        yield Token(Kind(match.lastgroup), match[0])
        at = match.end()


def _unknown(text: str) -> str:
    if text == "/*":
        return "a comment has no end"
    if text[0] in "'\"`":
        return f"a text or name that begins with {text[0]} has no end"
    if text[0] == "@":
        return "variables may not be used"
    if text[0] == "?":
        return "it holds a parameter (?)"
    return f"the sign {text[0]!a} is not part of a plain query"
