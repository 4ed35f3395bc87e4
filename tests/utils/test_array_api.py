"""Arrays of other namespaces give what NumPy gives, and what comes out lies where they lie.

PyTorch takes part where it can be imported.
"""

import importlib
import importlib.util
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign._utils._array_api import DeviceRows, as_numpy, as_rows, namespace, to_numpy
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import agreement_scorer
from skalign.moments._accumulate import Accumulator


def _importable(name):
    try:
        return importlib.import_module(name) is not None
    except ImportError:
        return False


def _dispatches():
    try:
        with config_context(array_api_dispatch=True):
            return True
    except ImportError:
        return False


DISPATCHES = _dispatches()
needs_dispatch = pytest.mark.skipif(
    not DISPATCHES, reason="scikit-learn refuses array_api_dispatch with this SciPy"
)
PLACES = [
    ("array_api_strict", "CPU_DEVICE", "float64"),
    ("array_api_strict", "device1", "float64"),
    ("array_api_strict", "device1", "float32"),
    ("array_api_strict", "no_float64", "float32"),
]
HAS_TORCH = _importable("torch") and _importable("array_api_compat")
if HAS_TORCH:
    import torch

    PLACES += [("torch", "cpu", "float64"), ("torch", "cpu", "float32")]
    if torch.cuda.is_available():
        PLACES += [("torch", "cuda:0", "float64"), ("torch", "cuda:0", "float32")]

WIDTHS = [5, 8, 4]
TOL = {"float64": 1e-9, "float32": 1e-4}
SCATTERED = {
    "a": [0, 3, 5, 7, 9],
    "b": [1, 2, 4, 6, 8, 10, 12, 14],
    "c": slice(15, 17),
    "d": [11, 13],
}


@pytest.fixture(params=PLACES, ids="-".join)
def place(request):
    """Moves an array somewhere, as what is there."""
    library, name, dtype = request.param
    xp = importlib.import_module(library)
    device = xp.Device(name) if library == "array_api_strict" else xp.device(name)

    def put(values, exact=False):
        return xp.asarray(np.array(values, dtype=None if exact else dtype), device=device)

    with config_context(array_api_dispatch=True):
        yield SimpleNamespace(put=put, dtype=dtype, device=device, xp=xp, tol=TOL[dtype])


@pytest.fixture(scope="module")
def data():
    """800 rows of three modalities, half of them complete."""
    made = make_paired_gaussians(800, n_features=WIDTHS, noise=0.3, random_state=0)
    missing = made.X.copy()
    missing[:100, :5] = missing[100:200, 5:13] = missing[200:300, 13:] = np.nan
    missing[300:350, 5:] = np.nan
    weights = np.random.RandomState(0).randint(0, 3, 800).astype(float)
    return SimpleNamespace(X=made.X, missing=missing, weights=weights)


def assert_there(out, like, expected, tol):
    """Same namespace, type and device, and the same numbers."""
    assert type(out) is type(like)
    assert out.dtype == like.dtype
    assert out.device == like.device
    np.testing.assert_allclose(as_numpy(out), expected, rtol=tol, atol=tol)


def test_dispatch_goes_with_scipy():
    """What decides whether the tests below run: scikit-learn asks for SciPy 1.14."""
    assert (tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 14)) == DISPATCHES


# -- the aligner -------------------------------------------------------------------------------


