"""The estimators are scikit-learn estimators: its own checks, with nothing excused."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from skalign import (
    CrossModalImputer,
    CrossModalRetriever,
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    LatentGauge,
    NullSpaceAligner,
    ZeroShotClassifier,
    stack_modalities,
)
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import ConformalTransfer

ESTIMATORS = [
    CrossModalImputer(),
    NullSpaceAligner(),
    NullSpaceAligner(1),
    NullSpaceAligner(None, whiten=False, center=False, shrinkage=None),
    NullSpaceAligner(solver="covariance", shrinkage=0.5),
    NullSpaceAligner(None, solver="qr", shrinkage=None),
    NullSpaceAligner(1, whiten=False),
    LatentGauge(),
    LatentGauge(fit_intercept=False),
    CrossModalTransferClassifier(),
    CrossModalTransferClassifier(predict_from="available"),
    CrossModalTransferClassifier(
        GaussianNB(), aligner=NullSpaceAligner(1), predict_from="available"
    ),
    CrossModalTransferClassifier(mixture=GaussianMixture(2, random_state=0)),
    ConformalTransfer(CrossModalTransferClassifier(), cv=2),
    CrossModalTransferRegressor(),
    CrossModalTransferRegressor(LinearRegression(), source=1, target=0),
    CrossModalTransferClassifier(source=1, target=0, aligner=NullSpaceAligner(shrinkage=None)),
    CrossModalTransferClassifier(
        mixture=GaussianMixture(3), random_state=0, predict_from="available"
    ),
    ZeroShotClassifier(),
    ZeroShotClassifier(NullSpaceAligner(1), source=1, target=0),
    CrossModalRetriever(),
    CrossModalRetriever(NullSpaceAligner(1), query=1, gallery=0, metric="cosine", cv=None),
]


@pytest.mark.filterwarnings("ignore:.*share nothing beyond chance:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_checks(estimator, check):
    """Data of the checks are not paired, so that an honest fit may say so."""
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_no_check_is_excused(estimator):
    """Neither skips nor missing validation; a poor score only where a block is not looked at."""
    tags = get_tags(estimator)
    assert not tags._skip_test
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert not tags.input_tags.allow_nan
    if tags.classifier_tags is not None:
        one_block = getattr(estimator, "predict_from", "target") == "target"
        assert tags.classifier_tags.poor_score == one_block
        assert tags.classifier_tags.multi_class


@pytest.fixture(scope="module")
def pairs():
    """600 labelled pairs of widths 6 and 9."""
    return make_paired_gaussians(
        600, n_features=(6, 9), n_latent=3, n_classes=3, noise=2.0, random_state=5
    )


@pytest.fixture(scope="module")
def fitted(pairs):
    return CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[6, 9])).fit(
        pairs.X, pairs.y
    )


def test_parts_are_fitted_estimators(pairs, fitted):
    """Encoders and the target classifier validate, clone, pickle and name what they give."""
    encoder, classifier = fitted.aligner_.encoders_[1], fitted.target_classifier_
    X2 = pairs.X[:, 6:]
    for part, method in ((encoder, "transform"), (classifier, "predict_proba")):
        check_is_fitted(part)
        assert clone(part) is part
        assert part.fit(X2) is part
        assert part.n_features_in_ == 9
        out = getattr(part, method)(X2)
        np.testing.assert_array_equal(getattr(pickle.loads(pickle.dumps(part)), method)(X2), out)
        np.testing.assert_allclose(getattr(part, method)(X2.tolist()), out, atol=1e-12)
        with pytest.raises(ValueError, match="expecting 9 features"):
            getattr(part, method)(X2[:, :8])
        with pytest.raises(ValueError, match="NaN"):
            getattr(part, method)(np.where(X2[0, 0] == X2, np.nan, X2))
        with pytest.raises(ValueError, match="2D array"):
            getattr(part, method)(X2[0])
        assert type(part).__name__ in repr(part)
        assert type(part).__name__ in part._repr_html_()
    assert list(encoder.get_feature_names_out()) == [
        f"modality1_{j}" for j in range(fitted.aligner_.n_components_)
    ]
    assert get_tags(encoder).transformer_tags.preserves_dtype == ["float64", "float32"]
    assert get_tags(classifier).estimator_type == "classifier"
    assert classifier.score(X2, pairs.y) == fitted.score(pairs.X, pairs.y)
    for part in (type(encoder)(), type(classifier)()):
        with pytest.raises(Exception, match="not fitted yet"):
            part.fit(X2)


def test_grid_search_in_a_pipeline_unmodified(pairs):
    """Nested parameters of the aligner, the estimator and the mixture."""
    model = make_pipeline(
        StandardScaler(),
        CrossModalTransferClassifier(
            LogisticRegression(),
            aligner=NullSpaceAligner(modalities=[6, 9]),
            mixture=GaussianMixture(random_state=0),
        ),
    )
    step = "crossmodaltransferclassifier"
    grid = GridSearchCV(
        model,
        {
            f"{step}__aligner__n_components": [1, 3],
            f"{step}__estimator__C": [0.1, 1.0],
            f"{step}__mixture__n_components": [1, 3],
        },
        cv=3,
    ).fit(pairs.X, pairs.y)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert grid.best_params_[f"{step}__mixture__n_components"] == 3
    assert grid.best_score_ > 0.9
    assert clone(grid.best_estimator_).get_params()[f"{step}__estimator__C"] in (0.1, 1.0)
    copy = pickle.loads(pickle.dumps(grid))
    np.testing.assert_array_equal(copy.predict_proba(pairs.X), grid.predict_proba(pairs.X))


def test_cross_validation_with_missing_blocks(pairs):
    """Splitters, groups and scorers see one array."""
    X, y = pairs.X.copy(), pairs.y.copy()
    X[::3, 6:] = np.nan
    y[1::3] = -1
    X[2::3, :6] = np.nan
    groups = np.arange(len(y)) // 3 % 5
    scores = cross_val_score(
        CrossModalTransferClassifier(
            aligner=NullSpaceAligner(modalities=[6, 9]), predict_from="available"
        ),
        X,
        y,
        groups=groups,
        cv=GroupKFold(5),
        scoring=_accuracy_of_labelled,
    )
    assert scores.shape == (5,)
    assert scores.min() > 0.9


def _accuracy_of_labelled(model, X, y):
    return model.score(X[y >= 0], y[y >= 0])


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_frames_with_named_modalities(pairs, frame):
    """Names select, results keep them, and missing columns are told."""
    library = pytest.importorskip(frame)
    names = [f"v_{j}" for j in range(6)] + [f"imu_{j}" for j in range(9)]
    if frame == "pandas":
        X = library.DataFrame(pairs.X, columns=names)
    else:
        X = library.DataFrame(pairs.X, schema=names, orient="row")
    modalities = {"video": names[:6], "imu": names[6:]}
    aligner = NullSpaceAligner(2, modalities=modalities).set_output(transform=frame)
    Z = aligner.fit_transform(X)
    assert type(Z).__module__.startswith(frame)
    assert list(Z.columns) == ["nullspacealigner0", "nullspacealigner1"]
    assert list(aligner.feature_names_in_) == names
    plain = NullSpaceAligner(2, modalities=[6, 9]).fit(pairs.X)
    np.testing.assert_allclose(np.asarray(Z), plain.transform(pairs.X))
    imu = aligner.named_encoders_["imu"]
    assert imu is aligner.encoders_[1]
    assert list(imu.feature_names_in_) == names[6:]
    assert list(imu.get_feature_names_out()) == ["imu0", "imu1"]
    np.testing.assert_allclose(
        imu.transform(X[names[6:]]), plain.encoders_[1].transform(pairs.X[:, 6:])
    )

    model = CrossModalTransferClassifier(
        aligner=NullSpaceAligner(modalities=modalities), source="video", target="imu"
    ).fit(X, pairs.y)
    assert model.score(X, pairs.y) > 0.9
    assert list(model.estimator_.feature_names_in_) == names[:6]
    assert model.target_classifier_.score(X[names[6:]], pairs.y) == model.score(X, pairs.y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[names[::-1]])


def test_column_transformer_names_the_modalities(pairs):
    """Output names of a ColumnTransformer select the blocks."""
    pandas = pytest.importorskip("pandas")
    names = [f"c{j}" for j in range(15)]
    X = pandas.DataFrame(pairs.X, columns=names)
    columns = ColumnTransformer(
        [("video", StandardScaler(), names[9:]), ("imu", StandardScaler(), names[:9])]
    ).set_output(transform="pandas")
    modalities = {
        "video": make_column_selector("^video__"),
        "imu": make_column_selector("^imu__"),
    }
    model = make_pipeline(
        columns, CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=modalities))
    )
    assert cross_val_score(model, X, pairs.y, cv=3).min() > 0.5
    aligner = model.fit(X, pairs.y)[-1].aligner_
    assert aligner.modality_names_ == ("video", "imu")
    assert list(aligner.named_encoders_["video"].feature_names_in_) == [
        f"video__{n}" for n in names[9:]
    ]


def test_metadata_routing(pairs):
    """Weights reach the source classifier and the aligner through requests."""
    weights = np.tile([0, 1, 2], 200)
    direct = CrossModalTransferClassifier(
        GaussianNB(), aligner=NullSpaceAligner(modalities=[6, 9])
    )
    direct.fit(pairs.X, pairs.y, sample_weight=weights)
    repeated = clone(direct).fit(np.repeat(pairs.X, weights, axis=0), np.repeat(pairs.y, weights))
    np.testing.assert_allclose(
        direct.predict_proba(pairs.X), repeated.predict_proba(pairs.X), atol=1e-8
    )
    X = StandardScaler().fit_transform(pairs.X)
    scaled = clone(direct).fit(X, pairs.y, sample_weight=weights).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            CrossModalTransferClassifier(
                GaussianNB().set_fit_request(sample_weight=True),
                aligner=NullSpaceAligner(modalities=[6, 9]).set_fit_request(sample_weight=True),
            ).set_fit_request(sample_weight=True),
        )
        routed = model.fit(pairs.X, pairs.y, sample_weight=weights).predict_proba(pairs.X)
        np.testing.assert_allclose(routed, scaled, atol=1e-8)
        default = CrossModalTransferClassifier().fit(pairs.X, pairs.y, sample_weight=weights)
        assert default.n_features_in_ == 15


def test_html_representation_shows_the_parts():
    """Notebooks draw a nested estimator."""
    html = CrossModalTransferClassifier(
        LogisticRegression(), aligner=NullSpaceAligner(), mixture=BayesianGaussianMixture()
    )._repr_html_()
    for name in ("LogisticRegression", "NullSpaceAligner", "BayesianGaussianMixture"):
        assert name in html


def test_float32_stays_float32(pairs):
    """Latents and fillings have the type of the data; accuracy is that of float64 moments."""
    single = pairs.X.astype(np.float32)
    aligner = NullSpaceAligner(2, modalities=[6, 9]).fit(single)
    assert aligner.transform(single).dtype == np.float32
    assert aligner.encoders_[0].transform(single[:, :6]).dtype == np.float32
    assert aligner.inverse_transform(aligner.transform(single)).dtype == np.float32
    missing = stack_modalities(single[:4, :6], None, widths=(6, 9))
    assert aligner.impute(missing).dtype == np.float32
    double = NullSpaceAligner(2, modalities=[6, 9]).fit(single.astype(np.float64))
    np.testing.assert_allclose(aligner.correlations_, double.correlations_, rtol=1e-12)
