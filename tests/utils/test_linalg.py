"""Decompositions against those of NumPy, shrinkage against that of scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import oas

from skalign._utils._linalg import (
    gram_svd,
    leading_svd,
    oas_shrinkage,
    orthonormal_rows,
    reciprocal,
    thin_svd,
)

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
units = st.integers(-100, 100).map(lambda exponent: 10.0**exponent)


def orthonormal(rng, n, k):
    """Random orthonormal columns."""
    return np.linalg.qr(rng.normal(size=(n, k)))[0]


def matrix_of(rng, shape, values):
    """A matrix of given singular values."""
    n, d = shape
    return (orthonormal(rng, n, len(values)) * values) @ orthonormal(rng, d, len(values)).T


def assert_svd(X, found, *, atol, lost=0.0):
    """Orthonormal vectors and NumPy's values, which give the matrix back but for what is lost."""
    left, values, right = found
    largest = np.linalg.norm(X, 2)
    assert left.shape == (len(X), len(values))
    assert right.shape == (len(values), X.shape[1])
    np.testing.assert_allclose(left.T @ left, np.eye(len(values)), atol=atol)
    np.testing.assert_allclose(right @ right.T, np.eye(len(values)), atol=atol)
    exact = np.linalg.svd(X, compute_uv=False)[: len(values)]
    np.testing.assert_allclose(values, exact, rtol=0, atol=atol * largest)
    assert np.all(np.diff(values) <= 0)
    assert np.linalg.norm((left * values) @ right - X, 2) <= (atol + lost) * largest


@relaxed
@given(generators, st.integers(1, 20), st.integers(0, 60), st.floats(0, 3), units)
def test_gram_svd_is_the_decomposition_of_wide_matrices(rng, n, more, digits, unit):
    """Of well-conditioned ones, up to the square of the condition number."""
    X = unit * matrix_of(rng, (n, n + more), np.geomspace(1, 10.0**-digits, n))
    found = gram_svd(X, 1e-12)
    assert len(found[1]) == n
    assert_svd(X, found, atol=1e-14 * n * 10.0 ** (2 * digits) + 1e-12)


@relaxed
@given(generators, st.integers(2, 20), st.integers(0, 60), st.integers(1, 12), st.data())
def test_gram_svd_leaves_out_what_is_negligible(rng, n, more, digits, data):
    """Squares below the share, and no others."""
    rank = data.draw(st.integers(1, n - 1))
    small = 10.0 ** -(digits / 2 + 1)
    values = np.append(np.linspace(2, 1, rank), rng.uniform(0, small, size=n - rank))
    X = matrix_of(rng, (n, n + more), values)
    found = gram_svd(X, 10.0**-digits / 4)
    assert len(found[1]) == rank
    assert_svd(X, found, atol=1e-11, lost=small)


@relaxed
@given(generators, st.integers(1, 30), st.integers(1, 80), st.floats(0, 6), units)
def test_thin_svd_is_the_decomposition(rng, n, d, digits, unit):
    """Tall, square or wide, at any condition number that leaves a wide one its rank."""
    r = min(n, d)
    X = unit * matrix_of(rng, (n, d), np.geomspace(1, 10.0**-digits, r))
    found = thin_svd(X)
    assert len(found[1]) == r
    # vectors of small values from a Gram matrix lose the square, up to a condition of 1e3
    assert_svd(X, found, atol=1e-14 * n * min(10.0 ** (2 * digits), 1e6) + 1e-12)


@relaxed
@given(generators, st.integers(2, 20), st.integers(0, 40), st.floats(3.5, 6))
def test_thin_svd_of_ill_conditioned_wide_matrices(rng, n, more, digits):
    """Loses no more than the condition number: small values keep their own digits."""
    exact = np.geomspace(1, 10.0**-digits, n)
    X = matrix_of(rng, (n, 2 * n + more), exact)
    left, values, right = thin_svd(X)
    np.testing.assert_allclose(values, exact, rtol=1e-14 * n * 10.0**digits)
    assert_svd(X, (left, values, right), atol=1e-12)


@relaxed
@given(generators, st.integers(2, 20), st.integers(0, 40), st.floats(8, 17), st.data())
def test_thin_svd_of_wide_matrices_without_full_rank(rng, n, more, digits, data):
    """What rounding makes of missing dimensions is left out, and nothing else changes."""
    rank = data.draw(st.integers(1, n - 1))
    noise = 10.0**-digits
    exact = np.append(np.geomspace(1, 1e-5, rank), np.full(n - rank, noise))
    X = matrix_of(rng, (n, 2 * n + more), exact)
    found = thin_svd(X)
    assert len(found[1]) == rank
    assert_svd(X, found, atol=1e-12, lost=2 * noise)


