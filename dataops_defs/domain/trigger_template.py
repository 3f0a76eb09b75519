"""Placeholders in a trigger's parameters: looked up by a closed grammar, never evaluated.

``{{ execution_date }}``, ``{{ payload.order.id }}``, ``{{ execution_date | days(-1) | format("%Y%m%d") }}``.
Source: document 000, "Create Trigger"; SAFETY design, section 5, "Templates in parameters".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

MOMENTS = frozenset({"execution_date", "execution_datetime", "previous_execution_date", "previous_execution_datetime"})
TEXTS = frozenset({"run_id", "trigger_name", "pipeline_name", "file_path", "file_name"})
PAYLOAD = "payload"
DIRECTIVES = frozenset("YmdHMSyj%")
MAX_TEXT = 10_000
MOST_FILTERS = 5
MOST_DAYS = 36_600
MAX_FORMAT = 100

_FOREIGN = ("{%", "{#")
_NAME = re.compile(r"\s*([A-Za-z_]\w*)((?:\.\w+)*)\s*", re.ASCII)
_FILTER = re.compile(r"""\|\s*([a-z]+)\s*(?:\(\s*(?:(-?\d{1,6})|"([^"]*)"|'([^']*)')?\s*\))?\s*""", re.ASCII)


class Unfilled(ValueError):
    """A template that is none, or a placeholder that there is nothing for; the text is for the person who wrote it."""


@dataclass(frozen=True)
class Filter:
    """A change of a value on its way."""

    name: str
    argument: int | str | None


@dataclass(frozen=True)
class Placeholder:
    """A name to look up, a path into its value, and what is done with what lies there."""

    name: str
    path: Sequence[str]
    filters: Sequence[Filter]

    def value(self, values: Mapping[str, Any]) -> Any:
        """What it stands for: a text, or of a payload whatever JSON lies there.

        Raises:
            Unfilled: the payload has nothing there, or not what a filter takes.
        """
        found, missing = values.get(self.name), None
        for part in self.path:
            found, missing = _inside(found, part, missing)
        for each in self.filters:
            if each.name == "default":
                found, missing = (each.argument if found is None else found), None
            elif found is not None:
                found = FILTERS[each.name](found, each.argument)
        if missing is not None:
            raise Unfilled(f"the payload has no '{'.'.join(self.path)}'")
        return found.isoformat() if isinstance(found, date) else found


@dataclass(frozen=True)
class Template:
    """A text with placeholders; one that is nothing but a placeholder keeps the type of what it stands for."""

    parts: Sequence[str | Placeholder]

    @property
    def names(self) -> set[str]:
        """What it looks up."""
        return {each.name for each in self.parts if isinstance(each, Placeholder)}

    def fill(self, values: Mapping[str, Any]) -> Any:
        """The text with its placeholders filled in.

        Raises:
            Unfilled: see `Placeholder.value`.
        """
        filled = [each if isinstance(each, str) else each.value(values) for each in self.parts]
        return filled[0] if len(filled) == 1 else "".join(_printed(each) for each in filled)


def template(text: str, known: frozenset[str]) -> Template:
    """Read a text.

    Args:
        known: the names that there is something for.
    Raises:
        Unfilled: a placeholder is ill-formed, or unknown.
    """
    if len(text) > MAX_TEXT:
        raise Unfilled(f"must not be longer than {MAX_TEXT} characters")
    first, *others = text.split("{{")
    parts: list[str | Placeholder] = [_plain(first)]
    for each in others:
        inside, end, after = each.partition("}}")
        if not end:
            raise Unfilled(f"'{{{{{inside[:60]}' does not end with '}}}}'")
        parts += [_placeholder(inside, known), _plain(after)]
    return Template([each for each in parts if each != ""] or [""])


def _plain(text: str) -> str:
    for foreign in _FOREIGN:
        if foreign in text:
            raise Unfilled(f"'{foreign}' begins no placeholder; these have the form {{{{ execution_date }}}}")
    return text


def _placeholder(text: str, known: frozenset[str]) -> Placeholder:
    head = _NAME.match(text)
    if head is None:
        raise Unfilled(f"'{{{{{text[:60]}}}}}' is no placeholder; these have the form {{{{ execution_date }}}}")
    name, path = head.group(1), head.group(2).split(".")[1:]
    if name not in known:
        raise Unfilled(f"'{name[:60]}' is not known here; there are {', '.join(sorted(known))}")
    if bool(path) != (name == PAYLOAD) and name != PAYLOAD:
        raise Unfilled(f"'{name}' has nothing inside")
    return Placeholder(name, path, _filters(text, head.end(), name in MOMENTS))


def _filters(text: str, at: int, is_moment: bool) -> list[Filter]:
    found: list[Filter] = []
    while at < len(text):
        read = _FILTER.match(text, at)
        if read is None or len(found) == MOST_FILTERS:
            raise Unfilled(f"'{text[at : at + 60].strip()}' is no filter; there are {', '.join(sorted(ARGUMENTS))}")
        whole, *quoted = read.groups()[1:]
        words = next((each for each in quoted if each is not None), None)
        made = Filter(read.group(1), words if whole is None else int(whole))
        _check(made, is_moment)
        # What stands in for a missing moment is a text or a number.
        is_moment = is_moment and made.name not in ("format", "default")
        found.append(made)
        at = read.end()
    return found


def _check(made: Filter, is_moment: bool) -> None:
    kind = ARGUMENTS.get(made.name)
    if kind is None:
        raise Unfilled(f"'{made.name}' is no filter; there are {', '.join(sorted(ARGUMENTS))}")
    if made.name in FILTERS and not is_moment:
        raise Unfilled(f"'{made.name}' takes a date or a time")
    if not isinstance(made.argument, kind):
        told = "a whole number" if kind is int else "a text in quotes"
        raise Unfilled(f"'{made.name}' needs {told} in parentheses")
    if isinstance(made.argument, int) and made.name in FILTERS and abs(made.argument) > MOST_DAYS:
        raise Unfilled(f"'{made.name}' goes {MOST_DAYS} at most")
    if made.name == "format":
        _check_format(str(made.argument))


def _check_format(form: str) -> None:
    if len(form) > MAX_FORMAT:
        raise Unfilled(f"a format has {MAX_FORMAT} characters at most")
    for number, part in enumerate(form.replace("%%", "").split("%")):
        if number and part[:1] not in DIRECTIVES:
            raise Unfilled(f"'%{part[:1]}' is none of %{', %'.join(sorted(DIRECTIVES))}")


def _inside(value: Any, part: str, missing: str | None) -> tuple[Any, str | None]:
    if isinstance(value, Mapping) and part in value:
        return value[part], missing
    if isinstance(value, list) and part.isascii() and part.isdecimal() and int(part[:6]) < len(value):
        return value[int(part[:6])], missing
    return None, part


def _moved(value: date, by: timedelta) -> date:
    try:
        return value + by
    except OverflowError:
        raise Unfilled("that is before or after all times") from None


def _days(value: date, by: Any) -> date:
    return _moved(value, timedelta(days=by))


def _hours(value: date, by: Any) -> date:
    # A date without a time begins at midnight.
    whole = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return _moved(whole, timedelta(hours=by))


def _formatted(value: date, form: Any) -> str:
    return value.strftime(form)


FILTERS = {"days": _days, "hours": _hours, "format": _formatted}
ARGUMENTS: Mapping[str, type | tuple[type, ...]] = {"days": int, "hours": int, "format": str, "default": (str, int)}


def _printed(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        raise Unfilled("an object or a list cannot be a part of a text")
    return str(value)
