"""A forest beside the discriminants: for what these cannot tell apart, and for nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.transfer._forest import column_order, grown, out_of_bag

few = settings(max_examples=10, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def squares(rng, n):
    """Points of a checkerboard, four by four, and their colour."""
    X = rng.uniform(0, 4, size=(n, 2))
    return X, X.astype(int).sum(axis=1) % 2


def rings(rng, n):
    """Points of three rings around the origin."""
    y, angle = rng.integers(3, size=n), rng.uniform(0, 2 * np.pi, size=n)
    radius = 1 + y + 0.15 * rng.normal(size=n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def waves(rng, n):
    """Points of two interleaved stripes that no line, nor one wide kernel, tells apart."""
    X = rng.uniform(0, 8, size=(n, 2))
    return X, X[:, 0].astype(int) % 2


def fitted(draw, rng, n, **options):
    """A transfer from a source that is right, but in doubt, and points of the target to ask."""
    target, y = draw(rng, n)
    source = 2.5 * np.eye(3)[y] + rng.normal(size=(n, 3))
    teacher = LogisticRegression().fit(2.5 * np.eye(3)[y] + rng.normal(size=(n, 3)), y)
    aligner = NullSpaceAligner(modalities=[3, target.shape[1]])
    model = CrossModalTransferClassifier(FrozenEstimator(teacher), aligner=aligner, **options)
    return model.fit(np.hstack([source, target])), *draw(rng, 1000)


@pytest.mark.parametrize("draw", [squares, rings, waves])
@pytest.mark.parametrize("n", [400, 1500])
def test_curved_classes_are_neither_refused_nor_lost(draw, n):
    """The aligner sees nothing shared, but decisions of one half of the pairs show it."""
    model, X, y = fitted(draw, np.random.default_rng(n), n)
    target = model.target_classifier_
    assert np.mean(target.predict(X) == y) > 0.85
    np.testing.assert_allclose(target.predict_proba(X).sum(axis=1), 1)


def test_a_forest_stays_away_where_discriminants_are_enough():
    """Gaussian classes of one covariance: nothing is gained."""

    def gaussian(rng, n):
        y = rng.integers(3, size=n)
        return 1.5 * np.eye(5)[y] + rng.normal(size=(n, 5)), y

    for seed in range(5):
        model, _, _ = fitted(gaussian, np.random.default_rng(seed), 400)
        assert not hasattr(model.target_classifier_, "forest_")
        assert hasattr(model.target_classifier_, "coef_")


def test_probabilities_are_the_mean_of_both():
    """What attributes say is what is predicted."""
    model, X, _ = fitted(squares, np.random.default_rng(0), 800)
    target = model.target_classifier_
    said = target.forest_.predict(X[:, target.forest_columns_])
    both = target.predict_proba(X)
    del target.forest_
    np.testing.assert_allclose(both, (said + target.predict_proba(X)) / 2)


@few
@given(generators, st.integers(2, 3))
def test_out_of_bag_rows_are_unseen(rng, n_classes):
    """Labels that have nothing to do with the features are not foretold."""
    X, y = rng.normal(size=(300, 4)), rng.integers(n_classes, size=300)
    resp, weights = np.eye(n_classes)[y], np.ones(300)
    forest = grown(X, resp, weights, 30)
    unseen = out_of_bag(forest, X, resp, weights)
    np.testing.assert_allclose(unseen.sum(axis=1), 1)
    assert np.mean(np.argmax(unseen, axis=1) == y) < 1 / n_classes + 0.13
    assert np.mean(np.argmax(forest.predict(X), axis=1) == y) > 0.8


@few
@given(generators, st.integers(2, 9))
def test_order_of_columns_is_theirs(rng, d):
    """Wherever columns stand, the same are asked at the same place."""
    X = rng.normal(size=(50, d)) ** 3
    order = rng.permutation(d)
    np.testing.assert_array_equal(X[:, order][:, column_order(X[:, order])], X[:, column_order(X)])
