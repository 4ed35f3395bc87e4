"""Directions and a forest beside the discriminants: for what these cannot tell apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.transfer import _ensemble
from skalign.transfer._ensemble import (
    _flat,
    column_order,
    directions,
    forest_of,
    power_of,
)

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


def gaussian(rng, n, n_features=8):
    """Gaussian classes of one covariance."""
    y = rng.integers(3, size=n)
    return 1.2 * np.eye(n_features)[y] + rng.normal(size=(n, n_features)), y


@pytest.mark.parametrize("n_features", [2, 8])
def test_probabilities_are_the_mean_of_all(n_features):
    """What attributes say is what is predicted; two columns have no direction."""
    draw = squares if n_features == 2 else gaussian
    model, X, _ = fitted(draw, np.random.default_rng(0), 800)
    target = model.target_classifier_
    together, exponent = target.predict_proba(X), target.calibration_exponent_
    points = (X - target.view_mean_) * target.view_weights_
    nodes = np.tile(target.tree_roots_, (len(X), 1))
    for _ in range(100):  # down every tree, leaves lead to themselves
        beyond = points[np.arange(len(X))[:, None], target.tree_features_[nodes]]
        beyond = (beyond > target.tree_thresholds_[nodes]).astype(int)
        nodes = target.tree_children_[beyond, nodes]
    said = [target.tree_values_[nodes].mean(axis=1)]
    if n_features > 2:
        along = directions(points, target.view_weights_ > 0)
        said.append(target.direction_classifier_.predict_proba(along))
    del target.calibration_exponent_
    said.append(target.predict_proba(X))
    assert hasattr(target, "direction_classifier_") == (n_features > 2)
    mean = np.mean(said, axis=0) ** exponent
    np.testing.assert_allclose(together, mean / mean.sum(axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("draw", [squares, gaussian])
def test_where_pairs_are_many_a_view_has_to_help(draw, monkeypatch):
    """A forest of a checkerboard does; Gaussian classes of one covariance need none."""
    monkeypatch.setattr(_ensemble, "MANY", 800)
    model, X, y = fitted(draw, np.random.default_rng(2), 1600)
    target = model.target_classifier_
    assert hasattr(target, "tree_roots_") == (draw is squares)
    assert np.mean(target.predict(X) == y) > (0.9 if draw is squares else 0.65)


def offset(rng, n):
    """An offset that all columns of a row share, far larger than what tells classes apart."""
    X, y = gaussian(rng, n)
    return X + 10 * rng.normal(size=(n, 1)), y


def gain(rng, n):
    """Rows of any length: their direction tells classes apart."""
    X, y = gaussian(rng, n)
    return X * np.exp(1.5 * rng.normal(size=(n, 1))), y


@pytest.mark.parametrize("nuisance", [offset, gain])
def test_nuisances_of_rows_are_seen_through(nuisance):
    """At the cost of little accuracy beside the same rows without them."""
    model, X, y = fitted(nuisance, np.random.default_rng(1), 600)
    plain, Z, _ = fitted(gaussian, np.random.default_rng(1), 600)
    found, best = model.target_classifier_.predict(X), plain.target_classifier_.predict(Z)
    assert np.mean(found == y) > np.mean(best == y) - 0.08


def test_the_mean_is_calibrated():
    """A mean of models that are each calibrated doubts too much; as often right as it says."""
    model, X, y = fitted(gaussian, np.random.default_rng(3), 3000)
    proba = model.target_classifier_.predict_proba(X)
    assert abs(np.mean(proba.argmax(axis=1) == y) - proba.max(axis=1).mean()) < 0.04
    assert model.target_classifier_.calibration_exponent_ > 1


def of_features(X, mean, unit):
    """Directions of rows that are not standardized yet."""
    return directions((X - mean) * unit, unit > 0)


@few
@given(generators, st.integers(2, 200), st.floats(1e-12, 1e5))
def test_powers_are_class_probabilities(rng, n_classes, exponent):
    """However high: the most probable class is left, and order stays."""
    proba = rng.dirichlet(np.full(n_classes, 100.0), size=20)
    found = power_of(proba, exponent)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found.argmax(axis=1), proba.argmax(axis=1))


@few
@given(generators, st.integers(3, 9), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_directions_know_neither_offset_nor_gain(rng, d, shift, factor):
    """Of standardized rows; they have length one, or none where all features are alike."""
    X, mean, unit = rng.normal(size=(5, d)), rng.normal(size=d), rng.uniform(0.5, 2, size=d)
    found = of_features(X, mean, unit)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)
    moved = mean + (factor * (X - mean) * unit + shift) / unit
    np.testing.assert_allclose(of_features(moved, mean, unit), found, atol=1e-6)
    assert not of_features(mean[None], mean, unit).any()


@few
@given(generators, st.integers(3, 6))
def test_constant_features_have_no_part_in_directions(rng, d):
    """Neither in the mean over the row, nor in its length; and nothing overflows."""
    X, mean, unit = rng.normal(size=(5, d)), rng.normal(size=d), rng.uniform(0.5, 2, size=d)
    found = of_features(np.insert(X, 1, 7.0, axis=1), np.insert(mean, 1, 3), np.insert(unit, 1, 0))
    np.testing.assert_allclose(found, np.insert(of_features(X, mean, unit), 1, 0, axis=1))
    far = of_features(1e200 * X, 0 * mean, unit)
    np.testing.assert_allclose(far, of_features(X, 0 * mean, unit))


@few
@given(generators, st.integers(2, 3))
def test_rows_are_judged_by_trees_that_have_not_drawn_them(rng, n_classes):
    """Labels that have nothing to do with the features are not foretold."""
    X, y = rng.normal(size=(300, 4)), rng.integers(n_classes, size=300)
    resp, weights = np.eye(n_classes)[y], np.ones(300)
    forest, unseen = forest_of(X, resp, weights)
    np.testing.assert_allclose(unseen.sum(axis=1), 1)
    assert np.mean(np.argmax(unseen, axis=1) == y) < 1 / n_classes + 0.13
    assert np.mean(np.argmax(forest.predict_proba(X), axis=1) == y) > 0.8


@few
@given(generators, st.integers(1, 9), st.integers(1, 5))
def test_a_forest_of_arrays_is_that_of_scikit_learn(rng, d, n_classes):
    """Node by node, wherever columns stand."""
    X, resp = rng.normal(size=(200, d)), rng.dirichlet(np.ones(n_classes), size=200)
    trees = RandomForestRegressor(7, min_samples_leaf=3, random_state=0).fit(
        X, resp if n_classes > 1 else resp.ravel()
    )
    columns, Z = rng.permutation(d), rng.normal(size=(50, d))
    moved = np.empty(Z.shape)
    moved[:, columns] = Z
    found = _flat(trees.estimators_, columns).predict_proba(moved)
    np.testing.assert_allclose(found, trees.predict(Z).reshape(50, -1), atol=1e-12)


def test_many_pairs_are_taught_by_some(monkeypatch):
    """A forest of some of them says something of the others, too."""
    monkeypatch.setattr(_ensemble, "MOST_ROWS", 300)
    X, y = squares(np.random.default_rng(0), 900)
    resp = np.eye(2)[y]
    forest, proba = forest_of(X - 2, resp, np.ones(900))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.mean(proba.argmax(axis=1) == y) > 0.8
    assert np.isfinite(forest.predict_proba(np.full((3, 2), 1e200))).all()


@few
@given(generators, st.integers(2, 9))
def test_order_of_columns_is_theirs(rng, d):
    """Wherever columns stand, the same are asked at the same place."""
    X = rng.normal(size=(50, d)) ** 3
    order = rng.permutation(d)
    np.testing.assert_array_equal(X[:, order][:, column_order(X[:, order])], X[:, column_order(X)])
