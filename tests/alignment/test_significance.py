"""Significance: published quantiles, exact distributions, and calibration by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.optimize import brentq

from skalign.alignment._canonical import block_sizes, white_gram
from skalign.alignment._significance import (
    critical_correlation,
    roy_pvalue,
    shared_pvalues,
    shuffled_pvalue,
    tracy_widom_sf,
)

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.01)


def cross_covariances(*blocks):
    """Sample cross-covariances of blocks, each centred and made white."""
    white = [np.linalg.qr(X - X.mean(axis=0))[0] for X in blocks]
    pairs = [(m, l) for m in range(len(white)) for l in range(m + 1, len(white))]
    return {(m, l): white[m].T @ white[l] for m, l in pairs}


def draw_shared(rng, sizes, n, shared, noise=0.2):
    """Draw blocks with some strong dimensions in common, in a basis of their own each."""
    Z = rng.normal(size=(n, shared))
    blocks = []
    for d in sizes:
        own = rng.normal(size=(n, d))
        own[:, :shared] = Z + noise * own[:, :shared]
        blocks.append(own @ rng.normal(size=(d, d)))
    return blocks


def within_binomial(count, n, level, confidence=1e-4):
    """Whether a count is one that a calibrated test could give."""
    low, high = stats.binom.ppf([confidence, 1 - confidence], n, level)
    return low <= count <= high


# Tracy & Widom; quantiles as tabulated for order 1, e.g. in R's RMTstat
@pytest.mark.parametrize(
    ("tail", "quantile"),
    [
        (0.99, -3.8954),
        (0.95, -3.1808),
        (0.90, -2.7824),
        (0.50, -1.2686),
        (0.10, 0.4501),
        (0.05, 0.9793),
        (0.01, 2.0234),
    ],
)
def test_tracy_widom_quantiles(tail, quantile):
    """The tail beyond a published quantile is what was published."""
    assert tracy_widom_sf(quantile) == pytest.approx(tail, rel=0.03)
    if tail > 0.01:
        found = brentq(lambda x: tracy_widom_sf(x) - tail, -6, 6)
        assert found == pytest.approx(quantile, abs=4e-3 if tail <= 0.5 else 0.02)


def test_tracy_widom_moments():
    """The density integrates to the known mean and variance."""
    x = np.linspace(-12, 12, 200_001)
    sf = tracy_widom_sf(x)
    middle, mass = (x[1:] + x[:-1]) / 2, -np.diff(sf)
    assert mass.sum() == pytest.approx(1)
    mean = mass @ middle
    assert mean == pytest.approx(-1.2065335745820, abs=1e-3)
    assert mass @ (middle - mean) ** 2 == pytest.approx(1.6077810345810, abs=1e-3)


@relaxed
@given(st.lists(st.floats(-500, 500), min_size=2, max_size=20))
def test_tracy_widom_is_a_survival_function(x):
    """Between zero and one, falling, and defined far out on both sides."""
    sf = tracy_widom_sf(np.sort(x))
    assert np.all((sf >= 0) & (sf <= 1))
    assert np.all(np.diff(sf) <= 0)
    np.testing.assert_array_equal(tracy_widom_sf([-1e6, 1e6]), [1, 0])


def exact_quantile(tail, p, q, dof):
    """Squared correlation that independent blocks exceed with a given probability, p <= 2."""
    if p == 1:  # a multiple correlation is beta distributed
        return stats.beta.isf(tail, q / 2, (dof - q) / 2)
    # the density of the larger of two roots: their joint density, the smaller one integrated out
    m, n = (q - 3) / 2, (dof - q - 3) / 2
    angle = (np.arange(20_000) + 0.5) / 20_000 * np.pi / 2  # so that neither end is singular
    y = np.sin(angle) ** 2
    below, first = (special.betainc(m + i, n + 1, y) * special.beta(m + i, n + 1) for i in (1, 2))
    density = y**m * (1 - y) ** n * (y * below - first) * np.sin(2 * angle)
    survival = np.cumsum(density[::-1])[::-1] / density.sum()
    return np.interp(tail, survival[::-1], y[::-1])


@pytest.mark.parametrize("dof", [30, 59, 400])
@pytest.mark.parametrize("q", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("p", [1, 2])
def test_roy_against_exact_distributions(p, q, dof):
    """At the smallest dimensions, where it is worst, the approximation is close, or cautious.

    It is never much too small; towards the far tail it errs on the safe side.
    """
    for level in LEVELS:
        pvalue = roy_pvalue(exact_quantile(level, p, q, dof), p, q, dof)
        assert 0.9 < pvalue / level < (1.7 if level > 0.01 else 4)
        assert roy_pvalue(exact_quantile(level, p, q, dof), q, p, dof) == pvalue


def test_exact_distribution_of_two():
    """The oracle itself holds against simulation."""
    rng, reps = np.random.default_rng(0), 2000
    largest = []
    for _ in range(reps):
        white = [np.linalg.qr(rng.normal(size=(30, d)))[0] for d in (2, 5)]
        largest.append(np.linalg.norm(white[0].T @ white[1], 2) ** 2)
    for level in (0.05, 0.2, 0.5, 0.9):
        count = np.sum(np.array(largest) > exact_quantile(level, 2, 5, 30))
        assert within_binomial(count, reps, level)


@pytest.mark.parametrize(("sizes", "n"), [((5, 8), 60), ((3, 3), 40), ((4, 30), 50)])
def test_two_modalities_are_calibrated(sizes, n):
    """Of independent pairs a share p has a p-value below p: a bit less far out, never more."""
    rng, reps = np.random.default_rng(0), 400
    pvalues = []
    for _ in range(reps):
        cross = cross_covariances(*(rng.normal(size=(n, d)) for d in sizes))
        pvalues.append(shared_pvalues(cross, n - 1, None)[0])
    for level in (0.05, 0.1, 0.2, 0.5, 0.8):
        assert within_binomial(np.sum(np.array(pvalues) <= level), reps, level)


def test_what_is_left_is_calibrated():
    """Beside ten shared dimensions the others are tested with the freedom that is left."""
    rng, reps = np.random.default_rng(0), 300
    pvalues = []
    for _ in range(reps):
        cross = cross_covariances(*draw_shared(rng, (12, 13), 45, shared=10, noise=1e-3))
        pvalues.append(shared_pvalues(cross, 44, None)[10])
    for level in (0.1, 0.2, 0.5, 0.8):
        assert within_binomial(np.sum(np.array(pvalues) <= level), reps, level)


def test_three_modalities_are_calibrated():
    """The drawn null distribution of three modalities is that of independent blocks."""
    rng, draws, reps = np.random.default_rng(0), np.random.RandomState(0), 150
    pvalues = []
    for _ in range(reps):
        cross = cross_covariances(*(rng.normal(size=(40, d)) for d in (2, 3, 4)))
        pvalues.append(shared_pvalues(cross, 39, draws)[0])
    for level in (0.05, 0.1, 0.2, 0.5, 0.8):
        assert within_binomial(np.sum(np.array(pvalues) <= level), reps, level)


@relaxed
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 1000),
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
)
def test_roy_falls_with_the_correlation(p, q, spare, squared):
    """A stronger correlation never has a larger p-value; the ends are certain."""
    dof = p + q + spare
    pvalues = [roy_pvalue(r2, p, q, dof) for r2 in sorted(squared)]
    assert all(0 <= value <= 1 for value in pvalues)
    assert np.all(np.diff(pvalues) <= 0)
    assert roy_pvalue(0.0, p, q, dof) == 1
    # rounding may take a correlation beyond one
    assert roy_pvalue(1 + 1e-12, p, q, dof) == roy_pvalue(1.0, p, q, dof) < 0.05


@pytest.mark.parametrize(("p", "q"), [(1, 1), (5, 8), (100, 3)])
def test_too_few_degrees_of_freedom_prove_nothing(p, q):
    """With no more rows than dimensions the largest correlation is one whatever the data."""
    for dof in (0, 1, p, p + q - 1, p + q):
        assert roy_pvalue(1.0, p, q, dof) == 1
    assert roy_pvalue(1.0, p, q, p + q + 20) < 1e-3


@relaxed
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 10_000), st.sampled_from(LEVELS))
def test_critical_correlation_inverts_the_pvalue(p, q, spare, level):
    """At the critical correlation the p-value is the level, and falls beyond it."""
    dof = p + q + spare
    critical = critical_correlation(level, p, q, dof)
    if roy_pvalue(1.0, p, q, dof) > level:
        assert critical == 1
    else:
        assert 0 < critical < 1
        assert roy_pvalue(critical**2, p, q, dof) == pytest.approx(level, rel=1e-6)
        assert roy_pvalue((critical + 1e-3) ** 2, p, q, dof) < level
        assert critical_correlation(level, q, p, dof) == critical


@pytest.mark.parametrize("q", [1, 4, 20])
@pytest.mark.parametrize("dof", [30, 400])
def test_critical_correlation_of_one_column(q, dof):
    """A multiple correlation is beta distributed: its quantile is the critical value."""
    for level in LEVELS:
        expected = exact_quantile(level, 1, q, dof) ** 0.5
        assert critical_correlation(level, 1, q, dof) == pytest.approx(expected, rel=1e-9)


def test_shared_pvalues_with_too_few_rows():
    """No dimension is significant where rows do not outnumber dimensions."""
    rng = np.random.default_rng(0)
    for sizes in ((4, 5), (2, 3, 4)):
        blocks = draw_shared(rng, sizes, 10, shared=2, noise=1e-6)
        pvalues = shared_pvalues(cross_covariances(*blocks), 9, np.random.RandomState(0))
        np.testing.assert_array_equal(pvalues, np.ones(min(sizes)))


@pytest.mark.parametrize("shared", [0, 1, 2, 3])
@pytest.mark.parametrize("sizes", [(5, 7), (7, 5), (4, 5, 6), (3, 3, 3, 3)])
def test_shared_dimensions_are_counted(sizes, shared):
    """With strong signals as many p-values are small as dimensions are shared."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        cross = cross_covariances(*draw_shared(rng, sizes, 200, shared))
        pvalues = shared_pvalues(cross, 199, np.random.RandomState(seed))
        assert pvalues.shape == (min(sizes),)
        assert np.all(pvalues[:shared] < 1e-6)
        assert np.all(pvalues[shared:] > 1e-3)


