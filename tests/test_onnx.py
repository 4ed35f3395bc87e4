"""Graphs say what the estimators say, by a runtime that knows nothing of the package."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from strategies import cases

from skalign import (
    CrossModalImputer,
    CrossModalRetriever,
    CrossModalTransferClassifier,
    CrossModalTransferRegressor,
    ModalityClassifier,
    ModalityEncoder,
    NullSpaceAligner,
)
from skalign.datasets import make_paired_gaussians
from skalign.transfer._ensemble import _flat

skl2onnx = pytest.importorskip("skl2onnx")
runtime = pytest.importorskip("onnxruntime")

from skalign.onnx import register_converters, to_onnx  # noqa: E402

# What probabilities, and numbers of unit variance, may be off by, with rows of either type.
NEAR = {np.float64: 1e-10, np.float32: 1e-5}
TYPES = pytest.mark.parametrize("dtype", NEAR)


def ran(graph, X):
    """What comes out of a graph."""
    session = runtime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: X})


def assert_says_the_same(model, X, graph=None):
    """Labels, probabilities, and the type of these."""
    labels, proba = ran(to_onnx(model, X) if graph is None else graph, X)
    expected = model.predict_proba(X)
    assert proba.dtype == X.dtype
    np.testing.assert_allclose(proba, expected, rtol=0, atol=NEAR[X.dtype.type])
    best = np.sort(expected, axis=1)
    sure = best[:, -1] - best[:, -2] > NEAR[X.dtype.type]
    assert sure.any()
    assert np.array_equal(labels[sure], model.predict(X)[sure])


# -- any classifier that attributes can tell of --------------------------------------------------

FEATURES = 6
PARTS = ("linear", "kernel", "components", "aligned mixture", "tied mixture", "prior")


def add_discriminants(model, rng, rows, encoded, part):
    """Discriminants of some rows, classes being the rows of coefficients."""
    d = 3 if encoded else FEATURES
    model.coef_ = rng.normal(size=(rows, d))
    model.intercept_ = rng.normal(size=rows)
    if rows > 2 and part == "linear":
        model.intercept_[rng.integers(rows)] = -np.inf
        model.coef_[np.isinf(model.intercept_)] = 0.0
    if not encoded:
        model.mean_ = rng.normal(size=d)
    if part != "linear":
        model.landmarks_ = rng.normal(size=(7, d))
        model.dual_coef_ = rng.normal(size=(rows, 7))
        model.gamma_ = 0.3
        if not encoded:
            model.feature_weights_ = np.where(np.arange(d) == 2, 0.0, rng.uniform(0.5, 2, d))


def add_components(model, rng, n, part):
    """Gaussian components of three latents."""
    root = rng.normal(size=(n, 3, 5))
    covariances = root @ root.transpose(0, 2, 1) / 5 + 0.05 * np.eye(3)
    model.covariances_ = covariances[0] if part == "tied mixture" else covariances
    model.means_ = 2 * rng.normal(size=(n, 3))
    model.weights_ = rng.dirichlet(np.ones(n))
    if n > 2:
        model.weights_[0] = 0.0


def add_views(model, rng, classes, views):
    """Directions of rows and a forest, or one of them."""
    model.calibration_exponent_ = rng.uniform(0.5, 3)
    model.view_mean_ = rng.normal(size=FEATURES)
    model.view_weights_ = np.where(np.arange(FEATURES) == 2, 0.0, rng.uniform(0.5, 2, FEATURES))
    if views != "forest":
        own = made(rng, classes, "kernel", encoded=views == "both", views="none")
        model.direction_classifier_ = own
    if views != "directions":
        X = rng.normal(size=(60, FEATURES)).astype(np.float32)
        X[:, 1] = np.round(X[:, 1])  # thresholds that rows may meet
        labels = rng.dirichlet(np.ones(len(classes)), size=60)
        trees = RandomForestRegressor(5, max_depth=3, random_state=0).fit(X, labels)
        one = RandomForestRegressor(1, min_samples_leaf=40, random_state=0).fit(X, labels)
        forest = _flat([*trees.estimators_, *one.estimators_], np.arange(FEATURES))
        for name, value in vars(forest).items():
            setattr(model, f"tree_{name}_", value)


def made(rng, classes, part, encoded, views):
    """A classifier of one modality, by its attributes alone."""
    model, C = ModalityClassifier(), len(classes)
    model.classes_, model.class_prior_ = classes, rng.dirichlet(np.ones(C))
    model.assumed_prior_, model.inverse_temperature_ = model.class_prior_, 1.0
    model.n_features_in_ = FEATURES
    encoded = encoded or "mixture" in part
    if encoded:
        maps = rng.normal(size=(3, FEATURES)), rng.normal(size=FEATURES)
        model.encoder_ = ModalityEncoder._from_maps(*maps, np.ones((FEATURES, 3)))
    if part in ("linear", "kernel"):
        add_discriminants(model, rng, C, encoded, part)
    elif part != "prior":
        n = C + 2
        model.component_class_proba_ = rng.dirichlet(np.ones(C), size=n)
        if part == "components":
            add_discriminants(model, rng, n, encoded, part)
        else:
            add_components(model, rng, n, part)
    if views != "none" and part != "prior":
        add_views(model, rng, classes, views)
    return model


some_labels = st.sampled_from(
    [
        lambda C: np.arange(C) * 3 - 2,
        lambda C: np.array([f"class {c}" for c in range(C)]),
        lambda C: np.array([f"é{c}" for c in range(C)], dtype=object),
        lambda C: np.arange(C, dtype=float),
        lambda C: np.arange(C) > 0 if C == 2 else np.arange(C, dtype=np.int32),
    ]
)


@given(
    seed=st.integers(0, 10_000),
    n_classes=st.integers(2, 10),
    label=some_labels,
    part=st.sampled_from(PARTS),
    encoded=st.booleans(),
    views=st.sampled_from(["none", "directions", "forest", "both"]),
    dtype=st.sampled_from(list(NEAR)),
    scale=st.sampled_from([1.0, 1e3, 1e-3]),
)
@cases(60)
def test_what_attributes_tell_is_in_the_graph(
    seed, n_classes, label, part, encoded, views, dtype, scale
):
    """Whatever a classifier consists of, near its rows and far from them; rows may be alike."""
    rng = np.random.default_rng(seed)
    model = made(rng, label(n_classes), part, encoded, views)
    X = scale * rng.normal(size=(20, FEATURES))
    X[0], X[1] = getattr(model, "view_mean_", X[0]), X[2]
    X[3:6, 1] = 0.5
    assert_says_the_same(model, X.astype(dtype))


def test_numbers_at_a_threshold_fall_as_they_do_in_the_forest():
    """Next to a threshold of double precision, on either side of it, and on it."""
    rng = np.random.default_rng(0)
    model = made(rng, np.arange(3), "linear", encoded=False, views="forest")
    model.view_mean_, model.view_weights_ = np.zeros(FEATURES), np.ones(FEATURES)
    inner = np.flatnonzero(model.tree_children_[0] != np.arange(len(model.tree_features_)))
    X = np.zeros((3 * len(inner), FEATURES))
    for row, node in enumerate(inner):
        near = np.float32(model.tree_thresholds_[node])
        near = [np.nextafter(near, np.float32(side)) for side in (-10, 10)] + [near]
        X[3 * row : 3 * row + 3, model.tree_features_[node]] = near
    proba = ran(to_onnx(model, X), X)[1]
    np.testing.assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-12)


def test_rows_beyond_all_bounds():
    """Where squares overflow kernels are zero, and nothing is NaN."""
    rng = np.random.default_rng(0)
    for encoded in (False, True):
        model = made(rng, np.arange(3), "kernel", encoded, "both")
        assert_says_the_same(model, 1e160 * rng.normal(size=(20, FEATURES)))


def test_latents_are_rounded_as_in_the_estimator():
    """Those of rows of single precision are of single precision, whatever hangs on the rest."""
    rng = np.random.default_rng(0)
    model = made(rng, np.arange(3), "kernel", encoded=True, views="none")
    model.encoder_.mean_ = np.zeros(FEATURES)
    model.coef_ *= 1e5
    model.intercept_ = -model.coef_ @ model.encoder_.coef_.sum(axis=1)
    X = (1 + 1e-6 * rng.normal(size=(50, FEATURES))).astype(np.float32)
    assert_says_the_same(model, X)


# -- what is learned ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    """Four classes in three modalities; most rows lack something."""
    made = make_paired_gaussians(
        360, n_features=(5, 6, 4), noise=2.0, class_means=2 * np.eye(4), random_state=0
    )
    X, y = made.X.copy(), made.y.copy()
    X[:60, 5:], X[60:90, :11] = np.nan, np.nan
    y[90:] = -1
    X[280:300, :5], X[300:320, 5:11], X[320:340, 11:] = np.nan, np.nan, np.nan
    X[340:350, :11], X[350:, 5:] = np.nan, np.nan
    return X, y


def aligner(**options):
    """Of the three modalities."""
    return NullSpaceAligner(modalities={"a": slice(0, 5), "b": slice(5, 11), "c": slice(11, 15)})


SETTINGS = {
    "defaults": {},
    "aligned": {"target_space": "aligned"},
    "mixture": {"mixture": GaussianMixture(6, random_state=0)},
    "mixture, aligned": {
        "mixture": GaussianMixture(6, random_state=0),
        "target_space": "aligned",
        "predict_from": "available",
    },
    "available": {"predict_from": "available"},
    "two targets": {"target": ("b", "c")},
    "two sources": {"source": ("a", "c"), "predict_from": "available"},
    "a search": {
        "estimator": GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
        "predict_from": "available",
    },
    "decisions": {"estimator": SVC(), "predict_from": "available"},
}


@TYPES
@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.filterwarnings("ignore:.*they get the class prior")
@pytest.mark.filterwarnings("ignore:Attribute `prob._` was deprecated")  # skl2onnx on an SVC
def test_rows_with_any_blocks(data, setting, words, dtype):
    """Whatever a row has or lacks is joined as in the estimator."""
    X, y = data
    if words:
        y = np.array([None if c < 0 else "abcd"[c] for c in y], dtype=object)
    model = CrossModalTransferClassifier(aligner=aligner(), target="b")
    model.set_params(**SETTINGS[setting]).fit(X, y)
    assert_says_the_same(model, X.astype(dtype))
    own = X[100:200, model.aligner_.modality_columns_[model.target_]]
    assert_says_the_same(model.target_classifier_, own.astype(dtype))


def test_what_learned_classifiers_consist_of(data):
    """Of all parts that a graph has, so that the tests above are of what fit gives."""
    X, y = data
    models = [
        CrossModalTransferClassifier(aligner=aligner(), **SETTINGS[name]).fit(X, y)
        for name in ("defaults", "aligned", "mixture", "mixture, aligned")
    ]
    two = make_paired_gaussians(600, n_features=(5, 8), noise=2.0, random_state=0)
    two.X[:200, 5:] = np.nan
    models.append(CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8])))
    models[-1].fit(two.X, np.where(np.arange(600) < 200, two.y, -1))
    found = set().union(*(vars(model.target_classifier_) for model in models))
    known = set(re.findall(r"\b(\w+_)\b", ModalityClassifier.__doc__))
    assert found <= known
    assert {"landmarks_", "direction_classifier_", "tree_roots_", "means_", "encoder_"} <= found


@TYPES
def test_a_forest_as_the_source(data, dtype):
    """Converted by skl2onnx, whose trees are of single precision: as near as it is itself."""
    X, y = data
    source = RandomForestClassifier(10, random_state=0).fit(X[:60, :5], y[:60])
    model = CrossModalTransferClassifier(
        FrozenEstimator(source), aligner=aligner(), predict_from="available"
    ).fit(X)
    rows = X.astype(dtype)
    given = to_onnx(model, rows, target_opset={"": 17, "ai.onnx.ml": 3})
    proba = ran(given, rows)[1]
    np.testing.assert_allclose(proba, model.predict_proba(rows), atol=1e-5)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=0, atol=NEAR[dtype] / 10)


def test_a_prior_alone():
    """Where pairs share nothing the class prior is all there is, for rows of numbers."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 9)), rng.integers(0, 2, 200)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[4, 5]))
    with pytest.warns(UserWarning, match="class prior"):
        model.fit(X, y)
    X = X[:, 4:]
    proba = ran(to_onnx(model.target_classifier_, X), X)[1]
    np.testing.assert_allclose(proba, model.target_classifier_.predict_proba(X), atol=1e-15)


