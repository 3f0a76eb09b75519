"""What files hold, by the last part of their names or by their first bytes."""

import re
from collections.abc import Sequence

from dataops_defs.adapters.sources.excel.container import OLD_FORMAT, ZIP
from dataops_defs.adapters.storage.files import Entry
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.importing import PACKED
from dataops_defs.errors import Invalid

_SUFFIXES = {
    **dict.fromkeys(("csv", "tsv", "txt"), FileFormat.CSV),
    **dict.fromkeys(("jsonl", "ndjson"), FileFormat.JSONL),
    "json": FileFormat.JSON,
    **dict.fromkeys(("parquet", "pq"), FileFormat.PARQUET),
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls"), FileFormat.EXCEL),
}

# A text may begin with these four letters, as the name of its first column.
_PARQUET = re.compile(rb"PAR1[^\t\r\n -~]")


def format_of(found: Sequence[Entry]) -> FileFormat:
    """The one format of files, by their names; ``.gz`` or the like at the end of a name is no part of it.

    Raises:
        Invalid: a name does not tell, or they are of several formats.
    """
    formats = {_format(each): each for each in found}
    if len(formats) > 1:
        shown = ", ".join(f"{kind} ({entry.name})" for kind, entry in sorted(formats.items()))
        raise Invalid.field("extraction.path", f"matches files of several formats: {shown}; narrow it to one of them")
    [kind] = formats
    return kind


def format_by_name(name: str) -> FileFormat | None:
    """The format that a file's name tells; None where it does not."""
    name = name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return _SUFFIXES.get(name.rpartition(".")[2])


def format_by_content(head: bytes) -> FileFormat | None:
    """The format that the first bytes of an unpacked file prove, whatever its name; None for text."""
    if head.startswith((ZIP, OLD_FORMAT)):
        return FileFormat.EXCEL
    return FileFormat.PARQUET if _PARQUET.match(head) else None


def _format(entry: Entry) -> FileFormat:
    found = format_by_name(entry.name)
    if found is None:
        known = ", ".join(FileFormat)
        raise Invalid.field("extraction.format", f"is required: the name {entry.name} does not tell it; use {known}")
    return found
