"""What kind of file it is: by its first bytes, and by its name where these leave it open."""

from enum import StrEnum

from dataops_defs.adapters.sources.excel.container import OLD_FORMAT
from dataops_defs.adapters.sources.files.formats import format_by_content, format_by_name
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.errors import SourceError

_BOM = b"\xef\xbb\xbf"
_JSON_BEGINS = (b"{", b"[")


class Kind(StrEnum):
    """Kinds of files that can be looked into."""

    TEXT = "text"
    JSON = "json"
    XLSX = "xlsx"
    XLS = "xls"
    PARQUET = "parquet"

    @property
    def has_head(self) -> bool:
        """Whether its beginning can be read without the rest."""
        return self in (Kind.TEXT, Kind.JSON)


_BY_FORMAT = {
    FileFormat.CSV: Kind.TEXT,
    FileFormat.JSON: Kind.JSON,
    FileFormat.JSONL: Kind.JSON,
    FileFormat.EXCEL: Kind.XLSX,
    FileFormat.PARQUET: Kind.PARQUET,
}


def kind_of(head: bytes, name: str) -> Kind:
    """The kind of an unpacked file.

    Raises:
        SourceError: its name promises what its content is not, or it is empty.
    """
    if not head:
        raise SourceError("the file is empty")
    if (found := format_by_content(head)) is not None:
        return Kind.XLS if head.startswith(OLD_FORMAT) else _BY_FORMAT[found]
    named = format_by_name(name)
    promised = _BY_FORMAT[named] if named is not None else None
    if promised is not None and not promised.has_head:
        raise SourceError(f"its name says {named}, but its content is none")
    if promised is not None:
        return promised
    return Kind.JSON if head.removeprefix(_BOM).lstrip().startswith(_JSON_BEGINS) else Kind.TEXT
