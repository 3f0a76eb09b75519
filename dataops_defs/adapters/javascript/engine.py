"""Runs the transforms of one mapping over batches of columns, in a locked-in process of its own.

Rules for values (DECISIONS, point 29): the time zone is UTC; ``Date.now()`` and ``Math.random()`` are fixed per run;
NaN, Infinity and undefined become null, dates ISO text, BigInt an exact int; a thrown error, a function, a symbol, a
Map, a cyclic value or half of a surrogate pair is a problem of its row, and the other rows go on.
"""

import json
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NoReturn, Self

import orjson

from dataops_defs.adapters.javascript.asked import columns_used, compilable
from dataops_defs.adapters.javascript.process import WorkerDied, WorkerProcess
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import FieldProblem, InvalidTransform

MIB = 1024 * 1024
ROWS_PER_MESSAGE = 4096
MESSAGE_BYTES = 4 * MIB


@dataclass(frozen=True)
class Limits:
    """What transforms may use.

    ``seconds_per_row`` is CPU time, ``seconds_per_batch`` the wall-clock time after which an answer of the worker is
    no longer waited for. ``memory_bytes`` is what the engine may hold beside the rows, ``process_bytes`` all data
    memory of the worker. ``row_bytes`` is the longest row, as JSON. After ``cut_rows`` rows that ran out of time or
    memory the engine gives up: each costs up to three times ``seconds_per_row``.
    """

    seconds_per_row: float = 0.2
    seconds_per_batch: float = 15.0
    memory_bytes: int = 64 * MIB
    process_bytes: int = 192 * MIB
    row_bytes: int = 8 * MIB
    cut_rows: int = 20


@dataclass(frozen=True)
class TransformProblem:
    """A row that a transform could not do; ``row`` counts from 0 in the batch."""

    row: int
    property: str
    message: str


@dataclass
class Transformed:
    """A list of values per property, one per row (None where the row has a problem), and the problems by row."""

    columns: dict[str, list[object]]
    problems: list[TransformProblem] = field(default_factory=list)


