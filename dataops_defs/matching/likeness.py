"""How alike words are, all pairs at once, and from that how much of one name is found in another."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from rapidfuzz import fuzz, process

from dataops_defs.matching.fields import Matrix
from dataops_defs.matching.phrases import stem
from dataops_defs.matching.vocabulary import vocabulary
from dataops_defs.matching.words import Word

SAME, SHORT_FOR, SYNONYM, GUESSED, KIN = 1.0, 0.95, 0.9, 0.7, 0.6
PART_OF_PHRASE = 0.6
TYPING_ERROR = 84.0
# Everything is compared with everything: this bounds time and memory, whatever is sent.
MOST_DIFFERENT = 2000


def word_likeness(left: Sequence[Word], right: Sequence[Word], guess: bool = True) -> Matrix:
    """Likeness of words, one row a left word, one column a right one, 0 to 1.

    With ``guess`` also by their letters: typing errors, and short forms that no list knows.
    """
    found = np.zeros((len(left), len(right)))
    _raise(found, left, right, _parts, PART_OF_PHRASE)
    _raise(found, left, right, _kin, KIN)
    if guess:
        _guess(found, left, right)
    _raise(found, left, right, lambda word: word.groups, SYNONYM)
    _raise(found, left, right, lambda word: word.readings, SHORT_FOR)
    _raise(found, left, right, lambda word: (word.stem,), SAME)
    return found


def alike_at_all(words: Sequence[Word], others: Sequence[Word]) -> list[Word]:
    """Those words that, nothing guessed, are like some of the others."""
    known = {key for other in others for key in _keys(other)}
    return [word for word in words if not known.isdisjoint(_keys(word))]


def _keys(word: Word) -> set[Hashable]:
    # Groups of synonyms and of kin are both numbers.
    return {*_parts(word), *word.readings, *word.groups, *(("kin", each) for each in _kin(word))}


def _parts(word: Word) -> frozenset[str]:
    return word.parts | {word.stem}


def _raise(
    found: Matrix, left: Sequence[Word], right: Sequence[Word], keys: Callable[[Word], Iterable[Hashable]], to: float
) -> None:
    """Wherever two words share a key, they are at least so alike."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for column, word in enumerate(right):
        for key in keys(word):
            places[key].append(column)
    for row, word in enumerate(left):
        for key in keys(word):
            columns = places.get(key)
            if columns:
                found[row, columns] = np.maximum(found[row, columns], to)


def _kin(word: Word) -> Iterator[int]:
    for reading in word.readings:
        yield from _groups_of_kin().get(reading, ())


@cache
def _groups_of_kin() -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(vocabulary().kin):
        for each in group:
            found[stem(each)].append(number)
    return dict(found)


def _guess(found: Matrix, left: Sequence[Word], right: Sequence[Word]) -> None:
    texts, others = [word.text for word in left], [word.text for word in right]
    alike = process.cdist(texts, others, scorer=fuzz.ratio, score_cutoff=TYPING_ERROR)
    np.maximum(found, alike / 100 * SYNONYM, out=found)
    by_letter: dict[str, list[int]] = defaultdict(list)
    for column, other in enumerate(others):
        by_letter[other[0]].append(column)
    for row, text in enumerate(texts):
        for column in by_letter[text[0]]:
            if is_short_for(text, others[column]) or is_short_for(others[column], text):
                found[row, column] = max(found[row, column], GUESSED)


def is_short_for(short: str, word: str) -> bool:
    """Whether a word of three letters or more is the beginning of a longer one, or its consonants in order."""
    if not 3 <= len(short) < len(word) - 1 or short[0] != word[0] or not (short + word).isalpha():
        return False
    if word.startswith(short):
        return True
    if len(short) > 5 or any(letter in "aeiou" for letter in short[1:]):
        return False
    letters = iter(word)
    return all(letter in letters for letter in short)


@dataclass(frozen=True)
class Names:
    """Names as words: ``words`` are all different ones; ``rows[i]`` and ``weights[i]`` are those of name i."""

    words: Sequence[Word]
    rows: Sequence[Sequence[int]]
    weights: Sequence[Sequence[float]]

    @classmethod
    def of(cls, names: Sequence[Sequence[Word]], rarity: Callable[[Word], float]) -> "Names":
        """Names whose words count by their own weight and by how rare they are; words beyond 2,000 are left out."""
        different = {word.text: word for name in names for word in name}
        words = list(different.values())[:MOST_DIFFERENT]
        numbers = {word.text: number for number, word in enumerate(words)}
        kept = [[word for word in name if word.text in numbers] for name in names]
        rows = [[numbers[word.text] for word in name] for name in kept]
        return cls(words, rows, [[word.weight * rarity(word) for word in name] for name in kept])


def coverage(of: Names, found: Matrix, by: Names) -> Matrix:
    """How much of each name ``of`` is found in each name ``by``, 0 to 1; ``found`` is the likeness of their words."""
    best = np.zeros((found.shape[0], len(by.rows)))
    for column, words in enumerate(by.rows):
        if words:
            best[:, column] = found[:, words].max(axis=1)
    covered = np.zeros((len(of.rows), len(by.rows)))
    for row, (words, weights) in enumerate(zip(of.rows, of.weights, strict=True)):
        if words:
            covered[row] = np.asarray(weights) @ best[words] / max(sum(weights), 1e-9)
    return covered
