"""Discriminants of soft labels: their choices against brute force, and numbers by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from skalign._utils._rows import spread_rows
from skalign.transfer import _discriminant
from skalign.transfer._discriminant import (
    INDIFFERENT,
    POWERS,
    RIDGE,
    TINY,
    Candidate,
    PrincipalScores,
    SoftLDA,
    _solved,
    affordable_rows,
    axes_of,
    beside,
    best_anchored,
    best_discriminant,
    expected_classes,
    gains_more_than_its_error,
    inverse_temperature,
    likelihood_ratios,
    most_shared,
    principal_axes,
)
from skalign.transfer._task import Anchors

EPS = np.finfo(float).eps


def draw(seed=0, n=40, d=4, n_classes=3):
    """Points of classes that can be told apart, what a source says of them, weights."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    X = 2 * rng.normal(size=(n_classes, d))[labels] + rng.normal(size=(n, d)) + rng.normal(size=d)
    posterior = 0.7 * np.eye(n_classes)[labels] + 0.3 * rng.dirichlet(np.ones(n_classes), size=n)
    return X, posterior, rng.uniform(0.2, 2, size=n)


def scores_of(X, weights):
    """Points along their axes."""
    return PrincipalScores.of(principal_axes(X, weights), X, weights)


@pytest.fixture
def small_blocks(monkeypatch):
    """Seven rows at a time."""
    monkeypatch.setattr(
        _discriminant,
        "row_blocks",
        lambda n, *_: [slice(a, min(a + 7, n)) for a in range(0, n, 7)],
    )


