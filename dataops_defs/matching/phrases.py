"""Stems, readings and synonyms of words: what the vocabulary says of them."""

from collections.abc import Sequence
from functools import cache, lru_cache
from threading import Lock

import snowballstemmer

from dataops_defs.matching.vocabulary import Phrase, vocabulary

_STEMMING = Lock()


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The stem of an English word in lower case."""
    # The stemmer keeps the word it works on in itself.
    with _STEMMING:
        stemmed: str = _stemmer().stemWord(word)
    return stemmed


@cache
def _stemmer() -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=20_000)
def readings(word: str) -> frozenset[str]:
    """Stems of what a word may stand for: itself, and what it is short for, where that is one word."""
    long = vocabulary().abbreviations.get(word, ())
    return frozenset({stem(word), *(stem(each[0]) for each in long if len(each) == 1)})


def phrase_size(words: Sequence[str], at: int) -> int:
    """How many words from here on are one phrase of the vocabulary; 0 when there is none."""
    phrases = (phrase for first in readings(words[at]) for phrase in _beginning_with(first))
    fitting = (len(phrase) for phrase in phrases if _may_mean(words[at : at + len(phrase)], phrase))
    return max(fitting, default=0)


def meaning_of_phrase(words: Sequence[str]) -> frozenset[int]:
    """The groups of synonyms that some words together belong to, abbreviations read as the vocabulary does."""
    phrases = (phrase for first in readings(words[0]) for phrase in _beginning_with(first))
    meant = (_phrases()[phrase] for phrase in phrases if len(phrase) == len(words) and _may_mean(words, phrase))
    return frozenset[int]().union(*meant)


def _may_mean(words: Sequence[str], phrase: Phrase) -> bool:
    return len(words) == len(phrase) and all(part in readings(word) for word, part in zip(words, phrase, strict=True))


def groups_of(stems: Phrase) -> frozenset[int]:
    """The groups of synonyms that a phrase of stems is in; none when the vocabulary does not know it."""
    return _phrases().get(stems, frozenset())


@cache
def _phrases() -> dict[Phrase, frozenset[int]]:
    """Stems of a phrase -> the groups of synonyms it is in."""
    found: dict[Phrase, frozenset[int]] = {}
    for number, group in enumerate(vocabulary().synonyms):
        for phrase in group:
            stems = tuple(map(stem, phrase))
            found[stems] = found.get(stems, frozenset()) | {number}
    return found


@cache
def _by_first_word() -> dict[str, list[Phrase]]:
    found: dict[str, list[Phrase]] = {}
    for phrase in _phrases():
        if len(phrase) > 1:
            found.setdefault(phrase[0], []).append(phrase)
    return found


def _beginning_with(first: str) -> Sequence[Phrase]:
    return _by_first_word().get(first, ())
