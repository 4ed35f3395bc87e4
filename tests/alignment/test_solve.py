"""The solve by hand: white blocks of known directions, and what counts as exact among them."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from skalign import NullSpaceAligner
from skalign._blocks import resolve
from skalign.alignment._canonical import (
    block_sizes,
    canonical_directions,
    confirmed_exact,
    exact_directions,
    principal_rotation,
    stack_rank,
    white_gram,
)
from skalign.alignment._whitening import (
    WhitenedBlock,
    WhitenedPairs,
    canonical_correlations,
    whiten_pairs,
)
from skalign.moments._moments import Moments
from skalign.moments._rows import ArrayRows


def white_pairs(white, *, root=True, rounding=1e-12, values=None):
    """Pairs whose blocks are given as orthonormal columns (p, r_m) of a root."""
    ranks = [q.shape[1] for q in white]
    blocks = [
        WhitenedBlock(
            np.ones(r),
            np.eye(r),
            np.ones(r) if values is None else values[m],
            q if root else None,
            rounding,
        )
        for m, (r, q) in enumerate(zip(ranks, white, strict=True))
    ]
    X = np.hstack(white)
    kept = {"root": X} if root else {"scatter": X.T @ X}
    moments = Moments(1.0, len(X), np.zeros(X.shape[1]), **kept)
    columns = np.split(np.arange(X.shape[1]), np.cumsum(ranks)[:-1])
    pairs = [(m, l) for m in range(len(white)) for l in range(m + 1, len(white))]
    cross = {(m, l): white[m].T @ white[l] for m, l in pairs}
    return WhitenedPairs(
        moments, columns, blocks, cross, [*map(canonical_correlations, cross.values())]
    )


def turned(*angles, rng=0, mix=True):
    """Two white blocks, of which direction j of one stands at an angle to that of the other."""
    d, angles = len(angles), np.array(angles)
    q = np.linalg.qr(np.random.default_rng(rng).normal(size=(40, 2 * d)))[0]
    first, second = q[:, :d], np.cos(angles) * q[:, :d] + np.sin(angles) * q[:, d:]
    if mix:
        first, second = (
            a @ ortho_group.rvs(d, random_state=s) for s, a in enumerate((first, second))
        )
    return [first, second]


# -- exact directions -----------------------------------------------------------------------------


def test_nothing_is_exact_far_from_one():
    """A basis of no direction, of as many rows as the block has dimensions."""
    found = exact_directions(white_pairs([*turned(0.1, 0.5, 1.0)]))
    assert [a.shape for a in found] == [(3, 0), (3, 0)]


@pytest.mark.parametrize("share", [0.97, 1.03])
def test_residuals_of_latents_decide(share):
    """They are rounding up to ten times that of the latents, times the root of the rank."""
    rounding = 1e-7
    # two unit latents at an angle differ by it, their distances from the middle by 1 / sqrt(2)
    limit = 10 * rounding * np.sqrt(2) * np.sqrt(2)
    found = exact_directions(white_pairs(turned(share * limit, 0.8), rounding=rounding))
    assert [a.shape[1] for a in found] == [int(share < 1)] * 2


@pytest.mark.parametrize(("rounding", "nearly"), [(1e-5, 1e-9), (1e-2, 1e-6)])
@pytest.mark.parametrize("share", [0.97, 1.03])
def test_without_a_root_correlations_decide(share, rounding, nearly):
    """Ten times the square of rounding below one, or a millionth."""
    angle = np.arccos(1 - share * nearly)
    white = turned(angle, 0.8)
    found = exact_directions(white_pairs(white, root=False, rounding=rounding))
    assert [a.shape[1] for a in found] == [int(share < 1)] * 2
    if share < 1:
        z, w = (q @ a for q, a in zip(white, found, strict=True))
        assert abs(z.T @ w).item() == pytest.approx(np.cos(angle), abs=1e-12)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("n_modalities", [2, 3])
def test_exact_directions_are_the_same_latents(n_modalities, root):
    """Orthonormal, one value in all modalities, in order of what they explain."""
    rng = np.random.default_rng(1)
    q = np.linalg.qr(rng.normal(size=(40, 3 + 2 * n_modalities)))[0]
    white = [
        np.hstack([q[:, :3], q[:, 3 + 2 * m : 5 + 2 * m]]) @ ortho_group.rvs(5, random_state=m)
        for m in range(n_modalities)
    ]
    values = [np.array([3.0, 2.0, 1.5, 1.0, 0.5])] * n_modalities
    found = exact_directions(white_pairs(white, root=root, rounding=1e-7, values=values))
    latents = [b @ a for b, a in zip(white, found, strict=True)]
    explained = np.zeros((3, 3))
    for z, a, s in zip(latents, found, values, strict=True):
        np.testing.assert_allclose(z, latents[0], atol=1e-12)
        np.testing.assert_allclose(a.T @ a, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(q[:, :3] @ (q[:, :3].T @ z), z, atol=1e-12)
        explained += a.T @ (s[:, None] ** 2 * a)
    np.testing.assert_allclose(explained, np.diag(np.diagonal(explained)), atol=1e-12)
    assert np.all(np.diff(np.diagonal(explained)) < 0)


def shared_rows(n, n_shared=1, d=3, seed=0):
    """Rows of two modalities of ``d`` columns, which have some dimensions in common."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_shared))
    noise = d - n_shared
    return np.hstack(
        [
            np.hstack([z, rng.normal(size=(n, noise))]) @ rng.normal(size=(d, d)) + 5 * m
            for m in range(2)
        ]
    )


