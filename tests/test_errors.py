"""Bad input is told by modality, row or parameter, and leaves a fitted object as it was."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from skalign import (
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    NullSpaceAligner,
)
from skalign.datasets import make_paired_gaussians

DATA = make_paired_gaussians(60, n_features=(4, 5), noise=1.0, random_state=0)
NAMES = {"video": slice(0, 4), "imu": slice(4, 9)}


def changed(rows, columns, value):
    X = DATA.X.copy()
    X[rows, columns] = value
    return X


EVERY = slice(None)
BAD_DATA = {
    "partly NaN": (changed(7, 5, np.nan), "NaN in part of a block: modality 'imu', row 7"),
    "inf": (changed(3, 1, np.inf), "infinity: modality 'video', row 3"),
    "inf beside a missing block": (
        changed(3, EVERY, [np.nan] * 4 + [0, -np.inf, 0, 0, 0]),
        "infinity: modality 'imu', row 3",
    ),
    "huge": (changed(3, 1, 1e200), "squares overflow.*scale the features"),
    "no pairs": (
        changed(EVERY, slice(4, 9), np.nan),
        "X has no pairs: at least two rows need every modality .video, imu.",
    ),
    "one pair": (changed(slice(1, None), slice(4, 9), np.nan), "X has one pair"),
    "one sample": (DATA.X[:1], "minimum of 2 is required"),
    "constant block": (changed(EVERY, slice(0, 4), 3.0), "modality 'video' is constant"),
    "sparse": (sparse.csr_array(DATA.X), "[Ss]parse data was passed"),
    "complex": (DATA.X + 1j, "Complex data not supported"),
    "strings": (np.full((60, 9), "a", dtype=object), "could not convert string to float"),
    "one dimension": (DATA.X[:, 0], "2D array"),
    "one column": (DATA.X[:, :1], "1 feature"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("kind", ["aligner", "classifier"])
def test_bad_data(case, kind):
    """The message says what is wrong, and a failed fit loses nothing."""
    X, message = BAD_DATA[case]
    model = NullSpaceAligner(2, modalities=NAMES)
    if kind == "classifier":
        model = CrossModalTransferClassifier(aligner=model)
    model.fit(DATA.X, DATA.y)
    before = pickle.dumps(model)
    kinds = (TypeError, ValueError) if case == "sparse" else ValueError
    with pytest.raises(kinds, match=message):
        model.fit(X, DATA.y[: X.shape[0]])
    assert pickle.dumps(model) == before


BAD_PARAMETERS = {
    "widths": ({"modalities": [4, 4]}, "the widths sum to 8, but X has 9 features"),
    "one modality": ({"modalities": [9]}, "gives 1 modality: at least two"),
    "one named modality": ({"modalities": {"a": slice(0, 9)}}, "gives 1 modality: at least two"),
    "overlap": (
        {"modalities": {"a": slice(0, 5), "b": slice(4, 9)}},
        "modalities 'a' and 'b' overlap: both select column 4",
    ),
    "empty": (
        {"modalities": {"a": slice(0, 9), "b": []}},
        "modality 'b' selects no column of X",
    ),
    "names without columns": (
        {"modalities": ["acc", "gyr"]},
        "modalities\\[0\\]='acc': a list gives widths.*mapping to their columns",
    ),
    "center word": ({"center": "yes"}, "center='yes' must be True or False"),
    "center number": ({"center": 5}, "center=5 must be True or False"),
    "whiten word": ({"whiten": "False"}, "whiten='False' must be True or False"),
    "no names": ({"modalities": {"a": ["x"], "b": slice(1, 9)}}, "X has no column names"),
    "too many components": (
        {"n_components": 5},
        "n_components=5 exceeds the rank of modality 'video', which is 4 over 60 pairs",
    ),
    "no components": ({"n_components": 0}, "n_components=0 must be an integer >= 1"),
    "component word": ({"n_components": "many"}, "n_components='many'"),
    "component fraction": ({"n_components": 1.5}, "n_components=1.5"),
    "shrinkage": ({"shrinkage": 1.5}, "shrinkage=1.5 must be a number between 0 and 1"),
    "shrinkage word": ({"shrinkage": "oas"}, "shrinkage='oas'"),
    "tol": ({"tol": -1.0}, "tol=-1.0 must be"),
    "solver": ({"solver": "svd"}, "solver='svd' must be one of"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters_of_the_aligner(case):
    """Named, with the value that was given."""
    parameters, message = BAD_PARAMETERS[case]
    model = NullSpaceAligner(modalities=NAMES).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(DATA.X)


BAD_WEIGHTS = {
    "negative": (np.r_[-1.0, np.ones(59)], "sample_weight is negative at row 0"),
    "all zero": (np.zeros(60), "sample_weight is zero for all rows"),
    "short": (np.ones(59), "inconsistent numbers of samples"),
    "two dimensions": (np.ones((60, 2)), "sample_weight must be 1D"),
    "NaN": (np.full(60, np.nan), "sample_weight contains NaN"),
    "one pair left": (np.r_[1.0, np.zeros(59)], "X has one pair"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights(case):
    """For both estimators alike."""
    weights, message = BAD_WEIGHTS[case]
    aligner = NullSpaceAligner(modalities=NAMES)
    with pytest.raises(ValueError, match=message):
        aligner.fit(DATA.X, sample_weight=weights)
    with pytest.raises(ValueError, match=message):
        CrossModalTransferClassifier(aligner=aligner).fit(DATA.X, DATA.y, sample_weight=weights)


BAD_TRANSFER = {
    "unknown source": ({"source": "lidar"}, {}, "source='lidar' is no modality: .*'video', 'imu'"),
    "unknown target": ({"target": 2}, {}, "target=2 is no modality: give a position below 2"),
    "same": ({"target": "video"}, {}, "both name the modality 'video': there is nothing"),
    "predict_from": ({"predict_from": "both"}, {}, "predict_from='both' must be one of"),
    "single class": (
        {},
        {"y": np.zeros(60)},
        "the labelled rows of the source modality 'video' hold a single class, 0",
    ),
    "no label": ({}, {"y": np.full(60, -1)}, "no labelled row has the source modality 'video'"),
    "labels without source": (
        {},
        {
            "X": changed(slice(0, 20), slice(0, 4), np.nan),
            "y": np.r_[DATA.y[:20], np.full(40, -1)],
        },
        "no labelled row has the source modality 'video'",
    ),
    "no y": ({}, {"y": None}, "requires y to be passed"),
    "continuous y": ({}, {"y": DATA.X[:, 0]}, "Unknown label type"),
    "NaN in y": ({}, {"y": np.full(60, np.nan)}, "y contains NaN: row 0"),
    "short y": ({}, {"y": DATA.y[:-1]}, "inconsistent numbers of samples"),
    "mixture": ({"mixture": NearestNeighbors()}, {}, "is no mixture: use an estimator of sklearn"),
    "a classifier for a mixture": ({"mixture": GaussianNB()}, {}, "GaussianNB.. is no mixture"),
    "a regressor": ({"estimator": LinearRegression()}, {}, "LinearRegression.. is no classifier"),
    "aligner": ({"aligner": GaussianMixture()}, {}, "must be a NullSpaceAligner"),
    "weights of the estimator": (
        {"estimator": KNeighborsClassifier()},
        {"sample_weight": np.ones(60)},
        "KNeighborsClassifier takes no sample_weight",
    ),
    "weights of the mixture": (
        {"mixture": GaussianMixture(2)},
        {"sample_weight": np.full(60, 0.5)},
        "weights must be whole numbers",
    ),
    "frozen aligner of other data": (
        {"aligner": FrozenEstimator(NullSpaceAligner(1).fit(DATA.X[:, :6]))},
        {},
        "aligner was fitted on 6 features, X has 9",
    ),
}


@pytest.mark.parametrize("case", BAD_TRANSFER)
def test_bad_transfer(case):
    """And the object that was fitted before still predicts."""
    parameters, given, message = BAD_TRANSFER[case]
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=NAMES))
    model.fit(DATA.X, DATA.y)
    proba = model.predict_proba(DATA.X)
    fitted = {name: value for name, value in vars(model).items() if name.endswith("_")}
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(**{"X": DATA.X, "y": DATA.y, **given})
    assert {name: v for name, v in vars(model).items() if name.endswith("_")} == fitted
    clean = {"source": 0, "target": 1, "predict_from": "target"}
    np.testing.assert_array_equal(model.set_params(**clean).predict_proba(DATA.X), proba)


@pytest.mark.parametrize("method", ["transform", "impute", "score"])
def test_bad_rows_after_the_fit(method):
    """Every method looks at what it is given."""
    model = NullSpaceAligner(2, modalities=NAMES).fit(DATA.X)
    call = getattr(model, method)
    for case in ("partly NaN", "inf"):
        X, message = BAD_DATA[case]
        with pytest.raises(ValueError, match=message):
            call(X)
    with pytest.raises(ValueError, match="8 features, but NullSpaceAligner is expecting 9"):
        call(DATA.X[:, :8])
    empty = changed(2, slice(None), np.nan)
    if method == "score":
        with pytest.raises(ValueError, match="X has no pairs"):
            call(np.full((3, 9), np.nan))
    else:
        with pytest.raises(ValueError, match="row 2 has no modality at all"):
            call(empty)


def test_bad_rows_at_predict():
    """Wrong width, and blocks that are partly missing, even in a modality not looked at."""
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=NAMES))
    model.fit(DATA.X, DATA.y)
    with pytest.raises(ValueError, match="expecting 9 features"):
        model.predict(DATA.X[:, :5])
    with pytest.raises(ValueError, match="modality 'imu', row 7"):
        model.predict(changed(7, 5, np.nan))
    with pytest.raises(ValueError, match="expected 2 components"):
        NullSpaceAligner(2).fit(DATA.X).inverse_transform(np.ones((3, 3)))


def test_a_method_before_fit():
    """As everywhere in scikit-learn."""
    for call in (
        NullSpaceAligner().transform,
        NullSpaceAligner().impute,
        NullSpaceAligner().score,
        CrossModalTransferClassifier().predict,
    ):
        with pytest.raises(Exception, match="not fitted yet"):
            call(DATA.X)


@pytest.mark.parametrize("part", ["target_classifier_", "encoder", "target_regressor_"])
def test_nan_for_one_modality_alone(part):
    """What is deployed takes whole rows, and says how to get them."""
    X = DATA.X.copy()
    X[:30, 4:] = np.nan
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=NAMES))
    if part == "target_regressor_":
        model = CrossModalTransferRegressor(aligner=NullSpaceAligner(modalities=NAMES))
    y = DATA.latent[:, 0] if part == "target_regressor_" else DATA.y
    model.fit(X, y)
    deployed = model.aligner_.encoders_[1] if part == "encoder" else getattr(model, part)
    call = deployed.transform if part == "encoder" else deployed.predict
    block = DATA.X[:, 4:].copy()
    block[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN") as caught:
        call(block)
    assert "skalign.BlockImputer" in caught.value.__notes__[0]
