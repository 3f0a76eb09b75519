"""What an import found: its columns, why they are of their types, and its rejects under the names of the target."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataops_defs.adapters.importing.content import Content
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.importing import is_unread_name, unread_name

MAX_SHOWN = 10_000


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


def sample_of(rejected: RejectedRow) -> RejectedRow:
    """To be shown: long texts are cut, which the reject itself keeps whole."""
    cut = {name: each[:MAX_SHOWN] if isinstance(each, str) else each for name, each in rejected.raw.items()}
    return replace(rejected, raw=cut)
