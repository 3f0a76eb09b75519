"""Tokens and the audit."""

from typing import Any

from pydantic import AwareDatetime, ConfigDict, Field

from api_shim.schemas.base import Moment, Name, Reply, Request
from dataops_defs.catalogue.models import TokenRow


class TokenCreate(Request):
    """A new token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "nightly job", "role": "editor"}]})
    name: Name
    role: str = Field(max_length=20, description="viewer, editor or admin")
    expires_at: AwareDatetime | None = None


class TokenOut(Reply):
    """A token, without its text."""

    id: str
    name: str
    role: str
    hint: str = Field(description="The last four characters")
    created_at: Moment
    expires_at: Moment | None = None
    last_used_at: Moment | None = None


class TokenMade(TokenOut):
    """A new token with its text, which is shown this once."""

    token: str

    @classmethod
    def of(cls, row: TokenRow, text: str) -> "TokenMade":
        """The form of a token row and its text."""
        return cls(**TokenOut.model_validate(row).model_dump(), token=text)


class AuditOut(Reply):
    """One line of the audit."""

    id: str
    at: Moment
    actor: str
    action: str
    subject: str | None = None
    request_id: str | None = None
    outcome: str
    detail: dict[str, Any]
