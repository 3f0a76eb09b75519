"""What an incremental raw copy says of itself: how far its source was read, and by which definition.

It stands in the copy's own file, so that the rows and the mark can never disagree.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataops_defs.domain.incremental import Mark, MarkKind

NAME = b"dataops.incremental"


@dataclass(frozen=True)
class CopyState:
    """``definition`` tells sources and queries apart; ``mark`` is None where no row had a cursor."""

    definition: str
    keys: Sequence[str]
    mark: Mark | None

    def noted(self, schema: pa.Schema) -> pa.Schema:
        """The schema of a copy that says so."""
        mark = None if self.mark is None else [str(self.mark.kind), self.mark.text]
        text = json.dumps({"definition": self.definition, "keys": list(self.keys), "mark": mark})
        return schema.with_metadata({NAME: text.encode()})

    @classmethod
    def of(cls, schema: pa.Schema) -> "CopyState | None":
        """What the copy of that schema says; None where it is not an incremental one."""
        text = (schema.metadata or {}).get(NAME)
        if text is None:
            return None
        told = json.loads(text)
        mark = told["mark"] and Mark.of(MarkKind(told["mark"][0]), told["mark"][1])
        return cls(told["definition"], tuple(told["keys"]), mark)
