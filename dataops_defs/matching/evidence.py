"""Why a property is suggested, in words that a person understands."""

from collections.abc import Iterator, Mapping, Sequence

from dataops_defs.matching.features import Task, initials
from dataops_defs.matching.fields import Matrix
from dataops_defs.matching.kinds import Kind, kind_of_column, kind_of_samples, kinds_of_property
from dataops_defs.matching.likeness import GUESSED, KIN, PART_OF_PHRASE, SAME, SHORT_FOR, SYNONYM, word_likeness
from dataops_defs.matching.words import PLAIN, Word, leaf, spelled_out

# From here on meanings are near enough to be worth a word.
NEAR, TOLD = 0.55, 0.6
# Where the names already say it all, their meanings add nothing.
ALL_SAID = 0.99
FITS, CONTRADICTS = 0.7, -0.5


def evidence(task: Task, features: Mapping[str, Matrix], row: int, place: int) -> list[str]:
    """What speaks for (or against) a pair, the strongest first; never empty."""
    said = [*_of_names(task, row, place), *_of_values(task, features, row, place)]
    said += _of_meaning(features, row, place, bool(task.properties[place].description))
    return said or ["little speaks for it; it is only the nearest of what there is"]


def _of_names(task: Task, row: int, place: int) -> Iterator[str]:
    column, wanted = task.columns[row].name, task.properties[place].name
    if column.casefold() == wanted.casefold():
        yield "the names are the same"
        return
    if leaf(column) == leaf(wanted):
        yield "the names are the same but for how they are written"
        return
    if len(leaf(wanted)) > 1 and "".join(leaf(column)) == initials(wanted):
        yield f"{column} are the initials of {wanted}"
        return
    shared = []
    for word, other, likeness in _pairs(task.column_words[row], task.property_words[place]):
        if likeness == SAME:
            shared.append(other.text)
        else:
            yield _how(word, other, likeness)
    if shared:
        yield f"both names say {' and '.join(dict.fromkeys(shared))}"


def _pairs(words: Sequence[Word], others: Sequence[Word]) -> Iterator[tuple[Word, Word, float]]:
    """The words of a name, each with the likest word of the other name, where they are alike."""
    left, right = ([word for word in each if word.weight > 0.5 * PLAIN] for each in (words, others))
    if not left or not right:
        return
    found = word_likeness(left, right)
    for number, word in enumerate(left):
        best = int(found[number].argmax())
        if found[number, best] >= KIN:
            yield word, right[best], float(found[number, best])


def _how(word: Word, other: Word, likeness: float) -> str:
    if likeness == SHORT_FOR:
        short, long = sorted((word.text, other.text), key=len)
        return f"{short} is short for {long}"
    if likeness == SYNONYM and spelled_out(word) == other.text:
        return f"{word.text} is short for {other.text}"
    if likeness == SYNONYM:
        return f"{_with_long(word)} means the same as {_with_long(other)}"
    if likeness == GUESSED:
        short, long = sorted((word.text, other.text), key=len)
        return f"{short} may be short for {long}"
    if likeness in (KIN, PART_OF_PHRASE):
        return f"{_with_long(word)} and {_with_long(other)} are related"
    return f"{word.text} is written almost like {other.text}"


def _with_long(word: Word) -> str:
    long = spelled_out(word)
    return word.text if long == word.text else f"{word.text} ({long})"


def _of_values(task: Task, features: Mapping[str, Matrix], row: int, place: int) -> Iterator[str]:
    column, wanted = task.columns[row], task.properties[place]
    share, fits = features["values"][row, place], features["kind"][row, place]
    if wanted.choices and share:
        yield f"{share:.0%} of the samples are values that the property allows"
    elif share >= 0.5:
        yield "the property's description uses the words of the samples"
    kind = kind_of_column(column)
    what = "the samples look like" if kind is kind_of_samples(column.samples) else "the column's type is for"
    if fits >= FITS and kind is not Kind.TEXT:
        yield f"{what} {kind}, as the property wants"
    elif fits <= CONTRADICTS:
        others = " or ".join(sorted(kinds_of_property(wanted)))
        yield f"against it: {what} {kind}, the property is for {others}"


def _of_meaning(features: Mapping[str, Matrix], row: int, place: int, has_description: bool) -> Iterator[str]:
    if features["both"][row, place] >= ALL_SAID:
        return
    if features["told"][row, place] >= TOLD > features["covered"][row, place]:
        yield "what is said of the property uses the column's words"
    if max(features["meaning"][row, place], features["related"][row, place]) >= NEAR:
        yield "the names are near in meaning"
    if not has_description:
        return
    if features["described"][row, place] >= NEAR:
        yield "the column's name is near in meaning to the property's description"
    elif features["sampled"][row, place] >= NEAR:
        yield "the samples are near in meaning to the property's description"