# -- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 4), (6, 6), (8, 20)])
@pytest.mark.usefixtures("small_blocks")
def test_axes_diagonalize_the_covariance(shape):
    """Of weighted points, tall or wide, in any blocks; cubes of an axis sum to zero or more."""
    rng = np.random.default_rng(1)
    X, weights = rng.normal(size=shape) + 3, rng.uniform(0.2, 2, size=shape[0])
    axes = principal_axes(X, weights)
    share = weights / weights.sum()
    mean = share @ X
    covariance = ((X - mean).T * share) @ (X - mean)
    np.testing.assert_allclose(axes.mean, mean, rtol=1e-12)
    expected = np.linalg.eigvalsh(covariance)[::-1][: len(axes.variance)]
    np.testing.assert_allclose(axes.variance, expected, rtol=1e-9)
    assert len(axes.variance) == min(shape[1], shape[0] - 1)
    np.testing.assert_allclose(covariance @ axes.axes, axes.axes * axes.variance, atol=1e-9)
    np.testing.assert_allclose(axes.axes.T @ axes.axes, np.eye(len(expected)), atol=1e-10)
    assert np.all(np.sum(axes.axes**3, axis=0) >= 0)
    np.testing.assert_allclose(axes.scores(X), (X - mean) @ axes.axes, atol=1e-12)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_axes_of_rounding_are_left_out(size):
    """By their share of the largest variance, whatever its size; of nothing, none is left."""
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    covariance = (turn * (size * np.array([1.0, 0.3, 1.2e-3, 0.8e-3]))) @ turn.T
    axes = axes_of(np.ones(4), covariance, 1e-3)
    np.testing.assert_allclose(axes.variance, size * np.array([1, 0.3, 1.2e-3]), rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(axes.axes * turn[:, :3], axis=0)), 1, rtol=1e-9)
    assert np.all(np.sum(axes.axes**3, axis=0) >= 0)
    assert axes_of(np.ones(2), np.zeros((2, 2))).axes.shape == (2, 0)
    assert axes_of(np.ones(2), -size * np.eye(2)).axes.shape == (2, 0)
    assert axes_of(np.ones(0), np.zeros((0, 0))).axes.shape == (0, 0)
    flat = axes_of(np.zeros(2), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert flat.axes.shape == (2, 1)
    assert axes_of(np.zeros(2), np.diag([1e-11, 1.0])).axes.shape == (2, 1)
    assert axes_of(np.zeros(2), np.diag([1e-9, 1.0])).axes.shape == (2, 2)


@pytest.mark.parametrize(
    ("n", "n_classes", "most"),
    [
        (10**6, 3, 10_000),
        (10**6, 40, 6250),
        (10**6, 41, 10_000),
        (10**6, 100, 10_000),
        (10**6, 500, 1058),
        (10**6, 5000, 1000),
        (300, 40, 300),
    ],
)
def test_rows_that_can_be_afforded(n, n_classes, most):
    """By the cost of as many terms as there are classes, or of sixteen where these are many."""
    rows = affordable_rows(n, n_classes)
    assert len(rows) == most
    np.testing.assert_array_equal(rows, spread_rows(n, most))


# -- a discriminant -------------------------------------------------------------------------------


def test_a_discriminant_by_hand():
    """One score of variance four, two classes at -1 and 2, a ridge of a half."""
    lda = SoftLDA.of(np.array([4.0]), 9.0, np.array([6.0, 3.0]), np.array([[-6.0], [6.0]]), 0.5)
    # T = 0.5 (4 - (6 * 1 + 3 * 4) / 9) + 0.5 * 4 = 3
    coef, intercept = lda.discriminant()
    np.testing.assert_allclose(coef, [[-1 / 3, 2 / 3]], rtol=1e-12)
    np.testing.assert_allclose(intercept, [-1 / 6, -4 / 6], rtol=1e-12)
    default = SoftLDA.of(np.array([4.0]), 9.0, np.array([6.0, 3.0]), np.array([[-6.0], [6.0]]))
    # T = 0.7 (4 - 2) + 0.3 * 4 = 2.6
    np.testing.assert_allclose(default.discriminant()[0], [[-1 / 2.6, 2 / 2.6]], rtol=1e-12)


def test_a_class_without_weight_has_a_mean():
    """That of all points; its weight is rounding, of the size of the total."""
    counts, sums = np.array([0.0, 8e6]), np.array([[0.0, 0.0], [1e6, -2e6]])
    lda = SoftLDA.of(np.array([2.0, 1.0]), 8e6, counts, sums)
    np.testing.assert_allclose(lda.means, [[0, 0], [0.125, -0.25]], rtol=1e-9)
    np.testing.assert_allclose(lda.counts, [EPS * 8e6, 8e6], rtol=1e-12)
    assert np.isfinite(lda.discriminant()[0]).all()
    none = SoftLDA.of(np.zeros(0), 1.0, np.ones(2) / 2, np.zeros((2, 0)))
    assert none.discriminant()[0].shape == (0, 2)


def brute(Z, weighted, weights, ridge, lose):
    """Discriminants of each point: means without it, a covariance without what ``lose`` says."""
    total, (n, p), keep = weights.sum(), Z.shape, 1 - ridge
    counts = weighted.sum(axis=0) + EPS * total
    means = weighted.T @ Z / counts[:, None]
    second = (Z.T * weights) @ Z / total
    T = keep * (second - (means.T * counts) @ means / total) + ridge * np.trace(
        second
    ) / p * np.eye(p)
    out = np.empty(weighted.shape)
    for i in range(n):
        left = np.maximum(counts - weighted[i], 1e-3 * counts)
        own = (counts[:, None] * means - np.outer(weighted[i], Z[i])) / left[:, None]
        T_i = T - keep / total * lose(i, counts, means, left, own, second * total)
        out[i] = [multivariate_normal(m, T_i).logpdf(Z[i]) for m in own]
    return out - out.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("others", [0.0, 3e-4])
@pytest.mark.parametrize("unsure", [False, True])
def test_a_class_that_one_point_makes_up(others, unsure):
    """Without it a thousandth of its weight is left, or what it is worth; all else is a refit.

    Labels need not sum to one.
    """
    X, resp, weights = draw(3, n=14)
    resp, weights = np.hstack([resp, np.zeros((14, 1))]), weights.copy()
    resp[5], resp[2], weights[5] = [0, 0, 0, 1], [1 - others, 0, 0, others], 6.0
    if unsure:
        resp *= np.random.default_rng(3).uniform(0.5, 1, size=(14, 1))
    points = scores_of(X, weights)
    Z, weighted = points.points, resp * weights[:, None]

    def lose(i, counts, means, left, own, second):
        rest = np.arange(14) != i
        kept = (Z[rest].T * weights[rest]) @ Z[rest] - (own.T * left) @ own
        return second - (means.T * counts) @ means - kept

    found = points.leave_one_out(resp, np.arange(14), 0.2)
    found -= found.mean(axis=1, keepdims=True)
    expected = brute(Z, weighted, weights, 0.2, lose)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    some = points.leave_one_out(resp, np.array([5, 2]), 0.2)
    np.testing.assert_allclose(some - some.mean(axis=1, keepdims=True), found[[5, 2]], atol=1e-9)


@pytest.mark.parametrize("n_classes", [4, 5, 8])
@pytest.mark.usefixtures("small_blocks")
def test_many_classes_lose_few_terms_of_their_own(monkeypatch, n_classes):
    """Those of largest weight in a point one each, all others one together, at their mean."""
    monkeypatch.setattr(_discriminant, "FEW_CLASSES", 4)
    monkeypatch.setattr(_discriminant, "OWN_TERMS", 2)
    X, resp, weights = draw(4, n=30, d=3, n_classes=n_classes)
    points = scores_of(X, weights)
    Z, weighted = points.points, resp * weights[:, None]

    def lose(i, counts, means, left, own, second):
        b = counts * weighted[i] / left
        most = np.argsort(b)[-(n_classes if n_classes <= 4 else 2) :]
        others = np.setdiff1d(np.arange(n_classes), most)
        lost = sum(b[c] * np.outer(means[c] - Z[i], means[c] - Z[i]) for c in most)
        if len(others):
            middle = b[others] @ means[others] / b[others].sum()
            lost = lost + b[others].sum() * np.outer(middle - Z[i], middle - Z[i])
        return lost

    found = points.leave_one_out(resp, np.arange(30))
    found -= found.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, brute(Z, weighted, weights, RIDGE, lose), atol=1e-6)


