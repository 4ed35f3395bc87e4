"""Fitted estimators as files: what is in them, and who can read them."""

import importlib.util
import pickle
import pickletools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from test_house import fitted

import skalign
from skalign import NullSpaceAligner
from skalign._utils._state import STATE_VERSION
from skalign.datasets import make_paired_gaussians
from skalign.model_selection import ConformalTransfer

HERE = Path(__file__).resolve().parent / "files"
PUBLIC = {getattr(skalign, name) for name in skalign.__all__} | {ConformalTransfer}
ESTIMATORS = sorted((c for c in PUBLIC if isinstance(c, type)), key=lambda c: c.__name__)
FILES = sorted(file for file in HERE.glob("*/*") if file.suffix in (".skops", ".pickle"))
# Models that hold an estimator of scikit-learn, which warns where its own version is another.
WITH_SKLEARN = ("BlockImputer", "Conformal", "CrossModalTransfer", "CrossModalRetriever")


@pytest.fixture(scope="session")
def writer():
    """The script that writes the files of a release."""
    pytest.importorskip("skops.io")
    spec = importlib.util.spec_from_file_location("write", HERE / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def models(writer):
    """Fitted models, at least one of every public estimator."""
    return writer.models()


def ours(types):
    """Whether names of types are public ones of this package."""
    return set(types) <= {f"{c.__module__}.{c.__name__}" for c in ESTIMATORS}


def said_alike(writer, model, again):
    """Whether two models answer alike, to the last bit."""
    X = writer.asked(model)
    first, second = writer.answers(model, X), writer.answers(again, X)
    assert first
    for name, said in first.items():
        np.testing.assert_array_equal(second[name], said, err_msg=name)


# -- files that are written now -------------------------------------------------------------------


def test_a_model_of_every_estimator_is_written(models):
    """So that the tests below speak of all of them."""
    assert {type(model) for model in models.values()} == set(ESTIMATORS)


def test_skops_round_trip(writer, models):
    """Files of skops trust public names of skalign, and of nobody else beyond its defaults."""
    import skops.io as io

    for model in models.values():
        data = io.dumps(model)
        untrusted = io.get_untrusted_types(data=data)
        assert ours(untrusted)
        said_alike(writer, model, io.loads(data, trusted=untrusted))


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_skops_takes_what_is_not_fitted(kind):
    """Parameters come back."""
    io = pytest.importorskip("skops.io")
    needed = {"estimator": skalign.CrossModalTransferClassifier()}
    model = kind(**needed) if kind is ConformalTransfer else kind()
    data = io.dumps(model)
    again = io.loads(data, trusted=io.get_untrusted_types(data=data))
    assert ours(io.get_untrusted_types(data=data))
    assert type(again) is kind
    assert repr(again) == repr(model)
    assert vars(again).keys() == vars(model).keys()


@pytest.mark.parametrize("number", range(12))
def test_skops_takes_every_setting(number):
    """Frozen sources, mixtures, sums of batches, default parts."""
    io = pytest.importorskip("skops.io")
    model = fitted()[number]
    data = io.dumps(model)
    again = io.loads(data, trusted=io.get_untrusted_types(data=data))
    assert ours(io.get_untrusted_types(data=data))
    X = make_paired_gaussians(90, n_features=(5, 6), noise=0.5, random_state=1).X
    X = X[:, : model.n_features_in_]
    for name in ("transform", "impute", "predict_proba", "predict", "kneighbors"):
        if hasattr(model, name):
            said = getattr(model, name)(X), getattr(again, name)(X)
            np.testing.assert_array_equal(*said, err_msg=name)


def test_pickles_name_public_classes_only(writer, models):
    """So that rooms may be moved without breaking a file."""
    for model in models.values():
        data = pickle.dumps(model)
        strings = {arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str)}
        named = {text for text in strings if re.match(r"skalign\b", text)}
        assert named <= {"skalign", "skalign.model_selection"}
        assert named
        said_alike(writer, model, pickle.loads(data))


def test_a_fit_in_one_go_keeps_no_sums():
    """A pickle holds maps, k numbers a column, and no matrix of columns by columns."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(600, 3))
    wide = shared @ rng.normal(size=(3, 400)) + rng.normal(size=(600, 400))
    aligner = NullSpaceAligner(3).fit(wide)
    assert len(pickle.dumps(aligner)) < 8 * 400 * 3 * 8
    streamed = NullSpaceAligner(3).partial_fit(wide)
    assert len(pickle.dumps(streamed)) > 8 * 400 * 400
    np.testing.assert_allclose(streamed.transform(wide), aligner.transform(wide), atol=1e-6)


# -- the version of the state ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_a_newer_state_is_refused(kind):
    """The error names both versions, the release that wrote it, and what to do."""
    model = object.__new__(kind)
    state = {"_skalign_state": STATE_VERSION + 1, "_skalign_version": "9.1", "coef_": 1}
    told = rf"{kind.__name__} of state version {STATE_VERSION + 1}, written by skalign 9\.1; "
    told += rf".*versions up to {STATE_VERSION}: install skalign 9\.1 or later.*, or fit again"
    with pytest.raises(ValueError, match=told):
        model.__setstate__(state)
    assert vars(model) == {}


def test_states_without_a_version_are_read(models):
    """They are older than the numbers; and nothing of these stays behind in the model."""
    model = models["NullSpaceAligner"]
    state = model.__getstate__()
    assert state["_skalign_state"] == STATE_VERSION
    assert state["_skalign_version"] == skalign.__version__
    old = {name: value for name, value in state.items() if not name.startswith("_skalign")}
    for known in (state, old):
        again = object.__new__(NullSpaceAligner)
        again.__setstate__(known)
        assert vars(again).keys() == vars(model).keys()


# -- files of releases ----------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_files_of_releases_are_read(file, writer):
    """They say what they said when they were written, whatever versions are installed now."""
    import skops.io as io

    with warnings.catch_warnings():
        if file.name.startswith(WITH_SKLEARN):
            warnings.simplefilter("ignore", InconsistentVersionWarning)
        if file.suffix == ".skops":
            untrusted = io.get_untrusted_types(file=file)
            assert ours(untrusted)
            model = io.load(file, trusted=untrusted)
        else:
            model = pickle.loads(file.read_bytes())
    with np.load(file.with_name("expected.npz")) as expected:
        names = [name for name in expected if name.startswith(f"{file.stem}/")]
        said = writer.answers(model, expected[f"{file.stem}/X"])
        assert {f"{file.stem}/{method}" for method in said} == {*names} - {f"{file.stem}/X"}
        for method, values in said.items():
            wanted = expected[f"{file.stem}/{method}"]
            np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12, err_msg=method)


def test_every_release_has_its_files(models):
    """This one, too, of every model, in both formats; each is small."""
    assert {file.parent.name for file in FILES} >= {skalign.__version__}
    for ending in ("skops", "pickle"):
        written = (HERE / skalign.__version__).glob(f"*.{ending}")
        assert {file.stem for file in written} == models.keys()
    assert max(file.stat().st_size for file in HERE.glob("*/*")) < 50_000


def test_files_of_this_release_hold_what_is_documented(models):
    """Else they were written by another state: that needs a new version of it, or new files."""
    for name in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            model = pickle.loads((HERE / skalign.__version__ / f"{name}.pickle").read_bytes())
        for attribute in vars(model).keys() - {"_sums"}:
            assert re.search(rf"\b{attribute}\b", type(model).__doc__), (name, attribute)
