"""Ridge and partial least squares of all penalties and components: against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge

from skalign.regression._pls import pls_path
from skalign.regression._ridge import PENALTIES, leverages, ridge_path, spanned


def drawn(seed, n, d, q=2, weighted=True):
    """Points, responses and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.2, 3, size=d)
    Y = X @ rng.normal(size=(d, q)) + rng.normal(size=(n, q))
    return X, Y, rng.uniform(0.5, 2, size=n) if weighted else np.ones(n)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(6, 15), st.integers(1, 25))
def test_ridge_left_out_is_ridge_refitted(seed, n, d):
    """Residuals are those of scikit-learn's weighted Ridge, fitted without the row."""
    X, Y, w = drawn(seed, n, d)
    rows = spanned(X, w)
    path = ridge_path(rows, Y)
    for p in (0, len(PENALTIES) // 2, len(PENALTIES) - 1):
        penalty = rows.penalties[p] * w.sum()
        whole = Ridge(penalty).fit(X, Y, w)
        np.testing.assert_allclose((rows.right.T @ path.coefs[p]).T, whole.coef_, atol=1e-7)
        for i in range(0, n, 3):
            rest = np.arange(n) != i
            without = Ridge(penalty, solver="svd").fit(X[rest], Y[rest], w[rest])
            left = Y[i] - without.predict(X[i : i + 1])[0]
            np.testing.assert_allclose(path.residuals[p, i], left, rtol=1e-5, atol=1e-6)


def test_leverage_is_the_derivative_of_the_fit():
    """The diagonal of the hat matrix, by differences."""
    X, Y, w = drawn(0, 12, 20, q=1)
    rows, step = spanned(X, w), 1e-4
    p = 10
    found = leverages(rows, rows.penalties[p])
    for i in range(12):
        moved = Y.copy()
        moved[i] += step
        fits = [
            (path := ridge_path(rows, y)).coefs[p].T @ rows.coordinates[i] + rows.share @ y
            for y in (Y, moved)
        ]
        assert path.residuals.shape == (len(PENALTIES), 12, 1)
        np.testing.assert_allclose((fits[1] - fits[0]) / step, found[i], rtol=1e-6)


@pytest.mark.parametrize("d", [4, 30])
def test_partial_least_squares_are_those_of_scikit_learn(d):
    """Coefficients and left out predictions, for every number of components and each response."""
    X, Y, w = drawn(1, 14, d, weighted=False)
    rows = spanned(X, w)
    path = pls_path(rows, Y)
    for k in range(len(path.coefs)):
        for q in range(2):
            model = PLSRegression(k + 1, scale=False).fit(X, Y[:, q])
            ours = rows.right.T @ path.coefs[k][:, q]
            np.testing.assert_allclose(ours, model.coef_[0], rtol=1e-5, atol=1e-7)
            rest = np.arange(14) != 5
            model = PLSRegression(k + 1, scale=False).fit(X[rest], Y[rest, q])
            left = Y[5, q] - model.predict(X[5:6]).ravel()[0]
            np.testing.assert_allclose(path.residuals[k, 5, q], left, rtol=1e-5, atol=1e-6)


def test_weights_are_repeated_rows_for_partial_least_squares():
    """Coefficients are those of PLSRegression on rows that stand there as often."""
    X, Y, _ = drawn(2, 12, 5, q=1)
    w = np.random.default_rng(0).integers(1, 4, size=12)
    path, rows = pls_path(spanned(X, w), Y), spanned(X, w)
    again = np.repeat(np.arange(12), w)
    for k in range(3):
        model = PLSRegression(k + 1, scale=False).fit(X[again], Y[again, 0])
        ours = rows.right.T @ path.coefs[k][:, 0]
        np.testing.assert_allclose(ours, model.coef_[0], rtol=1e-6, atol=1e-8)


def test_more_components_than_there_are_change_nothing():
    """Where the response is explained exactly, further components are zero, and finite."""
    X = np.random.default_rng(3).normal(size=(30, 6))
    Y = X[:, :1] * 2.0
    path = pls_path(spanned(X, np.ones(30)), Y)
    assert np.isfinite(path.coefs).all()
    np.testing.assert_allclose(path.residuals[-1], 0, atol=1e-6)


@pytest.mark.parametrize("d", [2, 20])
def test_rows_that_do_not_differ_have_penalties(d):
    """Any of them: nothing but the mean is learned, in numbers."""
    rows = spanned(np.ones((5, d)), np.ones(5))
    assert (rows.penalties > 0).all()
    responses = np.arange(5.0)[:, None]
    path = ridge_path(rows, responses)
    left_out = (responses - responses.mean()) / (1 - 1 / 5)
    np.testing.assert_allclose(path.residuals, np.tile(left_out, (len(rows.penalties), 1, 1)))
