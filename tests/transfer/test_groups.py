"""Pairs of subjects: whether they share anything is asked of whole groups."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier
from skalign._utils._rows import members_of
from skalign.alignment._significance import shuffled_pvalue
from skalign.datasets import make_paired_gaussians
from skalign.transfer._distillation import permutation_pvalue
from skalign.transfer._task import some_of_groups

SUBJECTS, LENGTH = 10, 16


def recordings(seed, common=0.0):
    """Two modalities of ten subjects, a slow series each, and what the source says of the rows."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(3, SUBJECTS, LENGTH + 60, 4))
    walks = lfilter([1], [1, -0.9], steps, axis=2)[:, :, 60:].reshape(3, -1, 4)
    walks /= walks.std(axis=1, keepdims=True)
    shared = np.sqrt(common) * walks[2]
    source, target = (shared + np.sqrt(1 - common) * walk for walk in walks[:2])
    return source, target, (source[:, 0] > 0).astype(int)


GROUPS = np.repeat(np.arange(SUBJECTS), LENGTH)


def both_pvalues(seed, groups, common=0.0):
    """Of decisions, and of correlations."""
    source, target, y = recordings(seed, common)
    said, members, one = np.eye(2)[y] * 0.8 + 0.1, members_of(groups), np.ones(len(y))
    decisions = permutation_pvalue(target, said, one, False, members)
    return decisions, shuffled_pvalue((source, target), one, members)


def test_series_that_know_nothing_of_each_other_are_refused():
    """Both tests hold their level; taken for independent rows, nearly all draws are fooled."""
    grouped = np.array([both_pvalues(seed, GROUPS) for seed in range(60)])
    for level in (0.01, 0.05, 0.2):
        assert (np.sum(grouped <= level, axis=0) <= binom.ppf(0.9995, 60, level)).all()
    assert np.sum(grouped.min(axis=1) <= 0.005) <= binom.ppf(0.999, 60, 0.01)
    apart = np.array([both_pvalues(seed, None) for seed in range(12)])
    assert np.mean(apart.min(axis=1) <= 0.005) > 0.9
    shared = np.array([both_pvalues(seed, GROUPS, 0.8) for seed in range(12)])
    assert np.mean(shared.min(axis=1) <= 0.005) > 0.9


def test_fit_refuses_by_groups():
    """Where groups say nothing is shared the prior is predicted, and only there."""
    for seed in range(2):
        source, target, y = recordings(seed)
        X = np.hstack([source, target])
        with pytest.warns(UserWarning, match="share nothing beyond chance"):
            CrossModalTransferClassifier().fit(X, y, groups=GROUPS)
        assert CrossModalTransferClassifier().fit(X, y).agreement_ > 0  # fooled, without a word
    source, target, y = recordings(0, common=0.9)
    X, names = np.hstack([source, target]), np.array(list("abcdefghij"))[GROUPS]
    model = CrossModalTransferClassifier().fit(X, y, groups=names)
    assert model.score(X, y) > 0.75
    # neither names nor the order of groups matter, as long as their rows stay in theirs
    order = np.concatenate([np.flatnonzero(g == GROUPS) for g in (3, 9, 0, 1, 2, 8, 4, 5, 7, 6)])
    again = CrossModalTransferClassifier().fit(X[order], y[order], groups=GROUPS[order])
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-8)


def test_some_rows_of_each_group():
    """In the order of their places, whatever the order in which they are."""
    rng = np.random.default_rng(0)
    places = rng.permutation(40)
    groups = places // 10
    own, members = some_of_groups(groups, places, 20)
    assert len(own) == 20
    assert [len(rows) for rows in members] == [5, 5, 5, 5]
    for rows in members:
        assert len(set(groups[own[rows]])) == 1
        assert (np.diff(places[own[rows]]) > 0).all()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_search_gets_the_groups(wrapped):
    """Of its labelled rows, in a pipeline and by routing, too; a plain classifier does not."""
    data = make_paired_gaussians(160, n_features=(4, 4), noise=0.3, random_state=0)
    X, y = data.X.copy(), data.y.copy()
    X[:60, 4:], y[60:] = np.nan, -1
    X, y, groups = X[::-1], y[::-1], np.arange(160) // 8
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=GroupKFold(3))
    estimator = make_pipeline(StandardScaler(), search) if wrapped else search
    model = CrossModalTransferClassifier(estimator).fit(X, y, groups=groups)
    with config_context(enable_metadata_routing=True):
        routed = CrossModalTransferClassifier(estimator).fit(X, y, groups=groups)
        CrossModalTransferClassifier().fit(X, y, groups=groups)
    np.testing.assert_array_equal(routed.predict_proba(X[:90]), model.predict_proba(X[:90]))
    with pytest.raises(ValueError, match="groups"):
        CrossModalTransferClassifier(estimator).fit(X, y)
    CrossModalTransferClassifier(predict_from="available").fit(X, y, groups=groups)


def test_anchors_are_tried_on_whole_groups():
    """Of few pairs, of which some groups have a single one; a single group has no folds."""
    data = make_paired_gaussians(
        130, n_features=(6, 6), n_latent=4, n_classes=3, noise=0.4, random_state=0
    )
    X, y = data.X.copy(), data.y.copy()
    X[:90, 6:], y[90:] = np.nan, -1
    for groups in (np.arange(130) // 4, np.arange(130) // 16, np.append(np.arange(129), 128)):
        model = CrossModalTransferClassifier().fit(X, y, groups=groups)
        assert model.score(X[90:], data.y[90:]) > 0.7


@pytest.mark.parametrize(
    ("groups", "message"),
    [([0, 1], "inconsistent"), (np.zeros((40, 2)), "1D"), ([None, *range(39)], "row 0")],
)
def test_bad_groups(groups, message):
    """What misfits is said."""
    data = make_paired_gaussians(40, n_features=(3, 3), random_state=0)
    with pytest.raises(ValueError, match=message):
        CrossModalTransferClassifier().fit(data.X, data.y, groups=groups)


def test_groups_of_a_collection_are_refused():
    """Its rows are drawn chunk by chunk, groups are not."""
    dask_array = pytest.importorskip("dask.array")
    data = make_paired_gaussians(40, n_features=(3, 3), random_state=0)
    X = dask_array.from_array(data.X, chunks=(20, -1))
    with pytest.raises(ValueError, match="in memory"):
        CrossModalTransferClassifier().fit(X, data.y, groups=np.arange(40))
