"""Raw copies in S3 or a server that speaks its protocol."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pyarrow import fs

from dataops_defs.adapters.storage.raw_copy import RawCopy
from dataops_defs.adapters.storage.s3_upload import S3Upload
from dataops_defs.errors import DataOpsError, DependencyUnavailable, NotFound

PREFIX = "s3://"
REGION = "us-east-1"
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NotFound"})


class S3Places:
    """Buckets are S3 buckets, made when missing; with ``only`` they are prefixes in that one bucket."""

    def __init__(self, only: str, endpoint: str | None) -> None:
        self._only = only
        self._endpoint = endpoint
        self._session = boto3.Session()
        self._client: Any = None

    def uri(self, bucket: str, key: str) -> str:
        """``s3://<bucket>/<key>``."""
        return PREFIX + "/".join(self._place(bucket, key))

    @contextmanager
    def create(self, bucket: str, key: str, _writer: str) -> Iterator[S3Upload]:
        """A multipart upload: completed at the end, aborted on any failure."""
        with _errors():
            name, inside = self._place(bucket, key)
            self._make_bucket(name)
            upload = S3Upload(self._s3(), name, inside)
            try:
                yield upload
                upload.complete()
            except BaseException:
                with suppress(BotoCoreError, ClientError):
                    upload.abort()
                raise

    @contextmanager
    def open(self, uri: str) -> Iterator[pa.NativeFile]:
        """The object to read, in ranges."""
        if not self.exists(uri):
            raise NotFound(f"there is no raw copy {uri}")
        with _errors(), self._files().open_input_file(uri.removeprefix(PREFIX)) as file:
            yield file

    def delete(self, uri: str) -> None:
        """Remove the object, if it is there."""
        bucket, key = _parsed(uri)
        with _errors(), _nothing_if_missing():
            self._s3().delete_object(Bucket=bucket, Key=key)

    def exists(self, uri: str) -> bool:
        """Whether the object is there."""
        bucket, key = _parsed(uri)
        with _errors(), _nothing_if_missing():
            self._s3().head_object(Bucket=bucket, Key=key)
            return True
        return False

    def copies(self, folder: str) -> Iterator[RawCopy]:
        """The objects directly below an address, in no order."""
        for each in self._listed("list_objects_v2", "Contents", folder):
            yield RawCopy(f"{folder}/{each['Key'].rpartition('/')[2]}", each["Size"], each["LastModified"])

    def discard_unfinished(self, folder: str, before: datetime) -> list[int]:
        """Abort uploads begun before that moment and never completed; the bytes of each (S3 bills for them)."""
        gone = []
        for each in self._listed("list_multipart_uploads", "Uploads", folder):
            if each["Initiated"] >= before:
                continue
            upload = {"Bucket": _parsed(folder)[0], "Key": each["Key"], "UploadId": each["UploadId"]}
            with _errors(), _nothing_if_missing():
                parts = self._s3().get_paginator("list_parts").paginate(**upload)
                gone.append(sum(part["Size"] for page in parts for part in page.get("Parts", ())))
                self._s3().abort_multipart_upload(**upload)
        return gone

    def _listed(self, operation: str, what: str, folder: str) -> Iterator[Any]:
        """What lies directly below an address of this store; nothing below an address of another."""
        bucket, _, key = folder.removeprefix(PREFIX).partition("/")
        if not folder.startswith(PREFIX) or not key or bucket != (self._only or bucket):
            return
        with _errors(), _nothing_if_missing():
            pages = self._s3().get_paginator(operation).paginate(Bucket=bucket, Prefix=f"{key}/", Delimiter="/")
            for page in pages:
                yield from page.get(what, ())

    def _place(self, bucket: str, key: str) -> tuple[str, str]:
        return (self._only, f"{bucket}/{key}") if self._only else (bucket, key)

    def _make_bucket(self, name: str) -> None:
        with _nothing_if_missing():
            self._s3().head_bucket(Bucket=name)
            return
        region = self._region()
        place = {} if region == REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self._s3().create_bucket(Bucket=name, **place)

    def _s3(self) -> Any:
        if self._client is None:
            config = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
            self._client = self._session.client(
                "s3", endpoint_url=self._endpoint, region_name=self._region(), config=config
            )
        return self._client

    def _files(self) -> fs.S3FileSystem:
        found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        keys = found.get_frozen_credentials()
        scheme, _, host = (self._endpoint or "").rpartition("://")
        return fs.S3FileSystem(
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            session_token=keys.token,
            region=self._region(),
            endpoint_override=host.rstrip("/") or None,
            scheme=scheme or "https",
        )

    def _region(self) -> str:
        return self._session.region_name or REGION


def _parsed(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(PREFIX).partition("/")
    if not uri.startswith(PREFIX) or not bucket or not key:
        raise NotFound(f"there is no raw copy {uri}")
    return bucket, key


@contextmanager
def _nothing_if_missing() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _MISSING:
            raise


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except DataOpsError:
        raise
    except NoCredentialsError:
        raise DependencyUnavailable("the raw store needs AWS credentials, and there are none") from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "error")
        raise DependencyUnavailable(f"the raw store refused: {code}") from None
    except (BotoCoreError, OSError):
        raise DependencyUnavailable("the raw store did not answer") from None