@needs_dispatch
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "covariance", "center": False},
        {"solver": "qr"},
        {"whiten": False, "shrinkage": None},
    ],
    ids=str,
)
def test_aligner_equals_numpy(data, place, params, weighted):
    """Fit, and every method, with and without missing blocks."""
    aligner = NullSpaceAligner(2, modalities=WIDTHS, **params)
    w = data.weights if weighted else None
    w_there = place.put(w) if weighted else None
    for values in (data.X, data.missing):
        X = values.astype(place.dtype)
        with config_context(array_api_dispatch=False):
            plain = clone(aligner).fit(X, sample_weight=w)
        there = place.put(X)
        fitted = clone(aligner).fit(there, sample_weight=w_there)
        for name in ("correlations_", "singular_values_", "loadings_", "pvalues_", "ranks_"):
            found = getattr(fitted, name)
            assert type(found) is np.ndarray
            np.testing.assert_allclose(found, getattr(plain, name), rtol=1e-8, atol=1e-10)
        assert fitted.n_pairs_ == plain.n_pairs_
        latents = fitted.transform(there)
        assert_there(latents, there, plain.transform(X), place.tol)
        assert_there(fitted.impute(there), there, plain.impute(X), place.tol)
        expected = plain.inverse_transform(plain.transform(X))
        assert_there(fitted.inverse_transform(latents), there, expected, 3 * place.tol)
        score = fitted.score(there, sample_weight=w_there)
        assert isinstance(score, float)
        assert score == pytest.approx(plain.score(X, sample_weight=w), abs=30 * place.tol)


@needs_dispatch
def test_fitted_here_used_there(data, place):
    """Nothing that is learned depends on where; a pickle is read without the namespace."""
    X = data.missing.astype(place.dtype)
    there = place.put(X)
    fitted = NullSpaceAligner(2, modalities=WIDTHS).fit(there)
    here = NullSpaceAligner(2, modalities=WIDTHS).fit(X)
    with config_context(array_api_dispatch=False):
        copy = pickle.loads(pickle.dumps(fitted))
        assert place.xp.__name__.encode() not in pickle.dumps(fitted)
        expected = here.transform(X)
        assert type(copy.transform(X)) is np.ndarray
        np.testing.assert_allclose(copy.transform(X), expected, rtol=place.tol, atol=place.tol)
    assert_there(here.transform(there), there, expected, place.tol)
    assert type(fitted.transform(X)) is np.ndarray
    here, again = (NullSpaceAligner(2, modalities=WIDTHS).partial_fit(X) for _ in range(2))
    fitted = NullSpaceAligner(2, modalities=WIDTHS).partial_fit(there)
    again = again.merge(here).transform(X)
    assert_there(pickle.loads(pickle.dumps(here)).merge(fitted).transform(there), there, again,
                 place.tol)  # fmt: skip
    assert_there(fitted.partial_fit(X).transform(there), there, again, place.tol)


@needs_dispatch
@pytest.mark.parametrize("solver", ["auto", "covariance"])
def test_partial_fit(data, place, solver):
    """Batches of rows, the first of another namespace than the second."""
    X, w = data.missing.astype(place.dtype), data.weights
    fitted = NullSpaceAligner(2, modalities=WIDTHS, solver=solver)
    fitted.partial_fit(place.put(X[:500]), sample_weight=place.put(w[:500]))
    fitted.partial_fit(X[500:], sample_weight=place.put(w[500:]))
    whole = NullSpaceAligner(2, modalities=WIDTHS, solver=solver).fit(X, sample_weight=w)
    np.testing.assert_allclose(fitted.correlations_, whole.correlations_, rtol=1e-8)
    assert_there(fitted.transform(place.put(X)), place.put(X), whole.transform(X), place.tol)


@needs_dispatch
def test_scattered_columns_and_encoders(data, place):
    """Blocks whose columns are not side by side; encoders on their own."""
    X = data.X.astype(place.dtype)
    X[:50, SCATTERED["a"]] = np.nan
    there = place.put(X)
    fitted = NullSpaceAligner(2, modalities=SCATTERED).fit(there)
    plain = NullSpaceAligner(2, modalities=SCATTERED).fit(X)
    assert_there(fitted.transform(there), there, plain.transform(X), place.tol)
    assert_there(fitted.impute(there), there, plain.impute(X), place.tol)
    Z = plain.transform(X)
    assert_there(
        fitted.inverse_transform(place.put(Z)), there, plain.inverse_transform(Z), 3 * place.tol
    )
    block = X[:, SCATTERED["b"]]
    encoder, own = fitted.named_encoders_["b"], plain.named_encoders_["b"]
    latents = encoder.transform(place.put(block))
    assert_there(latents, there, own.transform(block), place.tol)
    back = own.inverse_transform(own.transform(block))
    assert_there(encoder.inverse_transform(latents), there, back, 3 * place.tol)
    with pytest.raises(ValueError, match="expected 2 components"):
        encoder.inverse_transform(there[50:, :])
    with pytest.raises(ValueError, match="expecting 8 features"):
        encoder.transform(there[50:, :])
    with pytest.raises(ValueError, match="NaN"):
        fitted.named_encoders_["a"].transform(place.put(X[:, SCATTERED["a"]]))


