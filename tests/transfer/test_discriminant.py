"""Discriminants of one covariance against brute force: scipy's densities, and refits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from skalign.transfer._discriminant import RIDGE, PrincipalScores, principal_axes

few = settings(max_examples=25, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
ridges = st.sampled_from([0.05, RIDGE, 1.0])


def draw(rng, n=30, d=4, n_classes=3):
    """Points of different scales, soft labels, weights."""
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-1, 1, size=d) + rng.normal(size=d)
    return X, rng.dirichlet(np.ones(n_classes), size=n), rng.uniform(0.2, 2, size=n)


def means_and_covariance(X, resp, weights, ridge, total=None, full=None):
    """Class means and ridged covariance within classes, as the definition has them."""
    total = weights.sum() if total is None else total
    counts = (resp * weights[:, None]).sum(axis=0)
    means = (resp * weights[:, None]).T @ X / counts[:, None]
    second = (X.T * weights) @ X / total
    level = np.trace(second) / X.shape[1] if full is None else full
    between = (means.T * counts) @ means / total
    return means, (1 - ridge) * (second - between) + ridge * level * np.eye(X.shape[1])


def up_to_a_constant(scores):
    """Discriminants are log densities up to a constant per point."""
    return scores - scores.mean(axis=1, keepdims=True)


def points_of(X, weights):
    """Principal scores and the points on them."""
    axes = principal_axes(X, weights)
    Z = axes.scores(X)
    return Z, PrincipalScores.of(axes, X, weights)


@few
@given(generators, st.integers(1, 6))
def test_principal_axes(rng, d):
    """Orthonormal, uncorrelated under the weights, in descending order, nothing lost."""
    X, _, weights = draw(rng, d=d)
    axes = principal_axes(X, weights)
    Z = axes.scores(X)
    np.testing.assert_allclose(axes.axes.T @ axes.axes, np.eye(d), atol=1e-10)
    covariance = (Z.T * weights) @ Z / weights.sum()
    np.testing.assert_allclose(covariance, np.diag(axes.variance), atol=1e-9 * axes.variance[0])
    assert np.all(np.diff(axes.variance) <= 0)
    np.testing.assert_allclose(axes.mean + Z @ axes.axes.T, X, atol=1e-9)


@few
@given(generators)
def test_wide_points_have_the_axes_of_their_span(rng):
    """More features than points: as many axes as points, less one, and no distance changes."""
    X, _, weights = draw(rng, n=8, d=20)
    axes = principal_axes(X, weights)
    assert axes.axes.shape == (20, 7)
    Z = axes.scores(X)
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(Z[:, None] - Z[None], axis=2), distances, atol=1e-7)


@few
@given(generators, st.integers(1, 6), st.integers(2, 4), ridges)
def test_discriminant_is_the_log_density(rng, d, n_classes, ridge):
    """Of scipy's normal distribution with the covariance of the definition."""
    X, resp, weights = draw(rng, d=d, n_classes=n_classes)
    Z, points = points_of(X, weights)
    coef, intercept = points.lda(resp, ridge).discriminant()
    means, covariance = means_and_covariance(Z, resp, weights, ridge)
    expected = [multivariate_normal(mean, covariance).logpdf(Z) for mean in means]
    expected = np.transpose(expected).reshape(len(Z), -1)
    np.testing.assert_allclose(
        up_to_a_constant(Z @ coef + intercept), up_to_a_constant(expected), atol=1e-7
    )


@few
@given(generators, st.integers(1, 5), st.integers(2, 4), ridges, st.booleans())
def test_leave_one_out_is_a_refit_without_each_point(rng, d, n_classes, ridge, sum_to_one):
    """Means and covariance without the point; the total weight, centre and ridge stay."""
    X, resp, weights = draw(rng, n=12, d=d, n_classes=n_classes)
    if not sum_to_one:
        resp = resp * rng.uniform(0.5, 1, size=(12, 1))
    Z, points = points_of(X, weights)
    found = points.leave_one_out(resp, np.arange(len(X)), ridge)
    level = np.trace((Z.T * weights) @ Z) / weights.sum() / Z.shape[1]
    for i in range(len(Z)):
        rest = np.arange(len(Z)) != i
        means, covariance = means_and_covariance(
            Z[rest], resp[rest], weights[rest], ridge, total=weights.sum(), full=level
        )
        expected = [multivariate_normal(mean, covariance).logpdf(Z[i]) for mean in means]
        np.testing.assert_allclose(
            found[i] - found[i].mean(), expected - np.mean(expected), atol=1e-6
        )


@pytest.mark.parametrize("n_classes", [2, 5])
def test_leave_one_out_does_not_see_its_own_label(n_classes):
    """Random labels of many features: fit well in sample, at chance without the point."""
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(200, 150)), rng.integers(n_classes, size=200)
    resp = np.eye(n_classes)[labels]
    Z, points = points_of(X, np.ones(200))
    coef, intercept = points.lda(resp).discriminant()
    assert np.mean(np.argmax(Z @ coef + intercept, axis=1) == labels) > 0.8
    accuracy = np.mean(np.argmax(points.leave_one_out(resp, np.arange(len(X))), axis=1) == labels)
    assert abs(accuracy - 1 / n_classes) < 0.12
