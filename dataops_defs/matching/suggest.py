"""Which property may each column become: ranked, with reasons."""

from collections.abc import Sequence

from dataops_defs.errors import Invalid
from dataops_defs.matching.evidence import evidence
from dataops_defs.matching.features import Task, features
from dataops_defs.matching.fields import Embed, SourceField, Suggestion, TargetField
from dataops_defs.matching.scoring import confidences, same_thing, strength

MOST = 500
A_COLUMN = 5


def suggest(columns: Sequence[SourceField], properties: Sequence[TargetField], embed: Embed) -> list[Suggestion]:
    """The five likeliest properties of every column, the most confident first.

    Names must differ on each side. The order in which columns and properties are given does not matter.

    Raises:
        Invalid: there are no columns or no properties, or more than 500 of either.
    """
    for name, given in (("columns", columns), ("properties", properties)):
        if not given:
            raise Invalid.field(name, "must hold at least one")
        if len(given) > MOST:
            raise Invalid.field(name, f"must not be more than {MOST}; there are {len(given)}")
    task = Task.of(sorted(columns, key=lambda each: each.name), sorted(properties, key=lambda each: each.name))
    found = features(task, embed)
    confident = confidences(strength(found), same_thing(task)).round(4)
    suggestions = [
        Suggestion(
            column.name,
            task.properties[place].name,
            float(confident[row, place]),
            evidence(task, found, row, place),
        )
        for row, column in enumerate(task.columns)
        for place in (-confident[row]).argsort(kind="stable")[:A_COLUMN].tolist()
    ]
    return sorted(suggestions, key=lambda each: (-each.confidence, each.column, each.property))