@needs_dispatch
def test_ill_conditioned_data(place):
    """Exact directions under columns that are almost the same: the data are read once more."""
    rng = np.random.RandomState(0)
    shared = rng.standard_normal((300, 2))
    blocks = [np.hstack([shared @ rng.standard_normal((2, 3)), shared[:, :1]]) for _ in range(2)]
    X = np.hstack(blocks) + 1e-7 * rng.standard_normal((300, 8)) * [1, 1, 0, 0, 1, 1, 0, 0]
    X = (X + 100).astype(place.dtype)
    plain = NullSpaceAligner(2, shrinkage=None).fit(X)
    fitted = NullSpaceAligner(2, shrinkage=None).fit(place.put(X))
    assert fitted.n_exact_components_ == plain.n_exact_components_
    np.testing.assert_array_equal(fitted.ranks_, plain.ranks_)
    np.testing.assert_allclose(fitted.correlations_, plain.correlations_, rtol=1e-7)


@needs_dispatch
def test_integers_and_rows_that_do_not_count(data, place):
    """Whole numbers are numbers; what has no weight may be anything."""
    whole = np.round(10 * data.X).astype(np.int32)
    plain = NullSpaceAligner(2, modalities=WIDTHS).fit(whole)
    fitted = NullSpaceAligner(2, modalities=WIDTHS).fit(place.put(whole, exact=True))
    np.testing.assert_allclose(fitted.correlations_, plain.correlations_, rtol=1e-9)
    X, w = data.X.astype(place.dtype), np.ones(800)
    X[3], w[3] = np.inf, 0
    plain = NullSpaceAligner(2, modalities=WIDTHS).fit(X, sample_weight=w)
    fitted = NullSpaceAligner(2, modalities=WIDTHS).fit(place.put(X), sample_weight=w)
    np.testing.assert_allclose(fitted.correlations_, plain.correlations_, rtol=1e-9)


@needs_dispatch
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "impute", "score"])
def test_errors_are_those_of_numpy(data, place, method, value):
    """Infinity, or a block that is partly NaN: the same words."""
    X = data.X.astype(place.dtype)
    aligner = NullSpaceAligner(2, modalities=WIDTHS).partial_fit(X)
    X[7, 6] = value
    with pytest.raises(ValueError, match="modality 'modality1', row 7") as plain:
        getattr(aligner, method)(X)
    with pytest.raises(ValueError, match="modality 'modality1', row 7") as error:
        getattr(aligner, method)(place.put(X))
    assert str(error.value) == str(plain.value)
    X[7] = np.nan
    if method in ("transform", "impute"):
        with pytest.raises(ValueError, match="row 7 has no modality at all"):
            getattr(aligner, method)(place.put(X))


@needs_dispatch
def test_values_that_overflow(place):
    """Squares beyond the largest number are told, as for NumPy."""
    X = place.put(np.random.RandomState(0).standard_normal((50, 4)))
    if place.dtype == "float64":
        with pytest.raises(ValueError, match="overflow"):
            NullSpaceAligner(1).fit(X * 1e200)


@needs_dispatch
def test_complex_numbers_are_refused():
    """By their name."""
    xp = importlib.import_module("array_api_strict")
    with config_context(array_api_dispatch=True), pytest.raises(ValueError, match="Complex data"):
        NullSpaceAligner(1).fit(xp.ones((9, 4), dtype=xp.complex128))


