"""Classes that have labels, and of which pairs have none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.transfer._source import less_absent

few = settings(max_examples=25, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def judged(rng, shares, n=600, distance=2.5):
    """Rows of Gaussian classes of some shares, and their posterior if all were alike."""
    means = distance * rng.normal(size=(len(shares), 4))
    y = rng.choice(len(shares), size=n, p=shares)
    X = means[y] + rng.normal(size=(n, 4))
    return y, softmax(-0.5 * ((X[:, None] - means) ** 2).sum(axis=2), axis=1)


@few
@given(generators, st.integers(4, 8))
def test_absent_classes_are_taken_less(rng, n_classes):
    """Of a true posterior: less is said of these, nothing else changes by more than a factor."""
    shares = np.full(n_classes, 1.0)
    shares[n_classes // 2 :] = 0.0
    y, posterior = judged(rng, shares / shares.sum())
    found = less_absent(posterior, np.ones(len(y)), np.ones(n_classes))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.all(
        found[:, shares == 0].sum(axis=1) <= posterior[:, shares == 0].sum(axis=1) + 1e-12
    )
    assert np.mean(found.argmax(axis=1) == y) >= np.mean(posterior.argmax(axis=1) == y)
    kept = shares > 0
    odds = found[:, kept] * posterior[:, kept].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        odds, posterior[:, kept] * found[:, kept].sum(axis=1, keepdims=True), atol=1e-12
    )


@few
@given(generators, st.integers(2, 8))
def test_present_classes_are_left_alone(rng, n_classes):
    """Shares that differ, down to a third of an even one, change nothing at all."""
    shares = rng.uniform(1 / 3, 1.0, size=n_classes)
    y, posterior = judged(rng, shares / shares.sum())
    assert less_absent(posterior, np.ones(len(y)), np.ones(n_classes)) is posterior


@few
@given(generators)
def test_a_weight_is_a_repeated_row(rng):
    """Weights of two are rows twice, and the order of rows does not show."""
    y, posterior = judged(rng, np.array([0.5, 0.5, 0, 0]), n=200)
    weights = rng.integers(1, 4, size=len(y))
    found = less_absent(posterior, weights.astype(float), np.ones(4))
    rows = rng.permutation(np.repeat(np.arange(len(y)), weights))
    again = less_absent(posterior[rows], np.ones(len(rows)), np.ones(4))
    np.testing.assert_allclose(again, found[rows], atol=1e-9)


def test_a_source_that_errs_is_not_believed():
    """One that takes three of eight classes for a fourth, on other people, proves no absence.

    The likelihood gains more by what the fourth grows than by what the three lose.
    """
    rng = np.random.default_rng(0)
    y, posterior = judged(rng, np.full(8, 1 / 8))
    wrong = np.isin(y, (0, 2, 4))
    posterior[wrong] = 0.001
    posterior[wrong, 1] = 1 - 7 * 0.001
    assert less_absent(posterior, np.ones(len(y)), np.ones(8)) is posterior


def test_few_pairs_show_no_absence():
    """Fewer than five that a class would have."""
    y, posterior = judged(np.random.default_rng(1), np.array([0.5, 0.5, 0, 0, 0, 0]), n=24)
    assert less_absent(posterior, np.ones(len(y)), np.ones(6)) is posterior


def task():
    """Six classes with labels, three in the pairs and later."""
    data = make_paired_gaussians(
        1200, n_features=(6, 8), n_latent=4, n_classes=6, noise=1.5, random_state=3
    )
    X, y = data.X.copy(), data.y.copy()
    keep = np.arange(1200) < 300
    keep |= y < 3
    X, y = X[keep], y[keep]
    truth, end = y.copy(), (300 + len(y)) // 2
    X[:300, 6:] = np.nan
    X[end:, :6] = np.nan
    y[300:] = -1
    return X[:end], y[:end], X[end:], truth[end:]


def test_absent_classes_swallow_nobody():
    """They are named, and better predictions come of it than where labels lack them, nearly."""
    X, y, new, truth = task()
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[6, 8]))
    with pytest.warns(UserWarning, match=r"none of \d+ pairs for"):
        found = model.fit(X, y).predict(new)
    assert np.mean(found >= 3) < 0.02
    told = (y < 3) | (np.arange(len(y)) >= 300)
    best = model.fit(X[told], y[told]).score(new, truth)
    assert np.mean(found == truth) > best - 0.05


@pytest.mark.filterwarnings("ignore:The source takes none")
def test_a_frozen_source_is_taken_at_its_word():
    """No label beside it says what it has learned from."""
    X, y, new, _ = task()
    source = LogisticRegression(max_iter=1000).fit(X[:300, :6], y[:300])
    model = CrossModalTransferClassifier(
        FrozenEstimator(source), aligner=NullSpaceAligner(modalities=[6, 8])
    )
    wrong = np.where(y >= 0, (y + 1) % 6, y)
    found = [model.fit(X, labels).predict_proba(new) for labels in (y, wrong)]
    np.testing.assert_array_equal(*found)
