"""What speaks for a pair of a column and a property, as numbers: one matrix (columns x properties) a feature."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dataops_defs.matching.fields import Embed, Matrix, SourceField, TargetField
from dataops_defs.matching.kinds import Kind, fit, kind_of_column, kinds_of_property
from dataops_defs.matching.likeness import Names, alike_at_all, coverage, word_likeness
from dataops_defs.matching.phrases import stem
from dataops_defs.matching.words import PLAIN, Reader, Word, leaf, plain_text, shared_prefix, spelled_out

DESCRIPTION_LETTERS = 200
SAMPLES_SHOWN = 4
INITIALS = 0.9
# Cosines below this are what unrelated words have anyway.
UNRELATED = 0.3


@dataclass(frozen=True)
class Task:
    """Columns and properties with their names as words; ``described`` are the words of types and descriptions."""

    columns: Sequence[SourceField]
    properties: Sequence[TargetField]
    column_words: Sequence[Sequence[Word]]
    property_words: Sequence[Sequence[Word]]
    described: Sequence[Sequence[Word]]

    @classmethod
    def of(cls, columns: Sequence[SourceField], properties: Sequence[TargetField]) -> "Task":
        """Every name taken apart; a prefix that all columns share (their table's name) is left out."""
        names = [each.name for each in columns]
        reader = Reader([*names, *(each.name for each in properties)])
        skip = shared_prefix(names)
        return cls(
            columns,
            properties,
            [reader.read(name, skip) for name in names],
            [reader.read(each.name) for each in properties],
            [_described(reader, each) for each in properties],
        )


def _described(reader: Reader, wanted: TargetField) -> list[Word]:
    text = " ".join([wanted.type, wanted.description, *wanted.choices])
    return reader.read_text(text[:DESCRIPTION_LETTERS])


def features(task: Task, embed: Embed) -> dict[str, Matrix]:
    """All features by name, each 0 to 1 (``kind``: -1 to 1)."""
    rarity = _rarity(task)
    columns = Names.of(task.column_words, rarity)
    properties = Names.of(task.property_words, rarity)
    found = word_likeness(columns.words, properties.words)
    covered, covering = _with_initials(
        task, coverage(columns, found, properties), coverage(properties, found.T, columns).T
    )
    return {
        "exact": _exact(task),
        "covered": covered,
        "covering": covering,
        "covering squared": covering**2,
        "both": _both(covered, covering),
        "told": _told(task, columns),
        "brevity": np.tile([1 / max(len(words), 1) for words in task.property_words], (len(task.columns), 1)),
        "related": _related(columns, properties, found, embed),
        **_meanings(task, embed),
        "kind": _kinds(task),
        "values": _values(task),
    }


def _rarity(task: Task) -> Callable[[Word], float]:
    """A word that many names have tells little."""
    share: dict[str, float] = {}
    for side in (task.column_words, task.property_words):
        counted = Counter(text for words in side for text in {word.stem for word in words})
        share |= {text: max(share.get(text, 0.0), count / len(side)) for text, count in counted.items()}
    return lambda word: 1.0 / (1.0 + 4.0 * share[word.stem])


def _both(covered: Matrix, covering: Matrix) -> Matrix:
    both: Matrix = 2 * covered * covering / np.maximum(covered + covering, 1e-9)
    return both


def _with_initials(task: Task, covered: Matrix, covering: Matrix) -> tuple[Matrix, Matrix]:
    """A name that is the initials of the other: ``gpa`` and gradePointAverage."""
    places: dict[str, list[int]] = {}
    for place, wanted in enumerate(task.properties):
        if len(leaf(wanted.name)) > 1:
            places.setdefault(initials(wanted.name), []).append(place)
    for row, column in enumerate(task.columns):
        for place in places.get("".join(leaf(column.name)), []):
            covered[row, place] = max(covered[row, place], INITIALS)
            covering[row, place] = max(covering[row, place], INITIALS)
    return covered, covering


def initials(name: str) -> str:
    """The first letters of a name's words."""
    return "".join(word[0] for word in leaf(name))


def _told(task: Task, columns: Names) -> Matrix:
    """How much of a column's name is found in what is said of a property."""
    descriptions = Names.of([alike_at_all(words, columns.words) for words in task.described], lambda _word: 1.0)
    return coverage(columns, word_likeness(columns.words, descriptions.words, guess=False), descriptions)


def _exact(task: Task) -> Matrix:
    wanted = [each.name.casefold() for each in task.properties]
    return np.array([[float(column.name.casefold() == name) for name in wanted] for column in task.columns])


def _related(columns: Names, properties: Names, found: Matrix, embed: Embed) -> Matrix:
    """As ``both``, where words with related meanings count too."""
    angles = _cosines(embed, list(map(spelled_out, columns.words)), list(map(spelled_out, properties.words)))
    related = np.maximum(found, np.clip((angles - UNRELATED) / (1 - UNRELATED), 0.0, 0.9))
    return _both(coverage(columns, related, properties), coverage(properties, related.T, columns).T)


def _meanings(task: Task, embed: Embed) -> dict[str, Matrix]:
    """How near the meanings of names, descriptions and samples are."""
    written = [plain_text(column.name) for column in task.columns]
    read = [
        " ".join(spelled_out(word) for word in words if word.weight > UNRELATED) or text
        for words, text in zip(task.column_words, written, strict=True)
    ]
    shown = [
        f"{text}: {', '.join(column.samples[:SAMPLES_SHOWN])}"
        for text, column in zip(written, task.columns, strict=True)
    ]
    names = [plain_text(wanted.name) for wanted in task.properties]
    texts = [
        f"{name}: {wanted.description[:DESCRIPTION_LETTERS]}" if wanted.description else name
        for name, wanted in zip(names, task.properties, strict=True)
    ]
    has_samples = np.array([[float(bool(column.samples))] for column in task.columns])
    every = _cosines(embed, [*written, *read, *shown], [*names, *texts])
    by_name, by_text = np.split(every, 2, axis=1)
    plain, long, _ = np.split(by_name, 3)
    described, long_described, sampled = np.split(by_text, 3)
    return {
        "meaning": np.maximum(plain, long),
        "described": np.maximum(described, long_described),
        "sampled": sampled * has_samples,
    }


def _cosines(embed: Embed, left: Sequence[str], right: Sequence[str]) -> Matrix:
    place = {text: number for number, text in enumerate(dict.fromkeys([*left, *right]))}
    vectors = np.asarray(embed(list(place)), dtype=np.float64)
    angles: Matrix = vectors[[place[text] for text in left]] @ vectors[[place[text] for text in right]].T
    return np.clip(angles, 0.0, 1.0)


def _kinds(task: Task) -> Matrix:
    wanted = [kinds_of_property(each) for each in task.properties]
    found = np.zeros((len(task.columns), len(wanted)))
    for row, column in enumerate(task.columns):
        kind = kind_of_column(column)
        if kind is not Kind.UNKNOWN:
            found[row] = [fit(kind, each) for each in wanted]
    return found


def _values(task: Task) -> Matrix:
    """Share of a column's values that a property allows by name, or else of their words that its description uses."""
    found = np.zeros((len(task.columns), len(task.properties)))
    allowed = [{each.casefold() for each in wanted.choices} for wanted in task.properties]
    described = [{word.stem for word in words if word.weight == PLAIN} for words in task.described]
    for row, column in enumerate(task.columns):
        values = sorted({each.strip().casefold() for each in column.samples if each.strip()})
        words = [{stem(word) for word in re.findall(r"[a-z]{3,30}", value)} for value in values]
        for place in range(len(task.properties) if values else 0):
            if allowed[place]:
                shares = [float(value in allowed[place]) for value in values]
            else:
                shares = [len(each & described[place]) / max(len(each), 1) for each in words]
            found[row, place] = sum(shares) / len(values)
    return found