@needs_dispatch
def test_sums_stay_on_the_device(data, place, monkeypatch):
    """Where there is float64 a fit moves moments, and no more rows than it counts."""
    moved = []
    monkeypatch.setattr(
        "skalign._utils._array_api.to_numpy",
        lambda array: moved.append(int(np.prod(array.shape))) or to_numpy(array),
    )
    rows = np.tile(data.X, (5, 1)) + np.random.RandomState(1).standard_normal((4000, 17))
    NullSpaceAligner(2, modalities=WIDTHS).fit(place.put(rows))
    stays = as_rows(place.put(rows)).double
    assert (sum(moved) < rows.size / 10) == stays


# -- the classifier ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled():
    """Labelled rows, pairs, and rows to predict of two modalities; some have nothing to say."""
    made = make_paired_gaussians(600, n_features=(5, 8), noise=0.5, n_classes=3, random_state=0)
    X, y = made.X.copy(), made.y.copy()
    X[:200, 5:] = np.nan
    y[200:] = -1
    X[400:, :5] = np.nan
    weights = np.random.RandomState(0).randint(0, 3, 400).astype(float)
    return SimpleNamespace(X=X[:400], y=y[:400], new=X[400:], truth=made.y[400:], weights=weights)


@needs_dispatch
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(
    "params",
    [{}, {"predict_from": "available"}, {"mixture": GaussianMixture(3, random_state=0)}],
    ids=["target", "available", "mixture"],
)
def test_classifier_equals_numpy(labelled, place, params, weighted):
    """Probabilities and labels; from the stack, and from the target alone."""
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]), **params)
    X, new = labelled.X.astype(place.dtype), labelled.new.astype(place.dtype)
    w = labelled.weights if weighted else None
    plain = clone(model).fit(X, labelled.y, sample_weight=w)
    y_there, new_there = place.put(labelled.y, exact=True), place.put(new)
    w_there = place.put(w) if weighted else None
    fitted = clone(model).fit(place.put(X), y_there, sample_weight=w_there)
    expected, labels = plain.predict_proba(new), plain.predict(new)
    assert expected.dtype == np.float64
    assert_there(fitted.predict_proba(new_there), new_there, expected, 10 * place.tol)
    assert_there(fitted.predict(new_there), y_there, labels, 0)
    target = fitted.target_classifier_
    alone = place.put(new[:, 5:])
    said = plain.target_classifier_.predict_proba(new[:, 5:])
    assert_there(target.predict_proba(alone), new_there, said, 10 * place.tol)
    assert_there(target.predict(alone), y_there, plain.target_classifier_.predict(new[:, 5:]), 0)
    both = labelled.X[200:].astype(place.dtype)
    assert_there(
        fitted.predict_proba(place.put(both)), new_there, plain.predict_proba(both), 10 * place.tol
    )
    assert agreement_scorer(fitted, place.put(both), None) == pytest.approx(
        agreement_scorer(plain, both, None), abs=10 * place.tol
    )
    with config_context(array_api_dispatch=False):
        copy = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(copy.predict(new), labels)


@needs_dispatch
def test_score_and_words(labelled, place):
    """Labels that are words stay NumPy's; numbers are scored where they are."""
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=[5, 8]))
    X, new = place.put(labelled.X), place.put(labelled.new)
    fitted = clone(model).fit(X, place.put(labelled.y, exact=True))
    if as_rows(X).double:  # scikit-learn averages in float64
        truth = place.put(labelled.truth, exact=True)
        assert fitted.score(new, truth) > 0.9
        assert fitted.target_classifier_.score(new[:, 5:], truth) > 0.9
    words = np.array(["none", "a", "b", "c"], dtype=object)[labelled.y + 1]
    words[labelled.y < 0] = None
    predicted = clone(model).fit(X, words).predict(new)
    assert type(predicted) is np.ndarray
    assert set(predicted) == {"a", "b", "c"}


