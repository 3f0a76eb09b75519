"""The transforms of a mapping over the rows of a batch: compiled where that is proven, else in the engine."""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from dataops_defs.adapters.javascript.engine import JavaScriptEngine, TransformProblem
from dataops_defs.adapters.masks import any_of, places
from dataops_defs.adapters.shaping.made import Made, of_values
from dataops_defs.adapters.shaping.rows import Rows
from dataops_defs.adapters.transforms.compiled import CompiledTransform
from dataops_defs.adapters.transforms.syntax import Oversized, Unsupported
from dataops_defs.domain.transform import Transform, needs_row


class Transformer:
    """The transforms of one mapping and run; the engine is started when a row first needs it.

    Raises (on entering):
        InvalidTransform, DependencyUnavailable: as `JavaScriptEngine`.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self._transforms = [each for each in transforms if each.expression is not None]
        self._engine = JavaScriptEngine(self._transforms)
        self._compiled = {each.property: _compiled(each.expression or "") for each in self._transforms}
        # Types that a compiled transform did not take; columns keep theirs from batch to batch.
        self._refused: set[tuple[str, pa.DataType]] = set()

    def __enter__(self) -> Self:
        if None in self._compiled.values():
            self._engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()

    @property
    def engine_runs(self) -> bool:
        """Whether the engine was needed so far."""
        return self._engine.worker_pid is not None

    def run(self, rows: Rows, sources: Mapping[str, Made]) -> tuple[dict[str, Made], list[TransformProblem]]:
        """The results by property, and the rows that a transform could not do, in their order."""
        made: dict[str, Made] = {}
        unsure: dict[str, list[int]] = {}
        for each in self._transforms:
            found = self._tried(each, rows, sources[each.source_column])
            if found is not None:
                made[each.property], unsure[each.property] = found
        wholly = [each.property for each in self._transforms if each.property not in made]
        done, problems = self._in_engine(wholly, rows, sources, range(len(rows)))
        made.update({name: of_values(values) for name, values in done.items()})
        for name, some in unsure.items():
            if some:
                done, more = self._in_engine([name], rows, sources, some)
                made[name] = made[name].spliced(some, done[name])
                problems += more
        order = {each.property: at for at, each in enumerate(self._transforms)}
        problems.sort(key=lambda problem: (problem.row, order[problem.property]))
        return made, problems

    def _tried(self, transform: Transform, rows: Rows, source: Made) -> tuple[Made, list[int]] | None:
        """The compiled result and its unsure rows; None where the engine has to do all of them."""
        compiled = self._compiled[transform.property]
        refusal = (transform.property, source.array.type)
        if compiled is None or refusal in self._refused or len(source.odd) > len(rows) // 2:
            return None
        try:
            result = compiled.run(source.array, lambda name: _cells(rows, name))
        except (Oversized, pa.ArrowInvalid):  # a value that Arrow does not take is left to the engine as well
            return None
        except Unsupported:
            self._refused.add(refusal)
            return None
        scripted = pa.types.is_floating(result.array.type)
        return Made(result.array, scripted=scripted), places(any_of(result.unsure, source.apart))

    def _in_engine(
        self, properties: Sequence[str], rows: Rows, sources: Mapping[str, Made], some: Sequence[int]
    ) -> tuple[dict[str, list[Any]], list[TransformProblem]]:
        if not properties or not some:
            return {name: [] for name in properties}, []
        wanted = [each for each in self._transforms if each.property in properties]
        columns = _columns(wanted, rows, sources, some)
        done = self._engine.run(columns, len(some), only=properties, row=rows.names)
        problems = [TransformProblem(some[each.row], each.property, each.message) for each in done.problems]
        return {name: list(values) for name, values in done.columns.items()}, problems


def _compiled(expression: str) -> CompiledTransform | None:
    try:
        return CompiledTransform(expression)
    except Unsupported:
        return None


def _cells(rows: Rows, name: str) -> pa.Array | None:
    if name not in rows.names:
        return None
    column = rows.column(name)
    if column.odd:
        raise Unsupported
    return column.array


def _columns(
    transforms: Collection[Transform], rows: Rows, sources: Mapping[str, Made], some: Sequence[int]
) -> dict[str, list[Any]]:
    """What the engine has to see of some rows."""
    found = {each.source_column: sources[each.source_column] for each in transforms}
    if any(needs_row(each.expression or "") for each in transforms):
        found.update({name: rows.column(name) for name in rows.names})
    whole = len(some) == len(rows)
    return {name: (column if whole else column.take(some)).values() for name, column in found.items()}
