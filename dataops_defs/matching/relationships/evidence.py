"""Why a relationship is believed, in words and numbers that a person understands."""

from collections.abc import Iterator, Mapping, Sequence

from dataops_defs.matching.relationships.candidates import Candidate
from dataops_defs.matching.relationships.composites import Composite
from dataops_defs.matching.relationships.profiles import Family, Profile

SAYS, NEAR = 0.8, 0.3
TELLING, USUAL = 0.8, 0.3
RIVAL = 0.05


def evidence(pair: Candidate, features: Mapping[str, float], rival: tuple[Profile, float] | None) -> list[str]:
    """What speaks for (and against) a relationship, names first; ``rival`` is the next best parent."""
    said = [*_of_names(pair, features), *_of_types(pair), _included(pair), *_of_chance(pair, features), _of_key(pair)]
    if rival is not None and rival[1] >= RIVAL:
        said.append(f"against it: it may refer to {shown(rival[0])} instead ({rival[1]:.2f})")
    return [*said, *_of_sample(pair)]


def evidence_together(found: Composite) -> list[str]:
    """The same for several columns."""
    child, parent = (tuple(map(str.casefold, each.columns)) for each in (found.pair.child, found.pair.parent))
    named = "the columns are called the same" if child == parent else "the columns are called alike"
    return [named, _included(found.pair), _of_key(found.pair), *_of_sample(found.pair)]


def evidence_claimed(pair: Candidate, name: str) -> list[str]:
    """The same for a foreign key that the database declares and has not checked."""
    claim = f"the database declares it, but has not checked every row: foreign key {name} is not valid or not enforced"
    return [claim, _included(pair), _of_key(pair), *_of_sample(pair)]


def shown(profile: Profile) -> str:
    """``orders.customer_id``, or ``flights.(origin, hour)`` for several columns."""
    names = profile.columns
    return f"{profile.table}.{names[0]}" if len(names) == 1 else f"{profile.table}.({', '.join(names)})"


def _of_names(pair: Candidate, features: Mapping[str, float]) -> Iterator[str]:
    child, parent = pair.child, pair.parent
    if features["same name"]:
        yield f"both columns are called {child.column}"
    elif features["keys"] >= SAYS:
        yield f"{child.column} and {parent.column} say the same"
    if features["named"] >= SAYS:
        yield f"{child.column} names the table {parent.table}"
    elif features["within"] >= SAYS:
        yield f"{child.column} ends with the name of the table {parent.table}"
    if features["part"]:
        yield f"{child.column} is a part that a row of {parent.table} may play"
    if features["own kind"]:
        yield f"{child.column} is what one row of {parent.table} may be to another"
    if features["meaning"] >= NEAR and features["named"] < SAYS:
        yield f"{child.column} and {parent.table} are near in meaning ({features['meaning']:.2f})"
    if features["unsaid"] >= SAYS:
        yield "against it: the names say nothing of it"
    if features["measure"]:
        yield f"against it: {child.column} sounds like a measure or a text, not like a key"


def _of_types(pair: Candidate) -> Iterator[str]:
    child, parent = pair.child, pair.parent
    if child.equals_as_text(parent):
        yield f"against it: {shown(child)} holds {child.family}, {shown(parent)} {parent.family}; compare them as text"


def _included(pair: Candidate) -> str:
    child, share, seen = pair.child, pair.included.share, pair.included.seen
    known = child.sketch.complete and seen >= len(child.sketch.hashes)
    if seen == 0:
        return f"{shown(child)} holds no value"
    if seen == 1:
        which = "the only value" if known else "the one value looked at"
        return f"{which} of {shown(child)} is {'' if share == 1 else 'not '}in {shown(pair.parent)}"
    every = "all" if share == 1 else f"{share:.1%} of"
    counted = "different values" if known else "values looked at"
    return f"{every} {seen:,} {counted} of {shown(child)} are in {shown(pair.parent)}"


def _of_chance(pair: Candidate, features: Mapping[str, float]) -> Iterator[str]:
    if features["telling"] >= TELLING:
        yield "that is hardly by chance"
    elif pair.child.family is Family.NUMBER and features["telling"] <= USUAL and features["named"] < SAYS:
        yield f"against it: numbers from {_number(pair.child.low)} to {_number(pair.child.high)} are found in many keys"


def _of_key(pair: Candidate) -> str:
    parent = pair.parent
    about = "" if parent.sketch.complete else "about "
    if parent.primary:
        return f"{shown(parent)} is the primary key of {about}{_count(parent.distinct, 'row')}"
    how = "is different in every row" if parent.once == 1 else f"is different in {parent.once:.1%} of the rows"
    return f"{shown(parent)} {how} ({about}{_count(parent.distinct, 'value')})"


def _of_sample(pair: Candidate) -> Iterator[str]:
    sampled: Sequence[Profile] = [each for each in (pair.child, pair.parent) if not each.sketch.complete]
    if sampled:
        yield f"judged by values chosen by their hash, not by all, of {' and '.join(map(shown, sampled))}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
