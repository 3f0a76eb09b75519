"""Imports of files and watched folders: their words, what an import is asked to do, and which table it writes.

Source: document 000, "Network Storage Monitoring" and "Auto-Import File".
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Self

from dataops_defs.domain.datamart import is_draft_name
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Invalid

DEFAULT_SCHEMA = "raw"
IMPORT_PREFIX, WATCH_PREFIX = "import_", "watch_"
PACKED = (".gz", ".bz2", ".zst", ".xz")
"""Endings that say how a file is compressed; they are no part of its format."""
MAX_TABLE_NAME = 63
_UNREAD = re.compile(r"(line|record)(_\d+)?")
_NAME = re.compile(r"[^\W\d][\w$]*")


class ImportState(StrEnum):
    """Where an import stands. ``skipped_duplicate``: the same content is imported already, under another name."""

    PENDING = "pending"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped_duplicate"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (ImportState.PENDING, ImportState.IMPORTING)


class FileState(StrEnum):
    """Where a file of a watched folder stands.

    ``settling`` was seen once and may still be written (shown as pending); ``detected`` is complete, and its watch
    imports nothing by itself; ``missing`` went before it was imported.
    """

    SETTLING = "settling"
    PENDING = "pending"
    DETECTED = "detected"
    IMPORTING = "importing"
    IMPORTED = "imported"
    FAILED = "failed"
    SKIPPED = "skipped_duplicate"
    MISSING = "missing"


class TargetFormat(StrEnum):
    """What an import writes."""

    POSTGRES = "postgres"
    PARQUET = "parquet"
    ICEBERG = "iceberg"


class LoadMode(StrEnum):
    """``replace``: the table is the newest version of its file; ``append``: it gathers the files of a folder."""

    REPLACE = "replace"
    APPEND = "append"


@dataclass(frozen=True)
class ImportTarget:
    """Where the rows go."""

    format: TargetFormat
    schema: str
    table: str

    def __str__(self) -> str:
        """``raw.customers``; of other stores with their name before it."""
        shown = f"{self.schema}.{self.table}"
        return shown if self.format is TargetFormat.POSTGRES else f"{self.format}:{shown}"

    @property
    def uri(self) -> str:
        """As the ledger names it: ``warehouse:raw.customers``."""
        return f"warehouse:{self.shown}" if self.format is TargetFormat.POSTGRES else str(self)

    @property
    def shown(self) -> str:
        """As answers print it."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class ImportOptions:
    """How a file is read: whether types are inferred, SQL types by column, and what is known of a CSV file."""

    infer_schema: bool = True
    data_types: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    has_header: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The form kept in the catalogue."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Options from that form."""
        return cls(**value)

    @property
    def fingerprint(self) -> str:
        """Differs when the same file would be read otherwise."""
        return sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def connection(self) -> dict[str, Any]:
        """What is known of a CSV file, by the names that its reader has for it."""
        given = {"delimiter": self.delimiter, "encoding": self.encoding, "hasHeader": self.has_header}
        return {name: value for name, value in given.items() if value is not None}


def unread_name(name: str, taken: Collection[str]) -> str:
    """The name under which a reject keeps a line that could not be read as a row; none of a column."""
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


def is_unread_name(name: str) -> bool:
    """Whether a reject may keep a line under this name, see `unread_name`."""
    return _UNREAD.fullmatch(name) is not None


def public_import_id(id: str) -> str:
    """An import's id as document 000 prints it."""
    return f"{IMPORT_PREFIX}{id.replace('-', '')}"


def public_watch_id(id: str) -> str:
    """A watch's id as document 000 prints it."""
    return f"{WATCH_PREFIX}{id.replace('-', '')}"


def target_of(
    format: TargetFormat, named: str | None, path: str, schemas: frozenset[str], field: str = "target_table"
) -> ImportTarget:
    """The target that a request names, or else the table that is named after the file.

    Raises:
        Invalid: no name of a table, or a schema that imports may not write.
    """
    schema, _, table = (named or table_name(path)).rpartition(".")
    schema = schema or DEFAULT_SCHEMA
    for each in (schema, table):
        if _NAME.fullmatch(each) is None or len(each.encode()) > MAX_TABLE_NAME:
            raise Invalid.field(field, "must be table or schema.table: letters, digits, _ and $, at most 63 bytes each")
    if is_draft_name(table):
        raise Invalid.field(field, f"'{table}' is a name that datamarts are built under; take another")
    if schema not in schemas:
        allowed = ", ".join(sorted(schemas))
        raise Invalid.field(field, f"'{schema}' is no schema that imports may write; such are: {allowed}")
    return ImportTarget(format, schema, table)


def table_name(path: str) -> str:
    """The table that is named after a file: ``Stations 2013.csv.gz`` is ``stations_2013``."""
    name = PurePosixPath(path).name
    for ending in PACKED:
        name = name.removesuffix(ending)
    try:
        found = slug(PurePosixPath(name).stem[:200])
    except Invalid:
        found = "file"
    return (found if found[0].isalpha() else f"t_{found}")[:MAX_TABLE_NAME]


def distinct_name(name: str, path: str) -> str:
    """Another name for a file's table, where a file elsewhere has the first one."""
    ending = f"_{sha256(path.encode()).hexdigest()[:8]}"
    return name[: MAX_TABLE_NAME - len(ending)] + ending