def test_hard_labels_of_many_classes(monkeypatch):
    """Have no others: their discriminants are those of all terms."""
    X, resp, weights = draw(5, n=60, n_classes=9)
    resp = np.eye(9)[resp.argmax(axis=1)]
    points = scores_of(X, weights)
    expected = points.leave_one_out(resp, np.arange(60))
    monkeypatch.setattr(_discriminant, "FEW_CLASSES", 5)
    monkeypatch.setattr(_discriminant, "OWN_TERMS", 2)
    np.testing.assert_allclose(points.leave_one_out(resp, np.arange(60)), expected, atol=1e-8)


def test_some_points():
    """Keep the variance of all."""
    X, _, weights = draw()
    points = scores_of(X, weights)
    some = points.some(np.array([3, 1]))
    np.testing.assert_array_equal(some.points, points.points[[3, 1]])
    np.testing.assert_array_equal(some.weights, weights[[3, 1]])
    assert some.variance is points.variance


# -- what is shared with the source --------------------------------------------------------------


def ratios_by_definition(scores, posterior, share, power):
    """One row after the other."""
    prior = share @ posterior
    density = np.exp(scores) ** power
    return np.log((density * posterior).sum(axis=1) / (density @ prior))


def test_likelihood_ratios():
    """By their definition, at each power, whatever constant a row's scores have."""
    rng = np.random.default_rng(6)
    scores, posterior = rng.normal(size=(20, 4)), rng.dirichlet(np.ones(4), size=20)
    share = rng.dirichlet(np.ones(20))
    powers = np.array([0.0, 0.5, 3.0])
    found = likelihood_ratios(scores + 1e3 * rng.normal(size=(20, 1)), posterior, share, powers)
    for row, power in zip(found, powers, strict=True):
        np.testing.assert_allclose(
            row, ratios_by_definition(scores, posterior, share, power), atol=1e-9
        )
    certain = likelihood_ratios(
        np.array([[0.0, 900.0]]), np.array([[1.0, 0.0]]), np.ones(1), [1.0]
    )
    np.testing.assert_allclose(certain, 0, atol=1e-9)  # TINY keeps it from minus infinity
    sure = likelihood_ratios(
        np.array([[0.0, -900.0], [-900.0, 0.0]]), np.eye(2)[::-1], np.full(2, 0.5), [1.0]
    )
    np.testing.assert_allclose(sure, [[np.log(TINY / 0.5)] * 2], rtol=1e-9)


def test_most_shared_is_at_the_best_power():
    """Of all that are tried."""
    X, posterior, weights = draw(7)
    points, share = scores_of(X, weights), weights / weights.sum()
    own = points.leave_one_out(posterior, np.arange(40))
    found = most_shared(own, posterior, share)
    every = [ratios_by_definition(own, posterior, share, power) for power in POWERS]
    best = max(every, key=lambda ratios: share @ ratios)
    np.testing.assert_allclose(found, best, atol=1e-7)
    only = most_shared(own, posterior, share, np.array([0.02]))
    np.testing.assert_allclose(only, ratios_by_definition(own, posterior, share, 0.02), atol=1e-7)