@settings(deadline=None, max_examples=40)
@given(
    generators,
    st.lists(st.integers(1, 5), min_size=2, max_size=4),
    st.integers(0, 3),
    st.integers(8, 60),
)
def test_pvalues_never_fall(rng, sizes, shared, n):
    """Fewer shared dimensions are never more likely; all are probabilities."""
    blocks = draw_shared(rng, sizes, n, min(shared, *sizes), noise=1.0)
    pvalues = shared_pvalues(cross_covariances(*blocks), n - 1, np.random.RandomState(0))
    assert pvalues.shape == (min(sizes),)
    assert np.all((pvalues >= 0) & (pvalues <= 1))
    assert np.all(np.diff(pvalues) >= 0)


@relaxed
@given(generators, st.lists(st.integers(1, 4), min_size=2, max_size=3))
def test_pvalues_are_of_the_spaces(rng, sizes):
    """A rotation of each white block changes nothing."""
    cross = cross_covariances(*(rng.normal(size=(30, d)) for d in sizes))
    rotations = [np.linalg.qr(rng.normal(size=(d, d)))[0] for d in sizes]
    rotated = {(m, l): rotations[m].T @ c @ rotations[l] for (m, l), c in cross.items()}
    a, b = (shared_pvalues(c, 29, np.random.RandomState(0)) for c in (cross, rotated))
    np.testing.assert_allclose(a, b, atol=1e-8)


