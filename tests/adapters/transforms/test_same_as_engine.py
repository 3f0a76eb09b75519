"""What is compiled gives what the JavaScript engine gives: value by value, and no value for a row that throws."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.adapters.json_values import json_column
from dataops_defs.adapters.transforms.compiled import CompiledTransform
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import as_json
from dataops_defs.domain.transform import FUNCTIONS, Transform
from dataops_defs.errors import InvalidTransform
from tests.adapters.transforms.generated import COLUMNS, columns, expression, typed_expression

ROWS = 150


def compiled(expression: str, columns: dict[str, pa.Array], source: str) -> dict[int, Any]:
    """By row what was proven; nothing where all is left to the engine."""
    try:
        done = CompiledTransform(expression).run(columns[source], columns.get)
    except Unsupported:
        return {}
    unsure = [False] * len(done.array) if done.unsure is None else done.unsure.to_pylist()
    assert len(unsure) == len(done.array) == len(columns[source])
    return {row: value for row, value in enumerate(as_json(done.array)) if not unsure[row]}


def in_engine(transforms: Sequence[Transform], columns: dict[str, pa.Array]) -> Any:
    values = {name: json_column(column) for name, column in columns.items()}
    with JavaScriptEngine(transforms) as engine:
        return engine.run(values, ROWS)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


def differences(wanted: Sequence[tuple[str, str]], batch: dict[str, pa.Array]) -> Iterator[str]:
    transforms = [Transform(f"p{n}", source, text) for n, (source, text) in enumerate(wanted)]
    done = in_engine(transforms, batch)
    problems = {(each.property, each.row): each.message for each in done.problems}
    for n, (source, text) in enumerate(wanted):
        for row, value in compiled(text, batch, source).items():
            said = problems.get((f"p{n}", row))
            if said is not None or not same(value, done.columns[f"p{n}"][row]):
                cells = {name: batch[name][row].as_py() for name in batch if name == source or f"row.{name}" in text}
                yield f"{text} of {source} {cells}: compiled {value!r}, engine {said or done.columns[f'p{n}'][row]!r}"


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_expressions_of_the_grammar(seed: int) -> None:
    r = random.Random(seed)
    batch = columns(r, ROWS)
    drawn = [(r.choice(list(COLUMNS)), write(r)) for write in (expression, typed_expression) for _ in range(60)]
    assert list(differences(_compiling(drawn), batch)) == []


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_named_functions_on_every_type(seed: int) -> None:
    batch = columns(random.Random(seed), ROWS)
    assert list(differences([(source, name) for name in FUNCTIONS for source in batch], batch)) == []


def _compiling(drawn: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that JavaScript takes; whatever it refuses must not be read by us either."""
    refused: set[int] = set()
    try:
        with JavaScriptEngine([Transform(str(n), "v", text) for n, (_, text) in enumerate(drawn)]):
            pass
    except InvalidTransform as error:
        refused = {int(each.field) for each in error.fields}
    for n in refused:
        with pytest.raises((Unsupported, InvalidTransform)):
            CompiledTransform(drawn[n][1])
    return [each for n, each in enumerate(drawn) if n not in refused]
