"""An extraction: what is read from a source, and how. Source: document 004, interface ``Dataset``."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import unquote

from dataops_defs.domain.incremental import Incremental, incremental
from dataops_defs.domain.source import SourceType
from dataops_defs.errors import FieldProblem, Invalid

MAX_PAGE_SIZE = 100_000
Word = TypeVar("Word", bound=StrEnum)


class ExtractionType(StrEnum):
    """How rows are asked for. ``file`` reads below the path of a CSV or Excel source."""

    SQL = "sql"
    FILE = "file"
    S3 = "s3"
    API = "api"


class FileFormat(StrEnum):
    """How files of rows are written; any of them may be compressed as gzip, which their names say."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    EXCEL = "excel"


class PagingType(StrEnum):
    """How a REST API gives its records in pieces."""

    NONE = "none"
    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"
    LINK = "link"


TYPES_OF_SOURCE: Mapping[SourceType, ExtractionType] = {
    SourceType.POSTGRES: ExtractionType.SQL,
    SourceType.MYSQL: ExtractionType.SQL,
    SourceType.CSV: ExtractionType.FILE,
    SourceType.EXCEL: ExtractionType.FILE,
    SourceType.S3: ExtractionType.S3,
    SourceType.API: ExtractionType.API,
}


@dataclass(frozen=True)
class Paging:
    """How a REST API is asked for the next records.

    Args:
        param: name of the query parameter (in a POST's body: of the property) that counts pages or rows, or takes
            the cursor.
        size_param, size: how many records are asked for at a time; both or none.
        first: number of the first page, or offset of the first row.
        cursor_path: where an answer holds the next cursor, dotted; none there ends it.
    """

    type: PagingType = PagingType.NONE
    param: str | None = None
    size_param: str | None = None
    size: int | None = None
    first: int | None = None
    cursor_path: str | None = None


@dataclass(frozen=True)
class Extraction:
    """What to read. Each type has fields of its own, see ``FIELDS``.

    Args:
        path: below the source's path or prefix; ``*`` stands for any part of a name, ``**`` for any folders.
        records_path: where an API's answer holds its records, dotted; the answer itself when left out.
        incremental: how to read only what is new since the last time; None reads all.
    """

    type: ExtractionType
    query: str | None = None
    path: str | None = None
    format: FileFormat | None = None
    sheet: str | None = None
    endpoint: str | None = None
    method: str = "GET"
    body: Any = None
    records_path: str | None = None
    paging: Paging = Paging()
    incremental: Incremental | None = None

    @property
    def by_cursor(self) -> Incremental:
        """How it is incremental.

        Raises:
            Invalid: it is not.
        """
        if self.incremental is None:
            raise Invalid.field("extraction.incremental", "is not set")
        return self.incremental

    def as_json(self) -> dict[str, Any]:
        """The documented form, without what is not set."""
        values = {
            "type": str(self.type),
            "query": self.query,
            "path": self.path,
            "format": self.format and str(self.format),
            "sheet": self.sheet,
            "endpoint": self.endpoint,
            "method": self.method if self.type is ExtractionType.API else None,
            "body": self.body,
            "recordsPath": self.records_path,
            "paging": _paging_as_json(self.paging),
            "incremental": self.incremental and self.incremental.as_json(),
        }
        return {name: value for name, value in values.items() if value is not None}


FIELDS: Mapping[ExtractionType, frozenset[str]] = {
    ExtractionType.SQL: frozenset({"query", "incremental"}),
    ExtractionType.FILE: frozenset({"path", "sheet"}),
    ExtractionType.S3: frozenset({"path", "format", "sheet"}),
    ExtractionType.API: frozenset({"endpoint", "method", "body", "recordsPath", "paging", "incremental"}),
}
REQUIRED: Mapping[ExtractionType, str] = {
    ExtractionType.SQL: "query",
    ExtractionType.S3: "path",
}
NO_CURSOR = (
    "files cannot be asked for rows that are new: they are read whole, and a changed file may change any row;"
    " it is for SQL and API sources"
)
PAGING_FIELDS = {
    "type": "type",
    "param": "param",
    "sizeParam": "size_param",
    "size": "size",
    "first": "first",
    "cursorPath": "cursor_path",
}


def extraction(value: Mapping[str, Any], source_type: SourceType) -> Extraction:
    """Read an extraction from its documented form and check that the source can serve it.

    Raises:
        Invalid: an unknown type, a field that is missing or of another type, or a type the source does not speak.
    """
    kind = _word(ExtractionType, value.get("type"), "type")
    wanted = TYPES_OF_SOURCE[source_type]
    if kind is not wanted:
        raise Invalid.field("extraction.type", f"a {source_type} source is read with '{wanted}', not '{kind}'")
    return stored_extraction(value)