@pytest.mark.parametrize("power", [0.5, 4.0, 11.0, 50.0])
def test_inverse_temperature_finds_the_power(power):
    """At which a word that is too weak says what it knows; from one on, up to twenty."""
    rng = np.random.default_rng(8)
    labels = rng.integers(3, size=3000)
    first, other = (2 * np.eye(3)[labels] + rng.normal(size=(3000, 3)) for _ in range(2))
    posterior = softmax(2 * first, axis=1)
    scores = 2 * other / power
    weights = rng.uniform(0.5, 2, size=3000)
    found = inverse_temperature(scores, posterior, weights)
    assert found == pytest.approx(np.clip(power, 1, 20), rel=0.15)
    tried, share = np.geomspace(1, 20, 40), weights / weights.sum()
    means = [share @ ratios_by_definition(scores, posterior, share, p) for p in tried]
    assert found == tried[np.argmax(means)]


def test_inverse_temperature_is_the_smallest_of_those_as_good():
    """Where nothing is said, one."""
    rng = np.random.default_rng(9)
    scores, even = rng.normal(size=(4000, 3)), np.full((4000, 3), 1 / 3)
    assert inverse_temperature(np.zeros((5, 2)), np.full((5, 2), 0.5), np.ones(5)) == 1.0
    assert inverse_temperature(scores, even, rng.uniform(3, 14, size=4000)) == 1.0


def test_gains_that_exceed_their_error():
    """By the standard error of a weighted mean, and by what is worth a choice."""
    share, old = np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.2, 0.3])
    gain = np.array([0.4, 0.0, 0.8])
    mean = 0.4
    error = np.sqrt((0.25 * 0.4) ** 2 + (0.25 * 0.4) ** 2)  # deviations 0, -0.4, 0.4
    assert error == pytest.approx(0.1414, rel=1e-3)
    limit = (mean - INDIFFERENT) / error
    assert gains_more_than_its_error(old + gain, old, share) is True
    assert gains_more_than_its_error(old + gain, old, share, limit * 0.999)
    assert not gains_more_than_its_error(old + gain, old, share, limit * 1.001)
    assert not gains_more_than_its_error(old + INDIFFERENT * 0.99, old, share)
    assert gains_more_than_its_error(old + INDIFFERENT * 1.01, old, share)
    assert not gains_more_than_its_error(old, old + gain, share)


# -- classes of the pairs -------------------------------------------------------------------------


def fixed_point(points, posterior, exponent, ridge, steps=20, tolerance=1e-3):
    """EM that keeps the source's posterior as a factor."""
    resp = posterior
    for _ in range(steps):
        coef, intercept = points.lda(resp, ridge).discriminant()
        update = posterior * np.exp(exponent * (points.points @ coef + intercept))
        update = update / update.sum(axis=1, keepdims=True)
        change, resp = np.abs(update - resp).max(), update
        if change < tolerance:
            break
    return resp


@pytest.mark.parametrize("exponent", [0.1, 1.0])
@pytest.mark.parametrize("ridge", [RIDGE, 0.01])
def test_expected_classes(exponent, ridge):
    """A step after the other until none changes by more than a thousandth."""
    X, posterior, weights = draw(9)
    points = scores_of(X, weights)
    found = expected_classes(points, posterior, exponent, ridge)
    np.testing.assert_allclose(found, fixed_point(points, posterior, exponent, ridge), atol=1e-8)
    assert expected_classes(points, posterior, 0.0, ridge) is posterior


def test_expected_classes_end_after_some_steps(monkeypatch):
    """Twenty, or so many as are asked for."""
    X, posterior, weights = draw(10)
    points = scores_of(X, weights)
    monkeypatch.setattr(_discriminant, "TOLERANCE", 0.0)
    for steps in (20, 3):
        monkeypatch.setattr(_discriminant, "MAX_ITER", steps)
        expected = fixed_point(points, posterior, 1.0, RIDGE, steps, 0.0)
        np.testing.assert_allclose(expected_classes(points, posterior, 1.0), expected, atol=1e-9)


