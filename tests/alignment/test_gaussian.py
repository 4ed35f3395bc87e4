"""Mutual information of latents: equal to log densities, blind to gauges, safe at the ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

from skalign.alignment._gaussian import (
    Information,
    Matching,
    conditional_latents,
    squared_length,
)

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
counts = st.integers(2, 4)
widths = st.integers(1, 4)


def covariance(rng, d, decades=2):
    """Draw a covariance, with units of its own for each latent."""
    root = rng.normal(size=(d, 2 * d)) / np.sqrt(2 * d)
    scale = 10.0 ** rng.uniform(-decades, decades, size=d)
    return scale[:, None] * (root @ root.T + 0.1 * np.eye(d)) * scale


def invertible(rng, k):
    """Draw a matrix with singular values from 0.1 to 10."""
    left, right = (np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(2))
    return left * 10 ** rng.uniform(-1, 1, size=k) @ right


def two_modalities(correlations):
    """Covariance of two white blocks with the given correlations."""
    cross = np.diag(correlations)
    return np.block([[np.eye(len(cross)), cross], [cross, np.eye(len(cross))]])


@relaxed
@given(generators, counts, widths, st.integers(1, 50))
def test_information_is_a_mean_of_log_densities(rng, n_modalities, k, n):
    """log p(z) less the log densities of the modalities, averaged over any sample."""
    cov = covariance(rng, n_modalities * k, decades=1)
    Z = rng.normal(size=(n, len(cov))) * np.sqrt(np.diagonal(cov))
    pointwise = multivariate_normal.logpdf(Z, cov=cov)
    for m in range(n_modalities):
        own = slice(m * k, (m + 1) * k)
        pointwise = pointwise - multivariate_normal.logpdf(Z[:, own], cov=cov[own, own])
    information = Information.of(cov, n_modalities)
    found = information.mean(Z.T @ Z / n)
    assert isinstance(found, float)
    assert found == pytest.approx(np.mean(pointwise), rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(information.of_rows(Z), pointwise, rtol=1e-5, atol=1e-5)


@relaxed
@given(st.lists(st.floats(-0.999, 0.999), min_size=1, max_size=6))
def test_expected_information_of_correlations(correlations):
    """Under the model itself it is the entropy that the correlations take away."""
    cov = two_modalities(correlations)
    expected = -0.5 * np.sum(np.log(1 - np.square(correlations)))
    assert Information.of(cov, 2).mean(cov) == pytest.approx(expected, rel=1e-5, abs=1e-12)


@relaxed
@given(generators, counts, widths)
def test_expected_information_is_a_divergence(rng, n_modalities, k):
    """Under the model it is positive, and no other model explains the model's data better."""
    cov, rival = (covariance(rng, n_modalities * k, decades=0) for _ in range(2))
    for m in range(n_modalities):  # the same distribution of each modality, another dependence
        own = slice(m * k, (m + 1) * k)
        wanted, has = np.linalg.cholesky(cov[own, own]), np.linalg.cholesky(rival[own, own])
        change = np.eye(len(rival))
        change[own, own] = wanted @ np.linalg.inv(has)
        rival = change @ rival @ change.T
    true = Information.of(cov, n_modalities).mean(cov)
    assert true > 0
    assert Information.of(rival, n_modalities).mean(cov) < true


@relaxed
@given(generators, counts, widths)
def test_independent_latents_carry_no_information(rng, n_modalities, k):
    """Zero, whatever is scored."""
    cov = block_diag(*[covariance(rng, k) for _ in range(n_modalities)])
    Z = rng.normal(size=(20, len(cov))) * np.sqrt(np.diagonal(cov))
    assert Information.of(cov, n_modalities).mean(Z.T @ Z / 20) == pytest.approx(0, abs=1e-7)