def stored_extraction(value: Mapping[str, Any]) -> Extraction:
    """The same for an extraction whose source's type was checked when it was stored."""
    kind = _word(ExtractionType, value.get("type"), "type")
    given = {name: each for name, each in value.items() if each is not None and name != "type"}
    for name in given:
        if name == "incremental" and name not in FIELDS[kind]:
            raise Invalid.field("extraction.incremental", NO_CURSOR)
        if name not in FIELDS[kind]:
            owners = [str(each) for each, known in FIELDS.items() if name in known]
            told = f"belongs to an extraction of type {' or '.join(owners)}" if owners else "is not known"
            raise Invalid.field(f"extraction.{name}", told)
    required = REQUIRED.get(kind)
    if required and not str(given.get(required, "")).strip():
        raise Invalid.field(f"extraction.{required}", f"is required for an extraction of type {kind}")
    return Extraction(
        kind,
        query=_text(given, "query"),
        path=_text(given, "path"),
        format=_word(FileFormat, given["format"], "format") if "format" in given else None,
        sheet=_text(given, "sheet"),
        endpoint=_endpoint(given),
        method=_method(given),
        body=given.get("body"),
        records_path=_text(given, "recordsPath"),
        paging=_paging(given.get("paging", {})),
        incremental=_incremental(given, kind),
    )


def _incremental(given: Mapping[str, Any], kind: ExtractionType) -> Incremental | None:
    if "incremental" not in given:
        return None
    return incremental(given["incremental"], of_api=kind is ExtractionType.API)


def _paging(value: object) -> Paging:
    if not isinstance(value, Mapping):
        raise Invalid.field("extraction.paging", "must be an object")
    for name in value:
        if name not in PAGING_FIELDS:
            raise Invalid.field(f"extraction.paging.{name}", f"is not known; known: {', '.join(PAGING_FIELDS)}")
    given = {name: each for name, each in value.items() if each is not None}
    made = Paging(
        _word(PagingType, given.get("type", "none"), "paging.type"),
        param=_text(given, "param", "paging."),
        size_param=_text(given, "sizeParam", "paging."),
        size=_number(given, "size", 1),
        first=_number(given, "first", 0),
        cursor_path=_text(given, "cursorPath", "paging."),
    )
    problems = _paging_problems(made)
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    return made


def _paging_problems(paging: Paging) -> list[FieldProblem]:
    needed = {
        PagingType.PAGE: ("param",),
        PagingType.OFFSET: ("param", "size"),
        PagingType.CURSOR: ("param", "cursorPath"),
    }.get(paging.type, ())
    missing = [name for name in needed if getattr(paging, PAGING_FIELDS[name]) is None]
    problems = [FieldProblem(f"extraction.paging.{name}", f"is required for {paging.type} paging") for name in missing]
    if paging.size_param and paging.size is None:
        problems.append(FieldProblem("extraction.paging.size", "is required with sizeParam"))
    return problems


def _paging_as_json(paging: Paging) -> dict[str, Any] | None:
    if paging.type is PagingType.NONE:
        return None
    values = {printed: getattr(paging, name) for printed, name in PAGING_FIELDS.items()}
    return {
        printed: str(value) if printed == "type" else value for printed, value in values.items() if value is not None
    }


def _endpoint(given: Mapping[str, Any]) -> str | None:
    """A path below the source's endpoint, with a query perhaps: nothing that leads elsewhere."""
    endpoint = _text(given, "endpoint")
    if endpoint is None:
        return None
    path = unquote(endpoint.partition("?")[0])
    if "://" in path or path.startswith("//"):
        raise Invalid.field("extraction.endpoint", "must be a path below the source's endpoint, not an address")
    if "\\" in path or "#" in endpoint or not endpoint.isprintable() or not path.isprintable():
        raise Invalid.field("extraction.endpoint", "must not hold backslashes, control characters or a fragment")
    if {".", ".."} & set(path.split("/")):
        raise Invalid.field("extraction.endpoint", "must not climb with '.' or '..'")
    return endpoint


def _method(given: Mapping[str, Any]) -> str:
    method = given.get("method", "GET")
    if method not in ("GET", "POST"):
        raise Invalid.field("extraction.method", "must be GET or POST")
    if method == "GET" and "body" in given:
        raise Invalid.field("extraction.body", "belongs to method POST")
    return str(method)


def _word(words: type[Word], value: object, name: str) -> Word:
    try:
        return words(str(value))
    except ValueError:
        known = ", ".join(words)
        raise Invalid.field(f"extraction.{name}", f"'{str(value)[:50]}' is not served; use one of: {known}") from None


def _text(value: Mapping[str, Any], name: str, prefix: str = "") -> str | None:
    found = value.get(name)
    if found is None or isinstance(found, str):
        return found
    raise Invalid.field(f"extraction.{prefix}{name}", "must be text")


def _number(value: Mapping[str, Any], name: str, least: int) -> int | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= MAX_PAGE_SIZE:
        raise Invalid.field(f"extraction.paging.{name}", f"must be a whole number from {least} to {MAX_PAGE_SIZE}")
    return found
