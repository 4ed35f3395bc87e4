"""Bounds of accuracy without labels: beside linear programs, and how often they hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from skalign.metrics import _certificate, accuracy_bounds
from skalign.metrics._certificate import best_choice, chosen_bounds, deal, independent_accuracy

relaxed = settings(deadline=None)
few = settings(deadline=None, max_examples=10)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
counts = st.integers(2, 4)


def draw(rng, n_strata, n_classes):
    """Shares of the strata, and what class and decision are in each; some are certain."""
    a, b = rng.dirichlet(np.full(n_classes, 0.5), size=(2, n_strata))
    if rng.random() < 0.3:
        a = np.eye(n_classes)[rng.integers(n_classes, size=n_strata)]
    return rng.dirichlet(np.ones(n_strata)), a, a if rng.random() < 0.2 else b


def extreme(a, b, sign):
    """A coupling of least or most trace, by a linear program."""
    n, ones = len(a), np.ones(len(a))
    rows, columns = np.kron(np.eye(n), ones), np.kron(ones, np.eye(n))
    found = linprog(
        sign * np.eye(n).ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.r_[a, b][:-1]
    )
    return found.x.reshape(n, n)


@relaxed
@given(generators, counts, counts)
def test_bounds_are_those_of_linear_programs(rng, n_strata, n_classes):
    p, a, b = draw(rng, n_strata, n_classes)
    bounds = chosen_bounds(p, a, b, best_choice(a, b))
    for bound, sign in zip(bounds, (1, -1), strict=True):
        traces = [np.trace(extreme(*both, sign)) for both in zip(a, b, strict=True)]
        assert bound == pytest.approx(p @ traces, abs=1e-6)  # what the solver promises is 1e-7


@relaxed
@given(generators, counts, counts)
def test_every_joint_table_lies_in_the_bounds_of_every_choice(rng, n_strata, n_classes):
    """At most one class a stratum below, any classes above."""
    joint = rng.dirichlet(np.full(n_strata * n_classes**2, 0.3)).reshape(n_strata, n_classes, -1)
    p = joint.sum(axis=(1, 2))
    a, b = joint.sum(axis=2) / p[:, None], joint.sum(axis=1) / p[:, None]
    truth = np.trace(joint, axis1=1, axis2=2).sum()
    below = np.eye(n_classes)[rng.integers(n_classes, size=n_strata)] * rng.integers(2)
    above = rng.integers(2, size=a.shape)
    for choice in (best_choice(a, b), np.stack([below, above])):
        lower, upper = chosen_bounds(p, a, b, choice)
        assert lower - 1e-12 <= truth <= upper + 1e-12


@relaxed
@given(generators, counts)
def test_independent_errors_give_the_accuracy_itself(rng, n_classes):
    """From tables as large as can be, of decisions that are right more often than not."""
    share = rng.dirichlet(np.full(n_classes, 5))
    source, target = (
        0.6 * np.eye(n_classes) + 0.4 * rng.dirichlet(np.ones(n_classes), size=n_classes)
        for _ in range(2)
    )
    labelled = source.T * share
    pairs = labelled @ target
    found = independent_accuracy(1e9 * labelled, 1e9 * pairs)
    assert found == pytest.approx(share @ np.diag(target), abs=0.01)


def sample(rng, joint, n):
    """Rows of a joint table (strata, class, decision): labelled ones, and pairs."""
    cells = rng.choice(joint.size, size=(2, n), p=joint.ravel())
    (j, y, _), (k, _, c) = (np.unravel_index(some, joint.shape) for some in cells)
    return y, j, k, c


@pytest.mark.parametrize("kind", ["least", "most", "perfect"])
@pytest.mark.parametrize(("n_classes", "n"), [(2, 60), (5, 60), (5, 400)])
def test_bounds_hold_where_dependence_is_worst(kind, n_classes, n, monkeypatch):
    """In 95 of 100 draws; the truth is a bound itself, and perfect decisions tie in every cell."""
    monkeypatch.setattr(_certificate, "_HALVINGS", 10)  # faster, and no easier
    rng = np.random.default_rng(n_classes * n)
    held = []
    for _ in range(10):
        p = rng.dirichlet(np.full(n_classes, 5))
        a, b = (
            0.7 * np.eye(n_classes) + 0.3 * rng.dirichlet(np.ones(n_classes), size=n_classes)
            for _ in range(2)
        )
        b = a if kind == "perfect" else b
        sign = 1 if kind == "least" else -1
        tables = [extreme(*both, sign) for both in zip(a, b, strict=True)]
        joint = p[:, None, None] * np.maximum(tables, 0)
        joint /= joint.sum()
        truth = min(np.trace(joint, axis1=1, axis2=2).sum(), 1)
        for seed in range(10):
            found = accuracy_bounds(*sample(rng, joint, n), random_state=seed)
            held.append(found.lower - 1e-9 <= truth <= found.upper + 1e-9)
    assert np.mean(held) >= 0.95


def rows(rng, n, n_classes=3, accuracy=0.8):
    """Classes, and decisions of the source and of the target that err independently."""
    y = rng.integers(n_classes, size=n)
    wrong = rng.random((2, n)) > accuracy
    other = rng.integers(n_classes, size=(2, n))
    return y, *np.where(wrong, other, y)


@few
@given(generators)
def test_order_of_rows_and_names_are_no_matter(rng):
    (y, j, _), (_, k, c) = rows(rng, 50), rows(rng, 60)
    expected = accuracy_bounds(y, j, k, c, random_state=0)
    some, others = rng.permutation(50), rng.permutation(60)
    moved = accuracy_bounds(y[some], j[some], k[others], c[others], random_state=0)
    assert moved == expected
    names = np.array(["a", "b", "c"])
    assert accuracy_bounds(names[y], j, k, names[c].tolist(), random_state=0) == expected
    assert accuracy_bounds(y, names[j], names[k], c, random_state=0) == expected
    assert expected.lower <= expected.lower_point <= expected.estimate
    assert expected.estimate <= expected.upper_point <= expected.upper


def test_repeats_in_a_group_are_one_row():
    """Copies tell nothing new, if groups say so; a group has rows of both kinds or of one."""
    rng = np.random.default_rng(0)
    (y, j, _), (_, k, c) = rows(rng, 300), rows(rng, 300)
    labelled, pairs = np.lexsort((y, j)), np.lexsort((c, k))
    data = y[labelled], j[labelled], k[pairs], c[pairs]
    single = accuracy_bounds(*data, random_state=0)
    copied = [np.repeat(values, 9) for values in data]
    groups = np.repeat(np.arange(300), 9)
    grouped = accuracy_bounds(
        *copied, groups_labelled=groups, groups_pairs=groups + 300, random_state=0
    )
    assert grouped.lower_point == pytest.approx(single.lower_point)
    assert grouped.upper_point == pytest.approx(single.upper_point)
    width, wide = (found.upper - found.lower for found in (single, grouped))
    narrow = accuracy_bounds(*copied, random_state=0)
    assert wide == pytest.approx(width, rel=0.05)
    assert narrow.upper - narrow.lower < wide - 0.03
    both = accuracy_bounds(*copied, groups_labelled=groups, groups_pairs=groups, random_state=0)
    assert both.lower < both.upper


def test_more_confidence_is_wider_and_more_rows_are_narrower():
    rng = np.random.default_rng(0)
    (y, j, _), (_, k, c) = rows(rng, 2000), rows(rng, 2000)

    def width(n=2000, **options):
        found = accuracy_bounds(y[:n], j[:n], k[:n], c[:n], random_state=0, **options)
        return found.upper - found.lower

    assert width(confidence=0.5) < width() < width(confidence=0.999)
    assert width() < width(200) < width(50)


def test_what_the_source_never_said_of_labelled_rows_bounds_nothing():
    found = accuracy_bounds([0, 1] * 50, [0, 1] * 50, [2] * 100, [0] * 100, random_state=0)
    assert (found.lower, found.upper) == (0, 1)


def test_a_target_that_copies_is_as_good_as_the_source():
    """Pairs then hold nothing open but sampling; one that decides always alike is bounded, too."""
    rng = np.random.default_rng(0)
    (y, j, _), (_, k, _) = rows(rng, 4000), rows(rng, 4000)
    found = accuracy_bounds(y, j, k, k, random_state=0)
    assert found.lower_point == pytest.approx(np.mean(y == j), abs=0.02)
    assert found.upper_point == pytest.approx(np.mean(y == j), abs=0.02)
    prior = accuracy_bounds(y, j, k, np.zeros(4000, dtype=int), random_state=0)
    assert prior.lower < 1 / 3 < prior.upper
    assert prior.estimate == pytest.approx(1 / 3, abs=0.03)


@relaxed
@given(generators, st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(2, 5))
def test_hands_get_alike_of_every_kind(rng, kinds, n_hands):
    kinds = np.array(kinds)
    hands = deal(kinds, n_hands, rng)
    for some in (kinds >= 0, *(kinds == kind for kind in range(4))):
        dealt = np.bincount(hands[some], minlength=n_hands)
        assert np.ptp(dealt) <= 1


@pytest.mark.parametrize("place", range(4))
def test_messages_name_the_argument(place):
    name = ["y_labelled", "source_labelled", "source_pairs", "target_pairs"][place]
    good = [[0, 1, 1, 0]] * 4

    def bounds(bad, **options):
        return accuracy_bounds(*(bad if i == place else v for i, v in enumerate(good)), **options)

    for bad in ([], [[0, 1], [1, 0]], 3):
        with pytest.raises(ValueError, match=f"{name} must be 1-D and not empty"):
            bounds(bad)
    with pytest.raises(ValueError, match=f"{name} has no value for row 2"):
        bounds([0, 1, None, 1])
    with pytest.raises(ValueError, match=f"{name} has 3 rows|and {name} has 3"):
        bounds([0, 1, 1])


def test_messages_of_groups_and_confidence():
    good = [[0, 1, 1, 0]] * 4
    with pytest.raises(ValueError, match="groups_pairs has 2 rows, of which there are 4"):
        accuracy_bounds(*good, groups_pairs=[0, 1])
    with pytest.raises(ValueError, match="groups_labelled: at least two groups"):
        accuracy_bounds(*good, groups_labelled=["a"] * 4)
    with pytest.raises(ValueError, match="groups_labelled has no value for row 1"):
        accuracy_bounds(*good, groups_labelled=["a", None, "b", "b"])
    for confidence in (0, 1, 95, "high"):
        with pytest.raises(ValueError, match="confidence="):
            accuracy_bounds(*good, confidence=confidence)
