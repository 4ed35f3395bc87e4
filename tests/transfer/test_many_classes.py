"""Leave-one-out discriminants of many classes: against as many terms as classes, and refits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import multivariate_normal

from skalign.transfer import _discriminant
from skalign.transfer._discriminant import (
    CHOICE_ROWS,
    FEW_CLASSES,
    OWN_TERMS,
    RIDGE,
    WORK,
    PrincipalScores,
    affordable_rows,
    principal_axes,
)

few = settings(max_examples=20, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
sizes = st.integers(FEW_CLASSES + 1, 70)
ridges = st.sampled_from([0.05, RIDGE, 1.0])
supports = st.sampled_from([1, 2, 5, OWN_TERMS])


def points_of(rng, resp, d=4, spread=2.0):
    """Weighted points, the nearer to the mean of a class the more of it they are."""
    n, n_classes = resp.shape
    X = resp @ rng.normal(scale=spread, size=(n_classes, d)) + rng.normal(size=(n, d))
    X *= 10.0 ** rng.uniform(-1, 1, size=d)
    weights = rng.uniform(0.2, 2, size=n)
    return PrincipalScores.of(principal_axes(X, weights), X, weights)


def draw_sparse(rng, n_classes, support, n=60):
    """Labels of few classes each; some classes are one point's alone."""
    resp = np.zeros((n, n_classes))
    for row in resp:
        row[rng.permutation(n_classes)[:support]] = rng.dirichlet(np.ones(support))
    return resp[:, resp.any(axis=0)]


