"""An S3 bucket as a source: an object by its key, or all whose keys match a pattern as one result."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from dataops_defs.adapters.hosts import addresses_of
from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.files.source import FileSource
from dataops_defs.adapters.storage.bucket import Bucket, Patience
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.connections import S3Connection
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.source import Source

MAX_COUNTED = 1000


@dataclass(frozen=True)
class S3Source:
    """A bucket, or what lies below a prefix of it, which is taken as a folder: keys are named below it.

    Args:
        listed: an administrator named the endpoint's host; others must not be this machine itself.
        max_bytes: that are read of one object, packed or unpacked.
        during: told of each reading, which it may end.
    """

    source: Source
    listed: bool = True
    max_bytes: int = MAX_BYTES
    during: During = nullcontext
    patience: Patience = field(default_factory=Patience)

    def test(self) -> str:
        """List the keys."""
        prefix, bucket = self._prefix and f"{self._prefix}/", self._given.bucket
        with self._connected() as files:
            count = files.count(prefix, MAX_COUNTED)
        shown = f"{count} {'key' if count == 1 else 'keys'}" if count < MAX_COUNTED else f"{MAX_COUNTED} keys or more"
        return f"bucket {bucket} holds {shown}" + (f" below {prefix}" if prefix else "")

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows, of the first objects; columns and types are those that these show."""
        return self._files.preview(extraction, limit)

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows of all objects; they are copied before the first is given."""
        return self._files.read(extraction)

    @cached_property
    def _given(self) -> S3Connection:
        return S3Connection.of({**self.source.connection, **self.source.secrets})

    @property
    def _prefix(self) -> str:
        return self._given.prefix.strip("/")

    @property
    def _files(self) -> FileSource:
        place = f"s3://{self._given.bucket}/"
        return FileSource(self.source, self._connected, self._prefix, place, max_bytes=self.max_bytes)

    @contextmanager
    def _connected(self) -> Iterator[Bucket]:
        if self._given.endpoint and not self.listed:
            url = urlsplit(self._given.endpoint)
            addresses_of(url.hostname or "", url.port or 443, "connection.endpoint", listed=False, private=True)
        bucket = Bucket(self._given, self.patience, self.max_bytes)
        with self.during(bucket.line):
            yield bucket
