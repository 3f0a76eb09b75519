"""Which columns refer to which keys: all that is declared, and the likeliest of all that may be inferred."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from dataops_defs.domain.relationship import Cardinality, DetectionMethod, Relationship, RelationshipType
from dataops_defs.matching.fields import Embed
from dataops_defs.matching.relationships.candidates import Candidate, End, by_child, candidates, inclusions
from dataops_defs.matching.relationships.composites import Composite, composites
from dataops_defs.matching.relationships.evidence import evidence, evidence_claimed, evidence_together
from dataops_defs.matching.relationships.features import Features
from dataops_defs.matching.relationships.names import read_names
from dataops_defs.matching.relationships.profiles import Profile, TableProfile, Values
from dataops_defs.matching.relationships.scoring import confidences, strength

# With fewer rows, that every value is there once says nothing.
ENOUGH_ROWS = 20
# Less log-odds where two columns are of different types. Set by hand: no database to learn from has such keys.
OTHER_TYPE = 0.7
# Only what the database enforces is certain.
SUREST = 0.99


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that the database itself declares; not ``enforced``: rows may be there that it forbids."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    name: str
    enforced: bool = True

    @property
    def ends(self) -> tuple[End, End]:
        """The child's side, and the parent's."""
        return (self.table, frozenset(self.columns)), (self.parent, frozenset(self.parent_columns))


@dataclass(frozen=True)
class _Best:
    """The likeliest parent of a column, how sure it is, and the next best."""

    pair: Candidate
    features: dict[str, float]
    confidence: float
    rival: tuple[Profile, float] | None


def detect(
    tables: Sequence[TableProfile], values: Values, declared: Sequence[ForeignKey] = (), embed: Embed | None = None
) -> list[Relationship]:
    """Declared relationships, then inferred ones, the surest first; the order of the tables does not matter.

    Every column, and every set of columns that refers to a composite key, has one parent at most; what the database
    enforces is not inferred anew, and no declared parent refers back to its child. What the database only declares is
    believed as far as the values are there.

    Args:
        embed: meanings of names as a further sign.
    """
    ordered = sorted(tables, key=lambda each: each.name)
    names = read_names(ordered)
    features = Features(ordered, names, embed)
    method = DetectionMethod.STATISTICAL if embed is None else DetectionMethod.AI
    backwards = {(parent, child) for child, parent in (each.ends for each in declared)}
    best = _best_of(ordered, features, values, embed, backwards)
    singles = [_inferred(each, method) for each in _one_direction(best)]
    known = {each.ends[0] for each in declared if each.enforced}
    together = [
        _inferred_together(each, method)
        for each in composites(ordered, features, values, backwards)
        if each.pair.ends[0] not in known
    ]
    by_name = {table.name: table for table in ordered}
    certain = [_declared(each, values, by_name) for each in declared if each.enforced]
    inferred = [*singles, *together]
    for each in (key for key in declared if not key.enforced):
        inferred = _with_claimed(inferred, _claimed(each, values, by_name, method), each)
    return sorted([*certain, *inferred], key=_order)


def _order(found: Relationship) -> tuple[object, ...]:
    return (-found.confidence, found.table, tuple(found.columns), found.parent, tuple(found.parent_columns))


def _best_of(
    tables: Sequence[TableProfile],
    features: Features,
    values: Values,
    embed: Embed | None,
    never: Collection[tuple[End, End]],
) -> dict[tuple[str, str], _Best]:
    pairs = [each for each in candidates(tables, values) if each.ends not in never]
    found = {}
    for column, places in by_child(pairs).items():
        told = [features.of(pairs[place]) for place in places]
        less = [OTHER_TYPE * pairs[place].child.equals_as_text(pairs[place].parent) for place in places]
        sure = confidences([strength(each, embed is not None) - off for each, off in zip(told, less, strict=True)])
        ranked = sorted(range(len(places)), key=lambda each: -sure[each])
        first, *others = ranked
        rival = (pairs[places[others[0]]].parent, sure[others[0]]) if others else None
        found[column] = _Best(pairs[places[first]], told[first], sure[first], rival)
    return found


def _one_direction(best: dict[tuple[str, str], _Best]) -> list[_Best]:
    """Without those whose parent refers back with more confidence."""

    def better(found: _Best) -> bool:
        child, parent = found.pair.child, found.pair.parent
        back = best.get((parent.table, parent.column))
        if back is None or (back.pair.parent.table, back.pair.parent.column) != (child.table, child.column):
            return True
        return (found.confidence, parent.table) > (back.confidence, child.table)

    return [each for each in best.values() if better(each)]


def _inferred(found: _Best, method: DetectionMethod) -> Relationship:
    said = evidence(found.pair, found.features, found.rival)
    return _relationship(found.pair.child, found.pair.parent, min(found.confidence, SUREST), method, said)


def _inferred_together(found: Composite, method: DetectionMethod) -> Relationship:
    sure = min(found.confidence, SUREST)
    return _relationship(found.pair.child, found.pair.parent, sure, method, evidence_together(found))


def _declared(key: ForeignKey, values: Values, tables: dict[str, TableProfile]) -> Relationship:
    child, parent = (
        _profile(tables[table], columns, values)
        for table, columns in ((key.table, key.columns), (key.parent, key.parent_columns))
    )
    said = [f"the database enforces it: foreign key {key.name}"]
    return _relationship(child, parent, 1.0, DetectionMethod.DECLARED, said)


def _claimed(key: ForeignKey, values: Values, tables: dict[str, TableProfile], method: DetectionMethod) -> Relationship:
    """A key that is declared but not enforced: as sure as its values are there."""
    child, parent = (
        _profile(tables[table], columns, values)
        for table, columns in ((key.table, key.columns), (key.parent, key.parent_columns))
    )
    pair = Candidate(child, parent, next(inclusions([child], parent, values)))
    return _relationship(child, parent, min(pair.included.share, SUREST), method, evidence_claimed(pair, key.name))


def _with_claimed(inferred: list[Relationship], claimed: Relationship, key: ForeignKey) -> list[Relationship]:
    """A claim in place of what was inferred of the same columns, unless that refers elsewhere with more confidence."""
    child, parent = key.ends
    same = [each for each in inferred if (each.table, frozenset(each.columns)) == child]
    agreeing = [each for each in same if (each.parent, frozenset(each.parent_columns)) == parent]
    if agreeing:
        surest = max(claimed.confidence, agreeing[0].confidence)
        claimed = replace(claimed, confidence=surest, evidence=[claimed.evidence[0], *agreeing[0].evidence])
    elif any(each.confidence > claimed.confidence for each in same):
        return inferred
    return [*(each for each in inferred if each not in same), claimed]


def _profile(table: TableProfile, columns: tuple[str, ...], values: Values) -> Profile:
    known = table.by_name.get(columns[0]) if len(columns) == 1 else None
    return known or values.together(table.name, columns)


def _relationship(
    child: Profile, parent: Profile, confidence: float, method: DetectionMethod, said: list[str]
) -> Relationship:
    return Relationship(
        table=child.table,
        columns=child.columns,
        parent=parent.table,
        parent_columns=parent.columns,
        confidence=round(confidence, 2),
        method=method,
        type=RelationshipType.ONE_TO_ONE if _refers_once(child) else RelationshipType.MANY_TO_ONE,
        cardinality=Cardinality(child.filled, child.distinct, parent.distinct),
        evidence=said,
        sampled=not (child.sketch.complete and parent.sketch.complete),
        as_text=child.equals_as_text(parent),
    )


def _refers_once(child: Profile) -> bool:
    return child.primary or child.unique or (child.once == 1 and child.filled >= ENOUGH_ROWS)
