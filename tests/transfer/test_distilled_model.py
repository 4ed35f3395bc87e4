"""Class probabilities straight from features are those by way of scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import softmax

from skalign._blocks import resolve
from skalign.alignment._encoder import ModalityEncoder
from skalign.transfer._kernel import DistilledModel
from skalign.transfer._modality_classifier import ModalityClassifier
from skalign.transfer._task import TargetModel

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def draw(rng, d, kept, n_landmarks, n_classes=4):
    """Maps that keep some rotated and scaled features, a model of their scores, and rows."""
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0][:, :kept].T
    scale, mean = 10.0 ** rng.uniform(-3, 3, size=d), rng.normal(size=d)
    maps = axes / scale, mean, (axes * scale).T
    coef, landmarks = rng.normal(size=(n_classes, kept)), rng.normal(size=(n_landmarks, kept))
    gamma, dual_coef = rng.uniform(0.1, 1), rng.normal(size=(n_classes, n_landmarks))
    model = DistilledModel(coef, rng.normal(size=n_classes), landmarks, dual_coef, gamma)
    return maps, model, mean + scale * rng.normal(size=(700, d))


def classifier(model, maps, d):
    """A classifier of features, by the model of features where there is one."""
    coef, mean, _ = maps
    direct, n_classes = model.of_features(coef, mean), len(model.intercept)
    predictor, encoder = (model, maps) if direct is None else (direct, None)
    even = np.full(n_classes, 1 / n_classes)
    target = TargetModel(predictor, encoder, even, even)
    return ModalityClassifier._from_model(target, 1, np.arange(n_classes), resolve([1, d], d + 1))


@few
@given(generators, st.integers(2, 6), st.integers(0, 2), st.sampled_from([0, 9]))
def test_features_and_scores_say_the_same(rng, d, left_out, n_landmarks):
    """Whether the scores keep all of the features or not; against the formula itself."""
    maps, model, X = draw(rng, d, max(1, d - left_out), n_landmarks)
    coef, mean, _ = maps
    Z = (X - mean) @ coef.T
    kernel = np.exp(-model.gamma * cdist(Z, model.landmarks, "sqeuclidean"))
    scores = Z @ model.coef.T + kernel @ model.dual_coef.T + model.intercept
    expected = softmax(scores, axis=1)
    np.testing.assert_allclose(model.predict_proba(Z), expected, atol=1e-10)
    np.testing.assert_allclose(model.predict_proba(Z[:3]), expected[:3], atol=1e-10)
    needs_scores = n_landmarks > 0 and len(coef) < d
    direct = model.of_features(coef, mean)
    assert (direct is None) == needs_scores
    if direct is not None:
        np.testing.assert_allclose(direct.predict_proba(X), expected, atol=1e-10)
    found = classifier(model, maps, d)
    assert hasattr(found, "encoder_") == needs_scores
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-10)


def test_constant_features_stay_unseen():
    """They have no axis; all that varies has one, so distances need no scores."""
    (coef, mean, decoder), model, X = draw(np.random.default_rng(0), 3, 3, 5)
    encoder = ModalityEncoder._from_maps(coef, mean, decoder, None)
    direct = model.of_features(np.insert(coef, 1, 0.0, axis=1), np.insert(mean, 1, 7.0))
    assert isinstance(direct, DistilledModel)
    found = direct.predict_proba(np.insert(X, 1, 1e6, axis=1))
    np.testing.assert_allclose(found, model.predict_proba(encoder.transform(X)), atol=1e-10)


@pytest.mark.parametrize("size", [1e20, 1e153, 1e200])
def test_rows_far_away_have_classes(size):
    """Squares that overflow leave probabilities, not NaN: only the linear part is left there."""
    _, model, _ = draw(np.random.default_rng(1), 3, 3, 5)
    Z = size * np.random.default_rng(2).normal(size=(50, 3))
    expected = softmax(Z @ model.coef.T + model.intercept, axis=1)
    np.testing.assert_array_equal(model.predict_proba(Z), expected)
    np.testing.assert_array_equal(model.predict_proba(Z[:4]), expected[:4])


def test_impossible_classes_have_no_probability():
    """And the others keep theirs."""
    _, model, _ = draw(np.random.default_rng(3), 3, 3, 5)
    Z = np.random.default_rng(4).normal(size=(20, 3))
    found = model.widened([0, 1, 3, 5], 6).predict_proba(Z)
    assert not found[:, [2, 4]].any()
    np.testing.assert_array_equal(found[:, [0, 1, 3, 5]], model.predict_proba(Z))


def test_a_target_that_does_not_vary_has_a_model_of_its_features():
    """Of no axes at all: every row gets what the intercepts say."""
    model = DistilledModel(
        np.zeros((2, 0)), np.log([0.3, 0.7]), np.zeros((4, 0)), np.zeros((2, 4)), gamma=0.5
    )
    features = model.of_features(np.zeros((0, 3)), np.zeros(3))
    X = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(features.predict_proba(X), np.tile([0.3, 0.7], (5, 1)))


def test_logarithms_of_probabilities():
    """Minus infinity for what is impossible."""
    maps, model, X = draw(np.random.default_rng(5), 3, 3, 5)
    found = classifier(model.widened([0, 1, 3, 5], 6), maps, 3)
    with np.errstate(divide="ignore"):
        expected = np.log(found.predict_proba(X))
    np.testing.assert_array_equal(found.predict_log_proba(X), expected)
    assert np.isneginf(expected[:, [2, 4]]).all()
