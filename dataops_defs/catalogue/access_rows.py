"""The tables of access: secrets by name, and who may do what with a source."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Row


class SecretRow(Identified, Row):
    """A secret; ``value`` is sealed (see ``sealing``). Editors may have it sent to the ``allowed_hosts`` only."""

    __tablename__ = "secret"
    name: Mapped[str] = mapped_column(unique=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    description: Mapped[str | None]
    allowed_hosts: Mapped[list[str]] = mapped_column(JSONB, default=list)
    created_by: Mapped[str]
    updated_by: Mapped[str]


class GrantRow(Identified, Row):
    """What a token, or every token of a role and those above it, may do with a restricted source."""

    __tablename__ = "source_grant"
    __table_args__ = (
        Index("uq_source_grant_token", "source_id", "token_id", unique=True),
        Index("uq_source_grant_role", "source_id", "role", unique=True),
        CheckConstraint("(token_id IS NULL) <> (role IS NULL)", name="one_holder"),
    )
    source_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("source.id", ondelete="CASCADE"))
    token_id: Mapped[str | None] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("token.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[str | None]
    may: Mapped[str]
