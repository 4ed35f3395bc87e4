"""Whatever an estimator has gone through, it is as one that has seen the same rows at once."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skalign import NullSpaceAligner, ZeroShotClassifier
from skalign.testing import PairedData

WIDTHS = (2, 3)
# So many different pairs tell directions and their signs apart from rounding.
ENOUGH = 12
batches = st.builds(
    PairedData,
    n=st.integers(1, 25),
    widths=st.just(WIDTHS),
    rank=st.just(2),
    noise=st.just(0.7),
    missing=st.sampled_from(["none", "some", "never", "alone"]),
    weights=st.sampled_from(["none", "counts", "reals"]),
    powers=st.sampled_from([(), (3, -3)]),
    seed=st.integers(0, 10_000),
)
BAD = {
    "infinity": lambda X: (np.where(np.arange(5) == 3, np.inf, X), None),
    "partly missing": lambda X: (np.where(np.arange(5) == 3, np.nan, X), None),
    "width": lambda X: (X[:, :4], None),
    "negative weights": lambda X: (X, -np.ones(len(X))),
    "no weight": lambda X: (X, np.zeros(len(X))),
    "weights of others": lambda X: (X, np.ones(len(X) + 1)),
    "nothing": lambda X: (X[:0], None),
}


def rows_of(batch):
    """Rows that have something, and their weights."""
    X, w = batch.X, batch.sample_weight
    w = np.ones(batch.n) if w is None else w.astype(float)
    return X, w


class Streams(RuleBasedStateMachine):
    """NullSpaceAligner by partial_fit and merge, against fit on all rows."""

    @initialize(solver=st.sampled_from(["auto", "covariance", "qr"]), whiten=st.booleans())
    def begin(self, solver, whiten):
        self.aligner = NullSpaceAligner(
            1, modalities=list(WIDTHS), solver=solver, whiten=whiten, random_state=0
        )
        self.rows = []

    @rule(batch=batches)
    def learn(self, batch):
        X, w = rows_of(batch)
        if w.any():
            self.aligner.partial_fit(X, sample_weight=w)
            self.rows.append((X, w))

    @rule(parts=st.lists(batches, min_size=1, max_size=2))
    def merge(self, parts):
        """Another one, which stays as it is."""
        parts = [part for part in map(rows_of, parts) if part[1].any()]
        if not (self.rows and parts):
            return
        other = clone(self.aligner)
        for X, w in parts:
            other.partial_fit(X, sample_weight=w)
        before = pickle.dumps(other)
        self.aligner.merge(other)
        assert pickle.dumps(other) == before
        self.rows += parts

    @precondition(lambda self: len(self.rows) < 6)
    @rule()
    def merge_itself(self):
        """All rows count twice."""
        if self.rows:
            self.aligner.merge(copy.deepcopy(self.aligner))
            self.rows = self.rows * 2

    @rule(how=st.sampled_from(["pickle", "deepcopy", "copy"]))
    def resume(self, how):
        """A copy goes on; what it learns does not reach the one that it was copied from."""
        left = self.aligner
        before = pickle.dumps(left)
        if how == "pickle":
            self.aligner = pickle.loads(before)
        else:
            self.aligner = getattr(copy, how)(left)
        X, w = rows_of(PairedData(3, WIDTHS, rank=2))
        self.aligner.partial_fit(X, sample_weight=w)
        self.rows.append((X, w))
        assert pickle.dumps(left) == before

    @rule(kind=st.sampled_from(list(BAD)))
    def fail(self, kind):
        """A bad batch is refused, and leaves no trace."""
        X, w = BAD[kind](PairedData(6, WIDTHS, rank=2).X)
        if kind == "width" and not self.rows:
            return  # nobody knows the width yet, but the modalities: refused by these
        before = pickle.dumps(self.aligner)
        with pytest.raises(ValueError, match=r"\w"):
            self.aligner.partial_fit(X, sample_weight=w)
        assert pickle.dumps(self.aligner) == before

    @rule(
        parameters=st.fixed_dictionaries(
            {},
            optional={
                "n_components": st.sampled_from([1, 2]),
                "whiten": st.booleans(),
                "center": st.booleans(),
                "shrinkage": st.sampled_from(["auto", None, 0.3]),
            },
        )
    )
    def set_params(self, parameters):
        """Counts from the next batch on."""
        self.aligner.set_params(**parameters)
        X, w = rows_of(PairedData(2, WIDTHS, rank=2, seed=1))
        if self.aligner.n_components == 2 and not self.rows:
            return
        self.aligner.partial_fit(X, sample_weight=w)
        self.rows.append((X, w))

    @precondition(lambda self: self.rows)
    @rule()
    def start_anew(self):
        """A fit in one go forgets the sums, and partial_fit after it starts anew."""
        X, w = rows_of(PairedData(20, WIDTHS, rank=2, seed=2))
        self.aligner.fit(X)
        with pytest.warns(UserWarning, match="starts anew"):
            self.aligner.partial_fit(X)
        self.rows = [(X, w)]

    @invariant()
    def is_as_one_that_saw_all_rows(self):
        if not getattr(self, "rows", None):
            return
        X, w = (np.concatenate(part) for part in zip(*self.rows, strict=True))
        pairs = np.isfinite(X).all(axis=1) & (w > 0)
        if len(np.unique(X[pairs], axis=0)) < ENOUGH:
            return
        whole = clone(self.aligner).fit(X, sample_weight=w)
        assert self.aligner.n_pairs_ == whole.n_pairs_
        np.testing.assert_array_equal(self.aligner.ranks_, whole.ranks_)
        np.testing.assert_allclose(self.aligner.correlations_, whole.correlations_, atol=1e-6)
        np.testing.assert_allclose(self.aligner.pvalues_, whole.pvalues_, atol=1e-5)
        scale = 1e-6 * max(1.0, np.abs(whole.transform(X[pairs])).max())
        np.testing.assert_allclose(
            np.abs(self.aligner.transform(X[pairs])),
            np.abs(whole.transform(X[pairs])),
            atol=scale,
        )


class Prototypes(RuleBasedStateMachine):
    """ZeroShotClassifier by add_classes, against fit to all prototypes."""

    @initialize(seed=st.integers(0, 100))
    def begin(self, seed):
        pairs = PairedData(60, WIDTHS, rank=2, noise=0.2, seed=seed).X
        aligner = NullSpaceAligner(2, modalities=list(WIDTHS)).fit(pairs)
        self.aligner, self.probe = FrozenEstimator(aligner), pairs
        self.rows, self.labels, self.weights = pairs[:3], np.array([0, 1, 1]), np.ones(3)
        self.model = ZeroShotClassifier(self.aligner)
        self.model.fit(self.rows, self.labels, sample_weight=self.weights)

    @rule(
        seed=st.integers(0, 10_000),
        labels=st.lists(st.integers(0, 4), min_size=1, max_size=4),
        weight=st.sampled_from([1.0, 2.0, 0.5]),
    )
    def add(self, seed, labels, weight):
        X = np.random.default_rng(seed).normal(size=(len(labels), 5))
        w = np.full(len(labels), weight)
        self.model.add_classes(X, labels, sample_weight=w)
        self.rows = np.vstack([self.rows, X])
        self.labels = np.append(self.labels, labels)
        self.weights = np.append(self.weights, w)

    @rule(kind=st.sampled_from(["no label", "no source", "infinity", "twin"]))
    def fail(self, kind):
        X, y = self.probe[:1].copy(), [7]
        if kind == "no label":
            y = [-1]
        elif kind == "no source":
            X[:, :2] = np.nan
        elif kind == "infinity":
            X[:, 0] = np.inf
        else:  # like the only prototype of class 0
            if np.sum(self.labels == 0) > 1:
                return
        before = pickle.dumps(self.model)
        with pytest.raises(ValueError, match=r"\w"):
            self.model.add_classes(X, y)
        assert pickle.dumps(self.model) == before

    @rule()
    def resume(self):
        left = self.model
        before = pickle.dumps(left)
        self.model = copy.deepcopy(left)
        self.add(seed=1, labels=[3], weight=1.0)
        assert pickle.dumps(left) == before

    @invariant()
    def is_as_one_that_was_fitted_to_all(self):
        if not hasattr(self, "model"):
            return
        whole = ZeroShotClassifier(self.aligner)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            whole.fit(self.rows, self.labels, sample_weight=self.weights)
        np.testing.assert_array_equal(self.model.classes_, whole.classes_)
        np.testing.assert_allclose(
            self.model.predict_proba(self.probe), whole.predict_proba(self.probe), atol=1e-9
        )


few = settings(
    max_examples=25,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestStreams = Streams.TestCase
TestStreams.settings = few
TestPrototypes = Prototypes.TestCase
TestPrototypes.settings = few
