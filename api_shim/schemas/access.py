"""Tokens, secrets, grants, and the audit."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from api_shim.schemas.base import Description, Moment, MomentIn, Name, Reply, Request
from dataops_defs.catalogue.access_rows import SecretRow
from dataops_defs.catalogue.grants import Grant, Right
from dataops_defs.catalogue.models import SourceRow, TokenRow


class TokenCreate(Request):
    """A new token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "nightly job", "role": "editor"}]})
    name: Name
    role: str = Field(max_length=20, description="viewer, editor or admin")
    expires_at: MomentIn | None = None


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


class SecretIn(Request):
    """A secret; of one that exists, what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "value": "the token itself",
                    "description": "Market data, production",
                    "allowedHosts": ["api.example.com"],
                }
            ]
        }
    )
    value: SecretStr | None = Field(
        default=None, min_length=1, max_length=16_384, description="Never shown; required for a new one"
    )
    description: Description | None = None
    allowed_hosts: list[str] | None = Field(
        default=None,
        max_length=100,
        description="host or host:port: where editors' sources may have it sent; else only sources that an admin"
        " connects with it",
    )

    def given(self) -> dict[str, Any]:
        """What the request says, the value in the clear."""
        said = {name: each for name, each in super().given().items() if name != "value"}
        return said if self.value is None else said | {"value": self.value.get_secret_value()}


class SecretOut(Reply):
    """A secret, without its value."""

    id: str
    name: str
    description: str | None = None
    allowed_hosts: list[str]
    used_by: list[str] = Field(description="Names of the sources that refer to it")
    created_at: Moment
    created_by: str
    updated_at: Moment
    updated_by: str

    @classmethod
    def of(cls, row: SecretRow, users: list[str]) -> Self:
        """The form of a secret row."""
        names = [name for name in cls.model_fields if name != "used_by"]
        return cls(**{name: getattr(row, name) for name in names}, used_by=users)


class GrantIn(Request):
    """A right for one token, by its name or id, or for a role and those above it."""

    token: str | None = Field(default=None, min_length=1, max_length=200)
    role: Literal["viewer", "editor"] | None = None
    may: Literal["see", "use"] = Field(description="use: open its connection, and change it; holds see")

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        if (self.token is None) == (self.role is None):
            raise ValueError("names either a token or a role")
        return self

    def grant(self) -> Grant:
        """The same in the catalogue's words."""
        return Grant(Right(self.may), self.token, self.role)


class GrantsIn(Request):
    """All grants of a source."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"grants": [{"token": "nightly job", "may": "use"}, {"role": "viewer", "may": "see"}]}]
        }
    )
    grants: list[GrantIn] = Field(max_length=500, description="None: everybody may do what their role lets them")


class GrantsOut(Reply):
    """Who may see and use a source, beside admins and the token that made it."""

    restricted: bool = Field(description="False: everybody may do what their role lets them")
    grants: list[dict[str, str]]

    @classmethod
    def of(cls, source: SourceRow, grants: list[Grant]) -> Self:
        """The form of a source's grants."""
        return cls(restricted=source.restricted, grants=[each.as_json() for each in grants])


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
