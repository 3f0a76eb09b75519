import threading
from collections.abc import Iterator

import pytest

from dataops_defs.adapters.ahead import ahead
from dataops_defs.errors import SourceError


def count_to(last: int, seen: list[int]) -> Iterator[int]:
    for number in range(1, last + 1):
        seen.append(number)
        yield number


class TestRunningAhead:
    def test_everything_arrives_once_and_in_order(self):
        with ahead(count_to(1000, [])) as items:
            assert list(items) == list(range(1, 1001))

    def test_it_runs_no_further_ahead_than_it_may(self):
        made: list[int] = []
        with ahead(count_to(100, made), depth=2) as items:
            assert next(items) == 1
            threading.Event().wait(0.3)
            assert len(made) <= 5

    def test_an_error_comes_in_its_place(self):
        def breaks() -> Iterator[int]:
            yield 1
            raise SourceError("broke off")

        with ahead(breaks()) as items:
            assert next(items) == 1
            with pytest.raises(SourceError, match="broke off"):
                next(items)

    def test_a_reader_that_leaves_ends_the_thread(self):
        with ahead(count_to(10**9, [])) as items:
            next(items)
        assert not [each for each in threading.enumerate() if each.name == "ahead"]
