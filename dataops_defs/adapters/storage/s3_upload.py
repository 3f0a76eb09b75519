"""A multipart upload as a file to write to: readers see the object when it is complete, or never."""

import io
from typing import Any

FIRST_PART_BYTES = 8 * 1024 * 1024
PARTS_PER_SIZE = 1_000


class S3Upload(io.RawIOBase):
    """Written from one thread, then ended with ``complete`` or ``abort``; holds one part in memory.

    Parts grow with their number, since S3 takes at most 10,000 of them.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client = client
        self._target = {"Bucket": bucket, "Key": key}
        self._id = client.create_multipart_upload(**self._target)["UploadId"]
        self._parts: list[dict[str, object]] = []
        self._waiting = bytearray()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; a full part is sent at once."""
        view = memoryview(data)
        self._waiting += view
        if len(self._waiting) >= FIRST_PART_BYTES * (1 + len(self._parts) // PARTS_PER_SIZE):
            self._send()
        return view.nbytes

    def complete(self) -> None:
        """Make the object visible."""
        if self._waiting or not self._parts:
            self._send()
        self._client.complete_multipart_upload(
            **self._target, UploadId=self._id, MultipartUpload={"Parts": self._parts}
        )

    def abort(self) -> None:
        """Give up: nothing of it remains."""
        self._client.abort_multipart_upload(**self._target, UploadId=self._id)

    def _send(self) -> None:
        number = len(self._parts) + 1
        answer = self._client.upload_part(
            **self._target, UploadId=self._id, PartNumber=number, Body=bytes(self._waiting)
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._waiting.clear()
