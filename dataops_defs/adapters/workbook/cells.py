"""Columns of a batch as the cells of sheet XML, a whole column at once. Source: ECMA-376 part 1, section 18.3.1.4."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.forms import Convert, Form, NumberForm, TextForm, TruthForm, rounded_words
from dataops_defs.adapters.workbook.texts import Changes, coded, fitted, odd_ones

_NOTHING = pa.scalar("", pa.string())
_SPACES = re.compile(r"^\s|\s$|\n")


@dataclass
class CellWriter:
    """Writes one column. ``letters`` name it, ``style`` is its format; it counts what could not stay as it was."""

    form: Form
    letters: str
    style: int
    text_style: int
    changes: Changes = field(default_factory=Changes)
    numbers_as_text: int = 0

    def cells(self, values: pa.Array, numbers: pa.Array) -> pa.Array:
        """The cells of plain values in the rows of those numbers; an absent value has none.

        Args:
            values: see `forms.plain`.
            numbers: of the rows, as text.
        """
        if isinstance(self.form, TextForm):
            return self._texts(self.form.words(values), numbers, self.style)
        if isinstance(self.form, TruthForm):
            return self._joined(numbers, ' t="b"><v>', pc.if_else(values, "1", "0"), "</v></c>", self.style)
        return self._numbers(self.form, values, numbers)

    def _numbers(self, form: NumberForm, values: pa.Array, numbers: pa.Array) -> pa.Array:
        beyond = pc.fill_null(form.beyond(values), False) if form.beyond else None
        count = pc.sum(beyond).as_py() if beyond is not None else None
        if not count:
            return self._joined(numbers, "><v>", self._fitting(form, values), "</v></c>", self.style)
        self.numbers_as_text += count
        known = pc.if_else(beyond, pa.scalar(None, values.type), values)
        cells = self._joined(numbers, "><v>", self._fitting(form, known), "</v></c>", self.style)
        words = self._texts(form.words(values.filter(beyond)), numbers.filter(beyond), self.text_style)
        return pc.replace_with_mask(cells, beyond, words)

    def _fitting(self, form: NumberForm, values: pa.Array) -> pa.Array:
        """Numbers in words of XML, with no more digits than Excel keeps."""
        self.changes.finer += _how_many(form.finer, values)
        self.changes.hidden += _how_many(form.hidden, values)
        words = form.numbers(values)
        long = form.long(values) if form.long else None
        count = pc.sum(long).as_py() if long is not None else None
        if not count:
            return words
        self.changes.rounded += count
        return pc.replace_with_mask(words, long, rounded_words(values.filter(long)))

    def _texts(self, texts: pa.Array, numbers: pa.Array, style: int) -> pa.Array:
        odd = pc.fill_null(odd_ones(texts), False)
        if not pc.any(odd).as_py():
            return self._inline(texts, numbers, style)
        changed = [fitted(each, self.changes) for each in texts.filter(odd).to_pylist()]
        texts = pc.replace_with_mask(texts, odd, pa.array([_element(each) for each in changed], pa.string()))
        whole = pc.if_else(odd, texts, pc.binary_join_element_wise("<t>", texts, "</t>", _NOTHING))
        return self._joined(numbers, ' t="inlineStr"><is>', whole, "</is></c>", style)

    def _inline(self, texts: pa.Array, numbers: pa.Array, style: int) -> pa.Array:
        return self._joined(numbers, ' t="inlineStr"><is><t>', texts, "</t></is></c>", style)

    def _joined(self, numbers: pa.Array, begin: str, content: pa.Array, end: str, style: int) -> pa.Array:
        head = pa.scalar(f'<c r="{self.letters}')
        return pc.binary_join_element_wise(head, numbers, pa.scalar(f'" s="{style}"{begin}'), content, end, _NOTHING)


def _how_many(test: Convert | None, values: pa.Array) -> int:
    return (pc.sum(test(values)).as_py() or 0) if test else 0


def row_xml(cells: Sequence[pa.Array], numbers: pa.Array) -> bytes:
    """The rows of those numbers, one after the other."""
    filled = [pc.fill_null(each, _NOTHING) for each in cells]
    rows = pc.binary_join_element_wise('<row r="', numbers, '">', *filled, "</row>", _NOTHING)
    offsets, content = rows.buffers()[1:3]
    ends = memoryview(offsets).cast("i")
    first, last = ends[rows.offset], ends[rows.offset + len(rows)]
    return memoryview(content)[first:last].tobytes()


def text_cell(letters: str, number: int, text: str, style: int, changes: Changes) -> str:
    """One cell with a text of anybody's."""
    return f'<c r="{letters}{number}" s="{style}" t="inlineStr"><is>{_element(fitted(text, changes))}</is></c>'


def _element(text: str) -> str:
    space = ' xml:space="preserve"' if _SPACES.search(text) else ""
    return f"<t{space}>{coded(text)}</t>"