@needs_dispatch
def test_rows_without_a_target_and_frozen_source(labelled, place):
    """They get the class prior, and are counted; a frozen source is asked on the host."""
    rows = np.flatnonzero(labelled.y >= 0)
    source = LogisticRegression().fit(labelled.X[rows, :5], labelled.y[rows])
    fitted = CrossModalTransferClassifier(
        FrozenEstimator(source), aligner=NullSpaceAligner(modalities=[5, 8])
    ).fit(place.put(labelled.X))
    with pytest.warns(UserWarning, match="2 of 4 rows lack the target") as caught:
        proba = fitted.predict_proba(place.put(labelled.X[198:202]))
    assert caught[0].filename == __file__
    np.testing.assert_allclose(
        as_numpy(proba)[:2], fitted.class_prior_[None].repeat(2, 0), rtol=1e-5
    )


# -- scikit-learn's own checks -----------------------------------------------------------------


@needs_dispatch
@pytest.mark.filterwarnings("ignore:.*share nothing beyond chance:UserWarning")
@pytest.mark.parametrize(
    "estimator",
    [NullSpaceAligner(2), CrossModalTransferClassifier(), CrossModalTransferClassifier(
        predict_from="available", aligner=NullSpaceAligner(1)
    )],
    ids=str,
)  # fmt: skip
def test_checks_of_what_comes_out(place, estimator):
    """In a pipeline, because what is learned is NumPy, which the check has otherwise."""
    library, device = place.xp.__name__, str(place.device)
    if library == "array_api_strict":
        device = device.split("'")[1]
        if not as_rows(place.put(np.ones((2, 2)))).double:
            return  # no place of scikit-learn's checks
    check = estimator_checks.check_array_api_input_and_values
    if hasattr(estimator, "predict") and place.dtype == "float64" and "torch" in library:
        # scikit-learn averages what is right in PyTorch's default type, which is float32
        check = estimator_checks.check_array_api_input
    check(type(estimator).__name__, make_pipeline(estimator), library, device, place.dtype)


# -- what is recognized ------------------------------------------------------------------------


def test_nothing_is_dispatched_unless_asked():
    """Nor is NumPy ever, nor what is no array."""
    strict = importlib.import_module("array_api_strict")
    assert namespace(strict.ones(3)) is None
    X = np.ones((3, 2))
    assert as_rows(X) is X
    assert as_numpy(X) is X
    if DISPATCHES:
        with config_context(array_api_dispatch=True):
            assert namespace(strict.ones(3)) is strict
            for thing in (X, X[0, 0], [1, 2], "word", None, 3.0):
                assert namespace(thing) is None


@needs_dispatch
def test_the_extra_is_named(monkeypatch):
    """Without array_api_compat some libraries have no namespace."""
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    array = SimpleNamespace(__dlpack__=None, device="cpu")
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ImportError, match=r"pip install 'skalign\[array-api\]'"),
    ):
        namespace(array)


@needs_dispatch
def test_rows_on_a_device_are_taken_like_those_of_an_ndarray(place):
    """Slices, numbers and masks, of rows and columns; and what a device without DLPack gives."""
    X = np.arange(12.0).reshape(4, 3).astype(place.dtype)
    there = as_rows(place.put(X))
    assert isinstance(there, DeviceRows) and as_rows(there) is there
    assert (len(there), there.shape) == (4, (4, 3))
    assert there.dtype == X.dtype
    mask = np.array([True, False, True, True])
    for key in (slice(1, 9), mask, np.array([3, 0]), (slice(None), slice(1, 3)),
                (mask, np.array([2, 0])), (slice(0, 0), slice(None))):  # fmt: skip
        expected = X[key] if not isinstance(key, tuple) else X[key[0]][:, key[1]]
        np.testing.assert_array_equal(as_numpy(there[key]), expected)
    far = SimpleNamespace(cpu=lambda: X)
    np.testing.assert_array_equal(to_numpy(far), X)
    if there.double:
        total = Accumulator()
        assert total.add(there) and total.add(there[:0])
        np.testing.assert_allclose(total.result().scatter, 3 * np.cov(X.T), atol=1e-12)
