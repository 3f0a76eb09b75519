"""What an import found: its columns, why they are of their types, and its rejects under the names of the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.datamarts import relations
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.adapters.importing.content import Content
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.importing import ImportTarget, TargetFormat, is_unread_name, unread_name
from dataops_defs.domain.ledger import Ledger
from dataops_defs.flows.outcome import Check

MAX_SHOWN = 10_000
ACCEPTED = "rows_accepted"
"""The check of a table that imports make."""


@dataclass(frozen=True)
class Found:
    """What an import found, for its row: see `ImportRow`."""

    content: Content
    schema: Mapping[str, str]
    explanations: Mapping[str, str]
    unchanged: bool = False
    copy_of: str | None = None

    def details(self) -> dict[str, Any]:
        """The form that is kept with the step."""
        return {
            "contentHash": self.content.digest,
            "sizeBytes": self.content.size,
            # As pairs: an object of jsonb has no order.
            "schema": list(self.schema.items()),
            "explanations": list(self.explanations.items()),
            "suspect": self.content.suspect,
            "note": None if self.unchanged or self.copy_of else self.content.note,
            "unchanged": self.unchanged,
            "copyOf": self.copy_of,
        }


def named_as(names: Mapping[str, str], rejected: RejectedRow) -> RejectedRow:
    """A reject under the names that its columns have in the target; what is no row has a name of its own."""
    column = rejected.column and names.get(rejected.column, rejected.column)
    if len(rejected.raw) == 1 < len(names) and all(map(is_unread_name, rejected.raw)):
        taken = set(names.values())
        return replace(rejected, raw={unread_name(name, taken): line for name, line in rejected.raw.items()})
    raw = {names.get(name, name): value for name, value in rejected.raw.items()}
    return replace(rejected, column=column, raw=raw)


def rows_accepted(ledger: Ledger) -> Check:
    """Whether every row of the file was taken."""
    told = f"{ledger.rejected} of {ledger.read} rows were rejected" if ledger.rejected else "All rows were taken"
    return Check(ACCEPTED, ledger.rejected == 0, told, {"rejected": ledger.rejected})


def table_of(connection: Connection, target: ImportTarget) -> Relation | None:
    """The table of the warehouse that an import has made; None where it makes files."""
    if target.format is not TargetFormat.POSTGRES:
        return None
    with connection.cursor() as cursor:
        return relations.find(cursor, target.schema, target.table)


def first_rows(connection: Connection, table: Relation | None) -> Sequence[dict[str, Any]]:
    """A few rows of a table; one that gathers several files may show those of any."""
    if table is None:
        return []
    with connection.cursor() as cursor:
        return relations.first_rows(cursor, table)


def sample_of(rejected: RejectedRow) -> RejectedRow:
    """To be shown: long texts are cut, which the reject itself keeps whole."""
    cut = {name: each[:MAX_SHOWN] if isinstance(each, str) else each for name, each in rejected.raw.items()}
    return replace(rejected, raw=cut)
