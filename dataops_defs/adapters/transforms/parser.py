"""Reads the part of JavaScript's expressions that is compiled; whatever it reads, JavaScript reads the same way."""

import re
from collections.abc import Sequence

from dataops_defs.adapters.transforms.syntax import (
    Binary,
    Call,
    Cell,
    Chain,
    Choice,
    Joined,
    Literal,
    Logical,
    Member,
    NewDate,
    Node,
    Source,
    Template,
    Unary,
    Undefined,
    Unsupported,
)

DEEPEST = 60
MOST_PARTS = 150
# Longest first: what is not ours (``--``, ``=>``, ``**``, comments) must not be taken for two signs of ours.
_SIGNS = re.compile(
    r">>>=|===|!==|\*\*=|<<=|>>=|>>>|&&=|\|\|=|\?\?=|\.\.\.|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?![0-9])|\+\+|--|\*\*|<<|>>"
    r"|\+=|-=|\*=|/=|%=|&=|\|=|\^=|//|/\*|[-+*/%<>!?:()\[\],.`]"
)
_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NUMBER = re.compile(r"(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_$.\\])")
_TEXT = re.compile(r"'((?:[^'\\\r\n\u2028\u2029]|\\.)*)'|\"((?:[^\"\\\r\n\u2028\u2029]|\\.)*)\"")
_TEMPLATE_TEXT = re.compile(r"(?:[^`\\$\r]|\\.|\$(?!\{))*")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(0(?![0-9])|[^0-9ux\r\n\u2028\u2029])|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_WORDS: dict[str, Node] = {
    "value": Source(),
    "true": Literal(True),
    "false": Literal(False),
    "null": Literal(None),
    "undefined": Undefined(),
    "NaN": Literal(float("nan")),
    "Infinity": Literal(float("inf")),
}
_LEVELS = (
    ("===", "!==", "==", "!="),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)


def parse(source: str) -> Node:
    """The expression.

    Raises:
        Unsupported: it is no such expression, or one that is not compiled.
    """
    reader = _Reader(source)
    found = reader.expression()
    if reader.rest():
        raise Unsupported
    return found


class _Reader:
    """Recursive descent; each method reads one level of the grammar from where the reader stands."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth, self._parts = text, 0, 0, 0
        self._skip()

    def rest(self) -> bool:
        """Whether something is left."""
        return self._at < len(self._text)

    def expression(self) -> Node:
        """A conditional expression."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unsupported
        test = self._short_circuit()
        if self._takes("?"):
            yes = self.expression()
            self._expect(":")
            test = Choice(test, yes, self.expression())
        self._depth -= 1
        return test

    def _short_circuit(self) -> Node:
        left = self._binary(0)
        if self._sign() == "??":
            while self._takes("??"):
                left = Logical("??", left, self._binary(0))
            if self._sign() in ("&&", "||"):
                raise Unsupported
            return left
        left = self._and(left)
        while self._takes("||"):
            left = Logical("||", left, self._and(self._binary(0)))
        if self._sign() == "??":
            raise Unsupported
        return left

    def _and(self, left: Node) -> Node:
        while self._takes("&&"):
            left = Logical("&&", left, self._binary(0))
        return left

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._sign()) in _LEVELS[level]:
            self._expect(sign)
            left = Binary(sign, left, self._binary(level + 1))
        return left

    def _unary(self) -> Node:
        sign = self._sign()
        if sign not in ("!", "-", "+"):
            return self._members()
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unsupported
        self._expect(sign)
        found = Unary(sign, self._unary())
        self._depth -= 1
        return found

    def _members(self) -> Node:
        found, optional = self._primary(), False
        while (sign := self._sign()) in (".", "?."):
            self._count()
            self._expect(sign)
            optional = optional or sign == "?."
            name = self._name()
            arguments = self._arguments() if self._sign() == "(" else None
            found = Member(found, name, arguments, sign == "?.")
        if self._sign() in ("[", "(", "`"):
            raise Unsupported
        return Chain(found) if optional else found

    def _primary(self) -> Node:
        self._count()
        start = self._text[self._at : self._at + 1]
        if start in ("'", '"'):
            return Literal(self._quoted())
        if start.isdigit() or start == ".":
            return Literal(float(self._match(_NUMBER)[0]))
        if self._takes("("):
            found = self.expression()
            self._expect(")")
            return found
        if start == "`":
            return self._template()
        if start == "[":
            return self._joined()
        return self._word()

    def _count(self) -> None:
        """Long chains are deep trees."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise Unsupported

    def _word(self) -> Node:
        name = self._name()
        if name == "row":
            return Cell(self._column())
        if name == "new":
            if self._name() != "Date":
                raise Unsupported
            return NewDate(_only(self._arguments()))
        if name == "Math":
            self._expect(".")
            name = f"Math.{self._name()}"
        if self._sign() == "(":
            return Call(name, self._arguments())
        if name not in _WORDS:
            raise Unsupported
        return _WORDS[name]

    def _column(self) -> str:
        if self._takes("."):
            name = self._name()
        else:
            self._expect("[")
            name = self._quoted()
            self._expect("]")
        if name == "__proto__":
            raise Unsupported
        return name

    def _joined(self) -> Node:
        items = self._list("[", "]")
        self._expect(".")
        if self._name() != "join":
            raise Unsupported
        separator = _only(self._arguments())
        if not isinstance(separator, Literal) or not isinstance(separator.value, str):
            raise Unsupported
        return Joined(items, separator.value)

    def _arguments(self) -> tuple[Node, ...]:
        return self._list("(", ")")

    def _list(self, opening: str, closing: str) -> tuple[Node, ...]:
        self._expect(opening)
        found: list[Node] = []
        while not self._takes(closing):
            if found:
                self._expect(",")
            found.append(self.expression())
        return tuple(found)

    def _template(self) -> Node:
        parts: list[Node] = []
        self._at += 1
        while True:
            parts.append(Literal(_plain(self._match(_TEMPLATE_TEXT, skip=False)[0])))
            if self._text.startswith("${", self._at):
                self._at += 2
                self._skip()
                parts.append(self.expression())
                if not self._text.startswith("}", self._at):
                    raise Unsupported
                self._at += 1
            elif self._text.startswith("`", self._at):
                self._at += 1
                self._skip()
                return Template(tuple(parts))
            else:
                raise Unsupported

    def _quoted(self) -> str:
        found = self._match(_TEXT)
        return _plain(found[1] if found[1] is not None else found[2])

    def _name(self) -> str:
        return self._match(_NAME)[0]

    def _sign(self) -> str:
        found = _SIGNS.match(self._text, self._at)
        return found[0] if found else ""

    def _takes(self, sign: str) -> bool:
        if self._sign() != sign:
            return False
        self._at += len(sign)
        self._skip()
        return True

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise Unsupported

    def _match(self, pattern: re.Pattern[str], *, skip: bool = True) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise Unsupported
        self._at = found.end()
        if skip:
            self._skip()
        return found

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at


def _only(nodes: Sequence[Node]) -> Node:
    if len(nodes) != 1:
        raise Unsupported
    return nodes[0]


def _plain(text: str) -> str:
    """A literal's text without its escapes."""

    def one(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code:
            letter = chr(int(code, 16))
        elif found[3]:
            letter = _ESCAPED.get(found[3], found[3])
        else:
            raise Unsupported
        if "\ud800" <= letter <= "\udfff":
            raise Unsupported
        return letter

    return _ESCAPE.sub(one, text)