def test_no_dimension_no_pvalue():
    """A block without dimensions shares none."""
    assert shared_pvalues({(0, 1): np.zeros((0, 3))}, 20, None).shape == (0,)


@relaxed
@given(generators, st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_white_gram_is_the_covariance_of_all(rng, sizes):
    """Symmetric, unit blocks, and what the white data have between them."""
    white = [np.linalg.qr(rng.normal(size=(30, d)))[0] for d in sizes]
    cross = cross_covariances(*white)
    gram = white_gram(cross)
    assert block_sizes(cross) == sizes
    np.testing.assert_array_equal(gram, gram.T)
    edges = np.cumsum(sizes)[:-1]
    for m, rows in enumerate(np.split(gram, edges)):
        for l, block in enumerate(np.split(rows, edges, axis=1)):
            below = cross[l, m].T if l < m else np.eye(sizes[m])
            np.testing.assert_array_equal(block, cross.get((m, l), below))
    # of covariances of real data it has no negative eigenvalue
    assert np.linalg.eigvalsh(gram)[0] > -1e-12


LAWS = {  # rows of two blocks that know nothing of each other
    "Gaussian": lambda rng, n: rng.normal(size=(n, 12)),
    "heavy tails": lambda rng, n: rng.standard_t(2, size=(n, 12)),
    "rarely lit": lambda rng, n: (rng.random((n, 12)) < 1.5 / n) * rng.normal(size=(n, 12)),
    "one-hot": lambda rng, n: np.hstack([np.eye(6)[rng.integers(6, size=n)] for _ in range(2)]),
    "wide": lambda rng, n: rng.lognormal(size=(n, 3 * n)),
}


@pytest.mark.parametrize("law", LAWS)
def test_shuffled_pvalues_hold_their_level(law):
    """Whatever rows are like: uniform up to their steps, where these may be taken in any order."""
    rng, found = np.random.default_rng(1), []
    for _ in range(150):
        X = LAWS[law](rng, 40)
        half = X.shape[1] // 2
        found.append(shuffled_pvalue((X[:, :half], X[:, half:]), np.ones(40)))
    found = np.array(found)
    assert np.mean(found <= 0.01) <= 0.04
    assert np.mean(found <= 0.1) <= 0.18
    assert np.mean(found <= 0.5) >= 0.25


def test_shuffled_pvalues_see_one_weak_correlation():
    """Of many dimensions; blocks that are constant share nothing."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 300, 8))
    Y[:, 0] = 0.5 * X[:, 0] + np.sqrt(0.75) * Y[:, 0]
    assert shuffled_pvalue((X, Y), np.ones(300)) <= 0.01
    assert shuffled_pvalue((X, rng.permutation(Y)), np.ones(300)) > 0.05
    assert shuffled_pvalue((X, np.ones((300, 2))), np.ones(300)) == 1
