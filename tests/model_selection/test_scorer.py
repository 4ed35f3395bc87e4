"""Choosing by agreement on held-out pairs: the scorer, in the places where users put it."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import agreement_score
from skalign.model_selection import agreement_scorer

STEP = "crossmodaltransferclassifier"


@pytest.fixture(scope="module")
def data():
    """200 labelled rows of the source, 300 pairs, 100 of the target alone, in groups of 10."""
    drawn = make_paired_gaussians(
        600, n_features=(6, 9), n_latent=4, n_classes=4, noise=1.0, random_state=5
    )
    order = np.random.default_rng(0).permutation(600)
    X, y = drawn.X.copy(), drawn.y.copy()
    X[:200, 6:] = np.nan
    y[200:] = -1
    X[500:, :6] = np.nan
    truth = drawn.y.copy()
    return X[order], y[order], truth[order], np.arange(600) // 10


def logistic():
    return LogisticRegression(max_iter=1000)


def transfer(**options):
    return CrossModalTransferClassifier(
        logistic(), aligner=NullSpaceAligner(modalities=[6, 9]), **options
    )


def is_pair(X):
    return np.isfinite(np.asarray(X)).all(axis=1)


@pytest.mark.parametrize("mixture", [None, GaussianMixture(6, random_state=0)], ids=str)
@pytest.mark.parametrize("predict_from", ["target", "available"])
def test_scorer_compares_the_two_parts_on_pairs(data, predict_from, mixture):
    """By hand, from the fitted parts; rows that are no pairs do not count, nor warn."""
    X, y, _, _ = data
    model = transfer(predict_from=predict_from, mixture=mixture).fit(X[:400], y[:400])
    pairs = X[400:][is_pair(X[400:])]
    source = model.estimator_.predict_proba(pairs[:, :6])
    target = model.target_classifier_.predict_proba(pairs[:, 6:])
    expected = agreement_score(source, target)
    assert 0.1 < expected < 1
    assert agreement_scorer(model, X[400:]) == pytest.approx(expected)
    weights = np.random.default_rng(1).integers(0, 3, size=200)
    weighted = agreement_scorer(model, X[400:], sample_weight=weights)
    assert weighted == pytest.approx(agreement_scorer(model, np.repeat(X[400:], weights, axis=0)))


def test_scorer_finds_the_classifier(data):
    """In pipelines of pipelines and in searches, behind the steps before it."""
    pandas = pytest.importorskip("pandas")
    X, y, _, _ = data
    scaled = StandardScaler().fit(X)
    model = transfer().fit(scaled.transform(X), y)
    expected = agreement_scorer(model, scaled.transform(X))
    frame = pandas.DataFrame(X, columns=[f"c{j}" for j in range(15)])
    nested = make_pipeline(StandardScaler(), make_pipeline("passthrough", None, transfer()))
    for table in (X, frame, frame.astype(object).astype(float)):
        assert agreement_scorer(clone(nested).fit(table, y), table) == pytest.approx(expected)
    search = GridSearchCV(nested, {"standardscaler__with_mean": [True]}, scoring=agreement_scorer)
    last = make_pipeline(FunctionTransformer(), search).fit(X, y)
    assert agreement_scorer(last, X) == pytest.approx(expected)
    named = transfer(source="video", target="imu").set_params(
        aligner__modalities={"video": list(frame)[:6], "imu": list(frame)[6:]}
    )
    shuffled = frame[list(frame)[::-1]]
    named = make_pipeline(StandardScaler().set_output(transform="pandas"), named)
    assert agreement_scorer(named.fit(shuffled, y), shuffled) == pytest.approx(expected)


def test_scorer_never_looks_at_labels(data):
    """Nothing that is called a label of what is scored changes anything."""
    X, y, truth, _ = data
    rng = np.random.default_rng(0)
    model = transfer().fit(X[:400], y[:400])
    expected = agreement_scorer(model, X[400:])
    for labels in (truth[400:], rng.permutation(truth[400:]), ["?"] * 200, None, object()):
        assert agreement_scorer(model, X[400:], labels) == expected
    pairs, is_source = X[is_pair(X)], np.isfinite(X[:, 0]) & (y >= 0)
    source = logistic().fit(X[is_source, :6], y[is_source])
    frozen = transfer().set_params(estimator=FrozenEstimator(source))
    options = {"cv": KFold(3), "scoring": agreement_scorer}
    none = cross_val_score(frozen, pairs, **options)
    np.testing.assert_array_equal(
        cross_val_score(frozen, pairs, rng.integers(4, size=len(pairs)), **options), none
    )


def test_search_finds_the_better_setting(data):
    """Groups, a pipeline, two processes; what is chosen without labels is right by labels."""
    X, y, truth, groups = data
    model = make_pipeline(StandardScaler(), transfer(random_state=0))
    grid = {f"{STEP}__aligner__n_components": [1, 4]}
    grid = [grid, grid | {f"{STEP}__mixture": [GaussianMixture(1), GaussianMixture(12)]}]
    search = GridSearchCV(
        model, grid, scoring=agreement_scorer, cv=GroupKFold(4), n_jobs=2, error_score="raise"
    ).fit(X, y, groups=groups)
    scores, settings = (search.cv_results_[key] for key in ("mean_test_score", "params"))
    accuracy = np.array(
        [
            clone(model).set_params(**setting).fit(X, y).score(X[y < 0], truth[y < 0])
            for setting in settings
        ]
    )
    assert accuracy[search.best_index_] >= accuracy.max() - 0.02
    assert accuracy.max() > accuracy.min() + 0.2
    single = [str(s.get(f"{STEP}__mixture")) == "GaussianMixture()" for s in settings]
    np.testing.assert_array_equal(scores == 0, single)  # it decides always alike
    assert pickle.loads(pickle.dumps(agreement_scorer)) is agreement_scorer


def test_a_refusal_scores_nothing(data):
    """The prior decides always alike."""
    X, y, _, _ = data
    rng = np.random.default_rng(0)
    pairs = np.flatnonzero(is_pair(X))
    shuffled = X.copy()
    shuffled[np.ix_(pairs, range(6, 15))] = X[np.ix_(rng.permutation(pairs), range(6, 15))]
    with pytest.warns(UserWarning, match="share nothing beyond chance"):
        model = transfer().fit(shuffled, y)
    assert agreement_scorer(model, X) == 0


def test_with_metadata_routing_and_beside_other_scorers(data):
    X, y, _, groups = data
    scoring = {"agreement": agreement_scorer, "n": lambda model, X, y: len(X)}
    options = {"cv": GroupKFold(3), "scoring": scoring}
    plain = cross_validate(transfer(), X, y, groups=groups, **options)
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(transfer(), X, y, params={"groups": groups}, **options)
        weighted = transfer()
        weighted.estimator.set_fit_request(sample_weight=True)
        weighted.aligner.set_fit_request(sample_weight=True)
        search = GridSearchCV(
            weighted.set_fit_request(sample_weight=True),
            {"predict_from": ["target", "available"]},
            cv=GroupKFold(3),
            scoring=agreement_scorer,
        ).fit(X, y, groups=groups, sample_weight=np.ones(len(X)))
    np.testing.assert_array_equal(routed["test_agreement"], plain["test_agreement"])
    expected = plain["test_agreement"].mean()
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)


def test_messages_of_the_scorer(data):
    X, y, _, _ = data
    model = transfer().fit(X, y)
    with pytest.raises(ValueError, match="none of its 200 rows has both the source 'modality0'"):
        agreement_scorer(model, X[y >= 0])
    with pytest.raises(ValueError, match="X has 600 rows, sample_weight has 3"):
        agreement_scorer(model, X, sample_weight=[1, 2, 3])
    source = logistic().fit(X[y >= 0, :6], y[y >= 0])
    pipeline = make_pipeline(StandardScaler(), source).fit(X[y >= 0, :6], y[y >= 0])
    for wrong in (source, pipeline, GridSearchCV(model, {"source": [0]}), None):
        with pytest.raises(TypeError, match=f"got {type(wrong).__name__}, in which there is no"):
            agreement_scorer(wrong, X[:, :6])
    with pytest.raises(Exception, match="not fitted yet"):
        agreement_scorer(transfer(), X)
