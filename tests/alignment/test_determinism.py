"""Signs and order of components: by the data alone, not by threads, chunks or the column order."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from skalign import NullSpaceAligner
from skalign.datasets import make_paired_gaussians


def noisy():
    """Two modalities that share some of what they show."""
    return make_paired_gaussians(600, n_features=(7, 9), noise=1.0, random_state=0).X, (7, 9), 7


def exact():
    """Two modalities that share dimensions exactly, so that any rotation of these agrees."""
    options = {"n_features": (7, 9), "n_latent": 4, "noise": 0.0}
    return make_paired_gaussians(600, **options, random_state=1).X, (7, 9), 4


def three():
    """Three modalities."""
    data = make_paired_gaussians(600, n_features=(5, 6, 7), noise=1.0, random_state=4)
    return data.X, (5, 6, 7), 5


def opposed():
    """One column a modality, one falls as the other rises: cubes of white weights cancel."""
    z, noise = np.random.default_rng(2).normal(size=(2, 600))
    return np.column_stack([z, 0.3 * noise - 2 * z]), (1, 1), 1


def contrasts():
    """A component that is the difference of two alike columns: cubes cancel in each modality."""
    rows = np.random.default_rng(3).normal(size=(600, 4))
    a, b, e, f = np.linalg.qr(rows - rows.mean(axis=0))[0].T
    c, d = 0.9 * a + np.sqrt(0.19) * e, 0.5 * b + np.sqrt(0.75) * f
    return np.column_stack([a + b, a - b, c + d, c - d]), (2, 2), 2


draws = pytest.mark.parametrize("draw", [noisy, exact, three, opposed, contrasts])
gauges = pytest.mark.parametrize("whiten", [True, False])


def latents(X, rows, modalities, k, *, whiten=True, blocks=None):
    """Of some rows, learned from all rows in one go, or from blocks of them."""
    modalities = list(modalities) if isinstance(modalities, tuple) else modalities
    aligner = NullSpaceAligner(k, modalities=modalities, whiten=whiten, random_state=0)
    if blocks is None:
        return aligner.fit(rows).transform(X)
    for block in blocks:
        aligner.partial_fit(block)
    return aligner.transform(X)


def assert_same(found, expected):
    """Up to rounding, signs included."""
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


@draws
@gauges
def test_rows_in_any_order_and_in_blocks(draw, whiten):
    """Batches and chunks, however they are cut, and rows in another order."""
    X, widths, k = draw()
    expected = latents(X, X, widths, k, whiten=whiten)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(X))
        assert_same(latents(X, X[order], widths, k, whiten=whiten), expected)
    for size in (600, 151, 37):
        blocks = np.split(X, range(size, len(X), size))
        assert_same(latents(X, X, widths, k, whiten=whiten, blocks=blocks), expected)


@draws
@gauges
def test_chunks(draw, whiten):
    """Dask's, one as any number."""
    dask_array = pytest.importorskip("dask.array")
    X, widths, k = draw()
    expected = latents(X, X, widths, k, whiten=whiten)
    for size in (600, 151, 37):
        rows = dask_array.from_array(X, chunks=(size, -1))
        assert_same(latents(X, rows, widths, k, whiten=whiten), expected)


@draws
@gauges
def test_columns_in_any_order(draw, whiten):
    """A mapping may name modalities, and columns of each, in any order."""
    X, widths, k = draw()
    expected = latents(X, X, widths, k, whiten=whiten)
    columns = np.split(np.arange(X.shape[1]), np.cumsum(widths)[:-1])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        modalities = {f"m{m}": rng.permutation(columns[m]) for m in rng.permutation(len(widths))}
        assert_same(latents(X, X, modalities, k, whiten=whiten), expected)


@draws
@gauges
def test_any_number_of_threads(draw, whiten):
    """Of BLAS: many rows, so that it divides its sums among them."""
    X, widths, k = draw()
    rows = np.vstack([X] * 20)
    found = []
    for threads in (1, 2, 3, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(latents(X, rows, widths, k, whiten=whiten))
    for again in found[1:]:
        assert_same(again, found[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_table_with_columns_in_another_order(seed):
    """Where no cubes cancel, not even the order of columns in the table shows."""
    X, widths, k = noisy()
    rng = np.random.default_rng(seed)
    order = rng.permutation(16)
    place = np.argsort(order)
    modalities = {"a": place[:7], "b": place[7:]}
    moved = X[:, order]
    assert_same(latents(moved, moved, modalities, k), latents(X, X, widths, k))
