"""Directions of rows and classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import multivariate_normal, vonmises_fisher

from skalign.zero_shot import _von_mises_fisher as vmf


def joint_covariance(correlations):
    """Of latents of two modalities with these correlations and unit variances."""
    rho = np.diag(correlations)
    return np.block([[np.eye(len(rho)), rho], [rho.T, np.eye(len(rho))]])


@settings(deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_distances_are_log_densities(seed, k):
    """Before they get a length, points differ by the noise of the model, of unit covariance."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(2 * k, 2 * k + 2))
    cov = root @ root.T
    sphere = vmf.Sphere.of(cov, 0, 1, 2)
    slope = np.linalg.solve(cov[:k, :k], cov[:k, k:])
    noise = cov[k:, k:] - cov[k:, :k] @ slope
    zt, zs = rng.normal(size=(2, 3, k))
    squared = np.sum((zt @ sphere.target - zs @ sphere.source) ** 2, axis=1)
    density = [multivariate_normal(z @ slope, noise).logpdf(t) for t, z in zip(zt, zs)]  # noqa: B905
    known = np.array(density) + squared / 2
    np.testing.assert_allclose(known, known[0], rtol=1e-5, atol=1e-5)


def test_chance_is_one_over_the_deviation_of_cosines():
    """Cosines of unrelated rows of the model, drawn, less their mean."""
    cov = joint_covariance(np.linspace(0.3, 0.9, 12))
    sphere = vmf.Sphere.of(cov, 0, 1, 2)
    rng = np.random.default_rng(0)
    U, V = (
        sphere.of_targets(rng.normal(size=(500, 12))),
        sphere.of_sources(rng.normal(size=(500, 12))),
    )
    assert np.std(U @ V.T) * sphere.chance == pytest.approx(1, rel=0.2)
    np.testing.assert_allclose(np.linalg.norm(np.vstack([U, V]), axis=1), 1)


def test_near_the_mean_cosines_order_as_distances_do():
    """The further coordinate: points well within its reach are told by where they are."""
    cov = joint_covariance([0.9])  # on a line a direction alone has two values
    sphere = vmf.Sphere.of(cov, 0, 1, 2)
    U = sphere.of_targets(np.linspace(-1, 1, 9)[:, None])
    V = sphere.of_sources(np.array([[-0.8], [0.0], [0.8]]))
    nearest = np.argmax(U @ V.T, axis=1)
    assert (np.diff(nearest) >= 0).all() and set(nearest) == {0, 1, 2}


def draws(kappa, n, k=5, n_classes=4, seed=0):
    """Unit vectors of classes of a known concentration."""
    rng = np.random.default_rng(seed)
    means = np.linalg.qr(rng.normal(size=(k, k)))[0][:n_classes]
    parts = [vonmises_fisher(m, kappa).rvs(n, random_state=rng) for m in means]
    return np.vstack(parts), np.repeat(np.arange(n_classes), n)


@pytest.mark.parametrize("kappa", [2.0, 5.0, 12.0])
def test_concentration_is_found(kappa):
    """Of draws of scipy's von Mises-Fisher law, whatever was supposed."""
    V, codes = draws(kappa, 400)
    for chance in (1.0, 30.0):
        found = vmf.concentration(V, codes, np.ones(len(V)), 4, chance)
        assert found == pytest.approx(kappa, rel=0.2)


def test_leave_one_out_by_brute_force():
    """The maximum of what the docstring says, computed row by row."""
    V, codes = draws(3.0, 4)
    weights = np.random.default_rng(1).integers(1, 4, len(V)).astype(float)

    def loss(kappa):
        total = 0.5 * np.log(kappa / 7.0) ** 2
        for i in range(len(V)):
            kept = np.arange(len(V)) != i
            D = []
            for c in range(4):
                mine = (codes == c) & (kept if c == codes[i] else True)
                mean = weights[mine] @ V[mine]
                D.append(mean / np.linalg.norm(mean))
            total -= weights[i] * log_softmax(kappa * np.array(D) @ V[i])[codes[i]]
        return total

    found = vmf.concentration(V, codes, weights, 4, 7.0)
    around = [loss(found * factor) for factor in (0.98, 1.0, 1.02)]
    assert around[1] == min(around)


def test_what_cannot_tell_leaves_the_prior():
    """One prototype a class, copies of it, or a single class."""
    V, codes = draws(3.0, 1)
    assert vmf.concentration(V, codes, np.ones(4), 4, 7.0) == 7.0
    twice = np.repeat(np.arange(4), 2)
    assert vmf.concentration(V[twice], codes[twice], np.ones(8), 4, 7.0) == 7.0
    assert vmf.concentration(V, np.zeros(4, dtype=int), np.ones(4), 1, 7.0) == 7.0


def test_perfect_prototypes_are_no_certainty():
    """Classes of equal directions but for rounding: the prior keeps the concentration finite."""
    V, codes = draws(1e4, 3)
    found = vmf.concentration(V, codes, np.ones(len(V)), 4, 7.0)
    assert 7.0 < found < 700.0


def test_alike():
    """The first two classes of the same direction, and none among different ones."""
    D = np.eye(5)
    assert vmf.alike(D) is None
    assert vmf.alike(D[:1]) is None
    assert vmf.alike(D[[0, 1, 2, 1, 0]]) == (0, 4)


@pytest.mark.parametrize("power", [-200, 0, 200])
def test_a_direction_does_not_depend_on_the_length(power):
    """Nor where squares of the length overflow, or vanish."""
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(vmf._normalized(vectors * 10.0**power), expected, rtol=1e-12)
