"""A trigger: what makes a pipeline run by itself or by name, and the parameters of the run.

Source: document 000, "Simple Triggers & Scheduling"; DECISIONS 1, 11, 28 and 31.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from dataops_defs.domain.mail import wrong_address
from dataops_defs.domain.run import FULL, RunState
from dataops_defs.domain.trigger_template import MOMENTS, PAYLOAD, Unfilled, template
from dataops_defs.errors import FieldProblem, Invalid

PARAMETERS = "parameters"
"""The parameters that people gave, among those of a run."""
DATE, FULL_REFRESH, EMAIL = "date", "full_refresh", "notification_email"
MOST_PARAMETERS = 100
MAX_PARAMETER_NAME = 100
MAX_BYTES = 64_000


class TriggerType(StrEnum):
    """What fires it."""

    CRON = "cron"
    WEBHOOK = "webhook"
    FILE = "file"
    MANUAL = "manual"


class TriggerStatus(StrEnum):
    """Whether it fires."""

    ACTIVE = "active"
    PAUSED = "paused"


NAMES = MOMENTS | {"run_id", "trigger_name", "pipeline_name"}
KNOWN: Mapping[TriggerType, frozenset[str]] = {
    TriggerType.CRON: NAMES,
    TriggerType.WEBHOOK: NAMES | {PAYLOAD},
    TriggerType.FILE: NAMES | {"file_path", "file_name"},
    TriggerType.MANUAL: NAMES,
}
"""What parameters may name."""

HISTORY_WORDS: Mapping[RunState, str] = {
    **dict.fromkeys(RunState, "running"),
    RunState.SUCCEEDED: "success",
    RunState.FAILED: "failed",
    RunState.TIMED_OUT: "failed",
    RunState.CANCELLED: "cancelled",
}
"""Document 000 prints ``success``; the others are what a user would expect. A paused run goes on."""


@dataclass(frozen=True)
class Occasion:
    """What there is to know when a trigger fires.

    ``moment`` is the tick of a cron trigger, else the time it is; ``previous`` that of the run before, if one was.
    Both are told in the trigger's time zone.
    """

    run_id: str
    moment: datetime
    timezone: str = "UTC"
    previous: datetime | None = None
    trigger_name: str | None = None
    pipeline_name: str | None = None
    file_path: str | None = None
    payload: Any = None

    def values(self) -> dict[str, Any]:
        """The same by the names that parameters have for it."""
        zone = ZoneInfo(self.timezone)
        then = self.moment.astimezone(zone)
        before = self.previous.astimezone(zone) if self.previous else None
        return {
            "execution_date": then.date(),
            "execution_datetime": then,
            "previous_execution_date": before.date() if before else None,
            "previous_execution_datetime": before,
            "run_id": self.run_id,
            "trigger_name": self.trigger_name,
            "pipeline_name": self.pipeline_name,
            "file_path": self.file_path,
            "file_name": PurePosixPath(self.file_path).name if self.file_path else None,
            PAYLOAD: self.payload,
        }


@dataclass(frozen=True)
class Filled:
    """The parameters of a run, and who is told of its end by mail."""

    parameters: Mapping[str, Any]
    email: str | None = None

    def as_run_parameters(self) -> dict[str, Any]:
        """The form kept in the run's record."""
        full = {FULL: True} if self.parameters.get(FULL_REFRESH) is True else {}
        return {PARAMETERS: dict(self.parameters), **full}


def check_parameters(given: Mapping[str, Any], kind: TriggerType) -> None:
    """Refuse parameters that could not be filled in when the trigger fires.

    Raises:
        Invalid: each wrong one is named, as ``parameters.date``.
    """
    if len(given) > MOST_PARAMETERS:
        raise Invalid.field(PARAMETERS, f"must not be more than {MOST_PARAMETERS}")
    _check_size(given)
    problems: list[FieldProblem] = []
    for name, value in given.items():
        where = f"{PARAMETERS}.{name[:60]}"
        if not name or len(name) > MAX_PARAMETER_NAME:
            problems.append(FieldProblem(where, f"a name has 1 to {MAX_PARAMETER_NAME} characters"))
        try:
            templates = [template(text, KNOWN[kind]) for text in _texts(value)]
        except Unfilled as error:
            problems.append(FieldProblem(where, str(error)))
            continue
        if problem := _wrong(name, value, templates=any(each.names for each in templates)):
            problems.append(FieldProblem(where, problem))
    _refuse(problems)


def fill(given: Mapping[str, Any], kind: TriggerType, occasion: Occasion) -> Filled:
    """The parameters of one run.

    Raises:
        Invalid: the payload lacks what a parameter stands for, or it is none of the parameter's kind.
    """
    values = occasion.values()
    filled: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        try:
            filled[name] = _filled(value, KNOWN[kind], values)
        except Unfilled as error:
            problems.append(FieldProblem(f"{PARAMETERS}.{name[:60]}", str(error)))
            continue
        if problem := _wrong(name, filled[name], templates=False):
            problems.append(FieldProblem(f"{PARAMETERS}.{name[:60]}", problem))
    _refuse(problems)
    _check_size(filled)
    email = filled.pop(EMAIL, None)
    return Filled(filled, email)


def _refuse(problems: list[FieldProblem]) -> None:
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _wrong(name: str, value: Any, *, templates: bool) -> str | None:
    """Why a value is none for a parameter whose meaning is known here; null is a parameter that is not given."""
    if value is None:
        return None
    if name == EMAIL:
        return wrong_address(value) if isinstance(value, str) and not templates else "must be one mail address"
    if templates:
        return None
    if name == FULL_REFRESH and not isinstance(value, bool):
        return "must be true or false"
    if name == DATE and not _is_date(value):
        return "must be a date such as 2024-06-30"
    return None


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inside:
        yield from _texts(each)


def _filled(value: Any, known: frozenset[str], values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return template(value, known).fill(values)
    if isinstance(value, Mapping):
        return {name: _filled(each, known, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known, values) for each in value]
    return value


def _check_size(parameters: Mapping[str, Any]) -> None:
    if len(json.dumps(parameters, ensure_ascii=False, default=str).encode(errors="replace")) > MAX_BYTES:
        raise Invalid.field(PARAMETERS, f"must not be larger than {MAX_BYTES} bytes")
