"""How often modalities that know nothing of each other are taken for related.

Permutations of rows and of groups are held to their level in tests/model_selection and
tests/transfer, on rows of many laws and on series; here are the p-values of the aligner, which
suppose a law, and refusals as a whole. More draws: benchmarks/levels.py.
"""

import warnings

import numpy as np
import pytest
from scipy.stats import binom, hypergeom, norm, t
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from skalign import (
    CrossModalRetriever,
    CrossModalTransferClassifier,
    NullSpaceAligner,
    ZeroShotClassifier,
)
from skalign.model_selection import permutation_test
from skalign.transfer._distillation import decisions_pvalue

LAWS = {
    "Gaussian": lambda Z: Z,
    "heavy tails": lambda Z: t.ppf(norm.cdf(Z), 3),
    "one-hot": lambda Z: np.eye(4)[Z.argmax(axis=1)][:, 1:],
    "lognormal": np.exp,
    "rarely lit": lambda Z: (Z > 2).astype(float),
}


def not_more_often(found, level):
    """Whether no more draws than chance allows, at one in a thousand, reach a level."""
    return np.sum(found) <= binom.ppf(0.999, len(found), level)


def unrelated(seed, law, n=120, n_modalities=2):
    """Blocks that know nothing of each other."""
    rng = np.random.default_rng(seed)
    return [LAWS[law](rng.normal(size=(n, 4))) for _ in range(n_modalities)]


def pvalue_of(seed, law, n_modalities=2):
    """The smallest p-value of an aligner."""
    blocks = unrelated(seed, law, n_modalities=n_modalities)
    aligner = NullSpaceAligner(modalities=[X.shape[1] for X in blocks], random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return aligner.fit(np.hstack(blocks)).pvalues_[0]


@pytest.mark.parametrize(
    ("law", "n_modalities"), [("Gaussian", 2), ("one-hot", 2), ("Gaussian", 3)]
)
def test_pvalues_of_the_aligner_hold_their_level(law, n_modalities):
    """Of Gaussian rows, as they suppose, and where columns are not far from that."""
    draws = 300 if n_modalities == 2 else 100
    found = np.array([pvalue_of(seed, law, n_modalities) for seed in range(draws)])
    for level in (0.01, 0.05, 0.2):
        assert not_more_often(found <= level, level)


def test_pvalues_of_the_aligner_are_too_small_of_rarely_lit_columns():
    """As the documentation says; a permutation test of the same rows is not fooled as often."""
    found = np.array([pvalue_of(seed, "rarely lit") for seed in range(300)])
    assert not not_more_often(found <= 0.05, 0.05)
    again = np.ones(300)
    for seed in np.flatnonzero(found <= 0.05):
        X = np.hstack(unrelated(seed, "rarely lit"))
        again[seed] = permutation_test(X, n_permutations=99)[2]
    assert not_more_often(again <= 0.05, 0.05)


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_decided", [1, 2, 3, 10, 60])
def test_few_decisions_hold_the_level(n_decided):
    """A class in ten rows, and few rows that the target takes for it: no normal law holds there.

    Beside the hypergeometric law of how often both say it.
    """
    n, level, rng = 200, 0.00125, np.random.default_rng(n_decided)
    posterior = np.eye(2)[(np.arange(n) < n // 10).astype(int)]
    decided, found = (np.arange(n) < n_decided).astype(int), []
    for _ in range(1500):
        found.append(decisions_pvalue(posterior, rng.permutation(decided), np.ones(n), level))
    assert not_more_often(np.array(found) <= level, level)
    for both in range(min(n_decided, 20) + 1):  # rows of which both say so
        order = np.concatenate([np.arange(both), 20 + np.arange(n - both)])[:n_decided]
        chosen = np.zeros(n, dtype=int)
        chosen[order] = 1
        exact = hypergeom.sf(both - 1, n, 20, n_decided)
        if exact > 2 * level:
            assert decisions_pvalue(posterior, chosen, np.ones(n), level) > level / 2
        if exact < level / 10:
            assert decisions_pvalue(posterior, chosen, np.ones(n), level) <= level


class Threshold(ClassifierMixin, BaseEstimator):
    """Sure that a row in ten is of the second class."""

    def fit(self, X, y=None):
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X):
        high = X[:, 0] > norm.isf(0.1)
        return np.column_stack([~high, high]).astype(float)

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


@pytest.mark.parametrize("n", [40, 100])
def test_transfers_refuse_unrelated_pairs(n):
    """One in a hundred may pass, of any law of the target, with a sure source of a rare class."""
    passed = []
    for seed in range(24):
        source = unrelated(seed, "Gaussian", n, 1)[0]
        target = unrelated(1000 + seed, list(LAWS)[seed % 4], n, 1)[0]
        model = CrossModalTransferClassifier(
            FrozenEstimator(Threshold().fit(source)),
            aligner=NullSpaceAligner(modalities=[4, target.shape[1]]),
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(np.hstack([source, target]))
        passed.append(not any("share nothing" in str(w.message) for w in caught))
    assert not_more_often(np.array(passed), 0.01)


def test_who_asks_the_pvalues_of_the_aligner():
    """Retrieval and prototypes warn where the first is above one in a hundred, and only there."""
    for seed in range(12):
        X = np.hstack(unrelated(seed, "Gaussian", 40))
        X[:, 4:] += 0.12 * seed * X[:, :4]
        y = np.r_[0, 1, np.full(38, -1)]
        for model, given in ((CrossModalRetriever(), (X,)), (ZeroShotClassifier(), (X, y))):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(*given)
            assert len(caught) == (model.aligner_.pvalues_[0] > 0.01)
