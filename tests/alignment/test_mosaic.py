"""Rows that have some modalities each, and few or none that have all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from skalign import NullSpaceAligner
from skalign.alignment._em import Part, expectation_maximisation, largest_entropy
from skalign.datasets import make_paired_gaussians
from skalign.metrics import latent_r2, relative_alignment_error
from skalign.moments._accumulate import strongest_links

few = settings(max_examples=15, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = [5, 7, 6]
EDGES = np.cumsum([0, *WIDTHS])
TOP = {"max_iter": 600, "tol": 1e-7}
NAMES = {name: slice(EDGES[m], EDGES[m + 1]) for m, name in enumerate(("video", "imu", "radar"))}


def block(X, m):
    return X[:, EDGES[m] : EDGES[m + 1]]


def chained(X, keep=0):
    """The first half lacks the last modality, the second the first; the last rows may be whole."""
    X, half = X.copy(), (len(X) - keep) // 2
    block(X, 2)[:half] = np.nan
    block(X, 0)[half : len(X) - keep] = np.nan
    return X


def samples(n, seed=0, noise=0.0, **options):
    return make_paired_gaussians(
        n, n_features=WIDTHS, n_latent=3, noise=noise, random_state=seed, **options
    )


@pytest.mark.parametrize("n_private", [0, 1])
@pytest.mark.parametrize(
    "options",
    [{}, {"whiten": False}, {"center": False}, {"solver": "qr"}, {"solver": "covariance"}],
    ids=str,
)
def test_a_noiseless_chain_aligns_what_never_met(options, n_private):
    """Video and radar, each paired with an IMU alone, have the same latents up to rounding."""
    data = samples(1200, n_private=n_private)
    aligner = NullSpaceAligner(modalities=WIDTHS, **options).fit(chained(data.X[:200]))
    test, z = data.X[200:], data.latent[200:]
    assert aligner.n_components_ == aligner.n_exact_components_ == 3
    assert aligner.n_pairs_ == 200
    latents = [e.transform(block(test, m)) for m, e in enumerate(aligner.encoders_)]
    assert relative_alignment_error(latents[0], latents[2]) <= 1e-10
    assert latent_r2(z, latents[0]) >= 1 - 1e-10
    if options.get("whiten", True):
        np.testing.assert_allclose(aligner.correlations_, 1, atol=1e-12)
    half = test.copy()
    half[:, : EDGES[2]] = np.nan
    if n_private == 0:
        np.testing.assert_allclose(aligner.impute(half), test, atol=1e-9)


def test_means_of_a_chain_agree():
    """Rows of links that lie elsewhere still agree in one latent: offsets are carried along."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3)) + np.repeat([[0.0], [5.0], [-3.0]], 100, axis=0)
    S = [rng.normal(size=(3, w)) for w in WIDTHS]
    X = np.hstack([z @ s + 10 * rng.normal(size=s.shape[1]) for s in S])
    train = X.copy()
    block(train, 2)[:100] = block(train, 0)[100:200] = np.nan
    train[200:, EDGES[1] :] = np.nan  # the first modality alone
    aligner = NullSpaceAligner(modalities=WIDTHS).fit(train)
    latents = [e.transform(block(X, m)) for m, e in enumerate(aligner.encoders_)]
    assert relative_alignment_error(latents[0], latents[2]) <= 1e-10
    shown = aligner.transform(train)
    np.testing.assert_allclose(shown.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.cov(shown.T, bias=True), np.eye(3), atol=1e-10)


