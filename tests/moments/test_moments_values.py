"""Moments by hand: few rows, whole numbers, and what must not be done to them."""

import numpy as np
import pytest

from skalign.moments._moments import Moments, as_root, merge, of_one_kind, triangle

ROWS = np.array([[1.0, 2.0], [3.0, 2.0], [5.0, 8.0]])
# weight 3, mean (3, 4), scatter of deviations (-2, -2), (0, -2), (2, 4)
SCATTER = np.array([[8.0, 12.0], [12.0, 24.0]])


def scatter(**changed):
    """Moments of the rows above."""
    return Moments(**{"weight": 3.0, "n_rows": 3, "mean": np.array([3.0, 4.0]), **changed})


def both():
    """The same, as a scatter and as a root."""
    deviations = ROWS - ROWS.mean(axis=0)
    return [scatter(scatter=SCATTER.copy()), scatter(root=deviations)]


def second(m):
    """C, whichever way it is kept."""
    return m.scatter if m.root is None else m.root.T @ m.root


@pytest.mark.parametrize("m", both(), ids=["scatter", "root"])
def test_answers(m):
    """Each by its definition."""
    np.testing.assert_array_equal(m.sums_of_squares(), [8, 24])
    np.testing.assert_allclose(m.deviations(), np.sqrt([8 / 3, 8]), rtol=1e-15)
    np.testing.assert_allclose(m.covariance(), SCATTER / 3, rtol=1e-15)
    np.testing.assert_allclose(m.covariance([1], [0]), [[4]], rtol=1e-15)
    np.testing.assert_allclose(m.covariance([0, 1], [1]), [[4], [8]], rtol=1e-15)
    V = np.array([[1.0, 1.0], [-1.0, 2.0]])
    np.testing.assert_allclose(m.quadratic(V), [8 / 3, 152 / 3], rtol=1e-14)
    part = m.restricted([1])
    np.testing.assert_array_equal(part.mean, [4])
    np.testing.assert_array_equal(second(part), [[24]])
    mapped = m.mapped([np.array([[2.0]]), np.array([[1.0, -1.0]])])
    np.testing.assert_array_equal(mapped.mean, [6, 4, -4])
    expected = [[32, 24, -24], [24, 24, -24], [-24, -24, 24]]
    np.testing.assert_allclose(second(mapped), expected, rtol=1e-14)
    assert (mapped.weight, mapped.n_rows) == (3, 3)


def test_rounding_below_zero_is_zero():
    """No negative deviation, variance or singular value."""
    flat = scatter(scatter=np.array([[-1e-20, 0.0], [0.0, 4.0]]))
    np.testing.assert_array_equal(flat.deviations()[0], 0)
    np.testing.assert_array_equal(flat.quadratic(np.array([[1.0], [0.0]])), [0])
    _, values, _ = flat.principal(np.arange(2), np.ones(2))
    np.testing.assert_allclose(values, [np.sqrt(4 / 3), 0], rtol=1e-15)
    np.testing.assert_allclose(second(as_root(flat)), np.diag([0.0, 4.0]), atol=1e-15)


def test_principal_axes_by_hand():
    """Values and right vectors of columns over ``scale * sqrt(weight)``, in descending order."""
    for m in both():
        left, values, right = m.principal(np.array([1]), np.array([2.0]))
        np.testing.assert_allclose(values, [np.sqrt(2)], rtol=1e-14)  # sqrt(24 / 3) / 2
        np.testing.assert_allclose(np.abs(right), [[1]])
        before = second(m).copy()
        left, values, right = m.principal(np.arange(2), np.sqrt([8 / 3, 8]))
        # at unit variance the correlation is r = 12 / sqrt(8 * 24)
        r = np.sqrt(3) / 2
        np.testing.assert_allclose(values, np.sqrt([1 + r, 1 - r]), rtol=1e-14)
        np.testing.assert_allclose(np.abs(right), np.full((2, 2), np.sqrt(0.5)), rtol=1e-14)
        assert right[0, 0] * right[0, 1] > 0 > right[1, 0] * right[1, 1]
        assert (left is None) == (m.root is None)
        np.testing.assert_array_equal(second(m), before)  # nothing is written to


@pytest.mark.parametrize("m", both(), ids=["scatter", "root"])
def test_about_zero_by_hand(m):
    """Sums of products of the rows themselves; the mean is a vector of zeros."""
    origin = m.about_zero()
    np.testing.assert_allclose(second(origin), ROWS.T @ ROWS, rtol=1e-14)
    assert origin.mean.shape == (2,) and origin.mean.dtype == np.float64
    assert not origin.mean.any()


def test_a_root_and_a_scatter_merge_to_a_root():
    """In either order, and to what two scatters merge to."""
    one, other = both()
    far = scatter(mean=np.array([9.0, -2.0]), weight=6.0, scatter=2 * SCATTER)
    plain = merge(one, far)
    assert not plain.has_root
    for first, last in [(far, other), (other, far)]:
        mixed = merge(first, last)
        assert mixed.has_root and mixed.scatter is None
        np.testing.assert_allclose(second(mixed), plain.scatter, rtol=1e-13)
        np.testing.assert_allclose(mixed.mean, plain.mean, rtol=1e-15)
    # weight 9, mean (7, 0); between: 3 * 6 / 9 = 2 times the square of (6, -6)
    np.testing.assert_allclose(plain.mean, [7, 0], atol=1e-14)
    np.testing.assert_allclose(plain.scatter, 3 * SCATTER + 72 * np.array([[1, -1], [-1, 1]]))
    assert (plain.weight, plain.n_rows) == (9, 6)


def test_a_scatter_becomes_a_root():
    """With its Gram matrix; a root stays the one it is."""
    one, other = both()
    root = as_root(one)
    assert root.scatter is None and root.has_root
    np.testing.assert_allclose(root.root.T @ root.root, SCATTER, rtol=1e-13)
    np.testing.assert_array_equal(root.mean, one.mean)
    assert as_root(other) is other
    assert of_one_kind([one, other])[0] is one


def test_a_matrix_no_taller_than_wide_is_its_own_triangle():
    """It is given as it is, and so is one that no decomposition takes."""
    wide, square = np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert triangle(wide) is wide
    assert triangle(square) is square
    spoilt = np.full((3, 2), np.nan)
    assert triangle(spoilt) is spoilt
    tall = triangle(ROWS)
    assert tall.shape == (2, 2) and tall[1, 0] == 0
    np.testing.assert_allclose(tall.T @ tall, ROWS.T @ ROWS, rtol=1e-14)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("kind", [0, 1])
def test_overflow_is_not_finite_and_does_not_warn(bad, kind):
    """Infinity goes in, or a square that is none, and is told by ``finite``."""
    m = both()[kind]
    assert m.finite
    spoilt = both()[kind]
    spoilt.mean[:] = 0, bad
    for total in (merge(m, spoilt), merge(spoilt, m), spoilt.about_zero()):
        assert not total.finite
    assert not scatter(scatter=np.diag([np.inf, 1.0])).finite
    assert not scatter(mean=np.array([0.0, np.nan]), scatter=SCATTER).finite