@relaxed
@given(generators, counts, widths)
def test_information_is_blind_to_the_gauge(rng, n_modalities, k):
    """One invertible map a modality, of model and data alike, changes nothing."""
    cov = covariance(rng, n_modalities * k, decades=0)
    Z = rng.multivariate_normal(np.zeros(len(cov)), cov, size=30)
    moment = Z.T @ Z / 30
    gauge = block_diag(*[invertible(rng, k) for _ in range(n_modalities)])
    found = Information.of(gauge @ cov @ gauge.T, n_modalities).mean(gauge @ moment @ gauge.T)
    expected = Information.of(cov, n_modalities).mean(moment)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@relaxed
@given(generators, counts, widths)
def test_information_does_not_order_modalities(rng, n_modalities, k):
    """Modalities may stand in any order."""
    cov, moment = covariance(rng, n_modalities * k), covariance(rng, n_modalities * k)
    order = (rng.permutation(n_modalities)[:, None] * k + np.arange(k)).ravel()
    swap = np.ix_(order, order)
    expected = Information.of(cov, n_modalities).mean(moment)
    assert Information.of(cov[swap], n_modalities).mean(moment[swap]) == pytest.approx(expected)


@pytest.mark.parametrize("n_modalities", [2, 3])
@pytest.mark.parametrize("k", [1, 3])
def test_collapsed_latents_carry_no_information(n_modalities, k):
    """Latents without variance agree perfectly and say nothing."""
    nothing = np.zeros((n_modalities * k, n_modalities * k))
    assert Information.of(nothing, n_modalities).mean(nothing) == 0