def leave_one_out(points, resp, ridge, n_terms=OWN_TERMS, few_classes=0):
    """Discriminants of all points, up to a constant each; of so many terms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_discriminant, "FEW_CLASSES", few_classes)
        patch.setattr(_discriminant, "OWN_TERMS", n_terms)
        found = points.leave_one_out(resp, np.arange(len(resp)), ridge)
    assert np.isfinite(found).all()
    return found - found.mean(axis=1, keepdims=True)


def exactly(points, resp, ridge):
    """Each class has a term of its own."""
    return leave_one_out(points, resp, ridge, few_classes=resp.shape[1])


def without(points, resp, ridge, i):
    """Class weights, means and covariance without a point, as the definition has them.

    Of a class that has nothing left, a thousandth stays, at the mean of all.
    """
    Z, weights, rest = points.points, points.weights, np.arange(len(resp)) != i
    weighted, total = resp[rest] * weights[rest][:, None], weights.sum()
    counts = np.maximum(weighted.sum(axis=0), 1e-3 * (weights @ resp))
    means = weighted.T @ Z[rest] / counts[:, None]
    second = (Z[rest].T * weights[rest]) @ Z[rest] / total
    within = second - (means.T * counts) @ means / total
    return (
        counts,
        means,
        (1 - ridge) * within + ridge * points.variance.mean() * np.eye(Z.shape[1]),
    )


@few
@given(generators, sizes, supports, ridges)
def test_labels_of_few_classes_lose_nothing(rng, n_classes, support, ridge):
    """No more classes a point than terms: as with a term for each class there is."""
    resp = draw_sparse(rng, n_classes, support)
    points = points_of(rng, resp)
    expected = exactly(points, resp, ridge)
    found = leave_one_out(points, resp, ridge, n_terms=min(support, resp.shape[1] - 1))
    np.testing.assert_allclose(found, expected, atol=1e-8 * max(1, np.abs(expected).max()))


@few
@given(generators, sizes, ridges)
def test_certain_labels_are_a_refit_without_each_point(rng, n_classes, ridge):
    """Log densities of scipy, means and covariance without the point."""
    labels = np.append(np.arange(n_classes), rng.integers(n_classes, size=60))
    resp = np.eye(n_classes)[labels]
    points = points_of(rng, resp)
    found = points.leave_one_out(resp, np.arange(len(resp)), ridge)
    for i in range(0, len(resp), 7):
        _, means, covariance = without(points, resp, ridge, i)
        expected = multivariate_normal(cov=covariance).logpdf(points.points[i] - means)
        np.testing.assert_allclose(
            found[i] - found[i].mean(), expected - expected.mean(), rtol=1e-7, atol=1e-7
        )


@few
@given(generators, sizes, st.sampled_from([0.1, 1.0, 10.0]), st.sampled_from([1, 8]), ridges)
def test_soft_labels_err_by_the_spread_of_the_other_means(rng, n_classes, alpha, n_terms, ridge):
    """Squared distances are too short by a share: that spread, as the covariance measures it."""
    resp = rng.dirichlet(np.full(n_classes, alpha), size=100) + 1e-3
    resp /= resp.sum(axis=1, keepdims=True)
    points = points_of(rng, resp)
    Z, total = points.points, points.weights.sum()
    error = 2 * (leave_one_out(points, resp, ridge, n_terms) - exactly(points, resp, ridge))
    for i in range(0, len(resp), 9):
        left, means, covariance = without(points, resp, ridge, i)
        r = points.weights[i] * resp[i]
        b = (left + r) * r / left
        others, away = np.argsort(b)[:-n_terms], means - Z[i]
        apart = ((left[:, None] * means + np.outer(r, Z[i])) / (left + r)[:, None])[others]
        apart -= np.average(apart, axis=0, weights=b[others])
        share = b[others] @ np.sum(apart * np.linalg.solve(covariance, apart.T).T, axis=1)
        share *= (1 - ridge) / total
        longest = np.max(np.sum(away * np.linalg.solve(covariance, away.T).T, axis=1))
        # discriminants are half of them, up to a constant
        assert np.ptp(error[i]) <= share * longest * (1 + 1e-6) + 1e-7


@few
@given(generators, sizes, st.sampled_from([0.0, 1e-300, 1e-30, 1e-15]), ridges)
def test_a_class_of_next_to_no_weight_changes_no_other(rng, n_classes, little, ridge):
    """Its own discriminants are finite, and of the size of the others'."""
    resp = softmax(3 * rng.normal(size=(80, n_classes)), axis=1)
    points = points_of(rng, resp)
    expected = leave_one_out(points, resp, ridge)
    more = np.column_stack([resp, little * rng.uniform(size=80)])
    found = leave_one_out(points, more, ridge)
    others = found[:, :-1] - found[:, :-1].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(others, expected, atol=1e-6)
    assert np.abs(found).max() <= 2 * np.abs(expected).max()


@few
@given(
    generators,
    st.integers(2, FEW_CLASSES),
    st.sampled_from([1, 11]),
    st.sampled_from([0.5, 0.999, 1.001]),
    ridges,
)
def test_labels_may_be_sharp_and_need_not_sum_to_one(rng, n_classes, sharp, total, ridge):
    """A refit without the point, all the same: probabilities may be rounded."""
    likely = sharp * np.eye(n_classes)[rng.integers(n_classes, size=30)]
    resp = total * softmax(likely + rng.normal(size=likely.shape), axis=1)
    points = points_of(rng, resp)
    found = exactly(points, resp, ridge)
    for i in range(len(resp)):
        _, means, covariance = without(points, resp, ridge, i)
        away = means - points.points[i]
        expected = -0.5 * np.sum(away * np.linalg.solve(covariance, away.T).T, axis=1)
        np.testing.assert_allclose(found[i], expected - expected.mean(), rtol=1e-7, atol=1e-7)


@given(st.integers(2, 1000))
def test_evaluated_rows_go_by_their_cost(n_classes):
    """No more multiplications than are worth it, unless rows are few as it is."""
    rows, terms = len(affordable_rows(10**6, n_classes)), min(n_classes, OWN_TERMS)
    assert 1000 <= rows <= CHOICE_ROWS
    assert rows == 1000 or rows * n_classes * terms**2 <= WORK