def test_many_points_learn_from_some(monkeypatch):
    """The last step is everybody's."""
    X, posterior, weights = draw(11, n=60)
    points = scores_of(X, weights)
    posterior[::7] = [1.0, 0.0, 0.0]
    monkeypatch.setattr(_discriminant, "CHOICE_ROWS", 25)
    rows = spread_rows(60, 25)
    some = points.some(rows)
    resp = fixed_point(some, posterior[rows], 0.3, 0.1)
    coef, intercept = some.lda(resp, 0.1).discriminant()
    expected = posterior * np.exp(0.3 * (points.points @ coef + intercept))
    expected /= expected.sum(axis=1, keepdims=True)
    found = expected_classes(points, posterior, 0.3, 0.1)
    assert found.shape == (60, 3)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def shares(points, posterior, rows, exponent, ridge):
    """What a discriminant shares with the source on some pairs, each left out."""
    resp = expected_classes(points, posterior, exponent, ridge)
    own = points.leave_one_out(resp, rows, ridge)
    weights = points.weights[rows]
    return resp, own, most_shared(own, posterior[rows], weights / weights.sum())


def test_a_candidate_is_what_it_says():
    """Axes, points, labels and discriminants of its own exponent and ridge."""
    X, posterior, weights = draw(12)
    rows = np.arange(0, 40, 2)
    for exponents, ridges in [((0.3,), (0.1,)), ((0.0,), (0.3,))]:
        best = best_discriminant(X, posterior, weights, rows, exponents, ridges)
        resp, own, _ = shares(scores_of(X, weights), posterior, rows, exponents[0], ridges[0])
        assert (best.exponent, best.ridge) == (exponents[0], ridges[0])
        np.testing.assert_allclose(best.resp, resp, atol=1e-12)
        np.testing.assert_allclose(best.own, own, atol=1e-12)
        np.testing.assert_array_equal(best.points.points, best.axes.scores(X))


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        ({(0, "a"): 1.0, (1, "a"): 1.0, (2, "a"): 1.0}, (0, "a")),
        ({(0, "a"): 1.0, (1, "a"): 1.0005, (2, "a"): 1.0009}, (0, "a")),
        ({(0, "a"): 1.0, (1, "a"): 1.0005, (2, "a"): 1.0011}, (1, "a")),
        ({(0, "a"): 1.0, (1, "a"): 3.0, (2, "a"): 2.0}, (1, "a")),
        ({(0, "a"): 1.0, (1, "a"): 2.0, (2, "a"): 3.0, (2, "b"): 3.5}, (2, "b")),
        ({(1, "a"): 3.0, (1, "b"): 3.0009, (0, "b"): 9.0}, (1, "a")),
        ({(1, "a"): 3.0, (1, "b"): 3.002, (1, "c"): 3.0025}, (1, "b")),
        ({(1, "a"): 3.0, (1, "b"): 2.0, (1, "c"): 3.1}, (1, "c")),
    ],
)
def test_which_candidate_is_best(monkeypatch, table, chosen):
    """The smallest exponent that none betters, then a ridge that gains, one after the other."""
    X, posterior, weights = draw(13)
    rows = np.arange(10)

    def told(points, posterior, exponent, ridge):
        return exponent, ridge

    def shared(own, given, share):
        np.testing.assert_array_equal(given, posterior[rows])
        np.testing.assert_allclose(share, weights[rows] / weights[rows].sum())
        return np.full(10, table.get(own, 0.0))

    monkeypatch.setattr(_discriminant, "expected_classes", told)
    monkeypatch.setattr(_discriminant, "most_shared", shared)
    monkeypatch.setattr(PrincipalScores, "leave_one_out", lambda self, resp, rows, ridge: resp)
    best = best_discriminant(X, posterior, weights, rows, (0, 1, 2), ("a", "b", "c"))
    assert (best.exponent, best.ridge) == chosen == best.own == best.resp


# -- anchors --------------------------------------------------------------------------------------


def anchored(seed=14, n=40, helpful=True):
    """Pairs of which the source is unsure, anchors, folds."""
    rng = np.random.default_rng(seed)
    X, posterior, weights = draw(seed, n=n)
    means = np.array([X[posterior.argmax(axis=1) == c].mean(axis=0) for c in range(3)])
    points = means if helpful else rng.permutation(means)[::-1] * -3
    held = np.array_split(rng.permutation(n), 4)
    folds = [(np.sort(h), points + 0.1 * rng.normal(size=points.shape)) for h in held]
    if helpful:
        posterior = 0.15 * posterior + 0.85 / 3
    anchors = Anchors(points, np.array([0, 1, 2]), folds)
    task = SimpleNamespace(points=X, weights=weights, anchors=anchors)
    options = SimpleNamespace(anchor_weights=(5.0, 20.0), exponents=(0.0, 1.0), ridges=(0.1, 0.02))
    return task, posterior, options


