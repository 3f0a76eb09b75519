"""The objects of one S3 bucket behind the interface of files anywhere: each is read as one version, or not at all.

Source: Amazon S3 API Reference, "GetObject" (If-Match, checksums) and "ListObjectsV2".
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, BytesIO, RawIOBase
from typing import Any, BinaryIO, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ResponseStreamingError as StreamingError

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.storage.bucket_errors import errors
from dataops_defs.adapters.storage.files import MAX_LOOKED_AT, Entry
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.spool import BLOCK, MAX_BYTES, spool
from dataops_defs.domain.connections import S3Connection
from dataops_defs.errors import SourceError, SourceUnavailable

CONNECT_SECONDS = 10
READ_SECONDS = 60
AT_ONCE = 8
REGION = "us-east-1"
_BROKEN_OFF = (HTTPClientError, StreamingError, IncompleteReadError, FlexibleChecksumError, OSError)
_MD5 = re.compile(r'"[0-9a-f]{32}"')


@dataclass(frozen=True)
class Patience:
    """How long the server is waited for: ``tries`` of each request and each body, with growing pauses in seconds."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS
    tries: int = 4
    pause: float = 0.5


@cache
def _definitions() -> Any:
    """What botocore reads of services from its files: it takes 0.1 s, and every session would read it again."""
    return botocore.session.get_session().get_component("data_loader")


