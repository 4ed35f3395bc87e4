"""Shares of the classes: known, alike, or by the pairs, where a class is rare."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.tree import DecisionTreeClassifier

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.transfer._kernel import log_prior
from skalign.transfer._mixture import gaussian_models

few = settings(max_examples=30, deadline=None)


def blocks(rng, counts, doubt=1.0):
    """Rows of two modalities, as many of each class as told."""
    y = np.repeat(np.arange(len(counts)), counts)
    source = 3 * np.eye(len(counts))[y] + doubt * rng.normal(size=(len(y), len(counts)))
    target = 1.5 * np.eye(6)[y] + rng.normal(size=(len(y), 6))
    return np.hstack([source, target]), y


def fitted(counts, rng=None, **options):
    """A transfer whose source was taught by classes of one size."""
    rng = np.random.default_rng(0) if rng is None else rng
    X, y = blocks(rng, [200] * len(counts))
    source = LogisticRegression().fit(X[:, : len(counts)], y)
    aligner = NullSpaceAligner(modalities=[len(counts), 6])
    model = CrossModalTransferClassifier(FrozenEstimator(source), aligner=aligner, **options)
    return model.fit(blocks(rng, counts)[0])


def of_target(rng, counts):
    """Rows of the target alone, and their classes."""
    X, y = blocks(rng, counts)
    return X[:, len(counts) :], y


@few
@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=8))
def test_only_rare_classes_start_with_less(shares):
    """In proportion to their share, from half of an even one down."""
    shares = np.array(shares) / np.sum(shares)
    start = np.exp(log_prior(shares))
    common = shares >= 0.5 / len(shares)
    np.testing.assert_allclose(start[common], 1)
    np.testing.assert_allclose(start[~common], 2 * len(shares) * shares[~common])


def test_a_known_prior_is_bayes_rule():
    """Probabilities of the discriminants at one prior are those at another, times the ratio."""
    rng, priors = np.random.default_rng(1), ([0.2, 0.3, 0.5], [0.6, 0.3, 0.1])
    models = [fitted([150, 150, 150], target_space="aligned", class_prior=p) for p in priors]
    X = of_target(rng, [50, 50, 50])[0]
    first, second = (m.target_classifier_.predict_proba(X) for m in models)
    moved = first * np.divide(*priors[::-1])
    np.testing.assert_allclose(second, moved / moved.sum(axis=1, keepdims=True), atol=1e-9)
    np.testing.assert_allclose(models[0].class_prior_, priors[0])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mixture": GaussianMixture(6, random_state=0)},
        {"mixture": GaussianMixture(6, random_state=0), "target_space": "aligned"},
    ],
)
def test_knowing_the_shares_pays(options):
    """Where use has other shares than the pairs, whatever it is that predicts."""
    X, y = of_target(np.random.default_rng(2), [20, 60, 920])
    asked = (
        fitted([150, 150, 150], class_prior=prior, **options).target_classifier_
        for prior in ("uniform", [0.02, 0.06, 0.92])
    )
    even, known = (np.mean(model.predict(X) == y) for model in asked)
    assert known > even + 0.03


def test_rare_classes_are_rare_by_default():
    """A twentieth of the pairs is no half."""
    X, y = of_target(np.random.default_rng(3), [950, 50])
    asked = (fitted([950, 50], class_prior=p).target_classifier_ for p in ("uniform", "auto"))
    even, auto = (np.mean(model.predict(X) == y) for model in asked)
    assert auto > even
    assert auto > 0.93


def test_a_class_that_pairs_lack_is_not_believed():
    """The source's doubt gives it a share of the pairs, but a small one."""
    model = fitted([200, 200, 200, 0, 0], class_prior="auto")
    X, y = of_target(np.random.default_rng(4), [100, 100, 100, 0, 0])
    even = fitted([200, 200, 200, 0, 0], class_prior="uniform").target_classifier_
    found = model.target_classifier_
    assert np.mean(found.predict(X) > 2) < 0.05
    assert np.mean(found.predict(X) == y) > np.mean(even.predict(X) == y)


def test_rows_without_their_target_get_the_given_prior():
    """It is the answer where nothing is seen."""
    model = fitted([100, 100], class_prior=[0.3, 0.7])
    X, _ = blocks(np.random.default_rng(5), [2, 2])
    X[:, 2:] = np.nan
    with pytest.warns(UserWarning, match="class prior"):
        np.testing.assert_allclose(model.predict_proba(X), np.tile([0.3, 0.7], (4, 1)))


def test_both_modalities_count_the_prior_once():
    """A row of which both are seen: what each adds to what it started from."""
    model = fitted([300, 300], class_prior=[0.1, 0.9], predict_from="available")
    X, _ = blocks(np.random.default_rng(6), [50, 50])
    source, target = model.estimator_.predict_proba(X[:, :2]), model.target_classifier_
    power = target.inverse_temperature_
    added = (target.predict_proba(X[:, 2:]) / [0.1, 0.9]) ** power
    both = source * added
    np.testing.assert_allclose(
        model.predict_proba(X), both / both.sum(axis=1, keepdims=True), atol=1e-9
    )


def test_a_class_without_a_share_is_never_predicted():
    """Not even where a source is sure of it, whose probabilities are zeros and ones."""
    rng = np.random.default_rng(7)
    X, y = blocks(rng, [100, 100, 100])
    tree = DecisionTreeClassifier(random_state=0).fit(X[:, :3], y)
    model = CrossModalTransferClassifier(
        FrozenEstimator(tree), aligner=NullSpaceAligner(modalities=[3, 6])
    )
    proba = model.set_params(class_prior=[0, 0.5, 0.5]).fit(X).target_classifier_.predict_proba
    found = proba(of_target(rng, [20, 20, 20])[0])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[:, 0].max() < 1e-6
    lacking = FrozenEstimator(LogisticRegression().fit(X[:200, :3], y[:200]))
    model.set_params(estimator=lacking, class_prior=[0, 0, 1])
    with pytest.raises(ValueError, match="class_prior has a share for none of the classes"):
        model.fit(X, y)


@pytest.mark.parametrize(
    "prior", ["even", [0.5, 0.6], [0.5, 0.25, 0.25], [1.5, -0.5], [np.nan, 1.0], [[0.5, 0.5]], 0.5]
)
def test_what_is_no_prior_is_refused(prior):
    """With the name of the parameter."""
    with pytest.raises(ValueError, match="class_prior"):
        fitted([30, 30], class_prior=prior)


@pytest.mark.parametrize("rare", [0.0, 1e-310, 1e-200])
def test_a_class_that_components_all_but_exclude_has_a_finite_share(rare):
    """Whatever share is given to it: the ratio of both would overflow."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    X[:, 2:] += X[:, :2]
    encoders = NullSpaceAligner(2, modalities=[2, 2]).fit(X)._encoders
    resp = np.eye(2)[rng.integers(2, size=40)]
    proba = np.array([[0.5, 0.5 - rare, rare], [0.3, 0.7 - rare, rare]])
    given = np.full(3, 1 / 3)
    mixture, weights = GaussianMixture(2), np.ones(40)
    model = gaussian_models(mixture, encoders, X, [1], resp, proba, weights, given)[1]
    shares = model.predictor.components.weights
    assert (shares > 0).all()
    np.testing.assert_allclose(shares.sum(), 1)
