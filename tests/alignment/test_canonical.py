"""Leading directions of white blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign.alignment._canonical import canonical_directions
from skalign.metrics import principal_angles

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def between(rng, roots, p, q):
    """A cross-covariance of given correlations, and its directions."""
    left = np.linalg.qr(rng.normal(size=(p, len(roots))))[0]
    right = np.linalg.qr(rng.normal(size=(q, len(roots))))[0]
    return {(0, 1): (left * roots) @ right.T}, left, right


def falling(cross):
    """Roots of features that are white coordinates of falling variance."""
    return [1 / np.arange(1, d + 1) for d in cross[0, 1].shape]


@settings(max_examples=30, deadline=None)
@given(generators, st.integers(1, 6), st.integers(48, 60), st.sampled_from([1.0, 1e-3, 1e-9]))
def test_few_directions_are_the_first_of_all(rng, n, d, least):
    """Also where correlations fall so far that a Gram matrix would lose them."""
    roots = np.sort(
        np.append(np.geomspace(1.0, least, n) * 0.9, rng.uniform(0, least / 2, d - n))
    )[::-1]
    cross, left, right = between(rng, roots, *rng.permutation([d, d + 3]))
    few = canonical_directions(cross, falling(cross), n)
    every = canonical_directions(cross, falling(cross))
    for found, whole, made in zip(few, every, (left, right), strict=True):
        assert found.shape == whole[:, :n].shape
        np.testing.assert_allclose(found.T @ found, np.eye(n), atol=1e-12)
        gaps = -np.diff(roots[: n + 1])
        if gaps.min() > 1e-11:
            cosines = np.abs(np.sum(found * made[:, :n], axis=0))
            np.testing.assert_allclose(cosines, 1.0, atol=1e-8)
            cosines = np.abs(np.sum(found * whole[:, :n], axis=0))
            np.testing.assert_allclose(cosines, 1.0, atol=1e-8)


@pytest.mark.parametrize("as_root", [np.asarray, np.diag], ids=["diagonal", "matrix"])
def test_ties_at_the_edge_are_rotated_together(as_root):
    """Of twelve equal correlations three are asked for: those that explain most, as among all."""
    cross, left, _ = between(np.random.default_rng(0), np.repeat([0.8, 0.1], [12, 52]), 64, 70)
    roots = [as_root(root) for root in falling(cross)]
    few, every = (canonical_directions(cross, roots, n)[0] for n in (3, None))
    np.testing.assert_allclose(np.abs(few.T @ every[:, :3]), np.eye(3), atol=1e-7)
    assert np.sin(principal_angles(left[:, :12], every[:, :12])).max() < 1e-7
