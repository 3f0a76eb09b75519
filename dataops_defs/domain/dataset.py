"""A dataset: what is extracted from a source, and where the raw copy is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dataops_defs.domain.source import SourceType
from dataops_defs.errors import Invalid

DEFAULT_BUCKET = "captify-datasets"


class ExtractionType(StrEnum):
    """How rows are asked for. ``file`` reads the CSV or Excel file that the source names."""

    SQL = "sql"
    FILE = "file"


TYPES_OF_SOURCE: dict[SourceType, ExtractionType] = {
    SourceType.POSTGRES: ExtractionType.SQL,
    SourceType.CSV: ExtractionType.FILE,
    SourceType.EXCEL: ExtractionType.FILE,
}


@dataclass(frozen=True)
class Extraction:
    """What to read. ``query`` belongs to ``sql``; ``path`` (below the source's path) and ``sheet`` to ``file``."""

    type: ExtractionType
    query: str | None = None
    path: str | None = None
    sheet: str | None = None

    def as_json(self) -> dict[str, str]:
        """The documented form, without what is not set."""
        values = {"type": str(self.type), "query": self.query, "path": self.path, "sheet": self.sheet}
        return {name: value for name, value in values.items() if value is not None}


def extraction(value: Mapping[str, object], source_type: SourceType) -> Extraction:
    """Read an extraction from its documented form and check that the source can serve it.

    Raises:
        Invalid: an unknown type, a missing query, or a type the source does not speak.
    """
    kind = str(value.get("type", ""))
    try:
        made = Extraction(
            ExtractionType(kind),
            query=_text(value, "query"),
            path=_text(value, "path"),
            sheet=_text(value, "sheet"),
        )
    except ValueError:
        known = ", ".join(ExtractionType)
        raise Invalid.field("extraction.type", f"'{kind[:50]}' is not served; use one of: {known}") from None
    wanted = TYPES_OF_SOURCE[source_type]
    if made.type is not wanted:
        raise Invalid.field("extraction.type", f"a {source_type} source is read with '{wanted}', not '{made.type}'")
    if made.type is ExtractionType.SQL and not (made.query or "").strip():
        raise Invalid.field("extraction.query", "is required for an extraction of type sql")
    if made.type is ExtractionType.SQL and (made.path or made.sheet):
        raise Invalid.field("extraction.path", "belongs to an extraction of type file")
    if made.type is ExtractionType.FILE and made.query:
        raise Invalid.field("extraction.query", "belongs to an extraction of type sql")
    return made


def _text(value: Mapping[str, object], name: str) -> str | None:
    found = value.get(name)
    if found is None or isinstance(found, str):
        return found
    raise Invalid.field(f"extraction.{name}", "must be text")
