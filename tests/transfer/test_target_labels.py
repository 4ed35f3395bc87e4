"""Labels of the target: they teach it directly, beside pairs or alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians

few = settings(max_examples=5, deadline=None)
seeds = st.integers(0, 2**32 - 1)
CUES = 5


def task(seed=0, n=400, n_classes=3, noise=3.0, **options):
    """Rows of the source with labels, pairs, rows of the target alone; and all labels."""
    data = make_paired_gaussians(
        n,
        n_features=(CUES, 6),
        n_classes=n_classes,
        n_latent=3,
        noise=noise,
        random_state=seed,
        **options,
    )
    X, y, part = data.X.copy(), data.y.copy(), n // 4
    X[:part, CUES:] = np.nan
    X[2 * part :, :CUES] = np.nan
    y[part:] = -1
    return X, y, data.y, np.arange(2 * part, 3 * part), np.arange(3 * part, n)


def transfer(**options):
    return CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[CUES, 6]), **options)


def shuffled(X, rng):
    """The same rows, the pairs among them mixed up."""
    X = X.copy()
    pairs = np.flatnonzero(np.isfinite(X).all(axis=1))
    X[pairs, CUES:] = X[rng.permutation(pairs), CUES:]
    return X


@pytest.mark.filterwarnings("ignore:.*takes none of:UserWarning")
def test_a_class_that_only_the_target_has_is_learned():
    """The source has never seen it: no label of its own, no pair."""
    X, y, truth, taught, test = task()
    X, y = X.copy(), y.copy()
    rare = truth == 2
    kept = ~rare | (np.arange(len(X)) >= 200)  # no label of the source, no pair
    y[taught[:60]] = truth[taught[:60]]
    rows = np.flatnonzero(kept & (np.arange(len(X)) < 300))
    model = transfer().fit(X[rows], y[rows])
    assert set(model.classes_) == {0, 1, 2}
    found = model.predict(X[test])
    assert np.mean(found[truth[test] == 2] == 2) > 0.5
    assert np.mean(found == truth[test]) > 0.6


def test_labels_of_the_target_help_where_the_source_is_wrong():
    """A source whose labels are half wrong is corrected by some right ones of the target."""
    X, y, truth, taught, test = task(n=800)
    wrong = np.flatnonzero((truth == 0) & (y >= 0))
    y[wrong[::2]] = 1
    alone = transfer().fit(X[:600], y[:600]).score(X[test], truth[test])
    y[taught] = truth[taught]
    assert transfer().fit(X[:600], y[:600]).score(X[test], truth[test]) > alone + 0.02


def test_pairs_that_share_nothing_leave_labels_of_the_target():
    """A warning says so; without labels it would be the prior."""
    X, y, truth, taught, test = task()
    X = shuffled(X, np.random.default_rng(0))
    y[taught] = truth[taught]
    with pytest.warns(UserWarning, match="those of its 100 labelled rows"):
        model = transfer().fit(X[:300], y[:300])
    supervised = LogisticRegression(max_iter=1000).fit(X[taught, CUES:], truth[taught])
    reached = supervised.score(X[test, CUES:], truth[test])
    assert model.score(X[test], truth[test]) > reached - 0.1
    assert np.ptp(model.predict_proba(X[test]), axis=0).max() > 0.5


@few
@given(seeds)
def test_labels_of_pairs_do_not_teach_the_target_unless_told(seed):
    """With a frozen source they are ignored by default, and taken where all are wanted."""
    X, y, truth, _, test = task(seed % 1000, noise=6.0)
    source = LogisticRegression(max_iter=1000).fit(X[:100, :CUES], truth[:100])
    told = y.copy()
    told[100:200] = truth[100:200]
    blind, deaf, learned = (
        transfer(estimator=FrozenEstimator(source), target_labels=labels).fit(X[:300], given)
        for labels, given in (("unpaired", y[:300]), ("unpaired", told[:300]), ("all", told[:300]))
    )
    said = [m.predict_proba(X[test]) for m in (blind, deaf, learned)]
    np.testing.assert_array_equal(said[0], said[1])
    assert np.abs(said[0] - said[2]).max() > 1e-3


def test_none_of_the_labels_may_teach():
    """As if they were not there; yet a class that only they have is known, and named."""
    X, y, truth, taught, test = task()
    told = y.copy()
    told[taught] = truth[taught]
    deaf = transfer(target_labels="none").fit(X[:300], told[:300])
    blind = transfer().fit(X[:300], y[:300])
    np.testing.assert_array_equal(deaf.predict_proba(X[test]), blind.predict_proba(X[test]))


@few
@given(seeds)
def test_weights_of_labelled_rows_repeat_them(seed):
    """A row of weight two is the row twice, whatever the order."""
    X, y, truth, taught, test = task(seed % 1000)
    y[taught[:20]] = truth[taught[:20]]
    X, y, rng = X[:300], y[:300], np.random.default_rng(seed)
    weights = np.ones(300)
    weights[taught[:20]] = 2
    rows = rng.permutation(np.append(np.arange(300), taught[:20]))
    model = transfer(estimator=GaussianNB())
    found = clone(model).fit(X[rows], y[rows]).predict_proba(X[test - 100])
    expected = model.fit(X, y, sample_weight=weights).predict_proba(X[test - 100])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_classes_that_nothing_shows_are_named():
    """Known from labels of the source, absent from the pairs."""
    X, y, truth, *_ = task(noise=0.1, class_means=9 * np.eye(3))
    kept = (truth != 2) | (y >= 0)
    rows = np.flatnonzero(kept[:300])
    with pytest.warns(UserWarning, match=r"none of \d+ pairs for \[2\]"):
        transfer().fit(X[rows], y[rows])


def test_a_wrong_option_is_named():
    """Both that exist are told."""
    X, y, *_ = task()
    with pytest.raises(ValueError, match="target_labels='some'"):
        transfer(target_labels="some").fit(X, y)
