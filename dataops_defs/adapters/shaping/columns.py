"""The properties of a mapping as whole columns: fitted and checked in Arrow, and which rows that does not prove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, mask_of, where
from dataops_defs.adapters.shaping.by_value import Root, objects_of, validator_of
from dataops_defs.adapters.shaping.checks import ANNOTATIONS, ColumnChecks
from dataops_defs.adapters.shaping.fitted import Fitted, filled, fitted
from dataops_defs.adapters.shaping.made import Made
from dataops_defs.domain.fitting import NATURAL, cannot_store, fit
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.schema_words import admits_null, resolved

# Of the words of a whole object only these; what others ask for the validator has to say of every object.
_OBJECT_WORDS = ANNOTATIONS | {"properties", "required", "$schema", "$id", "definitions", "additionalProperties"}
_TEXTS = {"text", "date", "timestamp with time zone"}


@dataclass(frozen=True)
class Proven:
    """The columns of a batch as they are stored; the rows in doubt have to be looked at one by one."""

    columns: dict[str, pa.Array]
    doubt: Mask


@dataclass(frozen=True)
class _Default:
    stored: Any
    seen: Any


class RootColumns:
    """Proves batches of one mapping."""

    def __init__(self, kind: ObjectType, roots: Sequence[Root]) -> None:
        self._roots = roots
        self._open = any(word not in _OBJECT_WORDS and not word.startswith("x-") for word in kind.schema)
        required = set(kind.schema.get("required", ()))
        self._open = self._open or not required <= {root.name for root in roots}
        needed = {name for name in required if not admits_null(kind.properties[name], kind.schema)}
        # An object without a key cannot be stored, whatever its schema says.
        self._required = {*needed, kind.key_field}
        self._checks = {
            root.name: ColumnChecks.of(resolved(kind.properties[root.name], kind.schema), root.column_type)
            for root in roots
            if root.plain
        }
        self._validators = {root.name: validator_of(kind, root.name, kind.properties[root.name]) for root in roots}
        self._defaults = {root.name: self._default(root) for root in roots if root.plain}

    def _default(self, root: Root) -> _Default | None:
        """The default of a property that is right, as a column holds it."""
        given = root.parts[0].mapping.default
        if given is None:
            return None
        (stored,) = fit([given], root.column_type)
        (seen,) = fit([stored], root.column_type)
        natural = {str} if root.column_type in _TEXTS else NATURAL.get(root.column_type, set())
        if type(seen) not in natural or self._validators[root.name].violations([{root.name: seen}]):
            return None
        if root.column_type != "numeric" and (root.unstorable([seen]) or cannot_store(seen, root.column_type)):
            return None
        return _Default(str(given), float(seen)) if root.column_type == "numeric" else _Default(seen, seen)

    def proven(self, values: Mapping[str, Made], rows: int) -> Proven:
        """The columns of a batch."""
        if self._open:
            return Proven({root.name: root.array([]) for root in self._roots}, everywhere(True, rows))
        columns, doubts = {}, []
        for root in self._roots:
            column = self._column(root, values) or self._by_value(root, values)
            columns[root.name] = column.stored
            doubts.append(column.doubt)
            if root.name in self._required:
                doubts.append(where(pc.is_null(column.stored)))
        return Proven(columns, any_of(*doubts))

    def _column(self, root: Root, values: Mapping[str, Made]) -> Fitted | None:
        checks = self._checks.get(root.name)
        column = fitted(values[root.name], root.column_type) if checks else None
        if column is None or checks is None:
            return None
        default = self._defaults[root.name]
        if default is not None:
            column = filled(column, default.stored, default.seen)
        elif root.parts[0].mapping.default is not None:
            column = column.doubting(where(pc.is_null(column.stored)))
        return column.doubting(checks.wrong(column.seen))

    def _by_value(self, root: Root, values: Mapping[str, Made]) -> Fitted:
        """One property value by value, where the others need not be."""
        stored, seen = root.made({part.name: values[part.name].values() for part in root.parts})
        objects = objects_of({root.name: seen}, len(seen))
        wrong = {each.index for each in self._validators[root.name].violations(objects)}
        fine = [None if row in wrong else value for row, value in enumerate(seen)]
        wrong.update(row for row, _ in root.unstorable(fine))
        for part in root.parts:
            wrong.update(values[part.name].problems)
            if pa.types.is_floating(values[part.name].array.type):
                finite = pc.fill_null(pc.is_finite(values[part.name].array), True)
                wrong.update(pc.indices_nonzero(pc.invert(finite)).to_pylist())
        array = root.array([None if row in wrong else value for row, value in enumerate(stored)])
        return Fitted(array, array, mask_of(wrong, len(seen)))
