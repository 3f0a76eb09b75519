"""From features to confidence: each column refers to one of its candidates, or to none.

A conditional logit: a candidate's odds against "none" are e to the sum of its weighted features, and all candidates of
a column share one probability. That is why a column has one parent, and why two good candidates make both doubtful.
``benchmarks/relationships.py --fit`` fits the weights to databases whose keys are known, each also with its names
rewritten in other conventions, with parents' rows missing, and with parents missing altogether; the weights stay near
what one would guess unless the data say otherwise. It also tells how well they do on databases not fitted to.
"""

import math
from collections.abc import Mapping, Sequence

WEIGHTS: Mapping[str, float] = {
    "named": 1.4,
    "within": 3.67,
    "keys": 0.02,
    "same name": 0.93,
    "part": 2.03,
    "own kind": 5.26,
    "measure": -4.09,
    "same table": -0.41,
    "named and included": 1.76,
    "unsaid": -2.01,
    "included": 2.95,
    "all included": 0.41,
    "telling": 5.98,
    "spread": 3.32,
    "not the key": -3.28,
    "copied": -3.03,
    "own key": -7.31,
    "borrowed": -5.75,
    "moment": -2.01,
}
BIAS = -7.95
# Fitted where the meanings of names are known too: what they are near to is not unsaid.
WEIGHTS_WITH_MEANING: Mapping[str, float] = {
    "named": 1.38,
    "within": 3.93,
    "keys": 0.2,
    "same name": 0.98,
    "part": 2.63,
    "own kind": 5.62,
    "meaning": 0.19,
    "measure": -4.09,
    "same table": -0.36,
    "named and included": 2.01,
    "unsaid": -1.2,
    "included": 2.71,
    "all included": 0.44,
    "telling": 6.49,
    "spread": 3.39,
    "not the key": -3.22,
    "copied": -3.02,
    "own key": -7.51,
    "borrowed": -5.68,
    "moment": -2.0,
}
BIAS_WITH_MEANING = -8.6
# Speaks against, the more of it the more.
AGAINST = frozenset({"unsaid", "not the key", "copied", "own key", "borrowed", "measure", "same table", "moment"})


def strength(features: Mapping[str, float], with_meaning: bool) -> float:
    """Log-odds of a candidate against "refers to nothing"."""
    weights, bias = (WEIGHTS_WITH_MEANING, BIAS_WITH_MEANING) if with_meaning else (WEIGHTS, BIAS)
    return bias + sum(weight * features[name] for name, weight in weights.items())


def confidences(strengths: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of one column; what they lack to 1 is that of none."""
    top = max(0.0, *strengths)
    odds = [math.exp(each - top) for each in strengths]
    total = math.exp(-top) + sum(odds)
    return [each / total for each in odds]
