"""From features to confidence: how strong each pair is by itself, and how it stands against its rivals.

Two logistic regressions. Their weights were fitted to published mappings between vocabularies (software metadata,
encyclopaedia templates, health care) and to judged ones of sample databases; ``benchmarks/matching.py --fit`` fits
them again and tells how well they do on domains that they were not fitted to.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from dataops_defs.matching.features import Task
from dataops_defs.matching.fields import Matrix
from dataops_defs.matching.words import PLAIN

STRENGTH = {
    "exact": 0.47,
    "covered": 0.34,
    "covering": 1.54,
    "covering squared": 1.17,
    "both": 1.58,
    "told": 1.51,
    "brevity": 0.62,
    "related": 2.47,
    "meaning": 0.86,
    "described": 1.42,
    "sampled": 0.85,
    "kind": 1.05,
    "values": 0.43,
}
STRENGTH_BIAS = -7.69
STANDING = {"strength": 0.47, "lead in row": 0.45, "first in row": 0.5, "lead in column": 0.08, "assigned": 0.69}
STANDING_BIAS = -0.89
# Leads beyond this say no more.
FURTHEST = 6.0


def strength(features: Mapping[str, Matrix]) -> Matrix:
    """Log-odds that a pair is right, looked at by itself."""
    total = sum((weight * features[name] for name, weight in STRENGTH.items()), np.float64(0))
    return np.asarray(total + STRENGTH_BIAS, dtype=np.float64)


def confidences(strengths: Matrix, kinds_of_columns: Sequence[int]) -> Matrix:
    """Probability that a pair is right, given all others: 0 to 1.

    Args:
        kinds_of_columns: equal numbers for columns that may share a property, as ``same_thing`` gives them.
    """
    stands = standing(strengths, kinds_of_columns)
    total = sum((weight * stands[name] for name, weight in STANDING.items()), np.float64(0))
    return np.asarray(1.0 / (1.0 + np.exp(-(total + STANDING_BIAS))), dtype=np.float64)


def standing(strengths: Matrix, kinds_of_columns: Sequence[int]) -> dict[str, Matrix]:
    """How each pair stands: lead over the column's other properties, over other columns, and the best assignment."""
    kinds = np.asarray(kinds_of_columns)
    by_kind = np.full((kinds.max() + 1, strengths.shape[1]), -np.inf)
    np.maximum.at(by_kind, kinds, strengths)
    assigned = np.zeros_like(strengths)
    for kind, place in zip(*linear_sum_assignment(by_kind, maximize=True), strict=True):
        assigned[kinds == kind, place] = 1.0
    lead = np.clip(strengths - _best_other(strengths), -FURTHEST, FURTHEST)
    return {
        "strength": strengths,
        "lead in row": lead,
        "first in row": (lead >= 0).astype(np.float64),
        "lead in column": np.clip(strengths - _best_other(by_kind.T).T[kinds], -FURTHEST, FURTHEST),
        "assigned": assigned,
    }


def _best_other(rows: Matrix) -> Matrix:
    """For each number of a row, the highest of the others."""
    if rows.shape[1] < 2:
        return np.full_like(rows, -FURTHEST)
    ordered = np.sort(rows, axis=1)
    highest, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.where(rows >= highest, second, highest)


def same_thing(task: Task) -> list[int]:
    """Numbers the columns; those that differ only in a unit, a number or letter case get the same number.

    ``length_km`` and ``length_mi`` may well become one property, so they are no rivals.
    """
    numbers: dict[object, int] = {}
    found = []
    for column, words in zip(task.columns, task.column_words, strict=True):
        key: object = tuple(word.stem for word in words if word.weight > 0.5 * PLAIN) or column.name
        found.append(numbers.setdefault(key, len(numbers)))
    return found
