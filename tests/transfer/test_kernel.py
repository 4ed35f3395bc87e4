"""Laws of lifted points: blocks change nothing, and neither does taking sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from skalign._lift import gaussian_kernel, lifted_law
from skalign._student import learn
from skalign._tied import TiedPoints, principal_axes

from skalign import _lift, _tied

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
@given(generators)
def test_lift_keeps_the_kernel(rng):
    """With all points as landmarks, inner products of the lift are the centred kernel's."""
    Z, resp, weights = draw(rng)
    law = lifted_law(Z, Z.var(axis=0).sum(), resp, weights)
    centring = np.eye(len(Z)) - weights / weights.sum()
    kernel = centring @ gaussian_kernel(Z, Z, law.gamma) @ centring.T
    scores = law.scores(Z)
    np.testing.assert_allclose(scores @ scores.T, kernel, atol=1e-4)


@few
@given(generators, st.sampled_from([10, 1000]))
def test_law_of_sums_is_the_law_of_points(rng, landmarks):
    """Principal axes of the lifted points themselves, and the tied law of their scores."""
    Z, resp, weights = draw(rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lift, "LANDMARKS", landmarks)
        lifted = lifted_law(Z, Z.var(axis=0).sum(), resp, weights)
    scores = lifted.scores(Z)
    axes = principal_axes(scores, weights)
    np.testing.assert_allclose(axes.mean, 0, atol=1e-6)
    points = TiedPoints(axes.scores(scores), axes.variance, weights)
    coef, intercept = points.discriminant(resp)
    expected = points.points @ coef + intercept
    coef, intercept = lifted.discriminant()
    found = gaussian_kernel(Z, lifted.landmarks, lifted.gamma) @ coef + intercept
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(
        lifted.leave_one_out(Z, resp, weights),
        points.leave_one_out(resp, np.arange(len(Z))),
        atol=1e-4,
    )


@few
@given(generators, st.sampled_from([1, 7, 64]))
def test_blocks_do_not_show(rng, size):
    """A student learned and asked in small blocks is that of large ones."""
    X, posterior, weights = draw(rng, n=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lift, "LANDMARKS", 8)
        whole = learn(X, posterior, weights)
        expected = whole.law.class_proba(whole.axes.scores(X))
        patch.setattr(_tied, "BLOCK", size)
        parts = learn(X, posterior, weights)
        np.testing.assert_allclose(
            parts.law.class_proba(parts.axes.scores(X)), expected, atol=1e-7
        )
        np.testing.assert_allclose(parts.resp, whole.resp, atol=1e-9)
        assert parts.agreement == pytest.approx(whole.agreement)
