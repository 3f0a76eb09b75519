"""What all catalogue tables share: naming of constraints, types, ids that sort by creation time."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Enum, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid6 import uuid7

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = dict[str, Any]
JsonList = list[dict[str, Any]]


def new_id() -> str:
    """A UUIDv7: ids sort by creation time (DECISIONS 4)."""
    return str(uuid7())


def now() -> datetime:
    """The moment, timezone-aware."""
    return datetime.now(UTC)


class Row(DeclarativeBase):
    """Base of all catalogue rows."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text,
        Json: JSONB,
        JsonList: JSONB,
        # A native enum is not dropped by a downgrade; text with a check is.
        StrEnum: Enum(StrEnum, native_enum=False, length=32, values_callable=lambda kind: [str(each) for each in kind]),
    }


class Identified:
    """A row with a UUIDv7 and the times it was made and last changed."""

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Named(Identified):
    """A definition: its name as written, the slug that Dagster's asset key is made of, and its app."""

    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str] = mapped_column(default="default", index=True)
    description: Mapped[str | None]
    owner: Mapped[str | None]
    problem: Mapped[str | None]
