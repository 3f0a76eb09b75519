"""What files hold, by the last part of their names."""

from collections.abc import Sequence

from dataops_defs.adapters.storage.files import Entry
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.errors import Invalid

_SUFFIXES = {
    **dict.fromkeys(("csv", "tsv", "txt"), FileFormat.CSV),
    **dict.fromkeys(("jsonl", "ndjson"), FileFormat.JSONL),
    "json": FileFormat.JSON,
    **dict.fromkeys(("parquet", "pq"), FileFormat.PARQUET),
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls"), FileFormat.EXCEL),
}


def format_of(found: Sequence[Entry]) -> FileFormat:
    """The one format of files, by their names; ``.gz`` at the end of a name is no part of it.

    Raises:
        Invalid: a name does not tell, or they are of several formats.
    """
    formats = {_format(each): each for each in found}
    if len(formats) > 1:
        shown = ", ".join(f"{kind} ({entry.name})" for kind, entry in sorted(formats.items()))
        raise Invalid.field("extraction.path", f"matches files of several formats: {shown}; narrow it to one of them")
    [kind] = formats
    return kind


def _format(entry: Entry) -> FileFormat:
    suffix = entry.name.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix not in _SUFFIXES:
        known = ", ".join(FileFormat)
        raise Invalid.field("extraction.format", f"is required: the name {entry.name} does not tell it; use {known}")
    return _SUFFIXES[suffix]
