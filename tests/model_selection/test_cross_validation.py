"""TransferSplit as the `cv` of scikit-learn's own tools."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner, stack_modalities
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import TransferSplit

STEP = "crossmodaltransferclassifier"
WIDTHS = (32, 32)


@pytest.fixture(scope="module")
def digits():
    """Labelled left halves, pairs without a label, and 100 labelled right halves to test on."""
    images, digit = load_digits().images, load_digits().target
    left, right = images[:, :, :4].reshape(-1, 32), images[:, :, 4:].reshape(-1, 32)
    X = np.vstack(
        [
            stack_modalities(left[:500], None, widths=WIDTHS),
            stack_modalities(left[500:800], right[500:800]),
            stack_modalities(None, right[800:900], widths=WIDTHS),
        ]
    )
    return X, np.concatenate([digit[:500], np.full(300, -1), digit[800:900]])


def transfer(widths=WIDTHS, mixture=None):
    return make_pipeline(
        StandardScaler(),
        CrossModalTransferClassifier(
            LogisticRegression(max_iter=1000),
            aligner=NullSpaceAligner(modalities=widths),
            mixture=mixture,
        ),
    )


@pytest.mark.filterwarnings("ignore:.*they get the class prior:UserWarning")
def test_digits_by_a_number_of_folds_and_by_transfer_split(digits):
    """A number of folds scores rows that have no label or no target, and the folds are as many."""
    X, y = digits
    naive = cross_val_score(transfer(), X, y, cv=2, scoring="accuracy")
    assert naive.mean() < 0.2
    scores = cross_val_score(transfer(), X, y, cv=TransferSplit(2, modalities=WIDTHS))
    assert scores.min() > 0.6


def test_search_on_digits(digits):
    """Too few aligned dimensions lose, by labels of the target that no model has seen."""
    X, y = digits
    mixture = GaussianMixture(15, covariance_type="diag", random_state=0)
    search = GridSearchCV(
        transfer(mixture=mixture).set_params(**{f"{STEP}__target_space": "aligned"}),
        {f"{STEP}__aligner__n_components": [1, 8]},
        cv=TransferSplit(2, modalities=WIDTHS),
        error_score="raise",
    )
    search = clone(search).fit(X, y)
    assert search.n_splits_ == 2
    assert search.best_params_ == {f"{STEP}__aligner__n_components": 8}
    assert search.best_score_ > 0.6
    assert search.cv_results_["mean_test_score"][0] < search.best_score_ - 0.1


@pytest.fixture(scope="module")
def subjects():
    """Pairs of five subjects, of which two thirds have no label."""
    data = make_paired_gaussians(
        300, n_features=(5, 8), n_latent=3, n_classes=3, noise=0.5, random_state=0
    )
    labels = data.y.astype(float)
    labels[np.arange(300) % 3 > 0] = np.nan
    return data.X, labels, np.arange(300) // 3 % 5


def unlabelled_forms(labels):
    yield np.where(np.isnan(labels), -1, labels).astype(int)
    yield np.where(np.isnan(labels), None, labels.astype("U3").astype(object))
    yield np.where(np.isnan(labels), np.nan, labels.astype("U3").astype(object))
    yield pd.Series(labels).astype("Int64")


@pytest.mark.parametrize("form", [0, 1, 2, 3], ids=["-1", "None", "NaN", "Int64"])
def test_groups_and_missing_labels(subjects, form):
    """Where GroupKFold alone has nothing to score, each fold has its accuracy."""
    X, labels, groups = subjects
    y = list(unlabelled_forms(labels))[form]
    cv = TransferSplit(GroupKFold(3), modalities=[5, 8])
    result = cross_validate(
        transfer([5, 8]), X, y, groups=groups, cv=cv, return_indices=True, error_score="raise"
    )
    assert result["test_score"].min() > 0.7
    np.testing.assert_array_equal(
        np.sort(np.concatenate(result["indices"]["test"])), np.flatnonzero(~np.isnan(labels))
    )
    for train, test in zip(*result["indices"].values(), strict=True):
        assert not set(groups[train]) & set(groups[test])
        assert np.isnan(labels[train]).any()


class Knows(LogisticRegression):
    """Remembers how many rows it was fitted on, and scores that."""

    def fit(self, X, y):
        self.n_rows_ = len(X)
        return self

    def score(self, X, y):
        return self.n_rows_


@pytest.mark.parametrize(
    ("cv", "name"),
    [
        (lambda: TransferSplit(LeaveOneGroupOut(), modalities=[5, 8]), "groups"),
        (
            lambda: TransferSplit(
                LeaveOneGroupOut().set_split_request(groups="subject"), modalities=[5, 8]
            ),
            "subject",
        ),
    ],
    ids=["default", "alias"],
)
def test_groups_are_routed(subjects, cv, name):
    """As the wrapped splitter requests them, to the same folds as without routing."""
    X, labels, groups = subjects
    y = np.where(np.isnan(labels), -1, labels).astype(int)
    plain = TransferSplit(LeaveOneGroupOut(), modalities=[5, 8])
    expected = cross_val_score(Knows(), X, y, groups=groups, cv=plain)
    assert expected.tolist() == [240] * 5
    with config_context(enable_metadata_routing=True):
        routed = {"params": {name: groups}, "cv": cv()}
        np.testing.assert_array_equal(cross_val_score(Knows(), X, y, **routed), expected)
        result = cross_validate(Knows(), X, y, **routed)
        np.testing.assert_array_equal(result["test_score"], expected)
        search = GridSearchCV(Knows(), {"C": [1, 2]}, cv=cv(), refit=False)
        search.fit(X, y, **{name: groups})
        assert search.n_splits_ == 5
        assert search.cv_results_["mean_test_score"].tolist() == [240, 240]


def test_groups_are_not_requested_for_splitters_without(subjects):
    """scikit-learn refuses them by name, as for the wrapped splitter alone."""
    X, labels, groups = subjects
    y = np.where(np.isnan(labels), -1, labels).astype(int)
    with config_context(enable_metadata_routing=True):
        for cv in (KFold(2), TransferSplit(KFold(2)), TransferSplit()):
            with pytest.raises(TypeError, match="groups"):
                cross_val_score(Knows(), X, y, params={"groups": groups}, cv=cv)
        cv = TransferSplit(KFold(2), modalities=[5, 8])
        assert cross_val_score(Knows(), X, y, cv=cv, params={}).tolist() == [250] * 2
        with pytest.raises(ValueError, match=r"wraps GroupKFold.*groups is None"):
            cross_val_score(Knows(), X, y, cv=TransferSplit(GroupKFold()), params={})


def test_cross_val_predict_refuses_what_is_no_partition(subjects):
    """It says so where rows cannot be tested, and works where all can."""
    X, labels, _ = subjects
    y = np.where(np.isnan(labels), -1, labels).astype(int)
    cv = TransferSplit(2, modalities=[5, 8])
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(transfer([5, 8]), X, y, cv=cv)
    known = y >= 0
    model = LogisticRegression(max_iter=10_000)
    found = cross_val_predict(model, X[known], y[known], cv=cv)
    np.testing.assert_array_equal(found, cross_val_predict(model, X[known], y[known], cv=2))