def confirmed(X, widths=(3, 3), weights=None):
    """Exact directions of rows, looked at."""
    rows = ArrayRows(X, weights, resolve(list(widths), X.shape[1]))
    moments = rows.moments("qr")[(True,) * len(widths)]
    pairs = whiten_pairs(moments, rows.blocks, tol=None, eps=rows.eps)
    return confirmed_exact(pairs, rows), pairs


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_few_rows_agree_by_interpolation(n):
    """Three and three dimensions that share one have five: seven rows show it, six do not.

    Rows that are there twice, or weigh nothing, show no more.
    """
    X = shared_rows(n)
    shapes = [(3, int(n > 6))] * 2
    assert [a.shape for a in confirmed(X)[0]] == shapes
    assert [a.shape for a in confirmed(np.vstack([X, X[:3]]))[0]] == shapes
    more = np.vstack([X, shared_rows(9, seed=0)[:2]])
    weights = np.append(np.ones(n), [0, 0])
    assert [a.shape for a in confirmed(more, weights=weights)[0]] == shapes


def test_what_is_left_beside_lone_rows_is_in_order():
    """Directions but that of a coincidence: exact, and by what they explain."""
    rng = np.random.default_rng(3)
    z, lit = rng.normal(size=(60, 2)), np.zeros((60, 1))
    z[7], lit[7] = 0, 1
    X = np.hstack([np.hstack([rng.normal(size=(60, 2)), z, z[:, :1] + lit]) for _ in range(2)])
    found, pairs = confirmed(X + 3 * np.repeat([1, -9], 5), (5, 5))
    assert [a.shape[1] for a in found] == [2, 2]
    explained = sum(
        a.T @ (b.singular_values[:, None] ** 2 * a)
        for a, b in zip(found, pairs.blocks, strict=True)
    )
    np.testing.assert_allclose(explained[0, 1], 0, atol=1e-9)
    assert explained[0, 0] > explained[1, 1] + 0.1
    for a, b, columns in zip(found, pairs.blocks, pairs.columns, strict=True):
        latents = (X[:, columns] - X[:, columns].mean(axis=0)) @ b.coef(a)
        residual = np.linalg.lstsq(np.hstack([z, np.ones((60, 1))]), latents, rcond=None)[1]
        assert residual.max() < 1 / 20  # but for what the mean of the lone row moves


def test_nothing_is_left_of_two_lone_rows():
    """Two coincidences, and no direction beside them."""
    rng = np.random.default_rng(4)
    lit = np.eye(60)[:, [7, 9]] @ np.array([[1.0, 0.3], [0.0, 2.0]])
    X = np.hstack([np.hstack([rng.normal(size=(60, 2)), lit]) for _ in range(2)])
    assert [a.shape for a in confirmed(X, (4, 4))[0]] == [(4, 0), (4, 0)]


def test_links_of_two_of_three_modalities_are_looked_at_by_themselves():
    """Rows that lack the third modality show what the first two share, one lone row does not."""
    rng = np.random.default_rng(5)
    z, lit = rng.normal(size=(80, 1)), np.zeros((80, 1))
    lit[3] = 1

    def draw(first, second):
        X = [np.hstack([rng.normal(size=(80, 2)), column]) for column in (z, z, z)]
        X[0][:40, 2:], X[1][:40, 2:] = first[:40], second[:40]
        X = np.hstack(X)
        X[:40, 6:] = np.nan
        X[40:, :3] = np.nan
        return X

    widths = [3, 3, 3]
    assert NullSpaceAligner(1, modalities=widths).fit(draw(z, z)).n_exact_components_ == 1
    for X, expected in [(draw(z, z), 1), (draw(lit, lit), 0)]:
        rows = ArrayRows(X, None, resolve(widths, 9))
        moments = rows.moments("qr")[True, True, False]
        pairs = whiten_pairs(moments, resolve([3, 3], 6), tol=None, eps=rows.eps)
        found = confirmed_exact(pairs, rows, (0, 1))
        assert [a.shape for a in found] == [(3, expected)] * 2


# -- directions -----------------------------------------------------------------------------------


def three_blocks(rng=0):
    """Cross-covariances of three white blocks of ranks 4, 2 and 3, and their Gram matrix."""
    X = np.random.default_rng(rng).normal(size=(30, 9))
    X[:, 4:6] += X[:, :2]
    X[:, 6:] += X[:, 1:4]
    q = [np.linalg.qr(b)[0] for b in np.split(X, [4, 6], axis=1)]
    cross = {(m, l): q[m].T @ q[l] for m in range(3) for l in range(m + 1, 3)}
    return cross, np.hstack(q).T @ np.hstack(q)


