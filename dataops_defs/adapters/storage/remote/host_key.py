"""Keys by which SSH servers are known. Source: RFC 4253, section 6.6; sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"."""

import base64
import hashlib
from dataclasses import dataclass
from itertools import pairwise

from dataops_defs.errors import Invalid


@dataclass(frozen=True)
class HostKey:
    """A public key of a host: its type and its bytes."""

    type: str
    blob: bytes

    @classmethod
    def of(cls, text: str) -> "HostKey":
        """The key from a line of ``known_hosts``, with or without the host's name before it.

        Raises:
            Invalid: it is none.
        """
        words = text.split()
        for kind, blob in pairwise(words):
            if kind.startswith(("ssh-", "ecdsa-", "sk-")):
                try:
                    return cls(kind, base64.b64decode(blob, validate=True))
                except ValueError:
                    break
        raise Invalid.field("connection.hostKey", "must be a host's key as in known_hosts: ssh-ed25519 AAAA…")

    @property
    def fingerprint(self) -> str:
        """As ssh shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"
