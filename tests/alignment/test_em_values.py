"""EM with missing blocks against its equations, row by row where rows are few.

The oracle fills in what each row hides by its conditional law, and takes means; it knows neither
white coordinates nor moments.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skalign import NullSpaceAligner
from skalign._blocks import resolve
from skalign.alignment import _em
from skalign.alignment._em import (
    Incomplete,
    Part,
    expectation_maximisation,
    incomplete_rows,
    largest_entropy,
    learn_from_all,
)
from skalign.alignment._gaussian import block_shrinkage
from skalign.alignment._whitening import whiten_pairs
from skalign.moments._moments import Moments
from skalign.moments._rows import ArrayRows

EPS = np.finfo(float).eps
SHOWN = [(0, 1, 2, 3, 4), (0, 1), (2, 4), (3,)]


def covariance(rng, d):
    """Some covariance of moderate condition."""
    A = rng.normal(size=(d, d + 2))
    return A @ A.T / d + 0.1 * np.eye(d)


def rows_of(rng, d=5, n=12, shown=SHOWN):
    """Rows, which columns each shows, and their moments by these."""
    mean, root = rng.normal(size=d), np.linalg.cholesky(covariance(rng, d))
    groups = [(mean + rng.normal(size=(n + 9 * i, d)) @ root.T, g) for i, g in enumerate(shown)]
    rows = [(x, np.array(g)) for X, g in groups for x in X]
    parts = [part_of(X, g) for X, g in groups]
    return rows, parts


def part_of(X, given):
    """Moments of rows that show some columns."""
    shown = X[:, list(given)]
    return Part(
        float(len(X)),
        np.array(given),
        shown.mean(axis=0),
        np.cov(shown.T, bias=True).reshape(len(given), -1),
    )


def em_step(rows, mean, cov):
    """One step: rows filled in by their conditional law, with its covariance; then means."""
    d, first, second = len(mean), 0.0, 0.0
    for x, g in rows:
        h = np.setdiff1d(np.arange(d), g)
        slope = np.linalg.solve(cov[np.ix_(g, g)], cov[np.ix_(g, h)])
        full, left = np.empty(d), np.zeros((d, d))
        full[g], full[h] = x[g], mean[h] + (x[g] - mean[g]) @ slope
        left[np.ix_(h, h)] = cov[np.ix_(h, h)] - cov[np.ix_(h, g)] @ slope
        first, second = first + full, second + np.outer(full, full) + left
    first, second = first / len(rows), second / len(rows)
    return first, second - np.outer(first, first)


def log_likelihood(rows, mean, cov):
    """Of all rows."""
    return sum(multivariate_normal(mean[g], cov[np.ix_(g, g)]).logpdf(x[g]) for x, g in rows)


# -- one step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_step_fills_in_and_averages(seed):
    """Moments tell as much as rows."""
    rng = np.random.default_rng(seed)
    rows, parts = rows_of(rng)
    mean, cov = rng.normal(size=5), covariance(rng, 5)
    point = _em._step(parts, np.vstack([mean, cov]))
    expected = em_step(rows, mean, cov)
    np.testing.assert_allclose(point[0], expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(point[1:], expected[1], rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(point[1:], point[1:].T)


@pytest.mark.parametrize("seed", range(3))
def test_likelihood_is_that_of_rows(seed):
    """Up to a constant; none where a covariance is none."""
    rng = np.random.default_rng(seed)
    rows, parts = rows_of(rng)
    points = [(rng.normal(size=5), covariance(rng, 5)) for _ in range(2)]
    found = [_em._log_likelihood(parts, np.vstack(p)) for p in points]
    expected = [log_likelihood(rows, *p) for p in points]
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=1e-9)
    constant = -0.5 * np.log(2 * np.pi) * sum(len(g) for _, g in rows)
    assert expected[0] - found[0] == pytest.approx(constant, rel=1e-9)
    bad = points[0][1].copy()
    bad[3, 3] = -1.0
    assert _em._log_likelihood(parts, np.vstack([points[0][0], bad])) == -np.inf


def squarem(rows, mean, cov, em_step=em_step):
    """Two steps, further on by scheme S3 of Varadhan & Roland, and a step from there."""
    points = [np.vstack([mean, cov])]
    for _ in range(2):
        points.append(np.vstack(em_step(rows, points[-1][0], points[-1][1:])))
    r, v = points[1] - points[0], points[2] - 2 * points[1] + points[0]
    alpha = -np.linalg.norm(r) / np.linalg.norm(v)
    here = points[2]
    least = log_likelihood(rows, mean, cov)
    while alpha < -1:
        there = points[0] - 2 * alpha * r + alpha**2 * v
        with np.errstate(all="ignore"):
            proper = np.linalg.eigvalsh(there[1:])[0] > 0
        if proper and log_likelihood(rows, there[0], there[1:]) >= least:
            here = np.vstack(em_step(rows, there[0], there[1:]))
            break
        alpha = (alpha - 1) / 2 if alpha < -2 else -1
    return here


@pytest.mark.parametrize("seed", range(8))
def test_accelerated_steps(seed):
    """Three steps of EM make one of the scheme, taken back where it goes too far."""
    rng = np.random.default_rng(seed)
    shown = [SHOWN[:2], [(0, 1, 2, 3, 4), (0, 1, 2), (3, 4)]][seed % 2]
    rows, parts = rows_of(rng, n=6, shown=shown)
    start = rng.normal(size=5), covariance(rng, 5)
    for _ in range(seed):  # the nearer to the end, the further a step goes
        start = em_step(rows, *start)
    expected = squarem(rows, *start)
    for steps in (3, 5):
        mean, cov = expectation_maximisation(parts, start, max_iter=steps, tol=0.0)
        np.testing.assert_allclose(mean, expected[0], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(cov, expected[1:], rtol=1e-7, atol=1e-8)
    twice = squarem(rows, expected[0], expected[1:])
    mean, cov = expectation_maximisation(parts, start, max_iter=6, tol=0.0)
    np.testing.assert_allclose(np.vstack([mean, cov]), twice, rtol=1e-6, atol=1e-7)
    mean, cov = expectation_maximisation(parts, start, max_iter=2)
    np.testing.assert_array_equal(cov, start[1])


def test_steps_that_shrink_too_fast_are_not_taken_further():
    """The scheme would go back: two plain steps are all."""
    rng = np.random.default_rng(20)
    rows, parts = rows_of(rng, n=14, shown=[(0, 1, 2, 3, 4), (1, 2, 3, 4), (0, 1, 2, 4)])
    start = rng.normal(size=5), covariance(rng, 5)
    twice = em_step(rows, *em_step(rows, *start))
    mean, cov = expectation_maximisation(parts, start, max_iter=3, tol=0.0)
    np.testing.assert_allclose(mean, twice[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cov, twice[1], rtol=1e-9, atol=1e-12)


def test_an_extrapolation_that_is_no_covariance_is_taken_back():
    """To half as far, and to plain steps in the end; its likelihood comes with it, if known."""
    rng = np.random.default_rng(0)
    _, parts = rows_of(rng)
    point = np.vstack([parts[0].mean, parts[0].cov])
    once = _em._step(parts, point)
    twice = _em._step(parts, once)
    there, reached = _em._extrapolated(parts, point, once, twice, np.inf)  # nothing is enough
    assert there is twice and reached is None
    there, reached = _em._extrapolated(parts, point, once, twice, -np.inf)
    assert reached == _em._log_likelihood(parts, there) > -np.inf
    # steps of one length and direction: no change, no scheme
    same, reached = _em._extrapolated(parts, point, point, point, -np.inf)
    assert same is point and reached is None
    known = _em._extrapolated(parts, point, once, twice, _em._log_likelihood(parts, point))
    for found, expected in zip(
        _em._extrapolated(parts, point, once, twice, None), known, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_steps_end_where_nothing_changes():
    """By the largest change of a step; the default is that of pairs."""
    rng = np.random.default_rng(1)
    rows, parts = rows_of(rng)
    mean, cov = expectation_maximisation(parts, max_iter=3000, tol=1e-12)
    again = em_step(rows, mean, cov)
    np.testing.assert_allclose(mean, again[0], atol=1e-10)
    np.testing.assert_allclose(cov, again[1], atol=1e-10)
    early = expectation_maximisation(parts, (mean, cov), max_iter=3, tol=1.0)
    np.testing.assert_allclose(early[1], em_step(rows, *again)[1], atol=1e-11)
    default = expectation_maximisation(parts)
    named = expectation_maximisation(
        parts, (parts[0].mean, parts[0].cov), (), max_iter=_em.MAX_ITER, tol=_em.TOLERANCE
    )
    np.testing.assert_array_equal(default[1], named[1])
    rough = expectation_maximisation(parts, max_iter=3000, tol=1e-2)
    assert np.abs(rough[1] - em_step(rows, *rough)[1]).max() < 1e-2
    assert np.abs(rough[1] - cov).max() > 1e-8


# -- conditional laws -----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_regression(scale):
    """Least squares; at unit variances, so that units do not matter, nor a flat direction."""
    rng = np.random.default_rng(2)
    own, across = covariance(rng, 4), rng.normal(size=(4, 2))
    unit = np.array([1.0, scale, 1 / scale, 1.0])
    found = _em._regression(own * np.outer(unit, unit), unit[:, None] * across)
    np.testing.assert_allclose(unit[:, None] * found, np.linalg.solve(own, across), rtol=1e-6)
    root = np.linalg.cholesky(own)
    root[3] = root[0] + root[1]  # singular
    flat = root @ root.T
    across = flat @ rng.normal(size=(4, 2))
    found = _em._regression(flat, across)
    np.testing.assert_allclose(flat @ found, across, atol=1e-9)
    unit = np.sqrt(np.diagonal(flat))
    least = np.linalg.pinv(flat / np.outer(unit, unit), rcond=1e-9) @ (across / unit[:, None])
    np.testing.assert_allclose(found * unit[:, None], least, atol=1e-6)


def test_regression_on_a_constant_is_zero():
    """And on nothing at all, empty."""
    own = np.diag([0.0, 4.0])
    np.testing.assert_allclose(_em._regression(own, np.array([[0.0], [2.0]])), [[0], [0.5]])
    assert _em._regression(np.zeros((0, 0)), np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("tiny", [1e-12, 1e-7])
def test_negligible_directions_carry_nothing(tiny):
    """Below 1e-10 of the largest variance; above they do."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(2, 2)))[0]
    turn = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    own = turn @ np.diag([2.0, 2 * tiny]) @ turn
    found = _em._regression(own, turn[:, 1:] * tiny)
    expected = turn[:, 1:] / 2 if tiny > 1e-10 else np.zeros((2, 1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


# -- of largest entropy ---------------------------------------------------------------------------


def test_a_chain_has_a_closed_form():
    """Two that never met are independent given the one that both met."""
    cov = covariance(np.random.default_rng(4), 6)
    a, b, c = np.arange(2), np.arange(2, 4), np.arange(4, 6)
    before = cov.copy()
    full = largest_entropy(cov, [(a, c)])
    np.testing.assert_array_equal(cov, before)
    expected = cov[np.ix_(a, b)] @ np.linalg.solve(cov[np.ix_(b, b)], cov[np.ix_(b, c)])
    np.testing.assert_allclose(full[np.ix_(a, c)], expected, atol=1e-10)
    np.testing.assert_allclose(full[np.ix_(c, a)], expected.T, atol=1e-10)
    kept = full.copy()
    kept[np.ix_(a, c)], kept[np.ix_(c, a)] = cov[np.ix_(a, c)], cov[np.ix_(c, a)]
    np.testing.assert_array_equal(kept, cov)


@pytest.mark.parametrize(
    "apart", [[(0, 2), (1, 3)], [(0, 2)], [(0, 1), (0, 2), (0, 3)], [(0, 2), (0, 3), (1, 3)]]
)
def test_precisions_of_those_that_never_met_vanish(apart):
    """Dempster 1972; all else is as it was, and the covariance stays one."""
    cov = covariance(np.random.default_rng(5), 8)
    blocks = np.split(np.arange(8), 4)
    full = largest_entropy(cov, [(blocks[m], blocks[l]) for m, l in apart])
    precision = np.linalg.inv(full)
    for m in range(4):
        for l in range(m + 1, 4):
            at = np.ix_(blocks[m], blocks[l])
            if (m, l) in apart:
                np.testing.assert_allclose(precision[at], 0, atol=1e-8)
            else:
                np.testing.assert_array_equal(full[at], cov[at])
    np.testing.assert_allclose(full, full.T, atol=1e-12)
    assert np.linalg.eigvalsh(full)[0] > 0


def test_blocks_without_a_dimension_are_apart_from_nothing():
    """They are left out."""
    cov = covariance(np.random.default_rng(6), 4)
    none = np.arange(0)
    np.testing.assert_array_equal(largest_entropy(cov, [(none, np.arange(2))]), cov)


def test_steps_keep_those_apart_that_never_met():
    """At each step of EM, up to the top of the likelihood."""
    rng = np.random.default_rng(7)
    shown = [(0, 1, 2), (1, 2, 3, 4)]
    rows, parts = rows_of(rng, shown=shown)
    apart = [(np.array([0]), np.array([3, 4]))]

    def step(rows, mean, cov):
        mean, cov = em_step(rows, mean, cov)
        carried = cov[3:, 1:3] @ np.linalg.solve(cov[1:3, 1:3], cov[1:3, 0])
        cov[3:, 0] = cov[0, 3:] = carried
        return mean, cov

    expected = squarem(rows, np.zeros(5), np.eye(5), step)
    once = expectation_maximisation(parts, (np.zeros(5), np.eye(5)), apart, max_iter=3, tol=0.0)
    np.testing.assert_allclose(np.vstack(once), expected, rtol=1e-6, atol=1e-7)
    for steps in (3, 300):
        _, cov = expectation_maximisation(
            parts, (np.zeros(5), np.eye(5)), apart, max_iter=steps, tol=1e-10
        )
        np.testing.assert_allclose(np.linalg.inv(cov)[0, 3:], 0, atol=1e-7)
        assert np.abs(cov[0, 3:]).max() > 1e-4


# -- rows that lack a modality --------------------------------------------------------------------


def semi_paired(seed=0, center=True, weighted=False):
    """Pairs of three modalities, rows that lack one or two; in columns of another order."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(140, 3))
    X = z @ rng.normal(size=(3, 7)) + rng.normal(size=(140, 7)) + 2
    X *= 10.0 ** rng.uniform(-1, 1, size=7)
    blocks = resolve({"a": [4, 0], "b": [1, 6, 2], "c": [5, 3]}, 7)
    X[40:80, blocks.indices(2)] = np.nan
    X[80:110, blocks.indices(0)] = np.nan
    X[110:140, np.concatenate([blocks.indices(0), blocks.indices(1)])] = np.nan
    weights = rng.uniform(0.5, 2, size=140) if weighted else None
    rows = ArrayRows(X, weights, blocks)
    moments = rows.moments("qr" if seed % 2 else "covariance")
    total = moments[True, True, True]
    pairs = whiten_pairs(total if center else total.about_zero(), blocks, tol=None, eps=EPS)
    return X, np.ones(140) if weights is None else weights, pairs, moments, blocks


def model_in_x(pairs, model):
    """Mean and covariance of the features in a model."""
    ranks = [b.rank for b in pairs.blocks]
    maps = [
        b.points(model.points(m, np.eye(r)))
        for m, (b, r) in enumerate(zip(pairs.blocks, ranks, strict=True))
    ]
    cov = np.zeros((7, 7))
    for m, a in enumerate(pairs.columns):
        cov[np.ix_(a, a)] = maps[m] @ maps[m].T
        for l in range(m + 1, 3):
            b = pairs.columns[l]
            cov[np.ix_(a, b)] = maps[m] @ model.cross[m, l] @ maps[l].T
            cov[np.ix_(b, a)] = cov[np.ix_(a, b)].T
    return pairs.moments.mean, cov


def test_incomplete_rows_come_in_an_order_of_their_own():
    """With the modalities that they have; about their mean or about the origin."""
    X, _, _, moments, blocks = semi_paired()
    shuffled = dict(reversed(list(moments.items())))
    for center in (True, False):
        groups = incomplete_rows(shuffled, center)
        assert [g.given for g in groups] == [(2,), (1, 2), (0, 1)]
        columns = np.concatenate([blocks.indices(1), blocks.indices(2)])
        mine = X[80:110][:, np.sort(columns)]
        order = np.argsort(np.argsort(columns))
        mean = mine[:, order].mean(axis=0) if center else np.zeros(5)
        np.testing.assert_allclose(groups[1].moments.mean, mean, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("shrinkage", [0.2, None, [0.1, 0.3, 0.0], "auto"])
def test_the_model_of_all_rows_is_a_fixed_point(monkeypatch, seed, center, shrinkage):
    """Of EM in features, in which the shrunk covariance of the pairs stays their share."""
    for name in ("MAX_ITER", "MAX_ITER_UNSHRUNK"):
        monkeypatch.setattr(_em, name, 6000)
    monkeypatch.setattr(_em, "TOLERANCE", 1e-13)
    X, w, pairs, moments, blocks = semi_paired(seed, center, weighted=True)
    found, model = learn_from_all(
        pairs, incomplete_rows(moments, center), shrinkage, blocks.names, tol=None, eps=EPS
    )
    mean, cov = model_in_x(found, model)
    each = shrinkage if isinstance(shrinkage, list) else [shrinkage] * 3
    have = np.isfinite(X)
    alphas = [block_shrinkage(b, s, w[:40].sum()) for b, s in zip(pairs.blocks, each, strict=True)]
    assert model.shrunk  # as pairs alone are not
    alpha = np.empty(7)
    for a, c in zip(alphas, pairs.columns, strict=True):
        alpha[c] = a

    def moments_in_x(rows):
        share = w[rows] / w[rows].sum()
        middle = share @ X[rows] if center else np.zeros(7)
        return middle, ((X[rows] - middle).T * share) @ (X[rows] - middle)

    # the variance over all rows that have a column, which noise has its share of
    variance = np.empty(7)
    for j in range(7):
        share = w[have[:, j]] / w[have[:, j]].sum()
        x = X[have[:, j], j]
        variance[j] = share @ x**2 - (share @ x) ** 2 * center
    total, first, second = w.sum(), 0.0, 0.0
    for rows in (range(40), range(40, 80), range(80, 110), range(110, 140)):
        rows = list(rows)
        g = np.flatnonzero(have[rows[0]])
        middle, own = moments_in_x(rows)
        if rows[0] == 0:
            own = own * np.sqrt(np.outer(1 - alpha, 1 - alpha)) + np.diag(alpha * variance)
        h = np.setdiff1d(np.arange(7), g)
        K = np.zeros((7, 7))
        K[g, g] = 1
        K[np.ix_(h, g)] = np.linalg.solve(cov[np.ix_(g, g)], cov[np.ix_(g, h)]).T
        full = np.where(have[rows[0]], np.nan_to_num(middle), mean)
        full[h] += K[np.ix_(h, g)] @ (middle[g] - mean[g])
        left = np.zeros((7, 7))
        left[np.ix_(h, h)] = cov[np.ix_(h, h)] - K[np.ix_(h, g)] @ cov[np.ix_(g, h)]
        share = w[rows].sum() / total
        own = np.nan_to_num(own)
        first = first + share * full
        second = second + share * (K @ own @ K.T + left + np.outer(full, full))
    size = np.sqrt(variance)
    np.testing.assert_allclose(mean / size, first / size, atol=1e-8)
    expected = second - np.outer(first, first)
    np.testing.assert_allclose(
        cov / np.outer(size, size), expected / np.outer(size, size), atol=1e-8
    )


@pytest.mark.parametrize(("shrinkage", "steps"), [(0.1, "MAX_ITER"), (None, "MAX_ITER_UNSHRUNK")])
def test_how_many_steps_are_taken(monkeypatch, shrinkage, steps):
    """More beside pairs that are not shrunk."""
    _, _, pairs, moments, blocks = semi_paired()
    asked = []

    def spy(parts, *, max_iter):
        asked.append(max_iter)
        return expectation_maximisation(parts, max_iter=3)

    monkeypatch.setattr(_em, "expectation_maximisation", spy)
    options = {"tol": None, "eps": EPS}
    learn_from_all(pairs, incomplete_rows(moments, True), shrinkage, blocks.names, **options)
    assert asked == [getattr(_em, steps)]


def test_the_model_is_white_in_each_block():
    """In coordinates in which features of the model have its variances."""
    _, _, pairs, moments, blocks = semi_paired()
    options = {"tol": None, "eps": EPS}
    found, model = learn_from_all(
        pairs, incomplete_rows(moments, True), 0.3, blocks.names, **options
    )
    assert model.n_exact == 0 and model.shrunk
    assert [a.shape for a in model.exact] == [(2, 0), (3, 0), (2, 0)]
    for rotation, variance in zip(model.rest, model.variance, strict=True):
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(len(variance)), atol=1e-12)
        assert np.all(variance > 0)
    assert list(model.cross) == [(0, 1), (0, 2), (1, 2)]
    assert found.moments.weight == pairs.moments.weight
    # q of a block has unit variances in the model
    for m, block in enumerate(found.blocks):
        q = (model.rest[m] * model.variance[m]) @ model.rest[m].T
        np.testing.assert_allclose(np.diagonal(q), 1, atol=1e-10)
        assert block.rank == len(q)


def test_a_model_without_variance_in_a_direction():
    """Is kept from having none, by 1e-10 of the largest."""
    _, _, pairs, _, _ = semi_paired()
    ranks = [b.rank for b in pairs.blocks]
    white = _em._White(pairs.blocks, [np.zeros(2), np.zeros(3), np.zeros(2)])
    assert [white.at((m,)).tolist() for m in range(3)] == [[0, 1], [2, 3, 4], [5, 6]]
    assert white.at((0, 2)).tolist() == [0, 1, 5, 6]
    cov = np.diag([4.0, 0.0, 1.0, 1.0, 1e-30, 3.0, 1.0])
    model = _em._as_model(cov, white)
    assert [len(v) for v in model.variance] == ranks
    np.testing.assert_allclose(model.variance[0], [4e-10, 4.0])
    np.testing.assert_allclose(model.variance[1], [1e-10, 1.0, 1.0])
    cov[0, 5] = cov[5, 0] = 1.0
    cross = _em._as_model(cov, white).cross[0, 2]
    np.testing.assert_allclose(np.abs(cross).max(), 1 / np.sqrt(12))


def test_dimensions_that_pairs_lack():
    """Blocks cover what a modality does in any row; one that does nothing is named."""
    X, _, _, _, blocks = semi_paired()
    X[:40, 0] = X[:40, 4]  # over the pairs the first has one dimension
    rows = ArrayRows(X, None, blocks)
    moments = rows.moments("covariance")
    pairs = whiten_pairs(moments[True, True, True], blocks, tol=None, eps=EPS)
    assert pairs.blocks[0].rank == 1
    incomplete = incomplete_rows(moments, True)
    found, _ = learn_from_all(pairs, incomplete, 0.1, blocks.names, tol=None, eps=EPS)
    assert [b.rank for b in found.blocks] == [2, 3, 2]
    rough, _ = learn_from_all(pairs, incomplete, 0.1, blocks.names, tol=0.9, eps=EPS)
    assert rough.max_components == 1
    flat = Moments(3.0, 3, np.ones(2), np.zeros((2, 2)))
    still = replace(
        pairs, moments=replace(pairs.moments, scatter=np.zeros((7, 7)), mean=np.ones(7))
    )
    with pytest.raises(ValueError, match="modality 'a' is constant"):
        learn_from_all(still, [Incomplete((0,), flat)], 0.1, blocks.names, tol=None, eps=EPS)


def test_links_that_agree_exactly_leave_nothing_to_regress_on():
    """Two that never met, and between them one of which every direction is shared."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 2))
    a = np.hstack([z, rng.normal(size=(300, 2))]) @ rng.normal(size=(4, 4))
    c = np.hstack([z, rng.normal(size=(300, 1))]) @ rng.normal(size=(3, 3))
    X = np.hstack([a, z @ rng.normal(size=(2, 2)), c])
    half = X.copy()
    half[:150, 6:] = np.nan
    half[150:, :4] = np.nan
    aligner = NullSpaceAligner(2, modalities=[4, 2, 3]).fit(half)
    assert aligner.n_exact_components_ == 2
    Z = [
        e.transform(X[:, c])
        for e, c in zip(aligner.encoders_, aligner.modality_columns_, strict=True)
    ]
    np.testing.assert_allclose(Z[0], Z[1], atol=1e-8)
    np.testing.assert_allclose(Z[2], Z[1], atol=1e-8)