@pytest.mark.parametrize("kept", [{}, {"n_components": 2}, {"whiten": False, "center": False}])
@TYPES
def test_aligners(data, kept, dtype):
    """Encoded and filled, whichever blocks rows have."""
    X = data[0].astype(dtype)
    model = aligner().set_params(**kept).fit(X)
    size = np.nanmax(np.abs(X))
    for graph, expected in (
        (to_onnx(model, X), model.transform(X)),
        (to_onnx(model, X, options={"impute": True}), model.impute(X)),
        (to_onnx(CrossModalImputer(FrozenEstimator(model)).fit(X), X), model.impute(X)),
    ):
        (found,) = ran(graph, X)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=NEAR[dtype] * size)
    block = X[90:280, 5:11]
    (found,) = ran(to_onnx(model.encoders_[1], block), block)
    expected = model.encoders_[1].transform(block)
    np.testing.assert_allclose(found, expected, rtol=0, atol=NEAR[dtype] * size)


def test_columns_of_no_modality(data):
    """They may stand anywhere, and modalities in any order."""
    X = np.insert(data[0], [0, 7, 15], np.nan, axis=1)
    columns = {"b": [13, 3, 5, 2], "a": [9, 12, 10, 14]}
    X[:, [2, 3, 5, 13, 9, 10, 12, 14]] = np.random.default_rng(0).normal(size=(len(X), 8))
    X[:, [9, 10]] += X[:, [2, 3]]
    X[:50, columns["a"]], X[50:90, columns["b"]] = np.nan, np.nan
    model = NullSpaceAligner(modalities=columns).fit(X)
    (found,) = ran(to_onnx(model, X, options={"impute": True}), X)
    np.testing.assert_allclose(found, model.impute(X), rtol=0, atol=1e-10)
    (found,) = ran(to_onnx(model, X), X)
    np.testing.assert_allclose(found, model.transform(X), rtol=0, atol=1e-10)


