"""An uploaded file on its way to a preview: kept as far as a preview needs it, and counted beyond."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Self

from starlette.concurrency import run_in_threadpool

from dataops_defs.adapters.preview.kinds import kind_of
from dataops_defs.adapters.preview.look import HEAD_BYTES, Content
from dataops_defs.adapters.storage.packing import packing_of
from dataops_defs.adapters.storage.spool import full_disks, spool
from dataops_defs.errors import DataOpsError

BLOCK = 1024 * 1024
LONGEST_NAME = 255


class Upload:
    """A nameless file of what was sent; the sender's name for it is nothing but text.

    Of text, which is shown by its beginning, only that is kept; ends of lines are counted to the end.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = ExitStack()
        self._waiting = bytearray()
        self._file: BinaryIO | None = None
        self._keeps_all = True
        self.name = ""
        self.size = self._kept = self._lines = 0

    def __enter__(self) -> Self:
        self._file = self._held.enter_context(spool(0, "the upload"))
        return self

    def __exit__(self, *_error: object) -> None:
        self._held.close()

    async def begin(self, name: str) -> None:
        """Its name, of which the last part counts: some browsers send a path."""
        plain = "".join(each for each in name if each.isprintable())
        self.name = plain.replace("\\", "/").rpartition("/")[2][:LONGEST_NAME] or "file"

    async def take(self, part: bytes) -> None:
        """The next bytes."""
        self._waiting += part
        if len(self._waiting) >= BLOCK:
            await self.finish()

    async def finish(self) -> None:
        """Keep or count what waits."""
        block, self._waiting = bytes(self._waiting), bytearray()
        await run_in_threadpool(self._take, block)

    def content(self) -> Content:
        """The file as a preview looks into it."""
        lines = None if self._kept == self.size else self._lines
        return Content(self.name, self.size, self._opened, lines, self._max_bytes)

    @contextmanager
    def _opened(self, _head: int | None) -> Iterator[BinaryIO]:
        assert self._file is not None  # noqa: S101 - it was entered
        self._file.seek(0)
        yield self._file

    def _take(self, block: bytes) -> None:
        assert self._file is not None  # noqa: S101 - it was entered
        self.size += len(block)
        self._lines += block.count(b"\n")
        if self._keeps_all or self._kept < HEAD_BYTES:
            with full_disks():
                self._file.write(block)
                self._file.flush()
            self._kept += len(block)
        if self.size == len(block):
            self._keeps_all = self._is_needed_whole(block)

    def _is_needed_whole(self, head: bytes) -> bool:
        assert self._file is not None  # noqa: S101 - it was entered
        try:
            return packing_of(self._file) is not None or not kind_of(head, self.name).has_head
        except DataOpsError:
            return False  # the preview will say what is wrong with it
