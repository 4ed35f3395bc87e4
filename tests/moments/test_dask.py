"""Dask collections: what memory would have given, wherever rows lie and however they are cut."""

import os
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign._blocks import resolve
from skalign.datasets import make_paired_gaussians
from skalign.moments._dask import DaskRows, as_rows, template_of
from skalign.moments._rows import Accumulated, ArrayRows
from skalign.transfer import _dask as sampling

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
cloudpickle = pytest.importorskip("cloudpickle")
distributed = pytest.importorskip("distributed")

few = settings(max_examples=15, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = (5, 6)
NAMES = [f"a{i}" for i in range(5)] + [f"b{i}" for i in range(6)]
BY_NAME = {"a": slice("a0", "a4"), "b": lambda f: [c for c in f.columns if c.startswith("b")]}
synchronous = pytest.mark.usefixtures("here")


@pytest.fixture
def here():
    """Everything in this thread."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def lacking(rng, X):
    """Rows of which two in five lack a modality."""
    X, missing = X.copy(), rng.integers(5, size=len(X))
    X[missing == 1, :5] = np.nan
    X[missing == 2, 5:] = np.nan
    return X


def rows(rng, n=120, noise=1.0):
    """Rows of which some lack a modality, and labels that some lack."""
    data = make_paired_gaussians(
        n, n_features=WIDTHS, n_latent=2, noise=noise, random_state=int(rng.integers(1000))
    )
    y = np.where(rng.random(n) < 0.3, -1, data.y)
    return lacking(rng, data.X), y


def cut(n, at):
    """Sizes of the chunks of n rows."""
    return tuple(np.diff(np.unique([0, *at, n])).tolist())


def assert_same(a, b, X, atol=1e-9):
    """Two aligners that have learned the same."""
    np.testing.assert_allclose(a.transform(X), b.transform(X), atol=atol)
    np.testing.assert_allclose(a.correlations_, b.correlations_, atol=atol)
    np.testing.assert_allclose(a.pvalues_, b.pvalues_, atol=1e-6)
    np.testing.assert_array_equal(a.ranks_, b.ranks_)
    assert (a.n_pairs_, a.n_exact_components_) == (b.n_pairs_, b.n_exact_components_)


def assert_deferred(lazy, expected):
    """A Dask array that says what it will be, and is."""
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == expected.dtype
    assert lazy.ndim == expected.ndim
    computed = lazy.compute()
    assert computed.dtype == expected.dtype
    np.testing.assert_allclose(computed, expected, atol=1e-9)


@synchronous
@few
@given(
    generators,
    st.lists(st.integers(1, 119), max_size=30),
    st.integers(1, 11),
    st.sampled_from(["auto", "covariance", "qr"]),
    st.sampled_from([None, "numpy", "dask"]),
    st.sampled_from([0.0, 1.0]),
)
def test_chunks_are_one_fit(rng, at, across, solver, weighted, noise):
    """However rows and columns are cut, and whatever they lack or weigh."""
    # a covariance cannot tell a correlation of 1 - 1e-8 from one: which of both may differ
    X, _ = rows(rng, noise=1.0 if solver == "covariance" else noise)
    w = rng.uniform(0.0, 3.0, size=len(X)) * (rng.random(len(X)) > 0.1) if weighted else None
    options = {"n_components": 2, "modalities": WIDTHS, "solver": solver}
    whole = NullSpaceAligner(**options).fit(X, sample_weight=w)
    D = da.from_array(X, chunks=(cut(len(X), at), across))
    v = da.from_array(w, chunks=50) if weighted == "dask" else w
    chunked = NullSpaceAligner(**options).fit(D, sample_weight=v)
    assert_same(chunked, whole, X)
    score = whole.score(X, sample_weight=w)
    if noise:  # else it is as large as rounding is small
        assert chunked.score(D, sample_weight=v) == pytest.approx(score, abs=1e-9)
    Z = whole.transform(X)
    assert_deferred(whole.transform(D), Z)
    assert_deferred(whole.impute(D), whole.impute(X))
    back = whole.inverse_transform(da.from_array(Z, chunks=(50, 1)))
    assert_deferred(back, whole.inverse_transform(Z))


@synchronous
def test_more_rows():
    """What partial_fit and merge make of arrays in memory."""
    X, _ = rows(np.random.default_rng(0))
    D = da.from_array(X, chunks=(17, 11))
    whole = NullSpaceAligner(2, modalities=WIDTHS).fit(X)
    aligner = NullSpaceAligner(2, modalities=WIDTHS).partial_fit(D[:40]).partial_fit(X[40:80])
    before = pickle.dumps(aligner)
    with pytest.raises(ValueError, match="11 features"):
        aligner.partial_fit(D[80:, :5])
    assert pickle.dumps(aligner) == before
    assert_same(aligner.partial_fit(D[80:]), whole, X)
    first, rest = (NullSpaceAligner(2, modalities=WIDTHS).partial_fit(d) for d in (D[:40], D[40:]))
    assert_same(first.merge(rest), whole, X)
    with pytest.raises(ValueError, match=r"keeps no sums .* partial_fit, not by fit"):
        NullSpaceAligner(2, modalities=WIDTHS).fit(D[:40]).merge(rest)


# -- accuracy ----------------------------------------------------------------------------------


def passes_of(source, fit):
    """What a fit reads the rows of a kind of source for, in order; and what it learns."""
    passes, moments, mapped = [], source.moments, source.mapped

    def spied_moments(rows, kind):
        passes.append(kind)
        return moments(rows, kind)

    def spied_mapped(rows, *args, **kwargs):
        passes.append("refinement")
        return mapped(rows, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "moments", spied_moments)
        patch.setattr(source, "mapped", spied_mapped)
        return passes, fit()


def conditioned(rng, n, condition):
    """Pairs with two strong correlations, each block of a condition number in a random basis."""
    z, blocks = rng.normal(size=(n, 2)), []
    for d in WIDTHS:
        Y = rng.normal(size=(n, d))
        Y[:, :2] = z + 0.3 * Y[:, :2]
        rotations = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2)]
        blocks.append(Y @ rotations[0] * np.geomspace(1, 1 / condition, d) @ rotations[1])
    return np.hstack(blocks)


def with_dependent_columns(rng, X):
    """Columns of which one of each modality is a sum of others, up to rounding."""
    X = X.copy()
    X[:, 4] = X[:, :4] @ rng.normal(size=4)
    X[:, 10] = X[:, 5:10] @ rng.normal(size=5)
    return X


@synchronous
@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("kind", "n", "options", "expected"),
    [
        ("plain", 200, {}, ["covariance"]),
        ("plain", 9, {}, ["qr"]),
        ("plain", 200, {"whiten": False}, ["qr"]),
        ("plain", 200, {"solver": "qr"}, ["qr"]),
        (1e2, 200, {"solver": "covariance"}, ["covariance"]),
        (1e4, 200, {}, ["covariance", "refinement"]),
        (1e6, 200, {}, ["covariance", "refinement"]),
        (1e9, 200, {}, ["covariance", "refinement"]),
        ("dependent", 200, {}, ["covariance", "refinement", "qr"]),
        ("few pairs", 200, {}, ["covariance", "qr"]),
        ("exact", 200, {}, ["covariance", "qr"]),
    ],
)
def test_accuracy_of_the_automatic_solver(kind, n, options, expected, chunk):
    """Data are read once; coarse or few ones once more, and as accurately as at once.

    Chunks go from a covariance to its refinement to a triangular root where memory does.
    """
    rng = np.random.default_rng(0)
    noise = 0.0 if kind == "exact" else 0.3
    X = make_paired_gaussians(n, n_features=WIDTHS, noise=noise, random_state=0).X
    if kind == "dependent":
        X = with_dependent_columns(rng, X)
    elif kind == "few pairs":
        X[9:, :5] = np.nan
    elif isinstance(kind, float):
        X = conditioned(rng, n, kind)
    D = da.from_array(X, chunks=(chunk, 11))
    options = {"n_components": 1, "modalities": WIDTHS, "shrinkage": None, **options}
    in_memory, whole = passes_of(ArrayRows, lambda: NullSpaceAligner(**options).fit(X))
    in_chunks, chunked = passes_of(DaskRows, lambda: NullSpaceAligner(**options).fit(D))
    assert in_chunks == in_memory == expected
    assert_same(chunked, whole, X, 1e-6)  # eps times the condition number is 2e-7
    if kind == "dependent":
        assert chunked.ranks_.tolist() == [4, 5]
    for aligner in (whole, chunked):
        assert not hasattr(aligner, "_sums")


@synchronous
def test_rows_of_unknown_number_are_counted():
    """Where only the first pass tells how few there are, they are read once more."""
    X = make_paired_gaussians(9, n_features=WIDTHS, noise=0.3, random_state=0).X
    ddf = dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=3)
    for given_ in (ddf, ddf.to_dask_array()):
        here = given_.compute()
        whole = NullSpaceAligner(1, modalities=WIDTHS).fit(here)
        passes, chunked = passes_of(
            DaskRows, lambda D=given_: NullSpaceAligner(1, modalities=WIDTHS).fit(D)
        )
        assert passes == ["covariance", "qr"]
        assert_same(chunked, whole, here, 1e-7)


@synchronous
@few
@given(
    generators,
    st.floats(0, 9),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(1, 119), max_size=10),
    st.integers(0, 116),
    st.sampled_from(["auto", "qr"]),
)
def test_chunks_of_ill_conditioned_rows(rng, digits, dependent, weighted, at, one, solver):
    """At any condition number and rank, with chunks of a single row and of two among others."""
    X = conditioned(rng, 120, 10.0**digits)
    X = with_dependent_columns(rng, X) if dependent else X
    w = rng.uniform(0.1, 3.0, size=120) * (rng.random(120) > 0.1) if weighted else None
    options = {"n_components": 2, "modalities": WIDTHS, "solver": solver, "shrinkage": None}
    D = da.from_array(X, chunks=(cut(120, [*at, one, one + 1, one + 3]), 11))
    whole = NullSpaceAligner(**options).fit(X, sample_weight=w)
    chunked = NullSpaceAligner(**options).fit(D, sample_weight=w)
    assert_same(chunked, whole, X, 1e-9 + 1e-14 * 10.0**digits)


@synchronous
@pytest.mark.parametrize("chunk", [None, 2, 50])
@pytest.mark.parametrize("condition", [1e4, 1e6, 1e7])
def test_ill_conditioned_rows_that_lack_a_modality(condition, chunk):
    """They are summed up as accurately as pairs: as by an orthogonal decomposition of all."""
    rng = np.random.default_rng(0)
    full = conditioned(rng, 120, condition)
    X = lacking(rng, full)
    options = {"n_components": 2, "modalities": WIDTHS, "shrinkage": None}
    root = NullSpaceAligner(solver="qr", **options).fit(X)
    given_ = X if chunk is None else da.from_array(X, chunks=(chunk, 11))
    assert_same(NullSpaceAligner(**options).fit(given_), root, full, 1e-9 + 1e-14 * condition)


# -- types, containers, transfer ----------------------------------------------------------------


@synchronous
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_types(dtype):
    """Precision is that of the array."""
    X = (100 * make_paired_gaussians(90, n_features=WIDTHS, random_state=0).X).astype(dtype)
    D = da.from_array(X, chunks=(20, 11))
    whole, chunked = (NullSpaceAligner(2, modalities=WIDTHS).fit(rows) for rows in (X, D))
    np.testing.assert_array_equal(chunked.ranks_, whole.ranks_)
    for method in ("transform", "impute"):
        assert getattr(chunked, method)(D).dtype == getattr(whole, method)(X).dtype
        assert_deferred(getattr(whole, method)(D), getattr(whole, method)(X))


@synchronous
@pytest.mark.parametrize("weights", ["numpy", "dask", "series", "number"])
def test_dataframes(weights):
    """Columns keep their names, chunks their unknown sizes."""
    X, _ = rows(np.random.default_rng(1), 200)
    frame = pd.DataFrame(X, columns=NAMES)
    w = np.random.default_rng(2).uniform(0, 2, size=200)
    ddf = dd.from_pandas(frame, npartitions=3)
    series = dd.from_pandas(pd.Series(w), npartitions=3)
    v = {"numpy": w, "dask": series.to_dask_array(), "series": series, "number": 2.0}[weights]
    w = np.full(200, 2.0) if weights == "number" else w
    whole = NullSpaceAligner(2, modalities=BY_NAME).fit(frame, sample_weight=w)
    chunked = NullSpaceAligner(2, modalities=BY_NAME).fit(ddf, sample_weight=v)
    assert_same(chunked, whole, frame)
    assert chunked.modality_names_ == ("a", "b")
    assert chunked.feature_names_in_.tolist() == NAMES
    assert chunked.score(ddf, sample_weight=v) == pytest.approx(
        whole.score(frame, sample_weight=w)
    )
    lazy = whole.transform(ddf)
    assert np.isnan(lazy.chunks[0]).all() and lazy.chunks[1] == (2,)
    assert_deferred(lazy, whole.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        chunked.transform(ddf[NAMES[::-1]])
    unknown = ddf.to_dask_array()
    nameless = NullSpaceAligner(2, modalities=WIDTHS)
    assert_deferred(nameless.fit_transform(unknown, sample_weight=v), whole.transform(frame))


@synchronous
@pytest.mark.parametrize("form", ["arrays", "numpy labels", "gaps", "dataframes", "words"])
def test_transfer(form):
    """With all rows in reach, what a fit in memory gives, and predictions block by block."""
    rng = np.random.default_rng(3)
    X, y = rows(rng, 600, noise=0.5)
    X[rng.random(600) < 0.01] = np.nan  # rows that have nothing
    w = rng.uniform(0, 2, size=600) * (rng.random(600) > 0.1)
    D, given, modalities = da.from_array(X, chunks=(90, 3)), da.from_array(y, chunks=77), WIDTHS
    if form == "numpy labels":
        given = y
    elif form == "gaps":
        y = np.where(y < 0, np.nan, y)
        given = da.from_array(y, chunks=77)
    elif form == "words":
        y = np.array(["no", "yes", None], dtype=object)[y]
        given = da.from_array(y, chunks=77)
    elif form == "dataframes":
        X, modalities = pd.DataFrame(X, columns=NAMES), BY_NAME
        D = dd.from_pandas(X, npartitions=4)
        given = dd.from_pandas(pd.Series(y), npartitions=4)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=modalities))
    whole = model.fit(X, y, sample_weight=w)
    proba, classes, held = whole.predict_proba, whole.classes_, ~np.isnan(np.asarray(X)[:, 5])
    chunked = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=modalities))
    chunked.fit(D, given, sample_weight=w)
    np.testing.assert_array_equal(chunked.classes_, classes)
    T, L = X[held], D[held] if form != "dataframes" else dd.from_pandas(X[held], npartitions=3)
    np.testing.assert_allclose(chunked.predict_proba(T), proba(T), atol=1e-8)
    assert chunked.agreement_ == pytest.approx(whole.agreement_)
    assert_deferred(chunked.predict_proba(L), chunked.predict_proba(T))
    predicted = chunked.predict(L)
    assert predicted.shape == (len(T),) or np.isnan(predicted.shape[0])
    np.testing.assert_array_equal(predicted.compute(), whole.predict(T))


@synchronous
def test_a_transfer_looks_at_so_many_rows(monkeypatch):
    """Evenly drawn, the same whatever the chunks, and each for what it was drawn for."""
    monkeypatch.setattr(sampling, "MOST_ROWS", 150)
    data = make_paired_gaussians(6000, n_features=WIDTHS, noise=0.5, random_state=0)
    X, y = data.X.copy(), np.where(np.arange(6000) % 10 == 0, data.y, -1)
    X[4000:5000, :5] = np.nan
    X[5000:, 5:] = np.nan
    blocks, seen = resolve(WIDTHS, 11), []
    for n, m in ((6000, 500), (700, 6000)):
        D, labels = da.from_array(X, chunks=(n, 11)), da.from_array(y, chunks=m)
        table = template_of(D)
        seen.append(
            sampling.drawn(as_rows(D, table, None, blocks), table, labels, (0,), "Transfer")
        )
    for a, b in zip(seen[0][:2], seen[1][:2], strict=True):
        np.testing.assert_array_equal(a, b)
    S, t, picked = seen[0]
    np.testing.assert_array_equal(picked.X, S)
    assert picked.weights is None
    has = ~np.isnan(S[:, [0, 5]])
    labelled = np.array([label is not None for label in t])
    assert np.sum(labelled & has[:, 0]) == 150
    assert np.sum(has.all(axis=1)) == 150
    assert np.sum(~has[:, 0]) == 150
    assert np.sum(has[:, 0] & ~has[:, 1] & ~labelled) == 150
    # a tenth of the pairs is labelled, not more for being drawn by label
    assert np.sum(labelled & has.all(axis=1)) < 35
    D = da.from_array(X, chunks=(700, 11))
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=WIDTHS))
    fitted = model.fit(D, y)
    assert fitted.aligner_.n_pairs_ == 4000
    test = make_paired_gaussians(6000, n_features=WIDTHS, noise=0.5, random_state=0)
    assert fitted.score(test.X, test.y) > 0.9


@synchronous
def test_frozen_parts():
    """An aligner and a source classifier that are there already, and no label."""
    X, y = rows(np.random.default_rng(0), 400, noise=0.5)
    D = da.from_array(X, chunks=(90, 11))
    aligner = NullSpaceAligner(modalities=WIDTHS).fit(D)
    paired = ~np.isnan(X[:, 0]) & (y >= 0)
    source = LogisticRegression().fit(X[paired, :5], y[paired])
    parts = {"estimator": FrozenEstimator(source), "aligner": FrozenEstimator(aligner)}
    whole, chunked = (CrossModalTransferClassifier(**parts).fit(rows) for rows in (X, D))
    held = X[~np.isnan(X[:, 5])]
    np.testing.assert_allclose(chunked.predict_proba(held), whole.predict_proba(held), atol=1e-9)
    with pytest.raises(ValueError, match="y"):
        CrossModalTransferClassifier(aligner=parts["aligner"]).fit(D)


@synchronous
def test_minus_one_and_one_are_labels():
    """If y holds nothing else, even where a chunk or a sample holds one of them."""
    X, y = rows(np.random.default_rng(0), 300, noise=0.5)
    y = np.sort(np.where(y == 1, 1, -1))
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=WIDTHS))
    assert model.fit(da.from_array(X, chunks=(50, 11)), y).classes_.tolist() == [-1, 1]


@synchronous
def test_nothing_is_computed_before_it_is_asked_for():
    """A chunk that cannot be read does not show until then."""
    X, y = rows(np.random.default_rng(0), 300, noise=0.5)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(2, modalities=WIDTHS)).fit(X, y)
    read = []

    def burn(chunk):
        read.append(len(chunk))
        raise OSError("this chunk burns")

    D = da.from_array(X, chunks=(60, 11)).map_blocks(burn, dtype=float, meta=np.empty((0, 0)))
    aligner = model.aligner_
    lazy = [aligner.transform(D), aligner.impute(D), aligner.inverse_transform(D[:, :2])]
    lazy += [model.predict(D), model.predict_proba(D)]
    assert not read
    for values in lazy:
        with pytest.raises(OSError, match="burns"):
            values[:10].compute()
    assert len(read) == 5


@synchronous
def test_empty_chunks():
    """Chunks of no rows, or of rows without weight."""
    X, _ = rows(np.random.default_rng(0))
    D = da.concatenate([da.from_array(X[:0]), da.from_array(X[:50]), da.from_array(X[50:])])
    D = da.concatenate([D, D[:0]])
    w = np.r_[np.zeros(50), np.ones(70)]
    whole = NullSpaceAligner(2, modalities=WIDTHS).fit(X, sample_weight=w)
    assert_same(NullSpaceAligner(2, modalities=WIDTHS).fit(D, sample_weight=w), whole, X)
    assert_deferred(whole.transform(D), whole.transform(X))


@synchronous
def test_errors():
    """They come from the chunk, or before anything is read, and say where they are."""
    X, _ = rows(np.random.default_rng(0))
    D = da.from_array(X, chunks=(30, 11))
    aligner = NullSpaceAligner(modalities=WIDTHS)
    bad = X.copy()
    bad[70, 3] = np.inf
    with pytest.raises(ValueError, match=r"chunk 2: .*infinity.*row 10"):
        aligner.fit(da.from_array(bad, chunks=(30, 11)))
    assert not hasattr(aligner, "n_features_in_")
    for w, message in (
        (np.zeros(120), "zero for all"),
        (-np.ones(120), "negative"),
        (da.ones(100), "inconsistent"),
        (np.ones(100), "inconsistent"),
        (np.ones((120, 2)), "1D"),
        (dd.from_pandas(pd.Series(np.ones(120)), npartitions=2), "has 2 chunks, X has 4"),
        (dd.from_pandas(pd.Series(np.ones(124)), npartitions=4), "inconsistent.*_weight has 31"),
    ):
        with pytest.raises(ValueError, match=message):
            aligner.fit(D, sample_weight=w)
    for unfit in (D[:, 0], da.zeros((4, 4, 4)), dask.delayed(1)):
        with pytest.raises(ValueError, match="Expected 2D array"):
            aligner.fit(unfit)
    whole = NullSpaceAligner(2, modalities=WIDTHS).fit(X)
    with pytest.raises(ValueError, match="expected 2 components: latents"):
        whole.inverse_transform(D)
    with pytest.raises(ValueError, match="no pairs"):
        whole.score(D[:, :] * np.r_[[np.nan] * 5, np.ones(6)])


@synchronous
@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.linspace(0, 1, 120), "continuous"),
        (np.full(120, np.nan), "NaN"),
        (np.full(120, np.inf), "infinity"),
        (None, "requires y"),
    ],
    ids=["continuous", "nan", "infinity", "none"],
)
def test_labels_are_refused_before_rows_are_read(values, message, in_chunks):
    """What memory says of them, and not after a pass over all the rows."""
    X, _ = rows(np.random.default_rng(0))
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=WIDTHS))
    with pytest.raises(ValueError, match=message):
        model.fit(X, values)
    if in_chunks and values is not None:
        values = da.from_array(values, chunks=30)

    def burn(chunk):
        raise OSError("this chunk burns")

    D = da.from_array(X, chunks=(30, 11)).map_blocks(burn, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(ValueError, match=message):
        model.fit(D, values)


def test_dask_is_not_imported():
    """Unless somebody else does."""
    code = "import sys, skalign, numpy as np; skalign.NullSpaceAligner(1).fit(np.eye(9)); "
    code += "assert not any(m.startswith(('dask', 'distributed')) for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- on worker processes -----------------------------------------------------------------------


def made_there(n_chunks, size=4000, d=40, before=None):
    """Rows that are made by the workers, and the same rows here."""

    def make(block_info=None):
        number = block_info[None]["chunk-location"][0]
        if before is not None:
            before(number)
        rng = np.random.default_rng(number)
        return rng.normal(size=(size, d)) + np.tile(rng.normal(size=(size, d // 2)), 2)

    X = da.map_blocks(make, chunks=((size,) * n_chunks, (d,)), dtype=float, meta=np.empty((0, 0)))
    return X, lambda: X.compute(scheduler="synchronous")


def moved(client):
    """Bytes that the workers have sent."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


@pytest.mark.parametrize("solver", ["auto", "qr"])
def test_only_sums_move(client, solver):
    """Between processes go sums, and a chunk or two where load is balanced; the same result."""
    X, here = made_there(24)
    with client.as_current():
        before = moved(client)
        aligner = NullSpaceAligner(2, solver=solver).fit(X)
        assert 40 * 40 * 8 < moved(client) - before < X.nbytes / 8
        before = moved(client)
        latents = aligner.transform(X)
        assert latents.std(axis=0).compute().shape == (2,)
        assert moved(client) - before < X.nbytes / 8
        before = moved(client)
        more = NullSpaceAligner(2, solver=solver).partial_fit(X)
        assert 40 * 40 * 8 < moved(client) - before < X.nbytes / 8
    assert len(more._sums["seen"]) == 40 + 3  # no more different rows than may be asked for
    seen = Accumulated.of(ArrayRows(here()[:100], None, resolve([20, 20], 40)), "qr")
    assert sys.getsizeof(seen) > 40 * 40 * 8  # by which schedulers place what uses it
    assert_same(more, aligner, here()[:100])
    assert_same(aligner, NullSpaceAligner(2, solver=solver).fit(here()), here()[:100])


def test_no_task_holds_more_than_a_chunk():
    """Sums are small, as are the rows that a transfer looks at; here in one process."""
    X, _ = made_there(12)
    largest = {}

    def look(key, result, dsk, state, worker):
        name = key[0] if isinstance(key, tuple) else key.partition("-")[0]
        size = len(pickle.dumps(result))
        largest[name] = max(largest.get(name, 0), size)

    with dask.callbacks.Callback(posttask=look), dask.config.set(scheduler="synchronous"):
        NullSpaceAligner(2).fit(X)
    chunk = X.nbytes / X.numblocks[0]
    assert max(largest.values()) < chunk + 1000
    sums = [size for name, size in largest.items() if not str(name).startswith("make")]
    assert sums and max(sums) < chunk / 20


def test_a_transfer_on_workers(client):
    """Two processes give what one gives."""
    X, y = rows(np.random.default_rng(0), 900, noise=0.5)
    D, t = da.from_array(X, chunks=(100, 11)), da.from_array(y, chunks=100)
    model = CrossModalTransferClassifier(aligner=NullSpaceAligner(modalities=WIDTHS)).fit(X, y)
    held = X[~np.isnan(X[:, 5])]
    expected = model.predict_proba(held)
    with client.as_current():
        model.fit(D, t)
        there = model.predict_proba(da.from_array(held, chunks=(100, 11))).compute()
    np.testing.assert_allclose(there, expected, atol=1e-8)


@synchronous
def test_only_maps_go_to_workers():
    """Neither an estimator nor the sums that it keeps, whatever it maps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 160)) + np.tile(rng.normal(size=(400, 80)), 2)
    aligner = NullSpaceAligner(2).partial_fit(X)
    sums = len(pickle.dumps(aligner._sums))
    assert sums > 160 * 160 * 8
    D = da.zeros((400, 160), chunks=(200, 160))
    alone = len(cloudpickle.dumps(D))
    for lazy in (
        aligner.transform(D),
        aligner.impute(D),
        aligner.inverse_transform(D[:, :2]),
    ):
        assert len(cloudpickle.dumps(lazy)) - alone < sums / 5


def test_a_worker_dies(client, tmp_path):
    """Its chunks are read again by another, and every row counts once."""
    marker = tmp_path / "died"

    def die(path, number):
        if number == 7 and not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)

    X, here = made_there(16, before=partial(die, str(marker)))
    with client.as_current():
        aligner = NullSpaceAligner(2).fit(X)
    assert marker.exists()
    assert aligner.n_pairs_ == 16 * 4000
    assert_same(aligner, NullSpaceAligner(2).fit(here()), here()[:100])


def test_numbers_that_are_no_labels():
    """As many different values as that would not fit; few are put together."""
    assert sampling._united({1, 2}, {2, 3}) == {1, 2, 3}
    with pytest.raises(ValueError, match=r"y holds more than \d+ different values"):
        sampling._united(set(range(sampling.MOST_ROWS)), {-1})
