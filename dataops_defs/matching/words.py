"""Names taken apart: ``SPM.cust_tel-no`` is the words customer and telephone number, below SPM."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from anyascii import anyascii

from dataops_defs.matching.phrases import groups_of, meaning_of_phrase, phrase_size, readings, stem
from dataops_defs.matching.vocabulary import vocabulary

NAMESPACE = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,9}:(?=[A-Za-z])")
PATH = re.compile(r"[/.\\>]+|\[[^\]]*\]")
UNIT_OF_RATE = re.compile(r"(?<=[a-z0-9])/(?=(?:s|h|hr|min|sec|hour|day|year)\b)")
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
SUFFIXES = frozenset({"able", "age", "ship", "less", "ness", "ment", "ing", "red", "end"})
LONGEST_NAME = 200
# The end of a name tells most.
MOST_WORDS = 10

PLAIN, ABOVE, NUMBER, UNIT, FILLER = 1.0, 0.6, 0.25, 0.15, 0.1


@dataclass(frozen=True)
class Word:
    """One word of a name, or several that mean one thing.

    ``readings`` are stems of what it may stand for, ``groups`` the synonyms it belongs to, ``parts`` the stems of a
    phrase's words; ``weight`` is how much it tells, from a filler's 0.1 to a plain word's 1.
    """

    text: str
    stem: str
    readings: frozenset[str]
    groups: frozenset[int]
    parts: frozenset[str] = frozenset()
    weight: float = PLAIN


def segments(name: str) -> list[list[str]]:
    """The levels of a path, the leaf last, each as words in lower case; a name with blanks is one level."""
    latin = NAMESPACE.sub("", anyascii(name[:LONGEST_NAME]))
    levels = [latin] if " " in latin.strip() else PATH.split(UNIT_OF_RATE.sub("_per_", latin))
    words = [[each.lower() for each in WORD.findall(_plural_capitals(level))][-MOST_WORDS:] for level in levels]
    return [level for level in words if level] or [[latin.lower().strip() or name]]


def leaf(name: str) -> list[str]:
    """The words of the last level of a name."""
    return segments(name)[-1]


def plain_text(name: str) -> str:
    """A name as a person would say it, in its own script, abbreviations as they stand."""
    if not name.isascii():
        return re.sub(r"[\W_]+", " ", name[:LONGEST_NAME]).strip() or name
    return " ".join(word for level in segments(name) for word in level)


def spelled_out(word: Word) -> str:
    """A word with its abbreviation written out, in its first reading."""
    long = vocabulary().abbreviations.get(word.text)
    return " ".join(long[0]) if long else word.text


def _plural_capitals(name: str) -> str:
    # "URLs" and "IDs" are one word.
    return re.sub(r"\b([A-Z]{2,})s\b", lambda found: found[1].lower(), name)


class Reader:
    """Reads the names of one task: words run together are parted by the words that the other names use."""

    def __init__(self, names: Iterable[str]) -> None:
        known = {word for name in names for level in segments(name) for word in level}
        self._known = frozenset(known)
        self._stems = frozenset(map(stem, known))

    def read(self, name: str, skip: int = 0) -> list[Word]:
        """The words of a name, those of the path above the leaf with less weight; ``skip`` words are left out."""
        *above, leaf = segments(name)
        leaf = leaf[skip:] if len(leaf) > skip else leaf
        words = [replace(word, weight=word.weight * ABOVE) for level in above for word in self._words(level)]
        return [*words, *self._words(leaf)][-MOST_WORDS:]

    def read_text(self, text: str) -> list[Word]:
        """The words of a text that is no name."""
        return list(self._words([each.lower() for each in WORD.findall(anyascii(text))]))

    def _words(self, level: Sequence[str]) -> Iterator[Word]:
        parted = [part for word in level for part in self._parted(word)]
        written = list(_written_out(parted))
        position = 0
        while position < len(written):
            size = phrase_size(written, position)
            if size:
                yield _phrase(written[position : position + size])
            else:
                yield _word(written[position])
            position += size or 1

    def _parted(self, word: str) -> list[str]:
        """``tailnum`` -> tail, num, where the other names speak of a tail."""
        if len(word) < 5 or word in vocabulary().abbreviations or groups_of((word,)):
            return [word]
        cuts = [(word[:at], word[at:]) for at in range(2, len(word) - 1)]
        fitting = [cut for cut in cuts if self._are_words(*cut)]
        return list(max(fitting, key=lambda cut: min(map(len, cut)))) if fitting else [word]

    def _are_words(self, first: str, second: str) -> bool:
        if self._is_known(first) and self._is_known(second):
            return True
        return any(
            brief in vocabulary().abbreviations
            and len(other) > 3
            and other not in SUFFIXES
            and stem(other) in self._stems
            and not (readings(brief) - {stem(brief)}).isdisjoint(self._stems - {stem(first + second)})
            for brief, other in ((first, second), (second, first))
        )

    def _is_known(self, word: str) -> bool:
        usual = bool(groups_of((word,))) or word in self._known
        return usual and len(word) > 2 and word not in vocabulary().fillers and word not in SUFFIXES


def _written_out(words: Sequence[str]) -> Iterator[str]:
    """Words with abbreviations of several words written out, unless they have a synonym (dob: birth date)."""
    for word in words:
        long = vocabulary().abbreviations.get(word, ())
        if len(long) == 1 and len(long[0]) > 1 and groups_of(tuple(map(stem, long[0]))) == frozenset():
            yield from long[0]
        else:
            yield word


def _word(text: str) -> Word:
    long = [each for each in vocabulary().abbreviations.get(text, ()) if len(each) > 1]
    known = readings(text)
    groups = frozenset[int]().union(*(groups_of((each,)) for each in known))
    groups = groups.union(*(groups_of(tuple(map(stem, each))) for each in long))
    return Word(text, stem(text), known, groups, frozenset(stem(part) for each in long for part in each), _weight(text))


def _weight(text: str) -> float:
    if text.isdigit():
        return NUMBER
    if text in vocabulary().fillers:
        return FILLER
    return UNIT if text in vocabulary().units else PLAIN


def _phrase(words: Sequence[str]) -> Word:
    parts = frozenset[str]().union(*(readings(each) for each in words))
    text = " ".join(words)
    return Word(text, " ".join(map(stem, words)), frozenset({text}), meaning_of_phrase(words), parts)


def shared_prefix(names: Sequence[str]) -> int:
    """How many words all names begin with, as columns do that carry their table's name; 0 for fewer than three."""
    leaves = [segments(name)[-1] for name in names]
    if len(leaves) < 3:
        return 0
    size = 0
    while all(len(leaf) > size + 1 for leaf in leaves) and len({leaf[size] for leaf in leaves}) == 1:
        size += 1
    return size