@TYPES
@pytest.mark.filterwarnings("ignore:.*they get the mean of the pairs")
@pytest.mark.parametrize("flat", [True, False], ids=["a number", "two numbers"])
def test_regressors(data, flat, dtype):
    """Numbers and standard deviations, near the pairs and far from them, or without the target."""
    X, _ = data
    y = np.full((len(X), 2), np.nan)
    y[:60] = X[:60, :2]
    model = CrossModalTransferRegressor(aligner=aligner()).fit(X, y[:, 0] if flat else y)
    X = np.vstack([X, 100 * X]).astype(dtype)
    there = np.isfinite(X[:, 5:11]).all(axis=1)
    for regressor, rows in ((model.target_regressor_, X[there, 5:11]), (model, X)):
        found = ran(to_onnx(regressor, rows, options={"return_std": True}), rows)
        for part, expected in zip(found, regressor.predict(rows, return_std=True), strict=True):
            assert part.dtype == dtype
            expected = expected.reshape(len(rows), -1)
            np.testing.assert_allclose(part, expected, rtol=NEAR[dtype], atol=NEAR[dtype])
        assert len(to_onnx(regressor, rows).graph.output) == 1
    partly = X[there][:1]
    partly[0, 7] = np.nan  # refused
    for regressor, rows in ((model.target_regressor_, partly[:, 5:11]), (model, partly)):
        assert np.isnan(ran(to_onnx(regressor, rows, options={"return_std": True}), rows)).all()


