"""JSON values in one form, whatever their numbers: PostgreSQL's jsonb holds numbers of any length, so a row may too."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """Equal for equal values. The quick JSON libraries refuse numbers beyond 64 bits: one such row would stop all."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def parsed(data: bytes) -> Any:
    """The value of that form."""
    return json.loads(data)


def digest_of(data: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
