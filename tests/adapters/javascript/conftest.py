"""One way to say: these values, that transform."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from dataops_defs.adapters.javascript.engine import JavaScriptEngine, Limits, Transformed
from dataops_defs.domain.transform import FUNCTIONS, Transform

Apply = Callable[..., Transformed]


@pytest.fixture
def apply() -> Apply:
    """``apply(expression, values)`` runs one transform over one column ``v`` in an engine of its own."""

    def once(expression: str, values: Sequence[object], limits: Limits = Limits()) -> Transformed:
        with JavaScriptEngine([Transform("p", "v", expression)], limits) as engine:
            return engine.run({"v": values}, len(values))

    return once


@pytest.fixture(scope="module")
def shared() -> Iterator[Callable[[str, object], object]]:
    """``shared(function, value)``: a named function on one value; the message where it is a problem."""
    names = list(FUNCTIONS)
    with JavaScriptEngine([Transform(name, "v", name) for name in names]) as engine:

        def call(name: str, value: object) -> object:
            done = engine.run({"v": [value]}, 1)
            words = [problem.message for problem in done.problems if problem.property == name]
            return words[0] if words else done.columns[name][0]

        yield call