# -- pipelines and options ------------------------------------------------------------------------


@TYPES
def test_pipelines_are_one_graph(data, dtype):
    """With steps before, and with ours before others."""
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner(), predict_from="available")
    whole = make_pipeline(StandardScaler(), model).fit(X, y)
    assert_says_the_same(whole, X.astype(dtype))
    complete = np.flatnonzero(y >= 0)
    for step in (CrossModalImputer(aligner()), aligner()):
        steps = make_pipeline(step, StandardScaler(), LogisticRegression())
        both = np.isfinite(X[:, :5]).all(axis=1)
        filled = steps[0].fit(X[both]).transform(X)
        steps[1].fit(filled)
        steps[2].fit(steps[1].transform(filled)[complete], y[complete])
        assert_says_the_same(steps, X.astype(dtype))


@pytest.mark.parametrize("pipeline", [False, True])
def test_maps_of_probabilities(data, pipeline):
    """skl2onnx' own form is there for who asks for it; by default there is a matrix."""
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner())
    model = (make_pipeline(StandardScaler(), model) if pipeline else model).fit(X, y)
    rows = X[100:110]
    proba = model.predict_proba(rows)
    inner = {CrossModalTransferClassifier: {"zipmap": True}}
    for options in ({"zipmap": True}, {id(model): {"zipmap": True}}, inner):
        found = ran(to_onnx(model, rows, options=options), rows)[1]
        assert [sorted(row) for row in found] == [[0, 1, 2, 3]] * len(rows)
        single = [[row[c] for c in range(4)] for row in found]  # maps of ONNX are
        np.testing.assert_allclose(single, proba, atol=1e-6)
    columns = ran(to_onnx(model, rows, options={"zipmap": "columns"}), rows)[1:]
    np.testing.assert_allclose(np.transpose(columns), proba, atol=1e-10)
    plain = ran(to_onnx(model, rows, options={id(model): {}}), rows)
    assert plain[1].shape == proba.shape


