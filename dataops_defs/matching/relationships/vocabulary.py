"""General knowledge of how people name keys and tables, read from ``vocabulary.yaml``."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from dataops_defs.matching.phrases import stem


@dataclass(frozen=True)
class Part:
    """Stems of words for the part that a row of certain tables plays, and stems of what such tables are called."""

    roles: frozenset[str]
    tables: frozenset[str]


@dataclass(frozen=True)
class Vocabulary:
    """``keys`` and ``table_words`` as written; the others are stems."""

    keys: frozenset[str]
    table_words: frozenset[str]
    own_kind: frozenset[str]
    measures: frozenset[str]
    parts: tuple[Part, ...]


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary, read once."""
    read = yaml.load((files(__package__) / "vocabulary.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return Vocabulary(
        keys=frozenset(read["keys"]),
        table_words=frozenset(read["table_words"]),
        own_kind=frozenset(map(stem, read["own_kind"])),
        measures=frozenset(map(stem, read["measures"])),
        parts=tuple(
            Part(frozenset(map(stem, each["roles"])), frozenset(map(stem, each["tables"]))) for each in read["parts"]
        ),
    )
