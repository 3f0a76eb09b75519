"""What an expression is made of, once it is parsed. Source: ECMA-262, section 13, "Expressions"."""

from dataclasses import dataclass


class Unsupported(Exception):
    """The expression, or the types it meets, are outside of what is proven: the JavaScript engine has to do it."""


class Oversized(Unsupported):
    """This batch would need too much memory; the engine, which has limits of its own, has to do it."""


class Node:
    """A part of an expression."""


@dataclass(frozen=True)
class Literal(Node):
    """A text, number, truth value, or None for null."""

    value: str | float | bool | None


@dataclass(frozen=True)
class Undefined(Node):
    """The word ``undefined``."""


@dataclass(frozen=True)
class Source(Node):
    """``value``: the cell."""


@dataclass(frozen=True)
class Cell(Node):
    """``row.name`` or ``row["name"]``."""

    name: str


@dataclass(frozen=True)
class Unary(Node):
    """``!a``, ``-a``, ``+a``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """Comparison and arithmetic: both sides are always evaluated."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Logical(Node):
    """``&&``, ``||``, ``??``: the right side only where it is needed."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Choice(Node):
    """``test ? yes : no``."""

    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True)
class Template(Node):
    """A template literal: texts and expressions in turn, joined as text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Member(Node):
    """``object.name`` or, with arguments, ``object.name(…)``; ``optional`` for ``?.``."""

    object: Node
    name: str
    arguments: tuple[Node, ...] | None
    optional: bool = False


@dataclass(frozen=True)
class Chain(Node):
    """Members of which some are optional: undefined as a whole where one of those has no object."""

    members: Node


@dataclass(frozen=True)
class Call(Node):
    """A function by its name, such as ``parseInt`` or ``Math.floor``."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class NewDate(Node):
    """``new Date(argument)``."""

    argument: Node


@dataclass(frozen=True)
class Joined(Node):
    """``[a, b, …].join(separator)``."""

    items: tuple[Node, ...]
    separator: str
