"""Class probabilities straight from features are those by way of scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import softmax
from skalign._classifier import EncodedLaw, law_of_features
from skalign._student_law import StudentLaw

from skalign.alignment._encoder import ModalityEncoder

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def draw(rng, d, kept, n_landmarks, n_classes=4):
    """An encoder that keeps some turned and scaled features, and a law of its scores."""
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0][:, :kept].T
    scale, mean = 10.0 ** rng.uniform(-3, 3, size=d), rng.normal(size=d)
    encoder = ModalityEncoder._from_maps(axes / scale, mean, (axes * scale).T, None)
    law = StudentLaw(
        rng.normal(size=(kept, n_classes)),
        rng.normal(size=(n_landmarks, kept)),
        rng.uniform(0.1, 1),
        rng.normal(size=(n_landmarks, n_classes)),
        rng.normal(size=n_classes),
    )
    return encoder, law, mean + scale * rng.normal(size=(700, d))


@few
@given(generators, st.integers(2, 6), st.integers(0, 2), st.sampled_from([0, 9]))
def test_features_and_scores_say_the_same(rng, d, left_out, n_landmarks):
    """Whether the scores keep all of the features or not; against the formula itself."""
    encoder, law, X = draw(rng, d, max(1, d - left_out), n_landmarks)
    Z = (X - encoder.mean_) @ encoder.coef_.T
    kernel = np.exp(-law.gamma * cdist(Z, law.landmarks, "sqeuclidean"))
    expected = softmax(Z @ law.linear + kernel @ law.lifted + law.intercept, axis=1)
    np.testing.assert_allclose(law.class_proba(Z), expected, atol=1e-10)
    direct = law_of_features(encoder, law)
    assert isinstance(direct, EncodedLaw) == (n_landmarks > 0 and len(encoder.coef_) < d)
    np.testing.assert_allclose(direct.class_proba(X), expected, atol=1e-10)


def test_constant_features_stay_unseen():
    """They have no axis; all that varies has one, so distances need no scores."""
    encoder, law, X = draw(np.random.default_rng(0), 3, 3, 5)
    wide = np.insert(encoder.coef_, 1, 0.0, axis=1)
    mean = np.insert(encoder.mean_, 1, 7.0)
    direct = law_of_features(ModalityEncoder._from_maps(wide, mean, wide.T, None), law)
    assert isinstance(direct, StudentLaw)
    found = direct.class_proba(np.insert(X, 1, 1e6, axis=1))
    np.testing.assert_allclose(found, law.class_proba(encoder.transform(X)), atol=1e-10)


@pytest.mark.parametrize("size", [1e20, 1e153, 1e200])
def test_rows_far_away_have_classes(size):
    """Squares that overflow leave probabilities, not NaN: the linear law alone speaks there."""
    _, law, _ = draw(np.random.default_rng(1), 3, 3, 5)
    Z = size * np.random.default_rng(2).normal(size=(50, 3))
    np.testing.assert_array_equal(
        law.class_proba(Z), softmax(Z @ law.linear + law.intercept, axis=1)
    )


def test_impossible_classes_have_no_probability():
    """And the others keep theirs."""
    _, law, _ = draw(np.random.default_rng(3), 3, 3, 5)
    Z = np.random.default_rng(4).normal(size=(20, 3))
    found = law.widened([0, 1, 3, 5], 6).class_proba(Z)
    assert not found[:, [2, 4]].any()
    np.testing.assert_array_equal(found[:, [0, 1, 3, 5]], law.class_proba(Z))
