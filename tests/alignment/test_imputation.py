"""Imputation by reduced-rank ridge regressions, and how sure it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV

from skalign import NullSpaceAligner
from skalign.alignment._imputation import RIDGES, _reduced_rank, _ridge
from skalign.datasets import make_paired_gaussians

few = settings(max_examples=15, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def blocks(rng, n, widths, n_shared, noise=1.0):
    """Standardized blocks with some latents in common, and noise that is correlated in each."""
    Z, parts = rng.normal(size=(n, n_shared)), []
    for d in widths:
        own = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
        X = Z @ rng.normal(size=(n_shared, d)) + noise * own
        parts.append((X - X.mean(axis=0)) / X.std(axis=0))
    return parts


def white(X, Y):
    """Principal coordinates of X of unit variance, their deviations, covariances with Y."""
    u, s, _ = np.linalg.svd(X, full_matrices=False)
    n = len(X)
    return u * np.sqrt(n), s / np.sqrt(n), u.T @ Y / np.sqrt(n)


@few
@given(generators, st.integers(20, 60), st.integers(2, 12), st.integers(1, 8))
def test_the_ridge_has_the_least_gcv(rng, n, d, q):
    """Against residuals and traces of hat matrices, written out over the rows."""
    X, Y = blocks(rng, n, (d, q), 2)
    _, s, C = white(X, Y)

    def gcv(ridge):
        hat = X @ np.linalg.solve(X.T @ X + n * ridge * np.eye(d), X.T)
        return np.sum((Y - hat @ Y) ** 2) / (n - 1 - np.trace(hat)) ** 2

    found = _ridge(s, C, float(q), n)
    assert gcv(found) <= min(map(gcv, RIDGES)) * (1 + 1e-9)


@few
@given(generators, st.integers(30, 60), st.integers(2, 10), st.integers(2, 8))
def test_reduced_rank_regression_is_that_of_fitted_values(rng, n, d, q):
    """Rows of X beside those of the ridge: principal components of the augmented fit."""
    X, Y = blocks(rng, n, (d, q), 2)
    Q, s, C = white(X, Y)
    ridge = 0.1
    keep = s**2 / (s**2 + ridge)
    maps = _reduced_rank(keep, C, float(q), n)
    k = maps.shape[1]
    found = Q @ maps @ (maps.T @ C)
    augmented = np.vstack([X, np.sqrt(n * ridge) * np.eye(d)])
    coef = Ridge(n * ridge, fit_intercept=False).fit(X, Y).coef_.T
    right = np.linalg.svd(augmented @ coef, full_matrices=False)[2][:k]
    np.testing.assert_allclose(found, X @ coef @ right.T @ right, atol=1e-8)


@pytest.mark.parametrize("widths", [(12, 30), (30, 12), (80, 90), (10, 8, 1)])
def test_imputation_is_as_good_as_ridge_regression(widths):
    """Squared error on new rows, over draws; also of more columns than rows."""
    errors = []
    for seed in range(8):
        X = np.hstack(blocks(np.random.default_rng(seed), 460, widths, 3))
        train, test, d = X[:60], X[60:], widths[0]
        half = test.copy()
        half[:, :d] = np.nan
        mine = NullSpaceAligner(modalities=widths).fit(train).impute(half)
        ridge = RidgeCV(np.logspace(-1, 4, 16)).fit(train[:, d:], train[:, :d])
        others = ridge.predict(test[:, d:])
        errors.append([np.mean((said - test[:, :d]) ** 2) for said in (mine[:, :d], others)])
    mine, others = np.mean(errors, axis=0)
    assert mine < 1.02 * others


def test_repeated_pairs_are_no_evidence():
    """Two of a kind predict each other: with some repeated, as good as without, up to little."""
    errors = []
    for seed in range(5):
        X = np.hstack(blocks(np.random.default_rng(seed), 360, (80, 90), 3, noise=3.0))
        train, test = X[:60], X[60:]
        half = test.copy()
        half[:, :80] = np.nan
        filled = [
            NullSpaceAligner(modalities=[80, 90]).fit(rows).impute(half)[:, :80]
            for rows in (train, np.vstack([train, train[:5]]))
        ]
        errors.append([np.mean((said - test[:, :80]) ** 2) for said in filled])
    once, some_twice = np.mean(errors, axis=0)
    assert some_twice < 1.05 * once


@pytest.mark.parametrize("widths", [(6, 7), (6, 7, 5)])
@pytest.mark.parametrize("n_components", ["auto", 2])
@pytest.mark.parametrize("n", [40, 2000])
def test_deviations_cover(widths, n_components, n):
    """Nine in ten new values lie within 1.645 deviations, for every pattern of blocks."""
    inside = []
    for seed in range(10):
        X = np.hstack(blocks(np.random.default_rng(seed), n + 300, widths, 2))
        aligner = NullSpaceAligner(n_components, modalities=widths).fit(X[:n])
        holes, rng = X[n:].copy(), np.random.default_rng(seed)
        edges = np.cumsum([0, *widths])
        lacking = rng.integers(len(widths), size=300)
        for row, m in enumerate(lacking):
            holes[row, edges[m] : edges[m + 1]] = np.nan
        filled, std = aligner.impute(holes, return_std=True)
        wanted = np.isnan(holes)
        assert (std[~wanted] == 0).all()
        assert (std[wanted] > 0).all()
        inside.append(np.mean(np.abs(filled - X[n:])[wanted] < 1.645 * std[wanted]))
    assert 0.86 < np.mean(inside) < 0.94


def test_what_is_exact_has_no_deviation():
    """Noiseless blocks of three latents: the other block to rounding, and sure of it."""
    data = make_paired_gaussians(200, n_features=(3, 3), n_latent=3, noise=0.0, random_state=0)
    aligner = NullSpaceAligner(modalities=[3, 3]).fit(data.X)
    half = data.X.copy()
    half[:, 3:] = np.nan
    filled, std = aligner.impute(half, return_std=True)
    scale = np.std(data.X)
    np.testing.assert_allclose(filled, data.X, atol=1e-9 * scale)
    assert std.max() < 1e-4 * scale


def test_deviations_come_in_the_containers_of_values():
    """Frames by ``set_output``, single precision, lazily from Dask."""
    da = pytest.importorskip("dask.array")
    data = make_paired_gaussians(300, n_features=(3, 4), random_state=0)
    X = data.X.astype(np.float32)
    X[::3, 3:] = np.nan
    aligner = NullSpaceAligner(modalities=[3, 4]).fit(X)
    filled, std = aligner.impute(X, return_std=True)
    assert filled.dtype == std.dtype == np.float32
    lazy = aligner.impute(da.from_array(X, chunks=(100, 7)), return_std=True)
    for now, later in zip((filled, std), lazy, strict=True):
        np.testing.assert_allclose(now, later.compute(), rtol=1e-5, atol=1e-6)
    frames = aligner.set_output(transform="pandas").impute(X, return_std=True)
    assert [list(frame.columns) for frame in frames] == [[f"x{j}" for j in range(7)]] * 2
