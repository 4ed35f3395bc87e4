"""Rows that come in batches, ill-conditioned data, wide data: the same maps as at once."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign import NullSpaceAligner
from skalign._blocks import resolve
from skalign.datasets import make_paired_gaussians
from skalign.metrics import principal_angles
from skalign.moments._rows import Accumulated, ArrayRows

few = settings(max_examples=15, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
WIDTHS = (5, 6)


def semi_paired(rng, n=120, noise=1.0):
    """Rows of which some lack a modality."""
    data = make_paired_gaussians(
        n, n_features=WIDTHS, n_latent=2, noise=noise, random_state=int(rng.integers(1000))
    )
    X = 10.0 ** rng.integers(-3, 4) * data.X
    lacks = rng.integers(4, size=n)
    X[lacks == 1, :5] = np.nan
    X[lacks == 2, 5:] = np.nan
    return X


def assert_same(a, b, X, atol=1e-8):
    """Two aligners that encode alike, and say the same of it."""
    np.testing.assert_allclose(a.transform(X), b.transform(X), atol=atol)
    np.testing.assert_allclose(a.correlations_, b.correlations_, atol=atol)
    np.testing.assert_allclose(a.pvalues_, b.pvalues_, atol=1e-6)
    np.testing.assert_allclose(a.loadings_, b.loadings_, atol=atol)
    assert a.n_pairs_ == b.n_pairs_
    assert a.n_exact_components_ == b.n_exact_components_
    np.testing.assert_array_equal(a.ranks_, b.ranks_)


@few
@given(
    generators,
    st.lists(st.integers(1, 119), min_size=1, max_size=6),
    st.sampled_from(["auto", "covariance", "qr"]),
    st.booleans(),
    st.sampled_from([0.0, 1.0]),
)
def test_batches_are_one_fit(rng, cuts, solver, weighted, noise):
    """However rows are cut, and whatever they lack or weigh."""
    # a covariance cannot tell a correlation of 1 - 1e-8 from one: which of both may differ
    X = semi_paired(rng, noise=1.0 if solver == "covariance" else noise)
    w = rng.uniform(0.0, 3.0, size=len(X)) * (rng.random(len(X)) > 0.1) if weighted else None
    settings_ = {"n_components": 2, "modalities": WIDTHS, "solver": solver}
    whole = NullSpaceAligner(**settings_).fit(X, sample_weight=w)
    streamed = NullSpaceAligner(**settings_)
    for rows in np.split(np.arange(len(X)), np.unique(cuts)):
        if w is None or w[rows].any():
            streamed.partial_fit(X[rows], sample_weight=None if w is None else w[rows])
    assert_same(streamed, whole, X)


@few
@given(generators, st.sampled_from(["auto", "covariance"]))
def test_merging_is_seeing_both(rng, solver):
    """Aligners that have seen parts, in any order, or resumed from a pickle."""
    X = semi_paired(rng)
    parts = [X[:50], X[50:70], X[70:]]
    settings_ = {"n_components": 2, "modalities": WIDTHS, "solver": solver}
    whole = NullSpaceAligner(**settings_).fit(X)
    seen = [NullSpaceAligner(**settings_).partial_fit(part) for part in parts]
    seen[1] = pickle.loads(pickle.dumps(seen[1]))
    before = pickle.dumps(seen[0])
    assert_same(seen[2].merge(seen[0]).merge(seen[1]), whole, X)
    assert pickle.dumps(seen[0]) == before
    resumed = pickle.loads(pickle.dumps(NullSpaceAligner(**settings_).partial_fit(X[:70])))
    assert_same(resumed.partial_fit(X[70:]), whole, X, atol=1e-7)


def test_pairs_may_come_late():
    """Rows without a partner wait for pairs; until then nothing is fitted."""
    X = make_paired_gaussians(60, n_features=WIDTHS, noise=1.0, random_state=0).X
    alone = X[:30].copy()
    alone[:, 5:] = np.nan
    aligner = NullSpaceAligner(1, modalities=WIDTHS).partial_fit(alone)
    assert not aligner.__sklearn_is_fitted__()
    aligner.partial_fit(X[30:31])
    assert not aligner.__sklearn_is_fitted__()
    aligner.partial_fit(X[31:])
    whole = NullSpaceAligner(1, modalities=WIDTHS).fit(np.vstack([alone, X[30:]]))
    assert_same(aligner, whole, X)


@pytest.mark.parametrize("bad", ["infinity", "partly", "width", "weights"])
def test_a_bad_batch_leaves_no_trace(bad):
    """The aligner is as before, down to its pickle, and goes on."""
    X = make_paired_gaussians(90, n_features=WIDTHS, noise=1.0, random_state=0).X
    aligner = NullSpaceAligner(2, modalities=WIDTHS).partial_fit(X[:60])
    before = pickle.dumps(aligner)
    batch, weights = X[60:].copy(), None
    if bad == "infinity":
        batch[3, 2] = np.inf
    elif bad == "partly":
        batch[3, 2] = np.nan
    elif bad == "width":
        batch = batch[:, :-1]
    else:
        weights = -np.ones(30)
    with pytest.raises(ValueError, match=r"infinity|part of a block|features|negative"):
        aligner.partial_fit(batch, sample_weight=weights)
    assert pickle.dumps(aligner) == before
    assert_same(aligner.partial_fit(X[60:]), NullSpaceAligner(2, modalities=WIDTHS).fit(X), X)


def test_what_cannot_be_merged():
    """Other modalities, nothing seen, or no sums kept: an error that says so, on either side."""
    X = make_paired_gaussians(60, n_features=WIDTHS, noise=1.0, random_state=0).X
    aligner = NullSpaceAligner(1, modalities=WIDTHS).partial_fit(X)
    before = pickle.dumps(aligner)
    for other in (
        NullSpaceAligner(1, modalities=WIDTHS),
        NullSpaceAligner(1, modalities=WIDTHS).fit(X),
    ):
        with pytest.raises(ValueError, match=r"keeps no sums .* partial_fit, not by fit"):
            aligner.merge(other)
        with pytest.raises(ValueError, match=r"keeps no sums .* partial_fit, not by fit"):
            other.merge(aligner)
    for other in (
        NullSpaceAligner(1, modalities=WIDTHS[::-1]).partial_fit(X),
        NullSpaceAligner(1, modalities=(5, 5)).partial_fit(X[:, :10]),
        NullSpaceAligner(1, modalities={"a": slice(0, 5), "b": slice(5, 11)}).partial_fit(X),
    ):
        with pytest.raises(ValueError, match="same features and modalities"):
            aligner.merge(other)
    assert pickle.dumps(aligner) == before


@pytest.mark.parametrize("n", [10, 60])
def test_a_fit_keeps_no_sums_of_rows(n):
    """Nothing of the size of rows or sums is kept; partial_fit starts anew, and says so."""
    X = make_paired_gaussians(90, n_features=WIDTHS, noise=1.0, random_state=0).X
    aligner = NullSpaceAligner(1, modalities=WIDTHS).partial_fit(X).fit(X[:n])
    assert not hasattr(aligner, "_sums")
    with pytest.warns(UserWarning, match="keeps no sums: partial_fit starts anew") as caught:
        aligner.partial_fit(X[60:])
    assert caught[0].filename == __file__
    assert_same(aligner, NullSpaceAligner(1, modalities=WIDTHS).partial_fit(X[60:]), X, atol=0)
    whole = NullSpaceAligner(1, modalities=WIDTHS).fit(X[30:])
    assert_same(aligner.partial_fit(X[30:60]), whole, X)  # and goes on without a word


def test_starting_anew_forgets_what_fit_has_learned():
    """Rows that are too few to learn from leave an aligner that is not fitted, of their width."""
    X = make_paired_gaussians(90, n_features=WIDTHS, noise=1.0, random_state=0).X
    aligner = NullSpaceAligner(1).fit(X)
    with pytest.warns(UserWarning, match="partial_fit starts anew"):
        aligner.partial_fit(X[:1, :8])
    assert aligner.n_features_in_ == 8
    assert not aligner.__sklearn_is_fitted__()


def test_different_rows_are_counted_once():
    """Repeats, signed zeros, incomplete rows and rows without weight do not count."""
    X = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0], [2.0, 1.0], [np.nan, 1.0], [3.0, 1.0]])
    blocks = resolve([1, 1], 2)
    some = ArrayRows(X, np.array([1.0, 1, 1, 1, 1, 0]), blocks)
    every = ArrayRows(X, None, blocks)
    assert some.n_unique(2) == len(some.hashes()) == 2
    assert every.n_unique(2) == len(every.hashes()) == 3
    assert np.isin(some.hashes(), every.hashes()).all()
    seen = [Accumulated.of(rows, "qr") for rows in (some, every)]
    assert [part.n_unique(2) for part in seen] == [2, 3]
    assert seen[0].merged(seen[0]).n_unique(2) == 2
    assert seen[0].merged(seen[1]).n_unique(2) == seen[1].merged(seen[0]).n_unique(2) == 3


def graded(rng, n, d, condition, k=4):
    """Pairs with k strong correlations, each block of one condition number."""
    z, blocks = rng.normal(size=(n, k)), []
    for _ in range(2):
        Y = rng.normal(size=(n, d))
        Y[:, :k] = z + 0.3 * Y[:, :k]
        Y = Y @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        blocks.append(
            Y * np.geomspace(1, 1 / condition, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        )
    return np.hstack(blocks)


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e7, 1e8, 1e10])
def test_condition_numbers(condition):
    """The automatic solver is as accurate as an orthogonal decomposition."""
    rng = np.random.default_rng(0)
    X = graded(rng, 3000, 12, condition)
    latents = {}
    for solver in ("auto", "qr"):
        aligner = NullSpaceAligner(4, solver=solver, shrinkage=None).fit(X)
        latents[solver] = [
            aligner.encoders_[m].transform(X[:, 12 * m : 12 * m + 12]) for m in (0, 1)
        ]
        assert aligner.ranks_.tolist() == [12, 12]
    residual = {s: np.linalg.norm(a - b) for s, (a, b) in latents.items()}
    assert residual["auto"] == pytest.approx(residual["qr"], rel=1e-4)
    angles = principal_angles(latents["auto"][0].T, latents["qr"][0].T)
    assert angles.max() < 1e-15 * condition + 1e-9


@pytest.mark.parametrize("condition", [1e4, 1e6])
def test_refinement_reads_white_rows(condition, monkeypatch):
    """Between 1e3 and some 1e6 no orthogonal decomposition of the data is needed."""
    monkeypatch.setattr("skalign.moments._accumulate.triangle", None)
    X = graded(np.random.default_rng(1), 2000, 10, condition)
    X[:100, :10] = np.nan
    weights = np.random.default_rng(2).uniform(0.5, 2, size=len(X))
    aligner = NullSpaceAligner(4, shrinkage=None).fit(X, sample_weight=weights)
    assert aligner.correlations_.min() > 0.85


@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize("shrinkage", ["auto", None])
def test_wide_blocks_do_not_need_their_width(rank, shrinkage):
    """In an orthonormal basis of the rows, which is narrow, the same latents come out."""
    rng = np.random.default_rng(0)
    n, d = 30, 400
    inner = n - 1 if rank is None else rank
    z = rng.normal(size=(n, inner))
    X = np.hstack([z @ rng.normal(size=(inner, d)) for _ in range(2)])
    if rank is None:
        X += rng.normal(size=X.shape)
    X /= X.std(axis=0)  # so that a rotation of columns keeps unit variance on average
    wide = NullSpaceAligner(2, modalities=[d, d], shrinkage=shrinkage).fit(X)
    assert wide.ranks_.tolist() == [inner, inner]
    Z = wide.transform(X)
    assert np.isfinite(Z).all()
    blocks = [X[:, :d] - X[:, :d].mean(axis=0), X[:, d:] - X[:, d:].mean(axis=0)]
    for m, block in enumerate(blocks):
        # coefficients lie in the span of the rows: the minimum norm solution
        basis = np.linalg.svd(block, full_matrices=False)[2][:inner]
        coef = wide.encoders_[m].coef_
        np.testing.assert_allclose(coef @ basis.T @ basis, coef, atol=1e-10 * np.abs(coef).max())
    if rank is not None:
        assert wide.n_exact_components_ == 2
        latents = [wide.encoders_[m].transform(X[:, m * d : m * d + d]) for m in (0, 1)]
        np.testing.assert_allclose(*latents, atol=1e-10)


def test_progress_is_printed(capsys, monkeypatch):
    """Rows, rate and remaining time, if one asks for it."""
    monkeypatch.setattr("skalign._utils._progress.PERIOD", 0.0)
    X = np.random.default_rng(0).normal(size=(40_000, 11))
    NullSpaceAligner(1).fit(X)
    assert capsys.readouterr().out == ""
    NullSpaceAligner(1, verbose=True).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert "moments: 40,000 of 40,000 rows" in lines[-1]
    assert "rows/s" in lines[0]
