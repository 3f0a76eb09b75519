"""From features to confidence."""

import numpy as np

from dataops_defs.adapters.embeddings import embed
from dataops_defs.matching.features import Task, features
from dataops_defs.matching.fields import SourceField, TargetField
from dataops_defs.matching.scoring import confidences, same_thing, standing, strength

TASK = Task.of(
    [SourceField("length_km"), SourceField("length_mi"), SourceField("opened", "date")],
    [TargetField("length", "number", "How long it is"), TargetField("opening", "string", "First day", "date")],
)


def test_all_that_is_measured_speaks_for_a_pair() -> None:
    measured = features(TASK, embed)
    before = strength(measured)

    for name, values in measured.items():
        assert (strength({**measured, name: values + 0.1}) > before).all(), name


def test_columns_that_differ_in_a_unit_are_the_same_thing() -> None:
    kilometres, miles, opened = same_thing(TASK)

    assert kilometres == miles != opened


def test_the_same_thing_is_no_rival_of_itself() -> None:
    strengths = np.array([[1.0, -3.0], [1.0, -3.0]])

    as_rivals, as_one = confidences(strengths, [0, 1]), confidences(strengths, [0, 0])

    assert (as_one[:, 0] == as_one[0, 0]).all()
    assert as_one[0, 0] > as_rivals[:, 0].min()


def test_how_a_pair_stands_against_its_rivals() -> None:
    stands = standing(np.array([[2.0, 1.0], [0.0, -1.0], [-5.0, -5.0]]), [0, 1, 2])

    assert stands["lead in row"].tolist() == [[1.0, -1.0], [1.0, -1.0], [0.0, 0.0]]
    assert stands["first in row"].tolist() == [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    assert stands["lead in column"].tolist() == [[2.0, 2.0], [-2.0, -2.0], [-6.0, -6.0]]
    assert stands["assigned"].sum(axis=0).tolist() == [1.0, 1.0]


def test_a_single_pair_has_no_rivals() -> None:
    (found,) = confidences(np.array([[0.0]]), [0]).tolist()

    assert 0.5 < found[0] < 1.0
