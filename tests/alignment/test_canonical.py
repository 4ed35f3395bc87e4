"""Leading directions of white blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign import NullSpaceAligner
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


def lit(n, *rows):
    """A column that is one in some rows, and zero in the others."""
    column = np.zeros((n, 1))
    column[list(rows)] = 1
    return column


def beside_noise(rng, *shared, n=60):
    """Two modalities of noise that have some columns in common."""
    return np.hstack([np.hstack([rng.normal(size=(n, 3)), *shared]) for _ in range(2)])


@pytest.mark.parametrize("weights", [None, "repeated rows", "weights"])
@pytest.mark.parametrize("center", [True, False])
def test_one_row_shows_nothing_exact(center, weights):
    """Columns lit in the same one row coincide; in two different ones, or beside others, agree."""
    rng = np.random.default_rng(0)
    smooth, once, other, twice = rng.normal(size=(60, 1)), lit(60, 7), lit(60, 8), lit(60, 3, 9)
    for shared, expected in [
        ([once], 0),
        ([once, other], 0),
        ([1 - once], int(not center)),  # about the origin the others show it
        ([lit(60, 7, 8), other], 0),
        ([twice], 1),
        ([smooth], 1),
        ([once, smooth, other], 1),
        ([twice, once, smooth + once], 2),
    ]:
        X = beside_noise(rng, *shared)
        aligner = NullSpaceAligner(center=center)
        times = rng.integers(1, 5, size=60)
        if weights == "repeated rows":
            aligner.fit(np.repeat(X, times, axis=0))
        else:
            aligner.fit(X, sample_weight=times if weights else None)
        assert aligner.n_exact_components_ == expected
        assert np.isfinite(aligner.transform(X)).all()


def test_what_is_left_is_exact():
    """Beside a coincidence the other direction is found as it is without one."""
    rng = np.random.default_rng(1)
    smooth = rng.normal(size=(60, 1))
    smooth[7] = 0
    X = beside_noise(rng, smooth, lit(60, 7))
    latents = NullSpaceAligner(n_components=1).fit(X).transform(X)
    without = np.delete(np.arange(60), 7)
    same = np.corrcoef(latents[without, 0], smooth[without, 0])[0, 1]
    assert abs(same) == pytest.approx(1, abs=1e-9)


def test_chunks_show_what_rows_show():
    """A row that comes twice, in two chunks, is one row; a chunk may be empty."""
    dask_array = pytest.importorskip("dask.array")
    rng = np.random.default_rng(2)
    X = beside_noise(rng, lit(60, 7))
    X = np.vstack([X, X[7:8]])
    for rows in (X, dask_array.from_array(X, chunks=((20, 0, 20, 21), -1))):
        assert NullSpaceAligner().fit(rows).n_exact_components_ == 0
    X[7, 0] += 1  # now they are two
    for rows in (X, dask_array.from_array(X, chunks=(20, -1))):
        assert NullSpaceAligner().fit(rows).n_exact_components_ == 1
