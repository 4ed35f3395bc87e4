"""Class means of the source in a target: by a plain loop, and blind to the pairs they judge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign._blocks import resolve
from skalign.datasets import make_paired_gaussians
from skalign.moments._rows import ArrayRows
from skalign.transfer import _classifier
from skalign.transfer._source import soft_labels
from skalign.transfer._task import (
    HEAVIEST,
    N_FOLDS,
    SHARE,
    Standardization,
    TransferTask,
    anchor_folds,
    with_anchors,
)

few = settings(max_examples=25, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = [3, 4]


# -- class means ---------------------------------------------------------------------------------


@few
@given(generators, st.booleans())
def test_class_means_are_those_of_a_plain_loop(rng, weighted):
    """Over rows of the source alone, by its decisions and weights; NaN for all others."""
    X, y = rng.normal(size=(80, 7)), np.append(np.arange(80) % 3, 7)
    X = np.vstack([X, np.full(7, np.nan)])
    X[80, 3:] = 1.0  # class 7 has no source
    X[rng.permutation(80)[:20], 3:] = np.nan
    X[rng.permutation(60)[:5], :3] = np.nan
    X[np.isnan(X).all(axis=1)] = 1.0
    known = np.append(rng.random(80) < 0.6, True)
    known[60:66] = True  # classes 0, 1, 2 have the source
    weights = rng.integers(0, 3, size=81) + (np.arange(81) >= 60) if weighted else None
    weights = None if weights is None else weights.astype(float)
    rows = ArrayRows(X, weights, resolve(WIDTHS, 7))
    source = LogisticRegression()
    classes, soft = soft_labels({0: source}, X, y, known, rows, (1,), {})
    sums, counts = np.zeros((4, 3)), np.zeros(4)
    for i in range(81):
        w = 1.0 if weights is None else weights[i]
        if np.isnan(X[i, 3]) and not np.isnan(X[i, 0]) and w:
            c = source.predict(X[i : i + 1, :3])[0]
            sums[c] += w * X[i, :3]
            counts[c] += w
    assert classes.tolist() == [0, 1, 2, 7]
    some = counts > 0
    np.testing.assert_allclose(soft.means[some, :3], sums[some] / counts[some, None], atol=1e-12)
    assert np.isnan(soft.means[~some]).all()
    assert np.isnan(soft.means[:, 3:]).all()


# -- folds ---------------------------------------------------------------------------------------


def task_of(rng, n, n_classes, n_known, weight=1.0):
    """A task of so many different pairs, each there twice; the source lacks some classes."""
    standard = Standardization(rng.normal(size=2), np.full(2, 0.5), np.full(2, 2.0), None)
    posterior = np.zeros((n, n_classes))
    known = np.sort(rng.permutation(n_classes)[:n_known])
    posterior[:, known] = rng.dirichlet(np.ones(n_known), size=n)
    nothing, inverse = (np.zeros((0, 2)), np.zeros(0)), rng.permutation(np.repeat(np.arange(n), 2))
    pairs = np.sort(rng.permutation(3 * n)[: 2 * n])
    points, weights = rng.normal(size=(n, 2)), np.full(n, weight)
    of_pairs = standard, pairs, inverse, np.zeros(n, dtype=bool)
    return TransferTask(points, posterior, weights, *nothing, *of_pairs), known


@few
@given(generators, st.integers(2 * N_FOLDS, 60))
def test_folds_partition_the_different_pairs(rng, n):
    """Each is held out once, in folds of about one size; repeats of a pair stay together."""
    task, _ = task_of(rng, n, 4, 3)
    folds = anchor_folds(task)
    assert len(folds) == N_FOLDS
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(n))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    held = [task.pairs[np.isin(task.inverse, fold)] for fold in folds]
    np.testing.assert_array_equal(np.sort(np.concatenate(held)), task.pairs)
    for row, pair in zip(task.pairs, task.inverse, strict=True):
        assert [row in rows for rows in held] == [pair in fold for fold in folds]


def test_there_are_no_folds_where_anchors_cannot_matter():
    """Too few pairs to leave some out, or so many that anchors weigh nothing beside them."""
    rng = np.random.default_rng(0)
    assert anchor_folds(task_of(rng, 2 * N_FOLDS - 1, 4, 4)[0]) == []
    for n_known in (2, 4):
        most = n_known * HEAVIEST / SHARE / 100  # weight of each of 100 pairs
        assert len(anchor_folds(task_of(rng, 100, 4, n_known, 0.99 * most)[0])) == N_FOLDS
        assert anchor_folds(task_of(rng, 100, 4, n_known, 1.01 * most)[0]) == []


@few
@given(generators)
def test_anchors_are_classes_whose_means_came_everywhere(rng):
    """Of the known classes, counted among them; standardized like the points."""
    task, known = task_of(rng, 30, 5, 4)
    folds = anchor_folds(task)
    carried = [rng.normal(size=(5, 2)) for _ in range(1 + N_FOLDS)]
    lost = rng.permutation(5)[: rng.integers(0, 3)]
    for c in lost:
        carried[rng.integers(1 + N_FOLDS)][c, rng.integers(2)] = np.nan
    found = with_anchors(task, folds, carried).anchors
    names = [c for c in known if c not in lost]
    assert known[found.classes].tolist() == names
    standard = task.standardization
    for points, means in zip([found.points, *(p for _, p in found.folds)], carried, strict=True):
        np.testing.assert_allclose(points, (means[names] - standard.mean) * standard.unit)
    for (held, _), fold in zip(found.folds, folds, strict=True):
        np.testing.assert_array_equal(held, fold)
    carried[0][:] = np.nan
    assert with_anchors(task, folds, carried).anchors is None


# -- what held-out anchors have seen -------------------------------------------------------------


def fitted_task(X, y, monkeypatch, frozen=None):
    """The task that a fit has come to, anchors included."""
    tasks = []

    def watched(task, **options):
        tasks.append(task)
        return distil(task, **options)

    distil = _classifier.distil
    with monkeypatch.context() as patch:
        patch.setattr(_classifier, "distil", watched)
        space = NullSpaceAligner(modalities=WIDTHS, random_state=0) if frozen is None else frozen
        CrossModalTransferClassifier(aligner=space).fit(X, y)
    return tasks[0]


def labelled_and_paired(seed):
    """Labelled rows of the source, and forty pairs without a label, ten of them twice."""
    data = make_paired_gaussians(
        140, n_features=WIDTHS, n_latent=2, n_classes=3, noise=0.5, random_state=seed
    )
    X, y = np.vstack([data.X, data.X[100:110]]), np.append(data.y, data.y[100:110])
    X[:100, 3:] = np.nan
    y[100:] = -1
    return X, y


def in_features(task, points):
    """Where anchors are in the units of the modality."""
    return points * task.standardization.scale + task.standardization.mean


@pytest.mark.parametrize("seed", range(3))
def test_held_out_anchors_do_not_depend_on_the_held_pairs(seed, monkeypatch):
    """They are class means filled in by an aligner of all other pairs, whatever these hold."""
    X, y = labelled_and_paired(seed)
    task = fitted_task(X, y, monkeypatch)
    assert len(task.anchors.folds) == N_FOLDS
    plain, pairs = in_features(task, task.anchors.points), np.arange(100, 150)
    decided = LogisticRegression(max_iter=1000).fit(X[:100, :3], y[:100]).predict(X[:100, :3])
    means = np.full((3, 7), np.nan)
    means[:, :3] = [X[:100, :3][decided == c].mean(axis=0) for c in range(3)]
    for held, points in task.anchors.folds:
        found, rows = in_features(task, points), task.pairs[np.isin(task.inverse, held)]
        aligner = NullSpaceAligner(modalities=WIDTHS).fit(X[np.setdiff1d(pairs, rows)])
        np.testing.assert_allclose(found, aligner.impute(means)[:, 3:], rtol=1e-6, atol=1e-6)
        assert np.abs(found - plain).max() > 1e-3


def test_a_frozen_aligner_carries_the_same_means_everywhere(monkeypatch):
    """It has not been fitted on these pairs."""
    X, y = labelled_and_paired(0)
    other = make_paired_gaussians(
        90, n_features=WIDTHS, n_latent=2, n_classes=3, noise=0.5, random_state=0
    )
    frozen = FrozenEstimator(NullSpaceAligner(modalities=WIDTHS).fit(other.X))
    task = fitted_task(X, y, monkeypatch, frozen)
    for _, points in task.anchors.folds:
        np.testing.assert_array_equal(points, task.anchors.points)


@pytest.mark.parametrize("seed", range(5))
def test_a_frozen_source_gets_no_label(seed):
    """Whatever labels stand beside it, also wrong ones, predictions are those without any."""
    X, y = labelled_and_paired(seed)
    source = FrozenEstimator(LogisticRegression().fit(X[:50, :3], y[:50]))
    model = CrossModalTransferClassifier(source, aligner=NullSpaceAligner(modalities=WIDTHS))
    found = [
        model.fit(X, labels).predict_proba(X[100:])
        for labels in (np.full(len(y), -1), y, np.where(y < 0, -1, (y + 1) % 3))
    ]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
