"""Fits the weights of ``dataops_defs.matching.scoring`` anew, and scores each group by weights fitted without it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from dataops_defs.adapters.embeddings import embed
from dataops_defs.matching import scoring
from dataops_defs.matching.features import Task, features
from dataops_defs.matching.fields import Matrix
from dataops_defs.matching.request import sources_of, targets_of

SHRINKING = 0.002


@dataclass(frozen=True)
class Case:
    """One case of the data: its features, which columns are no rivals, and which pairs are right."""

    group: str
    features: Mapping[str, Matrix]
    kinds: Sequence[int]
    right: Any

    @classmethod
    def of(cls, case: Mapping[str, Any]) -> "Case":
        """The features of a case."""
        columns, properties = sources_of(case["dataset"]["columns"]), targets_of(case["ontology"]["properties"])
        task = Task.of(columns, properties)
        truth = {each["column"]: set(each["properties"]) for each in case["truth"]}
        right = [[wanted.name in truth.get(column.name, ()) for wanted in properties] for column in columns]
        return cls(case["group"], features(task, embed), scoring.same_thing(task), np.array(right))


@dataclass(frozen=True)
class Weights:
    """What ``scoring`` has as constants."""

    strength: Mapping[str, float]
    strength_bias: float
    standing: Mapping[str, float]
    standing_bias: float

    def __str__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in vars(self).items())


def fit(cases: Sequence[Case]) -> Weights:
    """Weights by maximum likelihood, none below zero; every group counts by the root of its number of cases."""
    often = Counter(case.group for case in cases)
    counts = [often[case.group] ** -0.5 for case in cases]
    names = list(cases[0].features)
    stacked = [np.stack([case.features[name] for name in names], -1) for case in cases]
    strength, bias = _logistic(stacked, [case.right for case in cases], counts, by_row=True)
    stands = [scoring.standing(each @ strength + bias, case.kinds) for each, case in zip(stacked, cases, strict=True)]
    standing_names = list(stands[0])
    stood = [np.stack([each[name] for name in standing_names], -1) for each in stands]
    standing, standing_bias = _logistic(stood, [case.right for case in cases], counts, by_row=False)
    return Weights(_named(names, strength), round(bias, 2), _named(standing_names, standing), round(standing_bias, 2))


def confidences(case: Case, weights: Weights) -> Matrix:
    """As ``scoring.confidences``, with other weights."""
    strengths = sum(weight * case.features[name] for name, weight in weights.strength.items()) + weights.strength_bias
    stands = scoring.standing(strengths, case.kinds)
    total = sum(weight * stands[name] for name, weight in weights.standing.items()) + weights.standing_bias
    return 1 / (1 + np.exp(-total))


def _named(names: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True) if weight >= 0.005}


def _logistic(inputs: Sequence[Any], rights: Sequence[Any], counts: Sequence[float], by_row: bool) -> tuple[Any, float]:
    size = inputs[0].shape[-1]

    def loss(weights: Any) -> tuple[float, Any]:
        total, slope = SHRINKING * float(weights[:-1] @ weights[:-1]), np.r_[2 * SHRINKING * weights[:-1], 0.0]
        for given, right, count in zip(inputs, rights, counts, strict=True):
            scale = count / (right.any(1).sum() * len(inputs))
            odds = given @ weights[:-1] + weights[-1]
            for term in (_each_pair, _best_of_row)[: 1 + by_row]:
                cost, error = term(odds, right)
                total += scale * cost
                slope[:-1] += scale * np.tensordot(error, given, ((0, 1), (0, 1)))
                slope[-1] += scale * error.sum()
        return total, slope

    bounds = [(0, None)] * size + [(None, None)]
    found = minimize(loss, np.zeros(size + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1])


def _each_pair(odds: Matrix, right: Any) -> tuple[float, Matrix]:
    chance = 1 / (1 + np.exp(-odds))
    return float(np.logaddexp(0, np.where(right, -odds, odds)).sum()), chance - right


def _best_of_row(odds: Matrix, right: Any) -> tuple[float, Matrix]:
    share = np.exp(odds - odds.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    hit = (share * right).sum(1, keepdims=True)
    mapped = right.any(1, keepdims=True)
    error = np.where(mapped, share - share * right / np.maximum(hit, 1e-12), 0.0)
    return float(-np.log(np.maximum(hit[mapped[:, 0]], 1e-12)).sum()), error


def held_out(cases: Sequence[Case], show: Callable[[str], None]) -> list[Matrix]:
    """The confidences of each case by weights fitted to the other groups only."""
    without = {group: fit([case for case in cases if case.group != group]) for group in {c.group for c in cases}}
    show("Weights fitted to all groups:\n" + str(fit(cases)))
    return [confidences(case, without[case.group]) for case in cases]
