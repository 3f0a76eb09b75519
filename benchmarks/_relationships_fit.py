"""Fits the weights of ``matching.relationships.scoring`` anew, and scores each database by weights of the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks._relationships_data import ParquetDatabase
from benchmarks._relationships_names import CONVENTIONS, Renamed, renamed
from dataops_defs.matching.fields import Embed
from dataops_defs.matching.relationships.candidates import by_child, candidates
from dataops_defs.matching.relationships.features import Features
from dataops_defs.matching.relationships.names import read_names
from dataops_defs.matching.relationships.scoring import AGAINST

SHRINKING = 0.02
# Shares of parents' rows that are taken to be lost, and how much such a database weighs.
MISSING = {0.0: 1.0, 0.08: 0.3, 0.2: 0.2}
# How much it weighs that a column whose parent is not among the tables refers to none of the others.
ORPHANED = 0.5
# What one would guess; weights are only moved away from it where the data say so.
GUESSED: Mapping[str, float] = {
    "named": 1.5,
    "within": 1.5,
    "keys": 1.0,
    "same name": 0.5,
    "part": 2.0,
    "own kind": 4.0,
    "meaning": 1.0,
    "keyed": 1.0,
    "named and included": 4.0,
    "unsaid": -4.0,
    "included": 3.0,
    "all included": 1.0,
    "telling": 5.0,
    "spread": 1.5,
    "key": 1.0,
    "not the key": -3.0,
    "copied": -3.0,
    "own key": -6.0,
    "borrowed": -3.0,
    "measure": -4.0,
    "same table": -1.0,
    "moment": -2.0,
}


@dataclass(frozen=True)
class Case:
    """A database in one convention: features of all candidates, those of each column, and which are right."""

    database: str
    convention: str
    missing: float
    counts: float
    names: Sequence[str]
    given: Any
    of_columns: Sequence[Sequence[int]]
    right: Any
    parents: Any


@dataclass(frozen=True)
class Weights:
    """What ``scoring`` has as constants."""

    weights: Mapping[str, float]
    bias: float

    def __str__(self) -> str:
        return f"WEIGHTS = {dict(self.weights)!r}\nBIAS = {self.bias!r}"


def cases_of(database: ParquetDatabase, embed: Embed | None) -> list[Case]:
    """A database in all conventions; values are compared once."""
    tables = database.profiles()
    pairs = candidates(tables, database)
    truth = frozenset(
        (key["from_table"], key["from_columns"][0], key["to_table"], key["to_columns"][0])
        for key in database.truth["foreign_keys"]
        if len(key["from_columns"]) == 1
    )
    return [
        _case(database.name, name, missing, renamed(tables, pairs, truth, by, missing), embed, by.counts * counts)
        for name, by in CONVENTIONS.items()
        for missing, counts in MISSING.items()
    ]


def _case(database: str, name: str, missing: float, made: Renamed, embed: Embed | None, counts: float) -> Case:
    features = Features(made.tables, read_names(made.tables), embed)
    rows = [features.of(pair) for pair in made.pairs]
    names = [each for each in rows[0] if embed or each != "meaning"]
    given = np.array([[row[each] for each in names] for row in rows])
    keys = [(p.child.table, p.child.column, p.parent.table, p.parent.column) for p in made.pairs]
    right = np.array([key in made.truth for key in keys], dtype=float)
    parents = np.array([each.parent.table for each in made.pairs])
    return Case(database, name, missing, counts, names, given, list(by_child(made.pairs).values()), right, parents)


def fit(cases: Sequence[Case]) -> Weights:
    """Weights by maximum likelihood, each with the sign that its feature has to have."""
    names = cases[0].names
    guessed = np.array([GUESSED[name] for name in names])

    def loss(weights: Any) -> tuple[float, Any]:
        moved = weights[:-1] - guessed
        slope = np.r_[2 * SHRINKING * moved, 0.0]
        total = SHRINKING * float(moved @ moved)
        for case in cases:
            scale = case.counts / len(case.of_columns) ** 0.5
            odds = case.given @ weights[:-1] + weights[-1]
            for places in case.of_columns:
                for counts, among in _questions(case, np.array(places)):
                    cost, error = _of_one_column(odds[among], case.right[among])
                    total += scale * counts * cost
                    slope[:-1] += scale * counts * (error @ case.given[among])
                    slope[-1] += scale * counts * error.sum()
        return total, slope

    bounds = [(None, 0) if name in AGAINST else (0, None) for name in names] + [(None, None)]
    found = minimize(loss, np.r_[guessed, -9.0], jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = {name: round(float(each), 2) for name, each in zip(names, found, strict=False) if abs(each) >= 0.005}
    return Weights(weights, round(float(found[-1]), 2))


def _questions(case: Case, places: Any) -> Iterator[tuple[float, Any]]:
    """Where a column refers to, and, where it refers to a table, what it does when that is not among the tables."""
    yield 1.0, places
    right = case.parents[places[case.right[places] > 0]]
    others = places[~np.isin(case.parents[places], right)]
    if len(right) and len(others):
        yield ORPHANED, others


def _of_one_column(odds: Any, right: Any) -> tuple[float, Any]:
    """What it costs to be wrong about one column, and how the cost changes with each candidate's odds."""
    every = np.r_[0.0, odds]
    log_total = np.logaddexp.reduce(every)
    chance = np.exp(odds - log_total)
    if right.any():
        return float(log_total - (odds * right).sum()), chance - right
    return float(log_total), chance


def without(cases: Sequence[Case], database: str) -> Weights:
    """Weights fitted to all databases but one."""
    return fit([case for case in cases if case.database != database])