class JavaScriptEngine:
    """The transforms of one mapping and run. Use it as a context manager, in one thread; or close it at the end, then
    the worker starts with the first row.

    Transforms without an expression are left out: the caller passes those values through.

    Raises (on entering or on the first ``run``):
        InvalidTransform: a text does not compile or names no known function; one problem per property.
        DependencyUnavailable: the worker cannot be started or locked in on this machine.
    """

    def __init__(self, transforms: Sequence[Transform], limits: Limits = Limits()) -> None:
        self._transforms = [each for each in transforms if each.expression is not None]
        self._limits = limits
        self._settings = {
            "seconds": limits.seconds_per_row,
            "memory": limits.memory_bytes,
            "now": int(time.time() * 1000),
            "seed": random.getrandbits(31),
            "transforms": compilable(self._transforms),
        }
        self._worker: WorkerProcess | None = None
        self._loaded = b""
        self._rows_seen = 0
        self._cuts = 0

    def __enter__(self) -> Self:
        try:
            self._ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, while there is one."""
        return self._worker.pid if self._worker else None

    def run(
        self,
        columns: Mapping[str, Sequence[object]],
        rows: int,
        *,
        only: Collection[str] | None = None,
        row: Sequence[str] | None = None,
    ) -> Transformed:
        """Transform a batch.

        Args:
            columns: values by source column, each of length ``rows``: None, bool, int, float, str, list, dict; dates
                as ISO text, whole numbers beyond 2**53 and decimals as text.
            rows: number of rows.
            only: the properties whose transforms are wanted; None for all.
            row: the columns that ``row`` consists of; None for all.
        Raises:
            InvalidTransform: see the class; also a source column that is missing, a value that is no JSON, or more
                than ``cut_rows`` rows out of time or memory, which names the property.
        """
        wanted = {at: each for at, each in enumerate(self._transforms) if only is None or each.property in only}
        done = Transformed({each.property: [] for each in wanted.values()})
        if not wanted:
            return done
        used, names = columns_used(wanted.values(), columns, row)
        for start, stop, message in self._messages(used, names, 0, rows):
            if message is None:
                for each in wanted.values():
                    self._refuse(done, each, start, f"the row is longer than {self._limits.row_bytes:,} bytes")
            else:
                self._do_rows(done, wanted, message, start, stop - start)
        self._rows_seen += rows
        done.problems.sort(key=lambda problem: problem.row)
        return done

    def _messages(
        self, columns: Mapping[str, Sequence[object]], names: Sequence[str] | None, start: int, end: int
    ) -> Iterator[tuple[int, int, bytes | None]]:
        """The batch in portions of bounded size; None stands for a single row that is too long."""
        for at in range(start, end, ROWS_PER_MESSAGE):
            stop = min(at + ROWS_PER_MESSAGE, end)
            message = self._message(columns, names, at, stop)
            if len(message) <= MESSAGE_BYTES or (stop - at == 1 and len(message) <= self._limits.row_bytes):
                yield at, stop, message
            elif stop - at == 1:
                yield at, stop, None
            else:
                middle = (at + stop) // 2
                yield from self._messages(columns, names, at, middle)
                yield from self._messages(columns, names, middle, stop)

    def _message(
        self, columns: Mapping[str, Sequence[object]], names: Sequence[str] | None, start: int, stop: int
    ) -> bytes:
        part = {name: list(values[start:stop]) for name, values in columns.items()}
        batch = {
            "rows": stop - start,
            "first": (self._rows_seen + start) & 0x7FFFFFFF,
            "names": names,
            "columns": part,
        }
        try:
            return b"L" + orjson.dumps(batch)
        except TypeError as error:
            raise InvalidTransform(f"The rows hold a value that is no JSON value: {error}") from None

    def _do_rows(
        self, done: Transformed, wanted: Mapping[int, Transform], message: bytes, start: int, count: int
    ) -> None:
        self._loaded = b""
        for index, each in wanted.items():
            at, width = 0, count
            while at < count:
                stop = min(at + width, count)
                try:
                    answer = self._ask_for(message, index, at, stop)
                except WorkerDied:
                    # Which row it was is not known: row by row, the next one that ends the worker is.
                    if width == 1:
                        self._cut(done, each, start + at, self._too_long())
                        at += 1
                    width = 1
                    continue
                got = self._take(done, each, start, at, answer[1:])
                at += got
                if got == 0:
                    self._cut(done, each, start + at, self._reason(answer[:1]))
                    at += 1

    def _ask_for(self, message: bytes, index: int, at: int, stop: int) -> bytes:
        worker = self._ready()
        try:
            if self._loaded is not message:
                worker.ask(message, self._limits.seconds_per_batch)
                self._loaded = message
            return worker.ask(f"R{index} {at} {stop}".encode(), self._limits.seconds_per_batch)
        except WorkerDied:
            self._worker = None
            raise

    def _ready(self) -> WorkerProcess:
        """The living worker, or a new one that knows the transforms."""
        if self._worker is not None:
            return self._worker
        self._loaded = b""
        worker = self._worker = WorkerProcess(self._limits.process_bytes)
        try:
            answer = worker.ask(b"S" + orjson.dumps(self._settings), self._limits.seconds_per_batch)
        except WorkerDied:
            self._worker = None
            raise InvalidTransform("The transforms took too long to compile") from None
        if answer[:1] != b"=":
            self._refuse_all(orjson.loads(answer[1:]))
        return worker

    def _refuse_all(self, problems: Sequence[tuple[int, str]]) -> NoReturn:
        self.close()
        fields = [FieldProblem(self._transforms[index].property, _readable(words)) for index, words in problems]
        raise InvalidTransform(f"{fields[0].field}: {fields[0].message}", fields)

    def _take(self, done: Transformed, each: Transform, start: int, at: int, body: bytes) -> int:
        """Add the rows of an answer; the number of rows it held."""
        answer = orjson.loads(body)
        values: list[Any] = answer["values"]
        end = at + len(values)
        out = done.columns[each.property]
        out.extend(values)
        for row, text in answer["texts"]:
            if row < end:
                out[start + row] = json.loads(text)
        for row, words in answer["problems"]:
            if row < end:
                out[start + row] = None
                done.problems.append(TransformProblem(start + row, each.property, _readable(words)))
        return len(values)

    def _refuse(self, done: Transformed, each: Transform, row: int, message: str) -> None:
        done.columns[each.property].append(None)
        done.problems.append(TransformProblem(row, each.property, message))

    def _cut(self, done: Transformed, each: Transform, row: int, message: str) -> None:
        self._refuse(done, each, row, message)
        self._cuts += 1
        if self._cuts > self._limits.cut_rows:
            raise InvalidTransform.field(
                each.property, f"stopped after {self._cuts} rows that ran out of time or memory; last: {message}"
            )

    def _too_long(self) -> str:
        return f"took longer than {self._limits.seconds_per_row:g} s, or more memory than allowed"

    def _reason(self, status: bytes) -> str:
        if status == b"T":
            return f"took longer than {self._limits.seconds_per_row:g} s"
        return f"needed more than {self._limits.memory_bytes // MIB} MB of memory (or threw null)"


def check_expression(expression: str) -> None:
    """Compile a transform without running it.

    Raises:
        InvalidTransform: with the engine's words for a syntax error, or the known functions for an unknown one.
        DependencyUnavailable: as JavaScriptEngine.
    """
    with JavaScriptEngine([Transform("transform", "value", expression)]):
        pass


def _readable(words: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words[:300])