@relaxed
@given(generators, widths)
def test_a_collapsed_dimension_adds_nothing(rng, k):
    """A latent without variance in every modality leaves the information as it was."""
    cov = covariance(rng, 2 * k)
    moment = covariance(rng, 2 * k)
    kept = np.arange(2 * (k + 1)).reshape(2, k + 1)[:, :-1].ravel()
    wide_cov, wide_moment = np.zeros((2, 2 * k + 2, 2 * k + 2))
    wide_cov[np.ix_(kept, kept)], wide_moment[np.ix_(kept, kept)] = cov, moment
    found = Information.of(wide_cov, 2).mean(wide_moment)
    assert found == pytest.approx(Information.of(cov, 2).mean(moment), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_exact_alignment_is_large_and_finite(n_modalities):
    """Equal latents carry much information, more in more dimensions, not infinitely much."""
    found = []
    for k in (1, 2, 5):
        cov = np.tile(np.eye(k), (n_modalities, n_modalities))
        found.append(Information.of(cov, n_modalities).mean(cov))
        assert np.isfinite(found[-1])
        assert found[-1] > 10 * k * (n_modalities - 1)
        # a nearly exact alignment comes near it, from below
        almost = cov + 1e-4 * np.eye(len(cov))
        assert 0 < Information.of(almost, n_modalities).mean(almost) < found[-1]
    np.testing.assert_allclose(found, found[0] * np.array([1, 2, 5]), rtol=1e-6)


def test_broken_promise_costs():
    """Latents that disagree where the model says they are equal score far below zero."""
    cov = np.tile(np.eye(2), (2, 2))
    assert Information.of(cov, 2).mean(np.eye(4)) < -1e6


@relaxed
@given(generators, counts, widths, st.data())
def test_expected_latents_are_a_regression(rng, n_modalities, k, data):
    """Least squares on the sample that the covariance was taken from."""
    given_ = data.draw(st.sets(st.integers(0, n_modalities - 1), min_size=1))
    wanted = data.draw(st.integers(0, n_modalities - 1))
    Z = rng.normal(size=(60, n_modalities * k)) @ rng.normal(size=(n_modalities * k,) * 2)
    Z += rng.normal(size=Z.shape)
    order = data.draw(st.permutations(sorted(given_)))
    latents = np.split(Z, n_modalities, axis=1)
    known = np.hstack([latents[m] for m in order])
    matrix, root = conditional_latents(Z.T @ Z / 60, [k] * n_modalities, order, wanted)
    expected = np.linalg.lstsq(known, latents[wanted], rcond=None)[0]
    assert matrix.shape == (len(order) * k, k)
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    explained = (known @ expected).T @ (known @ expected) / 60
    np.testing.assert_allclose(root.T @ root, explained, atol=1e-6 * np.abs(explained).max())


@relaxed
@given(generators, counts, widths)
def test_expected_latents_of_what_is_given(rng, n_modalities, k):
    """A modality that is given is expected to be what it is."""
    root = rng.normal(size=(n_modalities * k,) * 2)
    cov = root @ root.T + np.eye(len(root))
    given_ = list(range(n_modalities))
    matrix = conditional_latents(cov, [k] * n_modalities, given_, 1)[0]
    np.testing.assert_allclose(matrix, np.eye(len(cov))[:, k : 2 * k], atol=1e-8)


def test_expected_latents_of_exact_alignment():
    """Two modalities that agree exactly are a singular covariance: their mean is expected."""
    cov = np.tile(np.eye(2), (3, 3))
    matrix = conditional_latents(cov, [2, 2, 2], [0, 1], 2)[0]
    np.testing.assert_allclose(matrix, np.vstack([np.eye(2), np.eye(2)]) / 2, atol=1e-12)
    # and a collapsed latent predicts nothing
    nothing, _ = conditional_latents(np.zeros((4, 4)), [2, 2], [0], 1)
    np.testing.assert_array_equal(nothing, np.zeros((2, 2)))


@relaxed
@given(generators, counts, widths)
def test_distances_tell_how_well_queries_match(rng, n_modalities, k):
    """Half their squares, taken from what a query says alone, are the information of the pair."""
    cov = covariance(rng, n_modalities * k, decades=1)
    query, gallery = rng.choice(n_modalities, 2, replace=False)
    matching = Matching.of(cov, query, gallery, n_modalities)
    own, others = (np.arange(m * k, (m + 1) * k) for m in (query, gallery))
    both = np.concatenate([own, others])
    Z = rng.normal(size=(6, len(cov))) * np.sqrt(np.diagonal(cov))
    Q, G = Z[:5, own], Z[:, others]
    distances = cdist(Q @ matching.query, G @ matching.gallery, "sqeuclidean")
    pair = Information.of(cov[np.ix_(both, both)], 2)
    expected = [pair.of_rows(np.hstack([np.tile(q, (6, 1)), G])) for q in Q]
    np.testing.assert_allclose(matching.information(Q, distances), expected, rtol=1e-5, atol=1e-5)


@relaxed
@given(generators, st.integers(2, 4), widths)
def test_lengths_are_those_of_mahalanobis(rng, n_modalities, k):
    """Of the latents of some modalities, by the covariance of these."""
    cov = covariance(rng, n_modalities * k, decades=1)
    Z = rng.normal(size=(5, (n_modalities - 1) * k))
    mine = np.arange((n_modalities - 1) * k)
    inverse = np.linalg.inv(cov[np.ix_(mine, mine)])
    found = squared_length(cov, [k] * n_modalities, list(range(n_modalities - 1)), Z)
    expected = cdist(Z, np.zeros((1, len(mine))), "mahalanobis", VI=inverse)[:, 0] ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@relaxed
@given(generators, st.integers(2, 5), st.floats(1e-10, 1e-6))
def test_lengths_are_never_negative(rng, k, rounding):
    """Nor where a covariance has an eigenvalue below zero by rounding."""
    axes = np.linalg.qr(rng.normal(size=(k, k)))[0]
    cov = (axes * np.append(-rounding, rng.uniform(0.5, 2, size=k - 1))) @ axes.T
    Z = 1e80 * rng.normal(size=(4, k))
    found = squared_length(cov, [k], [0], Z)
    assert (found >= 0).all()
    moved = Z + rng.normal() * axes[:, 0]
    np.testing.assert_allclose(squared_length(cov, [k], [0], moved), found)