def test_latents_not_carried_on_are_not_exact():
    """What video shares with the IMU, and the IMU with radar, is not what all share."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 4))
    parts = [z[:, [0, 1]], z, z[:, [0, 2, 3]]]
    X = np.hstack(
        [p @ rng.normal(size=(p.shape[1], w)) for p, w in zip(parts, WIDTHS, strict=True)]
    )
    aligner = NullSpaceAligner(None, modalities=WIDTHS).fit(chained(X))
    assert aligner.n_exact_components_ == 1
    latents = [e.transform(block(X, m))[:, :1] for m, e in enumerate(aligner.encoders_)]
    assert relative_alignment_error(latents[0], latents[2]) <= 1e-10
    assert latent_r2(z[:, :1], latents[0]) >= 1 - 1e-10


def test_few_different_rows_interpolate():
    """A link of no more different rows than its rank shows nothing exact, repeated or not."""
    rng = np.random.default_rng(0)
    X = chained(rng.normal(size=(20, 18)))
    for rows in (X, np.repeat(X, 10, axis=0)):
        assert NullSpaceAligner(1, modalities=WIDTHS).fit(rows).n_exact_components_ == 0


def r2(aligner, data, n):
    """Of latents by each modality alone, on samples not seen."""
    return np.array(
        [
            latent_r2(data.latent[n:], e.transform(block(data.X[n:], m)))
            for m, e in enumerate(aligner.encoders_)
        ]
    )


@pytest.mark.parametrize("noise", [0.5, 3.0])
def test_noisy_links_tend_to_complete_data(noise):
    """Latents of a chain explain as much as those of complete rows, within 5 %."""
    lost = []
    for n in (100, 400, 1600):
        data = samples(n + 1000, seed=n, noise=noise)
        complete = NullSpaceAligner(3, modalities=WIDTHS).fit(data.X[:n])
        aligner = NullSpaceAligner(3, modalities=WIDTHS).fit(chained(data.X[:n]))
        lost.append(1 - r2(aligner, data, n) / r2(complete, data, n))
    assert np.max(lost) <= 0.05
    assert np.max(lost[-1]) <= 0.02


def test_a_chain_counts_what_comes_through():
    """As many components as every link carries; none where one link carries nothing."""
    data = samples(600, noise=2.0)
    X = chained(data.X)
    assert NullSpaceAligner(modalities=WIDTHS).fit(X).n_components_ == 3
    half = len(X) // 2
    block(X, 0)[:half] = np.random.default_rng(0).permutation(block(X, 0)[:half])
    with pytest.warns(UserWarning, match="share nothing beyond chance"):
        aligner = NullSpaceAligner(modalities=WIDTHS).fit(X)
    assert aligner.pvalues_[0] > 0.01


def test_of_few_complete_rows_links_are_better():
    """Rows with two of three modalities, where ten rows have all: they must not be left aside."""
    gains = []
    for seed in range(5):
        data = samples(1510, seed=seed, noise=3.0)
        X = chained(data.X[:510], keep=10)
        aligner = NullSpaceAligner(3, modalities=WIDTHS).fit(X)
        alone = NullSpaceAligner(3, modalities=WIDTHS).fit(X[-10:])
        gains.append(r2(aligner, data, 510) - r2(alone, data, 510))
    assert np.min(gains) > 0


@few
@given(generators, st.sampled_from([{}, {"whiten": False}, {"center": False}]))
def test_neither_order_nor_coding_nor_parts_show(rng, options):
    """Rows in another order, repeated in place of a weight, or given in parts: the same model."""
    data = samples(150, seed=int(rng.integers(1000)), noise=1.0)
    X, test = chained(data.X[:100]), data.X[100:]
    X[rng.random(100) < 0.2, EDGES[1] : EDGES[2]] = np.nan
    X = X[np.isfinite(X).any(axis=1)]
    weights = rng.integers(1, 4, size=len(X))
    settings_ = {"n_components": 2, "modalities": WIDTHS, "solver": "qr", **options}
    weighted = NullSpaceAligner(**settings_).fit(X, sample_weight=weights).transform(test)
    repeated = rng.permutation(np.repeat(X, weights, axis=0))
    scale = np.abs(weighted).max()
    whole = NullSpaceAligner(**settings_).fit(repeated).transform(test)
    np.testing.assert_allclose(whole, weighted, atol=1e-5 * scale)
    parts = NullSpaceAligner(**settings_).partial_fit(repeated[:70]).partial_fit(repeated[70:140])
    parts.merge(NullSpaceAligner(**settings_).partial_fit(repeated[140:]))
    np.testing.assert_allclose(parts.transform(test), weighted, atol=1e-5 * scale)


def test_parts_of_an_exact_chain():
    """Different rows of each link are counted in what is kept of rows that are gone, too."""
    X = chained(samples(200).X)
    aligner = NullSpaceAligner(modalities=WIDTHS)
    aligner.partial_fit(X[:60])
    assert not hasattr(aligner, "encoders_")  # nothing leads to radar yet
    for rows in (X[60:110], X[110:]):
        aligner.partial_fit(rows)
    assert aligner.n_exact_components_ == 3


CUT_OFF = {
    "nothing links radar": (
        lambda X: (
            block(X, 2)[: len(X) // 2].fill(np.nan) or X[len(X) // 2 :, : EDGES[2]].fill(np.nan)
        ),
        "modality 'radar' is cut off: .* together with 'video' or 'imu'",
    ),
    "one row is no link": (
        lambda X: X[1:, EDGES[2] :].fill(np.nan),
        "modality 'radar' is cut off",
    ),
    "radar is never there": (
        lambda X: X[:, EDGES[2] :].fill(np.nan),
        "no row has modality 'radar'",
    ),
    "all alone": (
        lambda X: [
            X[m::3, c].fill(np.nan)
            for m in range(3)
            for n, c in enumerate(NAMES.values())
            if n != m
        ],
        "is cut off",
    ),
}


@pytest.mark.parametrize("case", CUT_OFF)
def test_who_is_cut_off_is_named(case):
    """Where no chain leads to a modality there is no common space."""
    change, message = CUT_OFF[case]
    X = samples(60, noise=1.0).X.copy()
    change(X)
    with pytest.raises(ValueError, match=message):
        NullSpaceAligner(modalities=NAMES).fit(X)


def test_the_strongest_links_are_a_spanning_tree():
    """Of four modalities in a ring, all but the weakest link."""
    counts = np.zeros((4, 4))
    counts[0, 1], counts[1, 2], counts[2, 3], counts[0, 3] = 5, 9, 7, 6
    assert strongest_links(counts, 1) == [(1, 2), (2, 3), (0, 3)]
    assert strongest_links(counts, 6.5) == [(1, 2), (2, 3)]


# -- the likelihood -------------------------------------------------------------------------------


def covariance(rng, d):
    root = rng.normal(size=(d, d + 3))
    return root @ root.T / (d + 3)


def brute_force(parts, d):
    """The top of the likelihood, by a general optimiser over a Cholesky factor and a mean."""
    lower = np.tril_indices(d)

    def loss(theta):
        mean, root = theta[:d], np.zeros((d, d))
        root[lower] = theta[d:]
        cov, total = root @ root.T, 0.0
        for part in parts:
            own, off = cov[np.ix_(part.given, part.given)], part.mean - mean[part.given]
            left = np.linalg.solve(own, part.cov + np.outer(off, off))
            total += part.weight / 2 * (np.linalg.slogdet(own)[1] + np.trace(left))
        return total

    start = np.concatenate([np.zeros(d), np.eye(d)[lower]])
    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-8, "maxiter": 5000})
    return -found.fun


def log_likelihood(parts, mean, cov):
    total = 0.0
    for part in parts:
        own, off = cov[np.ix_(part.given, part.given)], part.mean - mean[part.given]
        left = np.linalg.solve(own, part.cov + np.outer(off, off))
        total -= part.weight / 2 * (np.linalg.slogdet(own)[1] + np.trace(left))
    return total


def chain_of_parts(rng, sizes=(30, 25, 40)):
    """Rows of two links of three blocks of two, and of one block alone."""
    cov = covariance(rng, 6)
    shown = [[0, 1, 2, 3], [2, 3, 4, 5], [0, 1]]
    parts = []
    for n, given_ in zip(sizes, shown, strict=True):
        X = rng.multivariate_normal(np.ones(6), cov, size=n)[:, given_]
        parts.append(Part(n, np.array(given_), X.mean(axis=0), np.cov(X.T, bias=True)))
    return parts


@settings(max_examples=8, deadline=None)
@given(generators)
def test_accelerated_steps_reach_the_top(rng):
    """As high as a general optimiser gets, and independence of what never met given the rest."""
    parts = chain_of_parts(rng)
    apart = [(np.array([0, 1]), np.array([4, 5]))]
    mean, cov = expectation_maximisation(parts, (np.zeros(6), np.eye(6)), apart, **TOP)
    assert log_likelihood(parts, mean, cov) >= brute_force(parts, 6) - 1e-5
    np.testing.assert_allclose(np.linalg.inv(cov)[:2, 4:], 0, atol=1e-8)


@few
@given(generators)
def test_a_ring_has_a_covariance_of_largest_entropy(rng):
    """Of four blocks in a ring: given entries stay, the inverse vanishes elsewhere."""
    S = covariance(rng, 8)
    at = [np.arange(2 * m, 2 * m + 2) for m in range(4)]
    apart = [(at[0], at[2]), (at[1], at[3])]
    full = largest_entropy(S, apart)
    for a, b in apart:
        np.testing.assert_allclose(np.linalg.inv(full)[np.ix_(a, b)], 0, atol=1e-7)
        S[np.ix_(a, b)], S[np.ix_(b, a)] = full[np.ix_(a, b)], full[np.ix_(b, a)]
    np.testing.assert_allclose(full, S, atol=1e-12)
    assert np.linalg.eigvalsh(full)[0] > 0


def test_complete_data_are_their_own_top():
    """Where a part shows all, its moments are the maximum, whatever the start."""
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal(np.ones(4), covariance(rng, 4), size=50)
    whole = Part(50, np.arange(4), X.mean(axis=0), np.cov(X.T, bias=True))
    mean, cov = expectation_maximisation([whole], (np.zeros(4), np.eye(4)), **TOP)
    np.testing.assert_allclose(mean, whole.mean, atol=1e-9)
    np.testing.assert_allclose(cov, whole.cov, atol=1e-9)


def test_rows_are_scored_by_what_they_have():
    """The score is the mean over rows of two modalities or more, by the model of just these."""
    data = samples(300, noise=0.5)
    aligner = NullSpaceAligner(modalities=NAMES).fit(chained(data.X, keep=100))
    new = samples(80, seed=0, noise=0.5).X
    new = chained(new, keep=20)
    weights = np.random.default_rng(0).integers(1, 4, size=80).astype(float)
    each = aligner.score_samples(new)
    assert aligner.score(new, sample_weight=weights) == pytest.approx(
        np.average(each, weights=weights)
    )
    k, z = (
        aligner.n_components_,
        [(block(new, m) - e.mean_) @ e.coef_.T for m, e in enumerate(aligner.encoders_)],
    )
    cov = aligner.latent_covariance_
    row, both = 0, np.arange(2 * k)  # video and imu
    Z, joint = np.hstack([z[0][row], z[1][row]]), cov[np.ix_(both, both)]
    expected = _log_density(Z, joint)
    expected -= sum(
        _log_density(z[m][row], cov[m * k : (m + 1) * k, m * k : (m + 1) * k]) for m in (0, 1)
    )
    assert each[row] == pytest.approx(expected, rel=1e-6)
    single = new.copy()
    block(single, 1)[:5] = np.nan
    with pytest.raises(ValueError, match="row 0 has the modality 'video' alone"):
        aligner.score_samples(single)
    assert np.isfinite(aligner.score(single))


def _log_density(z, cov):
    return multivariate_normal.logpdf(z, cov=cov)