def test_skl2onnx_itself_converts(data):
    """Once it is told, twice does no harm; types may be given by hand."""
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner()).fit(X, y).target_classifier_
    register_converters()
    register_converters()
    kind = skl2onnx.common.data_types.DoubleTensorType([None, 6])
    options = {"zipmap": False}
    graph = skl2onnx.convert_sklearn(model, initial_types=[("rows", kind)], options=options)
    assert_says_the_same(model, X[100:120, 5:11], graph)


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_older_operators(data, opset):
    """Runtimes that are not new take older versions."""
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner(), predict_from="available").fit(X, y)
    graph = to_onnx(model, X, target_opset=opset)
    assert {entry.version for entry in graph.opset_import if not entry.domain} == {opset}
    assert_says_the_same(model, X, graph)


def test_types_of_rows(data):
    """Single precision is kept; integers, frames and lists of numbers are double."""
    pandas = pytest.importorskip("pandas")
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner()).fit(X, y).target_classifier_
    rows = X[100:103, 5:11]
    float32, float64 = 1, 11
    for given_, expected in (
        (rows, float64),
        (rows.astype(np.float32), float32),
        (rows.tolist(), float64),
        (np.ones((1, 6), dtype=int), float64),
        (pandas.DataFrame(rows), float64),
        (pandas.DataFrame(rows.astype(np.float32)), float32),
    ):
        graph = to_onnx(model, given_)
        (entry,) = graph.graph.input
        assert entry.name == "X"
        assert entry.type.tensor_type.elem_type == expected
        assert entry.type.tensor_type.shape.dim[1].dim_value == 6


# -- what is refused ------------------------------------------------------------------------------


def test_what_estimators_refuse_is_nan(data):
    """A graph raises no error: partly missing and infinite blocks, or rows without any."""
    X, y = data
    model = CrossModalTransferClassifier(aligner=aligner(), predict_from="available").fit(X, y)
    rows = X[100:106].copy()
    rows[0, 2], rows[1, 7], rows[2, 12], rows[3, 7], rows[4] = np.nan, np.nan, np.nan, np.inf, 0.0
    proba = ran(to_onnx(model, X), rows)[1]
    assert np.array_equal(np.isnan(proba).all(axis=1), [True] * 4 + [False] * 2)
    assert not np.isnan(proba[4:]).any()
    rows[5] = np.nan
    Z = ran(to_onnx(model.aligner_, X), rows)[0]
    assert np.array_equal(np.isfinite(Z).all(axis=1), [False] * 4 + [True, False])
    filled = ran(to_onnx(model.aligner_, X, options={"impute": True}), rows)[0]
    assert np.isnan(filled[5]).all()


def test_clear_refusals(data):
    """Not fitted, no rows, words, other columns, what is not converted, many modalities."""
    X, y = data
    with pytest.raises(NotFittedError):
        to_onnx(aligner(), X)
    model = CrossModalTransferClassifier(aligner=aligner()).fit(X, y)
    with pytest.raises(ValueError, match="give rows"):
        to_onnx(model, X[0])
    with pytest.raises(ValueError, match="no number"):
        to_onnx(model, [["word"] * 15])
    with pytest.raises(RuntimeError, match="CrossModalRetriever"):
        to_onnx(CrossModalRetriever(aligner()).fit(X), X)
    with pytest.raises(ValueError, match=r"X has 15 features, but ModalityClassifier .* 6"):
        to_onnx(model.target_classifier_, X)
    many = NullSpaceAligner(modalities=[1] * 7).fit(X[90:280, :7])
    assert ran(to_onnx(many, X[90:100, :7]), X[90:100, :7])[0].shape[0] == 10
    with pytest.raises(NotImplementedError, match="7 modalities"):
        to_onnx(many, X[:, :7], options={"impute": True})


def test_without_the_extra(data):
    """The module can be imported, and says what to install."""
    code = (
        "import sys; sys.modules['skl2onnx'] = None\n"
        "from skalign.onnx import register_converters\n"
        "try:\n    register_converters()\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "skalign[onnx]"' in done.stdout


def test_the_page_runs(tmp_path, monkeypatch):
    """The Python of docs/onnx.md, as a reader would type it."""
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).parents[1] / "docs" / "onnx.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    space = {}
    for block in blocks:
        exec(compile(block, "onnx.md", "exec"), space)
    assert blocks
    assert (tmp_path / "target.onnx").exists()
