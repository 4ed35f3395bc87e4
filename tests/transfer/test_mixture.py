"""Mixtures in the aligned space: log densities, components, and classes of components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skalign.transfer._components import (
    GaussianComponents,
    fit_components,
    log_density,
    responsibilities,
)
from skalign.transfer._mixture import component_classes, within_classes
from skalign.transfer._modality_classifier import fuse

relaxed = settings(deadline=None)
few = settings(deadline=None, max_examples=25)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
counts = st.integers(1, 5)
widths = st.integers(1, 4)
tied_or_not = st.booleans()


def covariance(rng, d):
    """Draw a covariance that is far from singular."""
    root = rng.normal(size=(d, 2 * d))
    return root @ root.T / (2 * d) + 0.2 * np.eye(d)


def draw_components(rng, n_components, d, tied):
    """Draw weights, means and covariances."""
    weights = rng.dirichlet(np.ones(n_components))
    means = 3 * rng.normal(size=(n_components, d))
    covs = [covariance(rng, d) for _ in range(n_components)]
    return GaussianComponents(weights, means, covs[0] if tied else np.array(covs))


def draw_posterior(rng, n, n_classes, certainty=1.0):
    """Draw probabilities of classes."""
    return rng.dirichlet(np.full(n_classes, 1 / certainty), size=n)


def one_hot(labels, n_classes):
    """Responsibilities of certain labels."""
    return np.eye(n_classes)[labels]


def assert_same_components(a, b, rtol=1e-9):
    """Same parameters up to rounding."""
    for name in ("weights", "means", "covariances"):
        x, y = getattr(a, name), getattr(b, name)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * (1 + np.abs(y).max()))


def assert_probabilities(proba, shape):
    """Rows of probabilities."""
    assert proba.shape == shape
    assert np.all(proba >= 0)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@relaxed
@given(generators, counts, widths, tied_or_not)
def test_log_density_is_that_of_scipy(rng, n_components, d, tied):
    """Tied or not, each component has the Gaussian density of its parameters."""
    components = draw_components(rng, n_components, d, tied)
    Z = 4 * rng.normal(size=(10, d))
    found = log_density(Z, components)
    assert components.tied is tied
    assert found.shape == (10, n_components)
    for k in range(n_components):
        cov = components.covariances if tied else components.covariances[k]
        expected = multivariate_normal.logpdf(Z, components.means[k], cov)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-9, atol=1e-9)


@relaxed
@given(generators, counts, widths, tied_or_not)
def test_responsibilities_are_bayes_rule(rng, n_components, d, tied):
    """Weight times density, made to sum to one."""
    components = draw_components(rng, n_components, d, tied)
    Z = 4 * rng.normal(size=(10, d))
    covs = [components.covariances] * n_components if tied else components.covariances
    joint = np.column_stack(
        [
            w * multivariate_normal.pdf(Z, mean, cov)
            for w, mean, cov in zip(components.weights, components.means, covs, strict=True)
        ]
    )
    found = responsibilities(Z, components)
    assert_probabilities(found, (10, n_components))
    total = joint.sum(axis=1, keepdims=True)
    seen = total[:, 0] > 1e-200
    np.testing.assert_allclose(found[seen], (joint / np.maximum(total, 1e-300))[seen], atol=1e-9)


@pytest.mark.parametrize("tied", [True, False])
def test_responsibilities_far_away(tied):
    """Where every density underflows rows still sum to one."""
    components = draw_components(np.random.default_rng(0), 3, 2, tied)
    Z = np.array([[1e3, -1e3], [-1e6, 0.0], [0.0, 1e8]])
    assert_probabilities(responsibilities(Z, components), (3, 3))


@pytest.mark.parametrize("far", [1e5, 1e7])
def test_responsibilities_sum_to_one_however_far_away(far):
    """Where log densities have lost the digits that tell components apart."""
    components = GaussianComponents(np.full(2, 0.5), np.array([[0.0], [1e-9]]), np.eye(1))
    Z = far * np.random.default_rng(0).normal(size=(50, 1))
    np.testing.assert_allclose(components.predict_proba(Z).sum(axis=1), 1, rtol=1e-14)


def test_a_component_without_weight_is_never_chosen():
    """Not even at its own mean, and without a warning."""
    components = GaussianComponents(np.array([1.0, 0.0]), np.array([[0.0], [5.0]]), np.eye(1))
    np.testing.assert_array_equal(responsibilities(np.array([[5.0]]), components), [[1, 0]])


@relaxed
@given(generators, counts, widths, tied_or_not)
def test_components_of_certain_labels_are_the_classes(rng, n_classes, d, tied):
    """Means are class means, weights are class frequencies."""
    labels = np.concatenate([np.arange(n_classes), rng.integers(n_classes, size=40)])
    Z = rng.normal(size=(len(labels), d)) + labels[:, None]
    w = rng.uniform(0.5, 2, size=len(labels))
    components = fit_components(Z, one_hot(labels, n_classes), w, tied)
    means = [np.average(Z[labels == c], axis=0, weights=w[labels == c]) for c in range(n_classes)]
    np.testing.assert_allclose(components.means, means, atol=1e-4)
    np.testing.assert_allclose(components.weights, np.bincount(labels, w) / w.sum())


@pytest.mark.parametrize("d", [1, 3])
def test_covariances_approach_those_of_the_classes(d):
    """With many rows a component has its own covariance, and tied ones the mean of them."""
    rng, n = np.random.default_rng(0), 20_000
    components = draw_components(rng, 3, d, tied=False)
    labels = rng.choice(3, size=n, p=[0.2, 0.3, 0.5])
    roots = np.linalg.cholesky(components.covariances)
    Z = components.means[labels] + np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(n, d)))
    resp = one_hot(labels, 3)
    own = np.array([np.cov(Z[labels == c].T, bias=True).reshape(d, d) for c in range(3)])
    found = fit_components(Z, resp, np.ones(n), tied=False)
    np.testing.assert_allclose(found.covariances, own, atol=0.01)
    pooled = np.einsum("c,cij->ij", np.bincount(labels) / n, own)
    np.testing.assert_allclose(
        fit_components(Z, resp, np.ones(n), tied=True).covariances, pooled, atol=0.01
    )


@relaxed
@given(generators, counts, widths, tied_or_not, st.integers(3, 30))
def test_components_are_always_gaussian(rng, n_components, d, tied, n):
    """From any responsibilities: weights sum to one, covariances are positive definite."""
    Z = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-3, 3)
    components = fit_components(Z, draw_posterior(rng, n, n_components, 10), np.ones(n), tied)
    assert components.weights.sum() == pytest.approx(1)
    assert components.means.shape == (n_components, d)
    covs = components.covariances[None] if tied else components.covariances
    np.testing.assert_allclose(covs, covs.transpose(0, 2, 1), rtol=1e-9)
    assert np.all(np.linalg.eigvalsh(covs)[:, 0] > 0)
    assert np.isfinite(log_density(Z, components)).all()
    assert_probabilities(responsibilities(Z, components), (n, n_components))


@relaxed
@given(generators, counts, widths, tied_or_not)
def test_weights_are_repeated_rows(rng, n_components, d, tied):
    """A weight of two is the row twice; a weight of zero leaves it out."""
    Z = rng.normal(size=(20, d))
    resp, classes = draw_posterior(rng, 20, n_components), draw_posterior(rng, 20, 3)
    w = rng.integers(0, 4, size=20).astype(float)
    w[0] += 1
    rows = np.repeat(np.arange(20), w.astype(int))
    ones = np.ones(len(rows))
    assert_same_components(
        fit_components(Z, resp, w, tied), fit_components(Z[rows], resp[rows], ones, tied)
    )
    np.testing.assert_allclose(
        component_classes(resp, classes, w),
        component_classes(resp[rows], classes[rows], ones),
        atol=1e-8,
    )


@few
@given(generators, counts, widths, tied_or_not)
def test_order_of_rows_is_no_matter(rng, n_components, d, tied):
    """A permutation of the rows changes nothing but rounding."""
    Z, w = rng.normal(size=(30, d)), rng.uniform(0.1, 2, size=30)
    resp, classes = draw_posterior(rng, 30, n_components), draw_posterior(rng, 30, 3)
    order = rng.permutation(30)
    shuffled = Z[order], resp[order], classes[order], w[order]
    assert_same_components(
        fit_components(Z, resp, w, tied), fit_components(shuffled[0], shuffled[1], w[order], tied)
    )
    np.testing.assert_allclose(
        component_classes(resp, classes, w),
        component_classes(shuffled[1], shuffled[2], shuffled[3]),
        atol=1e-8,
    )


@relaxed
@given(generators, counts, widths, tied_or_not, st.floats(0, 100))
def test_components_move_with_the_latents(rng, n_components, d, tied, offset):
    """A shift of the latents shifts the means, and densities stay as they are."""
    Z = rng.normal(size=(60, d))
    resp, w = draw_posterior(rng, 60, n_components), np.ones(60)
    components, moved = fit_components(Z, resp, w, tied), fit_components(Z + offset, resp, w, tied)
    np.testing.assert_allclose(moved.means, components.means + offset, atol=1e-6)
    np.testing.assert_allclose(moved.covariances, components.covariances, atol=1e-5)
    found, expected = log_density(Z + offset, moved), log_density(Z, components)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_components_far_from_the_origin():
    """Latents that are not centred may be far away; densities are no less definite for that."""
    rng = np.random.default_rng(0)
    Z, resp = rng.normal(size=(60, 2)), draw_posterior(rng, 60, 3)
    components, moved = (
        fit_components(Z + offset, resp, np.ones(60), tied=True) for offset in (0, 1e8)
    )
    found, expected = log_density(Z + 1e8, moved), log_density(Z, components)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@relaxed
@given(generators, counts, widths, tied_or_not, st.integers(-60, 140))
def test_components_have_the_unit_of_the_latents(rng, n_components, d, tied, power):
    """Scaled latents have scaled components, also where squares of squares overflow."""
    Z, resp, w = rng.normal(size=(60, d)), draw_posterior(rng, 60, n_components), np.ones(60)
    components, scaled = (fit_components(Z * s, resp, w, tied) for s in (1.0, 10.0**power))
    np.testing.assert_allclose(scaled.means / 10.0**power, components.means, atol=1e-10)
    np.testing.assert_allclose(
        scaled.covariances / 10.0**power / 10.0**power, components.covariances, atol=1e-10
    )


@relaxed
@given(generators, widths, tied_or_not)
def test_a_component_without_rows_has_a_density(rng, d, tied):
    """It weighs nothing, lies among the data and has a finite density; others do not notice."""
    Z, labels = rng.normal(size=(30, d)) + 5, rng.integers(2, size=30)
    components = fit_components(Z, one_hot(labels, 3), np.ones(30), tied)
    assert components.weights[2] == 0
    assert np.all((components.means[2] > Z.min(axis=0)) & (components.means[2] < Z.max(axis=0)))
    assert np.isfinite(log_density(Z, components)).all()
    np.testing.assert_array_equal(responsibilities(Z, components)[:, 2], 0)
    without = fit_components(Z, one_hot(labels, 2), np.ones(30), tied)
    np.testing.assert_allclose(components.means[:2], without.means)
    covs = components.covariances if tied else components.covariances[:2]
    np.testing.assert_allclose(covs, without.covariances)


def test_latents_without_variance_have_a_density():
    """Rows that are all equal have components in which they are likely."""
    for n in (1, 2, 5):
        for value in (0.0, 0.1, 3.0, 1e3 / 7):
            Z = np.full((n, 2), value)
            components = fit_components(Z, np.full((n, 2), 0.5), np.ones(n), tied=True)
            np.testing.assert_allclose(components.means, value)
            assert np.isfinite(log_density(Z, components)).all()


def test_classes_that_are_points_have_densities():
    """Embeddings of class names, say: no variance within classes."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.concatenate([[0, 1], rng.integers(2, size=40)])
        Z = rng.normal(size=(2, 1))[labels]
        components = fit_components(Z, one_hot(labels, 2), np.ones(len(Z)), tied=True)
        np.testing.assert_array_equal(responsibilities(Z, components).argmax(axis=1), labels)


