"""A query in MySQL's binary protocol: numbers and times arrive as such, not as text that has lost digits.

A prepared statement is one statement, whatever its text holds. PyMySQL speaks the text protocol only; its connection
carries ours. Source: MySQL 8.4 Internals, "Prepared Statements".
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pymysql.constants import CR
from pymysql.err import OperationalError, raise_mysql_exception
from pymysql.protocol import FieldDescriptorPacket

from dataops_defs.adapters.sources.mysql.types import MysqlColumn
from dataops_defs.errors import Invalid, SourceError

BLOCK_BYTES = 4 * 1024 * 1024
READ_BYTES = 256 * 1024
MAX_ROW_BYTES = 128 * 1024 * 1024
PADDING = 16
"""So many bytes after the last row may be looked at."""
_PREPARE = 0x16
_EXECUTE = 0x17
_HEADER = 4
_FULL = 0xFFFFFF
_END = 0xFE
_ERROR = 0xFF
_LENGTH: Final = struct.Struct("<I").unpack_from

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole rows as they were sent: row i is ``data[starts[i]:ends[i]]``. Valid until the next block is asked for."""

    data: Bytes
    starts: Places
    ends: Places


class Statement:
    """A prepared query: its columns are known before it runs. ``running`` from then on until its last row has come."""

    def __init__(self, connection: Any, query: str) -> None:
        """Prepare it.

        Raises:
            pymysql.err.MySQLError: the server refused, or the connection was lost; so do the others.
            Invalid: it returns no columns.
        """
        self._connection = connection
        self.running = False
        # PyMySQL has no public form of these two commands; its version is pinned.
        connection._execute_command(_PREPARE, query)
        answer = connection._read_packet().get_all_data()
        self._id, columns, parameters = struct.unpack_from("<IHH", answer, 1)
        self._described(parameters)
        self.columns = self._described(columns)
        if not self.columns:
            raise Invalid.field("extraction.query", "returns no columns")

    def execute(self) -> None:
        """Run it until it has rows; ``columns`` are then theirs, whatever was done to the table meanwhile."""
        self.running = True
        self._connection._execute_command(_EXECUTE, struct.pack("<IBI", self._id, 0, 1))
        self.columns = self._described(self._connection._read_packet().read_length_encoded_integer())

    def rows(self) -> Iterator[Block]:
        """Its rows in blocks, as they arrive.

        Raises:
            SourceError: a row is longer than MAX_ROW_BYTES.
        """
        yield from _Packets(self._connection._rfile).blocks()
        self.running = False

    def _described(self, count: int) -> list[MysqlColumn]:
        found = [MysqlColumn.of(self._connection._read_packet(FieldDescriptorPacket)) for _ in range(count)]
        if count:
            self._connection._read_packet()
        return found


class _Packets:
    """Cuts what arrives into rows; ``at`` is where the next packet begins, ``have`` where the bytes end."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._buffer = bytearray(BLOCK_BYTES + PADDING)
        self._have = self._at = 0
        self._starts: list[int] = []
        self._ends: list[int] = []

    def blocks(self) -> Iterator[Block]:
        ended = False
        while not ended:
            self._receive()
            ended = self._cut()
            if ended or self._is_full():
                yield from self._block()
            if not ended and self._is_full():
                self._go_on()

    def _receive(self) -> None:
        room = len(self._buffer) - PADDING - self._have
        # Not readinto1, which waits for more although it has something to give.
        received = b""
        with suppress(OSError):
            received = self._file.read1(min(room, READ_BYTES))
        if not received:
            raise OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
        self._buffer[self._have : self._have + len(received)] = received
        self._have += len(received)

    def _is_full(self) -> bool:
        return self._have == len(self._buffer) - PADDING

    def _cut(self) -> bool:
        """Find the rows that are here as a whole; True after the last one."""
        buffer, at, have = self._buffer, self._at, self._have
        while at + _HEADER < have:
            size = _LENGTH(buffer, at)[0] & _FULL
            begin = at + _HEADER
            end = begin + size if size < _FULL else self._joined(at)
            if end is None or end > self._have:
                break
            have = self._have
            if buffer[begin] >= _END:
                _raise_error(bytes(buffer[begin:end]))
                return True
            self._starts.append(begin)
            self._ends.append(end)
            at = end
        self._at = at
        return False

    def _joined(self, at: int) -> int | None:
        """The end of a row in several packets, once it is here, without the headers between them."""
        headers = []
        end, size = at, _FULL
        while size == _FULL:
            if end + _HEADER > self._have:
                return None
            headers.append(end)
            size = _LENGTH(self._buffer, end)[0] & _FULL
            end += _HEADER + size
        if end > self._have:
            return None
        for header in reversed(headers[1:]):
            self._buffer[header : self._have - _HEADER] = self._buffer[header + _HEADER : self._have]
            self._have -= _HEADER
            end -= _HEADER
        return end

    def _block(self) -> Iterator[Block]:
        if self._starts:
            data = np.frombuffer(self._buffer, np.uint8)
            yield Block(data, np.array(self._starts, np.int64), np.array(self._ends, np.int64))

    def _go_on(self) -> None:
        """Keep what belongs to the next row, with room for the rest of it."""
        rest = self._buffer[self._at : self._have]
        room = BLOCK_BYTES if len(rest) < BLOCK_BYTES else 2 * len(rest)
        if len(rest) > MAX_ROW_BYTES:
            raise SourceError(f"a row is longer than {MAX_ROW_BYTES // 1024**2} MB; select less of it")
        if room + PADDING != len(self._buffer):
            self._buffer = bytearray(room + PADDING)
        self._buffer[: len(rest)] = rest
        self._at, self._have = 0, len(rest)
        self._starts, self._ends = [], []


def _raise_error(packet: bytes) -> None:
    if packet[0] == _ERROR:
        raise_mysql_exception(packet)
