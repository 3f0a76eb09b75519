"""Incremental extraction: by which column rows are known to be new, and from where on a source is read next time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Any, Self

from dataops_defs.errors import Invalid

FIELD = "extraction.incremental"
NAMES = ("cursorColumn", "keyColumns", "lagSeconds", "lag", "deletions", "allowEmpty", "param")
MAX_KEYS = 16
MAX_LAG_SECONDS = 10 * 365 * 86_400
MAX_LAG = 10**18
# No database's number has more digits; were one rounded all the same, then down: no row is lost by reading it again.
EXACT = Context(prec=200_000, rounding=ROUND_FLOOR)


class Unlike(Exception):
    """Rows that are new cannot join those of the copy: a column is new or has another type. All have to be read."""


class Deletions(StrEnum):
    """How rows that are gone from the source are noticed: not at all, or by reading the source's keys."""

    NONE = "none"
    KEYS = "keys"


@dataclass(frozen=True)
class Incremental:
    """What makes an extraction incremental.

    Args:
        cursor_column: grows when a row is inserted or changed: a number, a date or a time.
        key_columns: tell rows apart.
        lag_seconds: rows that come so late are still found, where the cursor is a date or a time.
        lag: the same in the cursor's units, where it is a number.
        allow_empty: whether all rows go when the source has no key any more.
        param: the query parameter of a REST API that takes from where on records are wanted.
    """

    cursor_column: str
    key_columns: tuple[str, ...]
    lag_seconds: int = 0
    lag: Decimal = Decimal(0)
    deletions: Deletions = Deletions.NONE
    allow_empty: bool = False
    param: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented form."""
        made: dict[str, Any] = {
            "cursorColumn": self.cursor_column,
            "keyColumns": list(self.key_columns),
            "lagSeconds": self.lag_seconds,
            "lag": int(self.lag) if self.lag == int(self.lag) else float(self.lag),
            "deletions": str(self.deletions),
        }
        if self.allow_empty:
            made["allowEmpty"] = True
        return made | ({"param": self.param} if self.param is not None else {})


def incremental(value: object, *, of_api: bool) -> Incremental:
    """Read the documented form.

    Args:
        of_api: whether it is for a REST API, else for a source that is asked in SQL.

    Raises:
        Invalid: a field that is missing, unknown or of another type, or one that this kind of source does not serve.
    """
    if not isinstance(value, Mapping):
        raise Invalid.field(FIELD, "must be an object")
    for name in value:
        if name not in NAMES:
            raise Invalid.field(f"{FIELD}.{str(name)[:60]}", f"is not known; known: {', '.join(NAMES)}")
    made = Incremental(
        cursor_column=_text(value, "cursorColumn"),
        key_columns=_keys(value.get("keyColumns")),
        lag_seconds=int(_number(value, "lagSeconds", MAX_LAG_SECONDS, whole=True)),
        lag=_number(value, "lag", MAX_LAG),
        deletions=_deletions(value.get("deletions")),
        allow_empty=_truth(value, "allowEmpty"),
        param=None if value.get("param") is None else _text(value, "param"),
    )
    _check_kind(made, of_api)
    return made


def _check_kind(made: Incremental, of_api: bool) -> None:
    if of_api and made.param is None:
        raise Invalid.field(f"{FIELD}.param", "is required: the API's parameter that takes from where on is asked")
    if of_api and made.deletions is Deletions.KEYS:
        told = (
            "'keys' needs a source that can be asked for its keys alone; an API's deletions show in a full extraction"
        )
        raise Invalid.field(f"{FIELD}.deletions", told)
    if not of_api and made.param is not None:
        raise Invalid.field(f"{FIELD}.param", "belongs to an extraction of type api")


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise Invalid.field(f"{FIELD}.{name}", "must be text" if found is not None else "is required")
    return found


def _keys(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise Invalid.field(f"{FIELD}.keyColumns", "must name at least one column, by which rows are told apart")
    names = [each for each in value if isinstance(each, str) and each]
    if len(names) != len(value) or len(set(names)) != len(names) or len(names) > MAX_KEYS:
        raise Invalid.field(f"{FIELD}.keyColumns", f"must be names of at most {MAX_KEYS} columns, each once")
    return tuple(names)


def _number(value: Mapping[str, Any], name: str, most: int, *, whole: bool = False) -> Decimal:
    found = value.get(name)
    if found is None:
        return Decimal(0)
    kinds = int if whole else int | float
    if isinstance(found, bool) or not isinstance(found, kinds) or not 0 <= found <= most:
        told = f"must be a {'whole ' if whole else ''}number from 0 to {most}"
        raise Invalid.field(f"{FIELD}.{name}", told)
    return Decimal(str(found))


def _deletions(value: object) -> Deletions:
    try:
        return Deletions.NONE if value is None else Deletions(str(value))
    except ValueError:
        raise Invalid.field(f"{FIELD}.deletions", f"must be one of: {', '.join(Deletions)}") from None


def _truth(value: Mapping[str, Any], name: str) -> bool:
    found = value.get(name)
    if found is not None and not isinstance(found, bool):
        raise Invalid.field(f"{FIELD}.{name}", "must be true or false")
    return bool(found)


class MarkKind(StrEnum):
    """What a cursor is: a moment, a time without a zone, a date, or a number."""

    INSTANT = "instant"
    TIME = "time"
    DATE = "date"
    NUMBER = "number"


@dataclass(frozen=True)
class Moment:
    """When a source was read, by its own clock.

    ``local`` has no zone, and is the earlier of UTC and the server's own time: nobody knows which of the two a time
    without a zone is in.
    """

    instant: datetime
    local: datetime

    @classmethod
    def of(cls, instant: datetime) -> Self:
        """The moment where no other zone than UTC is known."""
        return cls(instant, instant.astimezone(UTC).replace(tzinfo=None))


@dataclass(frozen=True)
class Mark:
    """How far a source was read: the highest cursor. ``value`` is a datetime (UTC), a datetime, a date or a Decimal."""

    kind: MarkKind
    value: Any

    @property
    def text(self) -> str:
        """Its form in the catalogue and in answers."""
        if self.kind is MarkKind.NUMBER:
            return format(self.value, "f")
        return str(self.value.isoformat()).replace("+00:00", "Z")

    @classmethod
    def of(cls, kind: MarkKind, text: str) -> Self:
        """A mark from that form."""
        if kind is MarkKind.NUMBER:
            return cls(kind, Decimal(text))
        return cls(kind, date.fromisoformat(text) if kind is MarkKind.DATE else datetime.fromisoformat(text))

    def check_kind(self, column: str, kind: MarkKind) -> None:
        """Refuse to stand for a cursor of another kind.

        Raises:
            Unlike: the column has another type than when the mark was made.
        """
        if kind is not self.kind:
            raise Unlike(f"the cursor '{column}' is now of kind {kind}, was of kind {self.kind}")

    def no_later_than(self, moment: Moment) -> Self:
        """Itself, or that moment: a row that claims to be of a later time must not hide those that come until then."""
        latest = {
            MarkKind.INSTANT: moment.instant,
            MarkKind.TIME: moment.local,
            MarkKind.DATE: moment.local.date(),
            MarkKind.NUMBER: self.value,
        }[self.kind]
        return type(self)(self.kind, min(self.value, latest))

    def less(self, wanted: Incremental) -> Self:
        """From where on the next extraction reads: itself less the lag."""
        if self.kind is MarkKind.NUMBER:
            return self.lower(wanted.lag)
        return self.earlier(wanted.lag_seconds)

    def lower(self, units: Decimal) -> Self:
        """So many units less, exactly, for a number."""
        return type(self)(self.kind, EXACT.subtract(self.value, units))

    def earlier(self, seconds: int) -> Self:
        """So many seconds before; a date by the days that these reach into. Times begin with the year 1."""
        midnight = self.kind is MarkKind.DATE
        value = datetime.combine(self.value, time()) if midnight else self.value
        try:
            value -= timedelta(seconds=seconds)
        except OverflowError:
            value = datetime.min.replace(tzinfo=value.tzinfo)
        return type(self)(self.kind, value.date() if midnight else value)


def later(one: Mark | None, other: Mark | None) -> Mark | None:
    """The later of two marks of one kind; of two kinds, the second."""
    if one is None or other is None:
        return one or other
    return one if one.kind is other.kind and one.value > other.value else other