@relaxed
@given(generators, counts, st.integers(2, 4))
def test_component_classes_are_probabilities(rng, n_components, n_classes):
    """Rows sum to one, and order of components and classes is no matter."""
    resp, posterior = draw_posterior(rng, 40, n_components), draw_posterior(rng, 40, n_classes)
    w = rng.uniform(0.1, 2, size=40)
    proba = component_classes(resp, posterior, w)
    assert_probabilities(proba, (n_components, n_classes))
    k, c = rng.permutation(n_components), rng.permutation(n_classes)
    found = component_classes(resp[:, k], posterior[:, c], w)
    np.testing.assert_allclose(found, proba[np.ix_(k, c)], atol=1e-8)


@relaxed
@given(generators, st.integers(2, 4))
def test_certain_sources_are_counted(rng, n_classes):
    """Certain components of a certain source: class frequencies within each component."""
    n_components = 3
    labels, parts = rng.integers(n_classes, size=60), np.arange(60) % n_components
    proba = component_classes(one_hot(parts, 3), one_hot(labels, n_classes), np.ones(60))
    counted = [np.bincount(labels[parts == k], minlength=n_classes) / 20 for k in range(3)]
    np.testing.assert_allclose(proba, counted, atol=1e-4)


@pytest.mark.parametrize("doubt", [0.1, 0.3, 0.4])
def test_component_classes_are_deblurred(doubt):
    """Pairs of one class give their component that class, though the source is in doubt."""
    labels = np.repeat([0, 1, 1], 40)
    posterior = np.where(one_hot(labels, 2) == 1, 1 - doubt, doubt)
    proba = component_classes(one_hot(np.repeat([0, 1, 2], 40), 3), posterior, np.ones(120))
    np.testing.assert_allclose(proba, one_hot([0, 1, 1], 2), atol=0.02)


