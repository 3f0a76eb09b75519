"""The passwords of the platform's database roles: made once, kept in ``<home>/roles.json`` (mode 0600)."""

import base64
import hashlib
import hmac
import secrets

from dataops_defs.services.private_files import read_json, write_private_json
from dataops_defs.settings import BUILDER, OWNER, READER, Settings

SUPERUSER = "postgres"
SCRAM_ROUNDS = 4096


def role_passwords(settings: Settings) -> dict[str, str]:
    """Password of each role, by role name; the missing ones are made and kept."""
    kept = read_json(settings.roles_path)
    made = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, READER, BUILDER) if role not in kept}
    passwords = {**kept, **made}
    if made:
        write_private_json(settings.roles_path, passwords)
    return passwords


def scram_verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no statement or log.

    Only for ASCII passwords such as ours: others would need SASLprep first.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{salt64}${stored64}:{server64}"
