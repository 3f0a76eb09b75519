"""One transform over batches of columns, as far as its results are proven to be JavaScript's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, where, where_not
from dataops_defs.adapters.transforms import moments, syntax, texts
from dataops_defs.adapters.transforms.cells import cells
from dataops_defs.adapters.transforms.functions import CALLED, NAMED
from dataops_defs.adapters.transforms.operators import BINARY, minus
from dataops_defs.adapters.transforms.parser import parse
from dataops_defs.adapters.transforms.syntax import Literal, Node, Unsupported
from dataops_defs.adapters.transforms.values import Empty, Kind, Value, chosen, number, refuse_beyond, text, truth
from dataops_defs.domain.transform import function_name, source_text

LONGEST_RESULT = 1_000_000
Columns = Callable[[str], pa.Array | None]
"""A column of the row by its name; None where the dataset has no such column."""


@dataclass(frozen=True)
class Result:
    """What a transform made of a batch.

    ``array`` is text, booleans or doubles; the doubles are JavaScript's numbers: those that are whole, and exact, are
    whole numbers in JSON. The ``unsure`` rows (None for none) have to be done by the engine.
    """

    array: pa.Array
    unsure: Mask


class CompiledTransform:
    """A transform that was read; whether it can be run depends on the types it meets."""

    def __init__(self, expression: str) -> None:
        """Read the transform.

        Raises:
            Unsupported: only the engine can do it.
            InvalidTransform: nobody can, see `function_name` and `source_text`.
        """
        self._function = function_name(expression)
        self._expression = None if self._function else parse(source_text(expression))

    def run(self, value: pa.Array, row: Columns) -> Result:
        """The results of a batch.

        Raises:
            Unsupported: not with columns of these types.
        """
        source = cells(value)
        if self._expression is None:
            return _result(NAMED[self._function or ""](source))
        return _result(_Evaluation(source, row).of(self._expression))


def _result(value: Value) -> Result:
    if value.kind is Kind.MOMENT:
        value = moments.iso_text(value)
    if value.kind is Kind.TEXT:
        value = value.doubting(where(pc.greater(pc.binary_length(value.array), LONGEST_RESULT)))
    if value.kind is Kind.NUMBER:
        finite = pc.is_finite(value.array)
        if where_not(finite) is not None:
            value = replace(value, array=pc.if_else(finite, value.array, None))
    return Result(value.array, value.unsure)


class _Evaluation:
    """An expression over one batch: each part gives a column."""

    def __init__(self, source: Value, row: Columns) -> None:
        self._source, self._row = source, row
        self._rows, self._bytes = len(source.array), 0
        self._by_type: dict[type[Node], Callable[..., Value]] = {
            Literal: self._literal,
            syntax.Undefined: lambda _node: Value(Kind.EMPTY, pa.nulls(self._rows), Empty.UNDEFINED),
            syntax.Source: lambda _node: self._source,
            syntax.Cell: self._cell,
            syntax.Unary: self._unary,
            syntax.Binary: lambda node: BINARY[node.operator](self.of(node.left), self.of(node.right)),
            syntax.Logical: self._logical,
            syntax.Choice: self._choice,
            syntax.Template: lambda node: texts.joined([text(self.of(part)) for part in node.parts], ""),
            syntax.Joined: self._joined,
            syntax.Chain: self._chain,
            syntax.Member: lambda node: self._member(node)[0],
            syntax.Call: self._call,
            syntax.NewDate: lambda node: moments.moment(self.of(node.argument)),
        }

    def of(self, node: Node) -> Value:
        """The values of a part.

        Raises:
            Unsupported: they are not proven; Oversized: the parts together need too much memory.
        """
        value = self._by_type[type(node)](node)
        self._bytes += value.array.nbytes
        refuse_beyond(self._bytes)
        return value

    def _literal(self, node: Literal) -> Value:
        if node.value is None:
            return Value(Kind.EMPTY, pa.nulls(self._rows))
        kind = {bool: Kind.TRUTH, float: Kind.NUMBER, str: Kind.TEXT}[type(node.value)]
        refuse_beyond(self._bytes + len(str(node.value)) * self._rows)
        return Value(kind, everywhere(pa.scalar(node.value, kind.value), self._rows), Empty.NEVER)

    def _cell(self, node: syntax.Cell) -> Value:
        column = self._row(node.name)
        return self.of(syntax.Undefined()) if column is None else cells(column)

    def _unary(self, node: syntax.Unary) -> Value:
        if node.operator == "!":
            test, unsure = self._test(node.operand)
            return Value(Kind.TRUTH, pc.invert(test), Empty.NEVER, unsure)
        operand = self.of(node.operand)
        return minus(operand) if node.operator == "-" else number(operand)

    def _test(self, node: Node) -> tuple[pa.Array, Mask]:
        """Whether a part is true, of whatever kinds it may be, and the rows that are unsure of it."""
        if isinstance(node, syntax.Logical) and node.operator != "??":
            left, unsure = self._test(node.left)
            right, more = self._test(node.right)
            if node.operator == "&&":
                return pc.and_(left, right), any_of(unsure, None if more is None else pc.and_(more, left))
            return pc.or_(left, right), any_of(unsure, None if more is None else pc.and_(more, pc.invert(left)))
        value = self.of(node)
        return truth(value), value.unsure

    def _logical(self, node: syntax.Logical) -> Value:
        left, right = self.of(node.left), self.of(node.right)
        if node.operator == "??":
            if left.nulls is None and left.kind is not Kind.EMPTY:
                return left
            found = chosen(pc.is_valid(left.array), replace(left, empty=Empty.NEVER), right)
        elif node.operator == "&&":
            found = chosen(truth(left), right, left)
        else:
            found = chosen(truth(left), replace(left, empty=Empty.NEVER), right)
        return found.doubting(left.unsure)

    def _choice(self, node: syntax.Choice) -> Value:
        test, unsure = self._test(node.test)
        return chosen(test, self.of(node.yes), self.of(node.no)).doubting(unsure)

    def _joined(self, node: syntax.Joined) -> Value:
        if not node.items:
            raise Unsupported
        parts = [self.of(each) for each in node.items]
        return texts.joined([_text_or_nothing(each) for each in parts], node.separator)

    def _chain(self, node: syntax.Chain) -> Value:
        found, skipped = self._member(node.members)
        return found if skipped is None else replace(found, empty=found.empty.joined(Empty.UNDEFINED))

    def _member(self, node: Node) -> tuple[Value, Mask]:
        """A member, and the rows in which an object that may be missing was."""
        if not isinstance(node, syntax.Member):
            return self.of(node), None
        base, skipped = self._member(node.object)
        if base.kind is Kind.EMPTY:
            raise Unsupported
        missing = base.nulls
        if node.optional and missing is not None:
            skipped = any_of(skipped, missing)
        # Nothing can be asked of null: JavaScript throws, and says so in its own words.
        thrown = where(pc.and_(missing, pc.invert(skipped))) if missing is not None and skipped is not None else missing
        found = _asked(base, node.name, node.arguments)
        return replace(found, empty=Empty.NEVER).doubting(base.unsure, thrown), skipped

    def _call(self, node: syntax.Call) -> Value:
        function = CALLED.get(node.name)
        if function is None:
            raise Unsupported
        arguments: Sequence[Node] = node.arguments
        if node.name == "parseInt" and len(arguments) == 2 and arguments[1] == Literal(10.0):
            arguments = arguments[:1]
        if len(arguments) != 1:
            raise Unsupported
        return function(self.of(arguments[0]))


def _asked(base: Value, name: str, arguments: Sequence[Node] | None) -> Value:
    if base.kind is Kind.TEXT and arguments is None and name == "length":
        return texts.length(base)
    if base.kind is Kind.TEXT and arguments is not None and name in texts.METHODS:
        return texts.METHODS[name](base, arguments)
    if base.kind is Kind.MOMENT and arguments == () and name in moments.METHODS:
        return moments.METHODS[name](base)
    if base.kind in (Kind.NUMBER, Kind.TRUTH) and arguments == () and name == "toString":
        shown = text(replace(base, empty=Empty.NULL))
        return replace(shown, array=shown.array if base.nulls is None else pc.if_else(base.nulls, None, shown.array))
    raise Unsupported


def _text_or_nothing(value: Value) -> Value:
    """As ``join`` writes it: nothing for null and undefined."""
    if value.kind is Kind.EMPTY:
        return Value(Kind.TEXT, everywhere("", len(value.array)), Empty.NEVER)
    shown = text(replace(value, empty=Empty.NULL))
    return shown if value.nulls is None else replace(shown, array=pc.if_else(value.nulls, "", shown.array))
