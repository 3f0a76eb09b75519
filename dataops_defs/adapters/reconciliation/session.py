"""Queries of a comparison: all of them together end within a limit."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from dataops_defs.errors import SourceError


class Deadline:
    """When a comparison must have ended, by the clock of this machine that never goes back."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left.

        Raises:
            SourceError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> SourceError:
        """What to say when it has passed."""
        return SourceError(
            f"Comparing source and target took longer than {self._seconds:g} s and was ended;"
            " narrow source_query, or allow more seconds"
        )


@dataclass(frozen=True)
class Session:
    """A transaction, and how long its queries may take."""

    connection: Any
    deadline: Deadline

    def rows(self, query: sql.Composable) -> list[tuple[Any, ...]]:
        """The rows of a query that gives few.

        Raises:
            SourceError: the time is over.
        """
        with self.connection.cursor() as cursor:
            milliseconds = max(int(self.deadline.left() * 1000), 1)
            try:
                cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                cursor.execute(query)
                return list(cursor.fetchall())
            except psycopg2.errors.QueryCanceled:
                raise self.deadline.over() from None