@relaxed
@given(generators, st.integers(1, 60), st.integers(1, 60), st.integers(0, 70), units)
def test_leading_svd_has_the_largest_values(rng, n, d, wanted, unit):
    """As many as are wanted at least, whatever the shape."""
    X = unit * rng.normal(size=(n, d))
    r = min(n, d)
    left, values, right = found = leading_svd(X, wanted)
    assert min(wanted, r) <= len(values) <= r
    rest = np.append(np.linalg.svd(X, compute_uv=False), 0.0)[len(values)]
    assert_svd(X, found, atol=1e-9, lost=rest / np.linalg.norm(X, 2))
    np.testing.assert_allclose(X @ right.T, left * values, atol=1e-9 * values[0])
    np.testing.assert_allclose(X.T @ left, right.T * values, atol=1e-9 * values[0])


@relaxed
@given(generators, st.integers(1, 6), st.integers(0, 20), st.integers(0, 20), st.booleans(), units)
def test_few_leading_values_come_from_the_smaller_gram_matrix(rng, n, more, longer, tall, unit):
    """Where they stand apart they are no more than wanted, and have all their digits."""
    d = 8 * n + more
    exact = np.append(np.linspace(1, 0.5, n), rng.uniform(0, 0.4, size=d - n))
    X = unit * matrix_of(rng, (d, d + longer), exact)
    found = leading_svd(X.T if tall else X, n)
    assert len(found[1]) == n
    assert_svd(X.T if tall else X, found, atol=1e-12, lost=0.4)


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        np.repeat([1.0, 0.1], [4, 28]),  # three of four equal ones
        np.append([1.0, 0.9, 5e-3], np.linspace(1e-4, 0, 29)),  # the third has few digits left
        np.append([1.0, 0.9, 0.5], np.full(29, 0.5 - 1e-9)),  # nothing sets the third apart
    ],
    ids=["equal", "small", "close"],
)
def test_leading_values_that_need_all(values, tall):
    """Where a Gram matrix loses digits, or the cut runs through equal values, all come out."""
    X = matrix_of(np.random.default_rng(0), (32, 40), values)
    X = X.T if tall else X
    found = leading_svd(X, 3)
    assert len(found[1]) == 32
    assert_svd(X, found, atol=1e-13)


@pytest.mark.parametrize("shape", [(3, 3), (50, 20), (20, 50)])
def test_all_values_where_no_number_is_given(shape):
    """None is all of them."""
    X = np.random.default_rng(0).normal(size=shape)
    found = leading_svd(X, None)
    assert len(found[1]) == min(shape)
    assert_svd(X, found, atol=1e-13)


@relaxed
@given(generators, st.integers(1, 10), st.integers(1, 10), st.integers(1, 10), units)
def test_orthonormal_rows_span_the_rows(rng, n, d, rank, unit):
    """A basis of as many as the rank, whose projection leaves the rows as they are."""
    rank = min(n, d, rank)
    X = unit * matrix_of(rng, (n, d), np.geomspace(1, 1e-3, rank))
    basis = orthonormal_rows(X)
    assert basis.shape == (rank, d)
    np.testing.assert_allclose(basis @ basis.T, np.eye(rank), atol=1e-12)
    np.testing.assert_allclose(X @ basis.T @ basis, X, atol=1e-12 * unit)


@relaxed
@given(
    generators,
    st.integers(2, 60),
    st.integers(2, 12),
    st.sampled_from(["white", "correlated", "low rank", "scales"]),
    st.booleans(),
)
def test_shrinkage_is_that_of_scikit_learn(rng, n, d, kind, centred):
    """Oracle approximating shrinkage of any covariance, of few rows and many."""
    X = rng.normal(size=(n, d))
    if kind == "correlated":
        X = X @ rng.normal(size=(d, d))
    elif kind == "low rank":
        X = X[:, :1] * rng.normal(size=d)
    elif kind == "scales":
        X *= 10.0 ** rng.integers(-3, 4, size=d)
    covariance, expected = oas(X, assume_centered=centred)
    S = X.T @ X / n if centred else np.cov(X.T, bias=True)
    found = oas_shrinkage(float(np.mean(S**2)), float(np.trace(S) / d), d, n)
    assert found == pytest.approx(expected, rel=1e-9)
    assert 0 <= found <= 1
    target = np.trace(S) / d * np.eye(d)
    scale = np.abs(covariance).max()
    np.testing.assert_allclose((1 - found) * S + found * target, covariance, atol=1e-9 * scale)


@pytest.mark.parametrize("d", [1, 4])
def test_a_white_covariance_is_shrunk_all_the_way(d):
    """Nothing in it differs from its target, however many rows there are."""
    S = 2.5 * np.eye(d)
    assert oas_shrinkage(float(np.mean(S**2)), 2.5, d, 1e6) == 1.0


@relaxed
@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-300, 1e300)), max_size=10))
def test_reciprocal_of_zero_is_zero(values):
    """And of all else what it is."""
    scale = np.array(values)
    expected = [1 / value if value else 0.0 for value in values]
    np.testing.assert_array_equal(reciprocal(scale), expected)
    np.testing.assert_array_equal(scale, values)


@pytest.mark.parametrize("shape", [(2, 9), (9, 2)])
def test_thin_svd_of_nothing_but_zeros(shape):
    """Wide or tall, it gives zeros back."""
    left, values, right = thin_svd(np.zeros(shape))
    assert not values.any()
    np.testing.assert_array_equal(left * values @ right, np.zeros(shape))