def test_mixed_components_stay_mixed():
    """Deblurring finds the true share of classes where a component has both."""
    rng, n = np.random.default_rng(0), 4000
    parts = rng.integers(2, size=n)
    labels = (rng.random(n) < np.array([0.2, 0.9])[parts]).astype(int)
    x = rng.normal(size=n) + 2.0 * labels
    share = labels.mean()
    joint = np.column_stack(
        [(1 - share) * np.exp(-(x**2) / 2), share * np.exp(-((x - 2) ** 2) / 2)]
    )
    posterior = joint / joint.sum(axis=1, keepdims=True)
    proba = component_classes(one_hot(parts, 2), posterior, np.ones(n))
    np.testing.assert_allclose(proba[:, 1], [0.2, 0.9], atol=0.04)
    # the mean posterior, by contrast, draws them together
    blurred = [posterior[parts == k, 1].mean() for k in (0, 1)]
    assert blurred[0] > 0.25
    assert blurred[1] < 0.85


@relaxed
@given(generators)
def test_a_component_without_pairs_gets_the_prior(rng):
    """It says what is known without it."""
    posterior = draw_posterior(rng, 30, 3)
    resp = one_hot(rng.integers(2, size=30), 3)
    proba = component_classes(resp, posterior, np.ones(30))
    np.testing.assert_allclose(proba[2], posterior.mean(axis=0), atol=1e-6)
    without = component_classes(resp[:, :2], posterior, np.ones(30))
    np.testing.assert_allclose(proba[:2], without, atol=1e-6)


