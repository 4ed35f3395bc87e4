"""Kernel discriminants: blocks change nothing, and neither does taking sums."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from test_distillation import predict_proba, task_of

from skalign._utils._rows import row_blocks
from skalign.transfer import _discriminant, _kernel
from skalign.transfer._discriminant import (
    EXPONENTS,
    RIDGE,
    RIDGES,
    PrincipalScores,
    best_discriminant,
    principal_axes,
)
from skalign.transfer._distillation import distil
from skalign.transfer._kernel import gaussian_kernel, kernel_lda

few = settings(max_examples=20, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def draw(rng, n=40, d=3, n_classes=3):
    """Points, soft labels, weights."""
    return (
        rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-1, 1),
        rng.dirichlet(np.ones(n_classes), size=n),
        rng.uniform(0.2, 2, size=n),
    )


@few
@given(generators, st.integers(1, 5))
def test_kernel_is_of_distances(rng, d):
    """Against scipy, within a few units of rounding."""
    A, B = rng.normal(size=(30, d)), rng.normal(size=(20, d))
    expected = np.exp(-0.7 * cdist(A, B, "sqeuclidean"))
    np.testing.assert_allclose(gaussian_kernel(A, B, 0.7), expected, atol=1e-13)
    assert gaussian_kernel(1e12 * A, 1e12 * A, 1e-3).max() <= 1


@few
@given(generators, st.sampled_from([0.1, _kernel.BANDWIDTH]))
def test_inner_products_of_features_are_the_kernel(rng, bandwidth):
    """The centred one, where all points are landmarks; its width goes by the total variance."""
    Z, resp, weights = draw(rng)
    model = kernel_lda(Z, Z.var(axis=0).sum(), resp, weights, bandwidth=bandwidth)
    centring = np.eye(len(Z)) - weights / weights.sum()
    squares = cdist(Z, Z, "sqeuclidean") / Z.var(axis=0).sum()
    kernel = centring @ np.exp(-bandwidth * squares) @ centring.T
    scores = model.scores(Z)
    np.testing.assert_allclose(scores @ scores.T, kernel, atol=1e-4)


@few
@given(generators, st.sampled_from([10, 1000]), st.sampled_from([RIDGE, 0.7]))
def test_discriminant_of_sums_is_that_of_points(rng, n_landmarks, ridge):
    """Principal axes of the features themselves, and the discriminant of their scores."""
    Z, resp, weights = draw(rng)
    model = kernel_lda(Z, Z.var(axis=0).sum(), resp, weights, n_landmarks=n_landmarks, ridge=ridge)
    assert len(model.landmarks) == min(n_landmarks, len(Z))
    scores = model.scores(Z)
    axes = principal_axes(scores, weights)
    np.testing.assert_allclose(axes.mean, 0, atol=1e-6)
    points = PrincipalScores.of(axes, scores, weights)
    coef, intercept = points.lda(resp, ridge).discriminant()
    expected = points.points @ coef + intercept
    coef, intercept = model.discriminant()
    found = gaussian_kernel(Z, model.landmarks, model.gamma) @ coef + intercept
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(
        model.leave_one_out(Z, resp, weights),
        points.leave_one_out(resp, np.arange(len(Z)), ridge),
        atol=1e-4,
    )


@few
@given(generators, st.sampled_from([1, 7, 64]))
def test_blocks_do_not_show(rng, size):
    """A model learned and asked in small blocks is that of large ones."""
    X, posterior, weights = draw(rng, n=60)
    rows = np.arange(60)

    def learned():
        target = distil(task_of(X, posterior, weights), n_landmarks=8)
        resp = best_discriminant(X, posterior, weights, rows, EXPONENTS, RIDGES).resp
        return predict_proba(target, X), resp, target

    expected, resp, whole = learned()
    with pytest.MonkeyPatch.context() as patch:
        for module in (_discriminant, _kernel):
            patch.setattr(module, "row_blocks", partial(row_blocks, numbers=size))
        found, again, parts = learned()
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(again, resp, atol=1e-9)
    np.testing.assert_allclose(parts.class_prior, whole.class_prior, atol=1e-9)
    assert parts.agreement == pytest.approx(whole.agreement)
