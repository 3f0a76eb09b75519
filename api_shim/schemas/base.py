"""What requests and answers of document 004 share: camelCase (snake_case is accepted too), strict in, typed out."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from dataops_defs.catalogue.base import Named
from dataops_defs.domain.schedule import Schedule


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-11-02T10:00:00.000Z"]}),
]


def _in_words(given: object) -> object:
    if isinstance(given, str) and not re.match(r"\d{4}-\d", given):
        raise ValueError("must be a date and time such as 2025-11-02T10:00:00Z")
    return given


MomentIn = Annotated[AwareDatetime, BeforeValidator(_in_words)]
"""A moment that a request names, with its time zone; a bare number is none: nobody can tell its unit."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
App = Annotated[str, Field(min_length=1, max_length=80, description="Namespace; the group in Dagster")]
Description = Annotated[str, Field(max_length=4000)]
Owner = Annotated[str, Field(max_length=200, description="Who answers for it")]
Id = Annotated[str, Field(max_length=80)]


class Request(BaseModel):
    """A request's body or query; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def given(self) -> dict[str, Any]:
        """What the request says, null included, by our names: left out and null are different wishes."""
        return self.model_dump(exclude_unset=True)

    def as_printed(self) -> dict[str, Any]:
        """What the request says, by the document's names."""
        return self.model_dump(exclude_unset=True, by_alias=True)


def camelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Names as document 004 prints them, for an object that no class describes."""
    return {to_camel(name): value for name, value in given.items()}


class Reply(BaseModel):
    """An answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class ScheduleIn(Request):
    """When a definition runs by itself; in a change every field may be left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True, "cron": "0 2 * * *", "timezone": "America/New_York"}]}
    )
    enabled: StrictBool = True
    cron: str | None = Field(default=None, max_length=100, description="Five fields")
    timezone: str | None = Field(default=None, max_length=60, description="IANA name; UTC when left out")


class ScheduleOut(Reply):
    """When a definition runs by itself."""

    enabled: bool
    cron: str
    timezone: str
    next_run_at: Moment | None = None

    @classmethod
    def of(cls, row: Any, moment: datetime) -> "ScheduleOut":
        """The form of a schedule row; ``nextRunAt`` only while it is enabled."""
        wanted = Schedule(row.cron, row.timezone, row.enabled)
        next_run = wanted.next_after(moment) if row.enabled else None
        return cls(enabled=row.enabled, cron=row.cron, timezone=row.timezone, next_run_at=next_run)


class DefinitionOut(Reply):
    """What every definition shows. One that cannot be loaded has the status ``error`` and says why in ``problem``."""

    id: str
    name: str
    slug: str
    app: str
    description: str | None = None
    owner: str | None = None
    problem: str | None = Field(default=None, description="Why it is set aside until it is mended")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def from_row(cls, row: Named, *same: str, **other: Any) -> Self:
        """The form of a row: the common fields, ``same`` as they stand, and ``other`` values."""
        names = (*DefinitionOut.model_fields, *same)
        values = {name: getattr(row, name) for name in names} | other
        if row.problem and "status" in cls.model_fields:
            values["status"] = "error"
        return cls(**values)


class ScheduledOut(DefinitionOut):
    """A definition that can run by itself."""

    schedule: ScheduleOut | None = None
    status: str

    @classmethod
    def scheduled(cls, row: Any, schedule: Any, moment: datetime, *same: str, **other: Any) -> Self:
        """The form of a row and its schedule."""
        planned = ScheduleOut.of(schedule, moment) if schedule else None
        return cls.from_row(row, *same, status=str(row.status), schedule=planned, **other)


class Problem(Reply):
    """One thing wrong with a request."""

    field: str
    message: str


class Failure(Reply):
    """The body of every refusal of this family; ``errors`` only on 422."""

    detail: str
    code: str
    errors: list[Problem] | None = None


def refusals(*statuses: int, model: type[BaseModel] = Failure) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may refuse with these statuses, beside 401, 403 and 422."""
    words = {
        400: "A name that is taken, or a target that is not allowed",
        401: "No token, or one that does not count",
        403: "The token's role is not enough",
        404: "There is no such thing",
        409: "A name that is taken, dependants, or a state that forbids it",
        413: "More bytes than are taken",
        422: "The request is wrong; errors name the fields",
        429: "Too much work waits already; try again later",
        502: "The run failed for a reason inside the platform",
        503: "A part of the platform does not answer; try again",
        507: "A disk is full",
    }
    return {status: {"model": model, "description": words[status]} for status in (401, 403, 422, *statuses)}