@relaxed
@given(generators, st.integers(2, 4), st.integers(1, 3))
def test_fusion_is_bayes_for_independent_modalities(rng, n_classes, n_modalities):
    """Posteriors of modalities that are independent given the class multiply to the joint one."""
    prior = rng.dirichlet(np.ones(n_classes))
    likelihoods = rng.uniform(0.1, 1, size=(n_modalities, 20, n_classes))
    parts = [prior * part for part in likelihoods]
    probas = [part / part.sum(axis=1, keepdims=True) for part in parts]
    joint = prior * np.prod(likelihoods, axis=0)
    otherwise = rng.dirichlet(np.ones(n_classes))
    found, usable = fuse(probas, [1.0] * n_modalities, prior, otherwise)
    np.testing.assert_allclose(found, joint / joint.sum(axis=1, keepdims=True), rtol=1e-9)
    assert usable.all()
    for proba in probas:
        proba[:5] = np.nan
    probas[0][3] = prior
    found, usable = fuse(probas, [0.5] * n_modalities, prior, otherwise)
    np.testing.assert_array_equal(found[:3], np.tile(otherwise, (3, 1)))
    np.testing.assert_array_equal(found[3], prior)
    np.testing.assert_array_equal(usable[:5], [False, False, False, True, False])


def test_a_class_that_no_component_has_leaves_what_the_mixture_says():
    """Of a row whose source is sure of it."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(20, 2))
    mixture = GaussianMixture(2, random_state=0).fit(Z)
    proba, posterior = np.array([[1.0, 0.0], [1.0, 0.0]]), np.tile([0.0, 1.0], (20, 1))
    found = within_classes(mixture, Z, proba, posterior)
    np.testing.assert_allclose(found, mixture.predict_proba(Z), atol=1e-9)