def client_of(given: S3Connection, patience: Patience) -> Any:
    """A client with the connection's own credentials, or else the process's."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _definitions())
    config = Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries={"total_max_attempts": patience.tries, "mode": "standard"},
        # Servers at an address of their own seldom have a name for each bucket.
        s3={"addressing_style": "path"} if given.endpoint else None,
    )
    return session.create_client(
        "s3",
        region_name=given.region or session.get_config_variable("region") or REGION,
        endpoint_url=given.endpoint,
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token if given.access_key_id else None,
        config=config,
    )


@dataclass
class Bucket:
    """Keys are paths; what ends in a slash is a folder's marker and no file."""

    given: S3Connection
    patience: Patience = field(default_factory=Patience)
    max_bytes: int = MAX_BYTES
    line: HeldLine = field(default_factory=HeldLine)

    def __post_init__(self) -> None:
        with self._errors():
            self._s3 = client_of(self.given, self.patience)
        self._etags_are_md5 = True
        self._bodies: set[Any] = set()
        self.line.hold(self._end)

    @property
    def at_once(self) -> int:
        """As many as the client keeps connections for, but for some."""
        return AT_ONCE

    def entry(self, path: str) -> Entry | None:
        """The object of that key; a folder where there are only keys below it."""
        with self._errors():
            try:
                found = self._s3.head_object(Bucket=self.given.bucket, Key=path)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in ("404", "NoSuchKey", "NotFound"):
                    raise
            else:
                return Entry(path, found["ContentLength"], _etag(found))
            below = self._s3.list_objects_v2(Bucket=self.given.bucket, Prefix=f"{path}/", MaxKeys=1)
        return Entry(path, is_folder=True) if below.get("KeyCount") else None

    def entries(self, folder: str) -> Iterator[Entry]:
        """The objects and folders directly below a key."""
        yield from self._listed(f"{folder}/" if folder else "", "/")

    def matching(self, pattern: Glob) -> Iterator[Entry]:
        """The objects whose keys match."""
        listed = self._listed(pattern.literal, "" if pattern.recursive else "/")
        for looked_at, each in enumerate(listed):
            if looked_at >= MAX_LOOKED_AT:
                raise SourceError(f"more than {MAX_LOOKED_AT:,} keys begin with {pattern.literal}; name more of them")
            if not each.is_folder and pattern.matches(each.path):
                yield each

    def free_bytes(self, folder: str) -> int | None:
        """A bucket has no end."""
        return None

    def count(self, prefix: str, most: int) -> int:
        """How many objects have keys that begin so; ``most`` when there are as many or more."""
        with self._errors():
            found = self._s3.list_objects_v2(Bucket=self.given.bucket, Prefix=prefix, MaxKeys=most)
        return int(found.get("KeyCount", 0))

    @contextmanager
    def opened(self, entry: Entry, head: int | None = None, *, parts: bool = False) -> Iterator[BinaryIO]:
        """A copy of the object, or the object itself for its ``parts``."""
        if parts:
            with closing(_Parts(self, entry)) as raw:
                yield cast(BinaryIO, BufferedReader(raw, BLOCK))
            return
        size = entry.size if head is None else min(head, entry.size)
        with spool(size, entry.path, self.max_bytes) as file:
            self._copy(entry, size, file)
            file.seek(0)
            yield file

    def part(self, entry: Entry, start: int, size: int) -> bytes:
        """So many bytes of the object from there."""
        if size <= 0:
            return b""
        file = BytesIO()
        self._copy(entry, size, file, start)
        return file.getvalue()

    def _copy(self, entry: Entry, size: int, file: BinaryIO, start: int = 0) -> None:
        """Copy it until it is sound. Damage does not come twice alike; what does has an ETag that is no MD5."""
        digests: set[str] = set()
        for attempt in range(self.patience.tries):
            if attempt:
                self.line.rest(self.patience.pause * 2 ** (attempt - 1))
            try:
                with self._errors():
                    digest = self._body(entry, size, file, start)
            except _Damaged:
                continue
            if size < entry.size or not self._is_md5(entry) or digest == entry.mark.strip('"'):
                return
            if digest in digests:
                self._etags_are_md5 = False
                return
            digests.add(digest)
        raise SourceUnavailable(f"{entry.path} broke off or came damaged {self.patience.tries} times")

    def _body(self, entry: Entry, size: int, file: BinaryIO, start: int) -> str:
        """Write so many bytes of the body into the file from its beginning; returns its MD5."""
        file.seek(0)
        file.truncate()
        wanted = {"Bucket": self.given.bucket, "Key": entry.path, "IfMatch": entry.mark}
        if size < entry.size:
            wanted["Range"] = f"bytes={start}-{start + size - 1}"
        self.line.check()
        answer = self._s3.get_object(**wanted)
        if _etag(answer) != entry.mark:
            raise SourceError(f"{entry.path} changed while it was read")
        digest, written = hashlib.md5(usedforsecurity=False), 0
        with closing(answer["Body"]) as body:
            self._bodies.add(body)
            try:
                for block in iter(lambda: body.read(BLOCK), b""):
                    self.line.check()
                    file.write(block)
                    digest.update(block)
                    written += len(block)
            except _BROKEN_OFF as error:
                self.line.check()
                raise _Damaged from error
            finally:
                self._bodies.discard(body)
        if written != size:
            raise _Damaged
        return digest.hexdigest()

    def _end(self) -> None:
        for body in list(self._bodies):
            with suppress(Exception):
                body._raw_stream.shutdown()

    def _is_md5(self, entry: Entry) -> bool:
        return self._etags_are_md5 and _MD5.fullmatch(entry.mark) is not None

    def _listed(self, prefix: str, delimiter: str) -> Iterator[Entry]:
        with self._errors():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.given.bucket, Prefix=prefix, Delimiter=delimiter
            )
            for page in pages:
                self.line.check()
                yield from (_entry(each) for each in page.get("Contents", ()) if not each["Key"].endswith("/"))
                for each in page.get("CommonPrefixes", ()):
                    yield Entry(each["Prefix"].rstrip("/"), is_folder=True)

    def _errors(self) -> Any:
        return errors(self.given)


class _Parts(RawIOBase):
    """An object of which parts are read, each by a request of its own."""

    def __init__(self, bucket: Bucket, entry: Entry) -> None:
        super().__init__()
        self._bucket, self._entry, self._place = bucket, entry, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place."""
        self._place = offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._entry.size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the place where it is."""
        part = self._bucket.part(self._entry, self._place, min(len(buffer), self._entry.size - self._place))
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


class _Damaged(Exception):
    """A body that is not the object's; another try may give it."""


def _entry(listed: Mapping[str, Any]) -> Entry:
    return Entry(listed["Key"], listed["Size"], _etag(listed))


def _etag(told: Mapping[str, Any]) -> str:
    """An object's ETag in its quotes, which some servers leave out of their lists."""
    return '"{}"'.format(told["ETag"].strip('"'))