def test_blocks_of_three_modalities():
    """Their sizes, and the Gram matrix of all."""
    cross, gram = three_blocks()
    assert block_sizes(cross) == [4, 2, 3]
    assert block_sizes({(0, 1): np.zeros((5, 2))}) == [5, 2]
    np.testing.assert_allclose(white_gram(cross), gram, atol=1e-14)


@pytest.mark.parametrize("n", [None, 1, 2])
def test_directions_of_three_modalities_are_leading_eigenvectors(n):
    """Those of numpy, with a mean square length of one over the modalities, largest first."""
    cross, gram = three_blocks()
    roots = [np.ones(r) for r in (4, 2, 3)]
    found = np.vstack(canonical_directions(cross, roots, n))
    assert found.shape == (9, n or 2)
    values, vectors = np.linalg.eigh(gram)
    np.testing.assert_allclose(found.T @ found, 3 * np.eye(n or 2), atol=1e-12)
    cosines = np.sum(found * vectors[:, ::-1][:, : n or 2], axis=0) / np.sqrt(3)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-12)
    # the mean correlation between modalities is (value - 1) / 2
    for above, count in [((values[-1] - 1) / 2 - 1e-9, 1), ((values[-1] - 1) / 2 + 1e-9, 0)]:
        assert canonical_directions(cross, roots, above=above)[0].shape == (4, count)


@pytest.mark.parametrize("gap", [0.0, 1e-13, 1e-9])
@pytest.mark.parametrize("place", [0, 1])
def test_equal_correlations_are_turned_to_what_they_explain(gap, place):
    """Two that differ by rounding only; others are left as they are."""
    roots = np.array([0.8, 0.8 - gap, 0.3]) if place == 0 else np.array([0.9, 0.5, 0.5 - gap])
    rng = np.random.default_rng(6)
    left, right = (np.linalg.qr(rng.normal(size=(5, 3)))[0] for _ in range(2))
    cross = {(0, 1): (left * roots) @ right.T}
    values = [np.array([5.0, 4.0, 3.0, 2.0, 1.0]), np.array([3.0, 2.5, 2.0, 1.5, 1.0])]
    for n in (2, 3):
        blocks = canonical_directions(cross, values, n)
        a, b = blocks
        assert a.shape == b.shape == (5, n)
        explained = sum(x.T @ (v[:, None] ** 2 * x) for x, v in zip((a, b), values, strict=True))[
            place : place + 2, place : place + 2
        ]
        if len(explained) == 2 and gap < 1e-12:
            np.testing.assert_allclose(explained[0, 1], 0, atol=1e-9)
            assert explained[0, 0] > explained[1, 1]
        own = 2 if place == 0 else 0  # the one that is alone
        if own < n:
            np.testing.assert_allclose(abs(a[:, own] @ left[:, own]), 1, atol=1e-9)
        if gap == 1e-9:
            cosines = np.abs(np.sum(a * left[:, :n], axis=0))
            np.testing.assert_allclose(cosines, 1, atol=1e-5)
        np.testing.assert_allclose(a.T @ cross[0, 1] @ b, np.diag(roots[:n]), atol=1e-8)


@pytest.mark.parametrize("as_root", [np.asarray, np.diag], ids=["diagonal", "matrix"])
def test_principal_rotation(as_root):
    """Turns directions to principal axes of what they explain, the largest first."""
    rng = np.random.default_rng(7)
    blocks = [np.linalg.qr(rng.normal(size=(5, 3)))[0] for _ in range(2)]
    roots = [as_root(rng.uniform(0.5, 3, size=5)) for _ in range(2)]
    rotation = principal_rotation(blocks, roots)
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    points = [
        (np.diag(r) if r.ndim == 1 else r) @ b @ rotation
        for r, b in zip(roots, blocks, strict=True)
    ]
    explained = sum(p.T @ p for p in points)
    np.testing.assert_allclose(explained, np.diag(np.diagonal(explained)), atol=1e-12)
    assert np.all(np.diff(np.diagonal(explained)) < 0)
    one = [b[:, :1] for b in blocks]
    np.testing.assert_array_equal(principal_rotation(one, roots), [[1.0]])


@pytest.mark.parametrize(("gap", "rank"), [(1e-8, 6), (0.0, 4), (1e-13, 4)])
def test_rank_of_three_stacked_blocks(gap, rank):
    """One direction in common is counted once; one that nearly is, three times."""
    rng = np.random.default_rng(8)
    rotations = [np.linalg.qr(rng.normal(size=(2, 2)))[0] for _ in range(3)]
    middle = np.diag([1 - gap, 0.3])
    cross = {
        (m, l): rotations[m].T @ middle @ rotations[l] for m in range(3) for l in range(m + 1, 3)
    }
    pairs = white_pairs([np.linalg.qr(rng.normal(size=(9, 2)))[0] for _ in range(3)])
    pairs = WhitenedPairs(pairs.moments, pairs.columns, pairs.blocks, cross, [])
    assert stack_rank(pairs, 1) == rank
    assert stack_rank(white_pairs(turned(0.0, 0.5)), 1) == 3
