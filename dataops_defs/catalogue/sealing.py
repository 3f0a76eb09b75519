"""Secrets at rest: AES-256-GCM with a data key for each row, wrapped by a key from a file.

Form: ``version | length of key id | key id | nonce | wrapped data key | nonce | ciphertext``. The associated data is
``<table>:<row id>:<field>``, so a sealed text that is moved to another row does not open.
Source: SAFETY design, "Credentials".
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.orm import Session

from dataops_defs.errors import DataOpsError

VERSION = 1
NONCE = 12
WRAPPED = 32 + 16
# Whoever seals what is kept holds this advisory lock shared; a rotation of keys holds it alone.
SEALING_LOCK = 7_355_608


class CannotUnseal(DataOpsError):
    """A sealed text does not open: its key is gone, or it was moved or altered."""

    code = "CANNOT_UNSEAL"


@dataclass(frozen=True)
class Keyring:
    """The wrapping keys in a file of mode 0600; the primary one seals, all of them open."""

    path: Path

    def ensure(self) -> "Keyring":
        """Make the file with one key when there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self
        with os.fdopen(handle, "w") as file:
            json.dump(_with_new_key({}), file)
        return self

    def primary(self) -> tuple[str, bytes]:
        """Id and bytes of the key that seals."""
        content = self._read()
        name = content["primary"]
        return name, base64.b64decode(content["keys"][name])

    def key(self, name: str) -> bytes:
        """The key of that id."""
        try:
            return base64.b64decode(self._read()["keys"][name])
        except KeyError:
            raise CannotUnseal(f"The key '{name}' that sealed this secret is not in the key file") from None

    def add(self) -> None:
        """Add a key and make it the primary one."""
        self._write(_with_new_key(self._read()["keys"]))

    def keep_primary_only(self) -> None:
        """Remove all other keys."""
        name, key = self.primary()
        self._write({"primary": name, "keys": {name: base64.b64encode(key).decode()}})

    def _read(self) -> Any:
        try:
            return json.loads(self.path.read_text())
        except OSError:
            raise CannotUnseal("The key file cannot be read; secrets stay closed") from None

    def _write(self, content: dict[str, object]) -> None:
        draft = self.path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def _with_new_key(keys: dict[str, str]) -> dict[str, object]:
    name = f"k{secrets.token_hex(4)}"
    return {"primary": name, "keys": {**keys, name: base64.b64encode(secrets.token_bytes(32)).decode()}}


def seal(keyring: Keyring, plain: bytes, context: str) -> bytes:
    """Encrypt under a fresh data key; ``context`` is ``<table>:<row id>:<field>``."""
    data_key, nonce = AESGCM.generate_key(256), secrets.token_bytes(NONCE)
    ciphertext = AESGCM(data_key).encrypt(nonce, plain, context.encode())
    return _wrap(keyring, data_key, context) + nonce + ciphertext


def seal_to_keep(session: Session, keyring: Keyring, plain: bytes, context: str) -> bytes:
    """The same for a text that rotations renew: none can take place before the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": SEALING_LOCK})
    return seal(keyring, plain, context)


def unseal(keyring: Keyring, sealed: bytes, context: str) -> bytes:
    """The reverse of ``seal``; CannotUnseal when the key is gone or the text was moved or altered."""
    data_key, rest = _unwrap(keyring, sealed, context)
    try:
        return AESGCM(data_key).decrypt(rest[:NONCE], rest[NONCE:], context.encode())
    except InvalidTag:
        raise CannotUnseal("A sealed secret does not open: it was moved or altered") from None


def rewrap(keyring: Keyring, sealed: bytes, context: str) -> bytes:
    """The same ciphertext with its data key wrapped by the primary key; opened once to prove it."""
    data_key, rest = _unwrap(keyring, sealed, context)
    renewed = _wrap(keyring, data_key, context) + rest
    unseal(keyring, renewed, context)
    return renewed


def key_id(sealed: bytes) -> str:
    """Id of the key that wraps this text's data key."""
    return sealed[2 : 2 + sealed[1]].decode()


def _wrap(keyring: Keyring, data_key: bytes, context: str) -> bytes:
    name, key = keyring.primary()
    nonce = secrets.token_bytes(NONCE)
    head = bytes([VERSION, len(name)]) + name.encode()
    return head + nonce + AESGCM(key).encrypt(nonce, data_key, context.encode())


def _unwrap(keyring: Keyring, sealed: bytes, context: str) -> tuple[bytes, bytes]:
    if sealed[0] != VERSION:
        raise CannotUnseal("A sealed secret has an unknown form")
    start = 2 + sealed[1]
    wrapped = sealed[start + NONCE : start + NONCE + WRAPPED]
    try:
        key = AESGCM(keyring.key(key_id(sealed)))
        data_key = key.decrypt(sealed[start : start + NONCE], wrapped, context.encode())
    except InvalidTag:
        raise CannotUnseal("A sealed secret does not open: it was moved or altered") from None
    return data_key, sealed[start + NONCE + WRAPPED :]
