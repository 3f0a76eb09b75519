"""General knowledge of how people name columns, read from ``vocabulary.yaml``."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """Short forms with their readings, groups of phrases for one thing, groups of kindred words, units, fillers."""

    abbreviations: dict[str, tuple[Phrase, ...]]
    synonyms: tuple[tuple[Phrase, ...], ...]
    kin: tuple[Phrase, ...]
    units: frozenset[str]
    fillers: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary, read once."""
    read = yaml.load((files(__package__) / "vocabulary.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return Vocabulary(
        abbreviations={short: tuple(map(_phrase, long)) for short, long in read["abbreviations"].items()},
        synonyms=tuple(tuple(map(_phrase, group)) for group in read["synonyms"]),
        kin=tuple(map(tuple, read["kin"])),
        units=frozenset(read["units"]),
        fillers=frozenset(read["fillers"]),
    )


def _phrase(text: str) -> Phrase:
    return tuple(text.split())
