"""What classes are learned from: repeated rows are weights, and no order or unit shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from skalign._blocks import presence, resolve
from skalign._utils._rows import different_rows
from skalign.moments._rows import ArrayRows
from skalign.transfer._source import SoftLabels
from skalign.transfer._task import anchor_folds, transfer_task

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = [2, 4]


# -- repeated rows -------------------------------------------------------------------------------


def draw(rng, n=40):
    """Rows of two blocks, of which many repeat, or share their first columns; some of them."""
    source = rng.integers(rng.integers(2, 30), size=(n, 2)) * rng.choice([1.0, -0.5, 0.0], size=2)
    target = rng.integers(2, size=(n, 2)) - 0.5
    rows = rng.permutation(n)[: rng.integers(1, n + 1)]
    return source, target, rng.uniform(0.5, 2, size=n), rows


@few
@given(generators)
def test_rows_come_as_unique_has_them(rng):
    """Lexicographic order, first occurrence among the rows, and which one a row is."""
    source, target, weights, rows = draw(rng)
    pairs = np.hstack([source, target])[rows] + 0.0
    first, total, inverse = different_rows((source, target), rows, weights)
    _, expected, where = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(inverse, where.ravel())
    for row, weight in zip(first, total, strict=True):
        equal = (pairs == pairs[row]).all(axis=1)
        assert weight == pytest.approx(weights[rows][equal].sum())


@few
@given(generators)
def test_order_of_rows_does_not_show(rng):
    """Different rows in one order, weights summed up."""
    source, target, weights, rows = draw(rng)
    pairs, shuffled = np.hstack([source, target]), rng.permutation(rows)
    first, total, _ = different_rows((source, target), rows, weights)
    again, heavy, _ = different_rows((source, target), shuffled, weights)
    np.testing.assert_array_equal(pairs[shuffled[again]], pairs[rows[first]])
    np.testing.assert_allclose(heavy, total)


def test_rows_that_differ_late_are_different():
    """The first column may tie everywhere; zero has one sign; no row, no result."""
    first, total, _ = different_rows(
        (np.zeros((4, 3)), np.array([[2.0], [1], [-0.0], [0]])), np.arange(4), np.ones(4)
    )
    assert first.tolist() == [2, 1, 0]
    assert total.tolist() == [2, 1, 1]
    nothing = np.zeros(0, dtype=int)
    first, total, inverse = different_rows((np.zeros((0, 2)),), nothing, np.zeros(0))
    assert len(first) == len(total) == len(inverse) == 0


# -- order, units and repeats of a task ----------------------------------------------------------

# Rows that have both modalities, the source alone, the target alone; of each, different ones.
KINDS = (30, 5, 12)


def draw_rows(rng, repeats):
    """Different rows of all kinds in random order, and how often each is there."""
    X = rng.normal(size=(sum(KINDS), 6)) * 10.0 ** rng.uniform(-2, 2, size=6)
    X += 10.0 ** rng.uniform(-2, 2) * rng.normal(size=6)
    X[30:35, 2:] = np.nan
    X[35:, :2] = np.nan
    X = X[rng.permutation(len(X))]
    counts = rng.integers(1, 4, size=len(X)) if repeats else np.ones(len(X), dtype=int)
    return X, counts


def soft_labels_of(X, weights, posterior):
    """What the source says of the pairs, by a function of their rows."""
    blocks = resolve(WIDTHS, 6)
    present = presence(X, blocks)
    pairs = np.flatnonzero(present.all(axis=1) & (weights > 0))
    rows, means = ArrayRows(X, weights, blocks), np.full((3, 6), np.nan)
    nothing = np.zeros(0, dtype=int)
    return SoftLabels(
        rows, present, weights, pairs, posterior(X[pairs, :2]), means, nothing, nothing
    )


def judge(rng, X):
    """Posterior of three classes that reads the source in the units of some rows."""
    mean, scale, coef = (
        np.nanmean(X, axis=0)[:2],
        np.nanstd(X, axis=0)[:2],
        rng.normal(size=(2, 3)),
    )
    return lambda source: softmax((source - mean) / scale @ coef, axis=1)


def held_out(task, names):
    """Names of the rows that are left out with each fold."""
    folds = anchor_folds(task)
    assert len(folds) > 1
    return [set(names[task.pairs[np.isin(task.inverse, fold)]]) for fold in folds]


def assert_same_task(found, expected, columns=slice(None), names=None):
    """Rows in the same order, in the same folds; ``names`` says what rows were called."""
    np.testing.assert_allclose(found.points, expected.points[:, columns], atol=1e-9)
    np.testing.assert_allclose(found.unpaired, expected.unpaired[:, columns], atol=1e-9)
    np.testing.assert_allclose(found.posterior, expected.posterior, atol=1e-9)
    np.testing.assert_allclose(found.weights, expected.weights)
    np.testing.assert_allclose(found.unpaired_weights, expected.unpaired_weights)
    every = np.arange(sum(KINDS))
    assert held_out(found, every if names is None else names) == held_out(expected, every)


@few
@given(generators)
def test_points_are_the_pairs_and_their_folds_go_together(rng):
    """Each pair is a point, standardized with the unpaired rows; numbers lead back to the rows."""
    X, counts = draw_rows(rng, repeats=True)
    soft = soft_labels_of(X, counts.astype(float), judge(rng, X))
    task = transfer_task(soft, 1)
    np.testing.assert_array_equal(task.pairs, soft.pairs)
    assert sorted(task.inverse) == list(range(KINDS[0]))
    target = X[:, 2:]
    has = np.isfinite(target[:, 0])
    mean = np.average(target[has], axis=0, weights=counts[has])
    deviation = np.sqrt(np.average((target[has] - mean) ** 2, axis=0, weights=counts[has]))
    expected = (target[soft.pairs] - mean) / deviation
    np.testing.assert_allclose(task.points[task.inverse], expected, atol=1e-9)
    np.testing.assert_array_equal(task.posterior[task.inverse], soft.posterior)
    np.testing.assert_array_equal(task.weights[task.inverse], counts[soft.pairs])
    assert len(task.unpaired) == KINDS[2]
    assert task.unpaired_weights.sum() == counts[has].sum() - counts[soft.pairs].sum()


@few
@given(generators)
def test_order_of_rows_leaves_a_task_as_it_is(rng):
    X, counts = draw_rows(rng, repeats=True)
    posterior, order = judge(rng, X), rng.permutation(len(X))
    weights = counts.astype(float)
    plain = transfer_task(soft_labels_of(X, weights, posterior), 1)
    found = transfer_task(soft_labels_of(X[order], weights[order], posterior), 1)
    assert_same_task(found, plain, names=order)


@few
@given(generators)
def test_order_of_columns_leaves_a_task_as_it_is(rng):
    """Within blocks: coordinates change places, pairs do not."""
    X, counts = draw_rows(rng, repeats=True)
    posterior, weights = judge(rng, X), counts.astype(float)
    plain = transfer_task(soft_labels_of(X, weights, posterior), 1)
    own, columns = rng.permutation(2), rng.permutation(4)
    moved = X[:, np.append(own, 2 + columns)]
    soft = soft_labels_of(moved, weights, lambda source: posterior(source[:, np.argsort(own)]))
    assert_same_task(transfer_task(soft, 1), plain, columns)


@few
@given(generators)
def test_units_and_origins_leave_a_task_as_they_are(rng):
    """Of each feature its own."""
    X, counts = draw_rows(rng, repeats=True)
    posterior, weights = judge(rng, X), counts.astype(float)
    plain = transfer_task(soft_labels_of(X, weights, posterior), 1)
    unit = 10.0 ** rng.uniform(-6, 6, size=6)
    origin = unit * np.nanstd(X, axis=0) * rng.normal(size=6)
    soft = soft_labels_of(
        X * unit + origin, weights, lambda s: posterior((s - origin[:2]) / unit[:2])
    )
    assert_same_task(transfer_task(soft, 1), plain)


@few
@given(generators)
def test_repeated_rows_and_weights_make_one_task(rng):
    """In any order, with more of a row in one place than in another; no weight is no row."""
    X, counts = draw_rows(rng, repeats=True)
    posterior, rows = judge(rng, X), rng.permutation(np.repeat(np.arange(len(X)), counts))
    plain = transfer_task(soft_labels_of(X, counts.astype(float), posterior), 1)
    found = transfer_task(soft_labels_of(X[rows], np.ones(len(rows)), posterior), 1)
    assert_same_task(found, plain, names=rows)
    absent = np.vstack([X, 100 * rng.normal(size=(4, 6))])
    absent[-2:, :2] = np.nan
    weights = np.append(counts, np.zeros(4))
    assert_same_task(transfer_task(soft_labels_of(absent, weights, posterior), 1), plain)


def test_two_different_pairs_are_needed():
    """Repeats of one pair tell nothing apart."""
    X = np.vstack([np.ones((3, 6)), np.where(np.arange(6) < 2, np.nan, 2.0)])
    soft = soft_labels_of(X, np.ones(4), lambda source: np.full((len(source), 3), 1 / 3))
    with pytest.raises(ValueError, match="X has one pair of source and target"):
        transfer_task(soft, 1)
