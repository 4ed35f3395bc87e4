"""Numbers of subjects: whether a target says anything is asked of whole groups."""

import warnings

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom
from sklearn import config_context
from sklearn.linear_model import LogisticRegressionCV, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import CrossModalTransferClassifier, CrossModalTransferRegressor, NullSpaceAligner
from skalign.regression._task import group_pvalues

SUBJECTS, LENGTH = 10, 16
GROUPS = np.repeat(np.arange(SUBJECTS), LENGTH)
ALIGNER = NullSpaceAligner(modalities=[4, 4])
REFUSED = "share nothing beyond chance"


def recordings(seed, common=0.0, law=lambda Z: Z):
    """Two modalities of ten subjects, a slow series each, and a number that the first tells."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(3, SUBJECTS, LENGTH + 60, 4))
    walks = lfilter([1], [1, -0.9], steps, axis=2)[:, :, 60:].reshape(3, -1, 4)
    walks /= walks.std(axis=1, keepdims=True)
    shared = np.sqrt(common) * walks[2]
    source, target = (law(shared + np.sqrt(1 - common) * walk) for walk in walks[:2])
    return source, target, source[:, 0] + 0.5 * source[:, 1]


def fit(X, y, **options):
    """A fitted regressor, and whether it has warned of chance."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = CrossModalTransferRegressor(aligner=ALIGNER).fit(X, y, **options)
    return model, any(REFUSED in str(w.message) for w in caught)


@pytest.mark.parametrize("law", [lambda Z: Z, np.exp], ids=["Gaussian", "lognormal"])
def test_series_that_know_nothing_of_each_other_hold_the_level(law):
    """Of two numbers; where much is common it is seen."""
    found = []
    for seed in range(100):
        source, target, y = recordings(seed, law=law)
        said = np.column_stack([y, np.ones(len(y))])
        found.append(group_pvalues(source, target, np.ones(len(y)), said, GROUPS, 1e-15))
    found = np.array(found)
    assert (found[:, 1] == 0).all()  # nothing is said of a constant
    for level in (0.01, 0.05, 0.2):
        assert np.sum(found[:, 0] <= level) <= binom.ppf(0.999, 100, level)
    source, target, y = recordings(0, common=0.9, law=law)
    said = y[:, None]
    assert group_pvalues(source, target, np.ones(len(y)), said, GROUPS, 1e-15)[0] < 0.01


def test_fit_refuses_by_groups():
    """Without groups such series are taken for related; the mean is predicted with them."""
    source, target, y = recordings(1)
    X = np.hstack([source, target])
    assert not fit(X, y)[1]
    model, refused = fit(X, y, groups=GROUPS)
    assert refused and not model.target_regressor_.coef_.any()
    source, target, y = recordings(1, common=0.9)
    X = np.hstack([source, target])
    model, refused = fit(X, y, groups=np.array(list("abcdefghij"))[GROUPS])
    assert not refused
    assert np.corrcoef(model.predict(X), y)[0, 1] > 0.8


def test_each_output_has_its_own_test():
    """One of two is told by the target."""
    source, target, y = recordings(2, common=0.9)
    other = recordings(3)[0][:, 0]
    X = np.hstack([source, other[:, None], target])
    aligner = NullSpaceAligner(modalities=[5, 4])
    with pytest.warns(UserWarning, match=rf"{REFUSED} about outputs \[1\] .*p-value"):
        model = CrossModalTransferRegressor(aligner=aligner).fit(
            X, np.column_stack([y, other]), groups=GROUPS
        )
    assert model.target_regressor_.coef_[0].any() and not model.target_regressor_.coef_[1].any()


def test_rows_drawn_apart_are_groups_of_their_own():
    """The rule lets more unrelated pairs pass than the test."""
    passed = np.zeros(2)
    for seed in range(40):
        X = np.random.default_rng(seed).normal(size=(30, 8))
        y = X[:, 0]
        passed += [not fit(X, y)[1], not fit(X, y, groups=np.arange(30))[1]]
    assert passed[1] <= binom.ppf(0.999, 40, 0.01) < passed[0]


def test_labels_of_the_target_speak_for_it():
    """Where it has any, pairs that share nothing do not silence it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 8))
    y = X[:, 4] + 0.1 * rng.normal(size=120)
    X[:60, :4] = np.nan
    y[60:] = X[60:, 0]
    model, refused = fit(X, y, groups=np.arange(120))
    assert not refused and model.target_regressor_.coef_.any()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_search_gets_the_groups(wrapped):
    """In a pipeline and by routing, too; whoever does not take them does without."""
    source, target, y = recordings(4, common=0.9)
    X = np.hstack([source, target])
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=GroupKFold(3))
    search = make_pipeline(StandardScaler(), search) if wrapped else search
    model = CrossModalTransferRegressor(search, aligner=ALIGNER).fit(X, y, groups=GROUPS)
    with config_context(enable_metadata_routing=True):
        routed = CrossModalTransferRegressor(search, aligner=ALIGNER).fit(X, y, groups=GROUPS)
        alone = make_pipeline(CrossModalTransferRegressor(aligner=ALIGNER))
        alone.fit(X, y, groups=GROUPS)  # asks for them by default
    np.testing.assert_array_equal(routed.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="groups"):
        CrossModalTransferRegressor(search, aligner=ALIGNER).fit(X, y)
    CrossModalTransferRegressor(RidgeCV(), aligner=ALIGNER).fit(X, y, groups=GROUPS)
    labels, classifier = (y > 0).astype(int), LogisticRegressionCV(max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what is its own default
        CrossModalTransferClassifier(classifier, aligner=ALIGNER).fit(X, labels, groups=GROUPS)


def test_weights_are_repeated_rows():
    """Beside the row that they repeat, in its group."""
    source, target, y = recordings(5, common=0.9)
    X, weights = np.hstack([source, target]), np.ones(160)
    weights[::5] = 2
    rows = np.repeat(np.arange(160), weights.astype(int))
    one = fit(X, y, groups=GROUPS, sample_weight=weights)[0]
    two = fit(X[rows], y[rows], groups=GROUPS[rows])[0]
    np.testing.assert_allclose(two.predict(X), one.predict(X), atol=1e-8)


@pytest.mark.parametrize(
    ("groups", "message"),
    [([0, 1], "inconsistent"), (np.zeros((160, 2)), "1D"), ([None, *range(159)], "row 0")],
)
def test_bad_groups(groups, message):
    """What misfits is said."""
    source, target, y = recordings(0)
    with pytest.raises(ValueError, match=message):
        CrossModalTransferRegressor().fit(np.hstack([source, target]), y, groups=groups)