def test_anchors_beside_pairs():
    """They come last, certain of their classes, each of the weight."""
    task, posterior, _ = anchored()
    X, weights, anchors = task.points, task.weights, task.anchors
    features, believed, heavy = beside(anchors, X, posterior, weights, 5.0)
    np.testing.assert_array_equal(features, np.vstack([X, anchors.points]))
    np.testing.assert_array_equal(believed, np.vstack([posterior, np.eye(3)]))
    np.testing.assert_array_equal(heavy, np.append(weights, [5, 5, 5]))
    other = np.zeros((3, 4))
    np.testing.assert_array_equal(
        beside(anchors, X, posterior, weights, 5.0, other)[0][-3:], other
    )
    assert beside(anchors, X, posterior, weights, 0.0) == (X, posterior, weights)


def held_out(task, posterior, candidate, weight):
    """Discriminants of pairs that neither a candidate nor its anchors have seen."""
    out = np.full(posterior.shape, np.nan)
    for held, points in task.anchors.folds:
        kept = np.setdiff1d(np.arange(len(out)), held)
        X, resp, heavy = task.points[kept], posterior[kept], task.weights[kept]
        if weight:
            X, resp = np.vstack([X, points]), np.vstack([resp, np.eye(3)])
            heavy = np.append(heavy, [weight] * 3)
        learned = scores_of(X, heavy)
        resp = expected_classes(learned, resp, candidate.exponent, candidate.ridge)
        coef, intercept = learned.lda(resp, candidate.ridge).discriminant()
        out[held] = principal_axes(X, heavy).scores(task.points[held]) @ coef + intercept
    return out


def test_pairs_held_out_are_not_seen():
    """Nor by the anchors, which are those of the fold."""
    task, posterior, options = anchored()
    settings = np.arange(0, 40, 2), options.exponents, options.ridges
    plain = best_discriminant(task.points, posterior, task.weights, *settings)
    found = _discriminant._cross_validated(
        {0.0: plain, 5.0: plain}, task.anchors, task.points, posterior, task.weights
    )
    for weight, scores in found.items():
        expected = held_out(task, posterior, plain, weight)
        np.testing.assert_allclose(scores, expected, atol=1e-9)


@pytest.mark.parametrize("helpful", [True, False])
@pytest.mark.parametrize("seed", [14, 15, 22, 32])
def test_anchors_are_taken_where_they_help(seed, helpful):
    """On pairs held out, by more than the error of that."""
    task, posterior, options = anchored(seed, helpful=helpful)
    rows = np.arange(0, 40, 2)
    settings = rows, options.exponents, options.ridges
    plain = best_discriminant(task.points, posterior, task.weights, *settings)
    found = best_anchored(plain, task, posterior, rows, options)
    share, candidates = task.weights / task.weights.sum(), {0.0: plain}
    for weight in options.anchor_weights:
        joined = beside(task.anchors, task.points, posterior, task.weights, weight)
        candidates[weight] = best_discriminant(*joined, *settings)
    shared = {
        weight: most_shared(held_out(task, posterior, candidate, weight), posterior, share)
        for weight, candidate in candidates.items()
    }
    best = max((5.0, 20.0), key=lambda weight: share @ shared[weight])
    gains = gains_more_than_its_error(shared[best], shared[0.0], share)
    expected = candidates[best] if gains else plain
    assert isinstance(found, Candidate)
    np.testing.assert_allclose(found.resp, expected.resp, atol=1e-12)
    np.testing.assert_allclose(found.own, expected.own, atol=1e-12)
    assert (found.exponent, found.ridge) == (expected.exponent, expected.ridge)
    assert (found is plain) == (not gains)
    assert gains == (helpful and seed != 15)  # both happen


def test_systems_without_a_solution_are_solved_as_well_as_can_be():
    """Those of a stack of which one is singular, by least squares of the smallest norm."""
    rng = np.random.default_rng(0)
    matrices, right = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4, 2))
    matrices[1] = np.diag([2.0, 1.0, 0.0, 0.0])  # exactly singular
    found = _solved(matrices, right)
    for matrix, given, solution in zip(matrices, right, found, strict=True):
        expected = np.linalg.lstsq(matrix, given, rcond=None)[0]
        np.testing.assert_allclose(solution, expected, atol=1e-9)
