"""NullSpaceAligner against the paper, plain SVDs and peers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from skalign import NullSpaceAligner, stack_modalities
from skalign.alignment._gaussian import conditional_latents
from skalign.datasets import make_paired_gaussians
from skalign.metrics import (
    alignment_error,
    latent_r2,
    principal_angles,
    relative_alignment_error,
)

PAPER = {"whiten": False, "center": False, "shrinkage": None}


def encodings(aligner, data):
    """Latents of each modality, by its encoder alone."""
    edges = np.cumsum(data.modalities)[:-1]
    blocks = np.split(data.X, edges, axis=1)
    return [e.transform(block) for e, block in zip(aligner.encoders_, blocks, strict=True)]


def row_space(aligner):
    """Rows ``[A_1 | ... | A_M]``."""
    return np.hstack([encoder.coef_ for encoder in aligner.encoders_])


@pytest.mark.parametrize("seed", range(10))
def test_paper_alignment_is_the_left_null_space_of_signed_blocks(seed):
    """Eq. 1 to 3 with the sign of Eq. 2 corrected, by an SVD that knows nothing of skalign."""
    data = make_paired_gaussians(random_state=seed)
    X1, X2 = data.X[:, :2].T, data.X[:, 2:].T
    left, values, _ = np.linalg.svd(np.vstack([X1, -X2]), full_matrices=True)
    aligner = NullSpaceAligner(2, **PAPER).fit(data.X)
    rows = row_space(aligner)
    np.testing.assert_allclose(rows @ rows.T, np.eye(2), atol=1e-12)
    assert principal_angles(rows, left[:, -2:].T).max() <= 1e-12
    assert alignment_error(*encodings(aligner, data)) <= 1e-13
    assert aligner.n_exact_components_ == 2
    np.testing.assert_allclose(aligner.singular_values_, values[-2:] / np.sqrt(2000), atol=1e-13)
    # as printed, [X1; X2], Eq. 2 gives A1 x1 = -A2 x2: no alignment
    printed = np.linalg.svd(np.vstack([X1, X2]))[0][:, -2:].T
    assert alignment_error((printed[:, :2] @ X1).T, (printed[:, 2:] @ X2).T) > 1


def test_paper_gauge_equals_the_smallest_singular_vectors_with_noise():
    """Corollary 2.2: with noise, the smallest singular vectors in order."""
    data = make_paired_gaussians(300, n_features=(4, 6), noise=1.0, random_state=0)
    signed = data.X * np.repeat([1, -1], [4, 6])
    _, values, right = np.linalg.svd(signed / np.sqrt(300), full_matrices=False)
    aligner = NullSpaceAligner(3, modalities=[4, 6], **PAPER).fit(data.X)
    np.testing.assert_allclose(aligner.singular_values_, values[::-1][:3], rtol=1e-10)
    oracle = right[::-1][:3]
    np.testing.assert_allclose(np.abs(np.sum(row_space(aligner) * oracle, axis=1)), 1, rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    widths=st.lists(st.integers(4, 12), min_size=2, max_size=4),
    k=st.integers(1, 3),
    private=st.integers(0, 1),
    exponent=st.integers(0, 6),
    seed=st.integers(0, 10_000),
)
def test_noiseless_data_align_exactly_and_do_not_collapse(widths, k, private, exponent, seed):
    """Defaults find all of z, whatever the units, with duplicated and constant columns."""
    data = make_paired_gaussians(
        200, n_features=widths, n_latent=k, n_private=private, random_state=seed
    )
    rng = np.random.default_rng(seed)
    edges = np.cumsum(widths)[:-1]
    blocks = []
    for block in np.split(data.X, edges, axis=1):
        block = block * 10.0 ** rng.integers(-exponent, exponent + 1, block.shape[1])
        constant = np.full((200, 1), rng.normal())
        blocks.append(np.hstack([block, block[:, :1], 3 * block[:, 1:2], constant]))
    X = np.hstack(blocks)
    aligner = NullSpaceAligner(modalities=[b.shape[1] for b in blocks]).fit(X)
    latents = [e.transform(b)[:, :k] for e, b in zip(aligner.encoders_, blocks, strict=True)]
    assert aligner.n_exact_components_ == k
    # one draw in a hundred takes what is private for shared: that is what 1 % means
    assert aligner.n_components_ == k if private == 0 else aligner.n_components_ >= k
    assert relative_alignment_error(*latents) <= 1e-12
    assert latent_r2(data.latent, aligner.transform(X)[:, :k]) >= 1 - 1e-10
    np.testing.assert_array_equal(aligner.ranks_, np.full(len(widths), k + private))
    np.testing.assert_allclose(latents[0].var(axis=0), 1, rtol=1e-9)


def test_exact_directions_survive_beside_shrunk_ones():
    """Shrinkage acts on the rest, and asking for more components keeps the exact ones."""
    data = make_paired_gaussians(200, n_features=(8, 9), n_latent=2, n_private=4, random_state=3)
    aligner = NullSpaceAligner(5, modalities=[8, 9], shrinkage=0.7).fit(data.X)
    z1, z2 = encodings(aligner, data)
    assert aligner.n_exact_components_ == 2
    assert alignment_error(z1[:, :2], z2[:, :2]) <= 1e-12
    assert latent_r2(data.latent, z1[:, :2]) >= 1 - 1e-10
    assert np.all(aligner.correlations_[:2] == 1)
    assert np.all(aligner.correlations_[2:] < 0.5)


def test_interpolation_is_not_exact():
    """Fewer pairs than columns force agreement that means nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 60))
    aligner = NullSpaceAligner(5).fit(X)
    assert aligner.n_exact_components_ == 0
    assert aligner.correlations_.max() < 0.99
    repeated = NullSpaceAligner(5).fit(np.repeat(X, 5, axis=0))
    assert repeated.n_exact_components_ == 0


@pytest.mark.parametrize("solver", ["auto", "covariance", "qr"])
@pytest.mark.parametrize("noise", [0.5, 5.0])
def test_two_white_modalities_are_canonical_correlation_analysis(solver, noise):
    """Correlations equal scikit-learn's to 1e-6 and cosines between column spaces to 1e-12."""
    data = make_paired_gaussians(
        500, n_features=(6, 8), n_latent=3, n_classes=3, noise=noise, random_state=2
    )
    aligner = NullSpaceAligner(3, modalities=[6, 8], shrinkage=None, solver=solver).fit(data.X)
    X1, X2 = (block - block.mean(axis=0) for block in np.split(data.X, [6], axis=1))
    cosines = np.linalg.svd(np.linalg.qr(X1)[0].T @ np.linalg.qr(X2)[0], compute_uv=False)
    np.testing.assert_allclose(aligner.correlations_, cosines[:3], rtol=0, atol=1e-12)
    np.testing.assert_allclose(aligner.singular_values_, np.sqrt(1 - cosines[:3]), rtol=1e-8)
    u, v = CCA(3, tol=1e-12, max_iter=100_000).fit_transform(X1, X2)
    peer = [np.corrcoef(u[:, j], v[:, j])[0, 1] for j in range(3)]
    np.testing.assert_allclose(aligner.correlations_, peer, rtol=0, atol=1e-6)
    z1, z2 = encodings(aligner, data)
    np.testing.assert_allclose(np.cov(z1.T, bias=True), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(np.cov(z2.T, bias=True), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(z1.T @ z2 / 500, np.diag(aligner.correlations_), atol=1e-10)


def test_three_white_modalities_are_maxvar():
    """An eigenproblem of the whole covariance, solved without any of the package's steps."""
    data = make_paired_gaussians(
        400, n_features=(4, 5, 6), n_latent=2, noise=3.0, n_private=1, random_state=4
    )
    S = np.cov(data.X.T, bias=True)
    D = np.zeros_like(S)
    for start, stop in ((0, 4), (4, 9), (9, 15)):
        D[start:stop, start:stop] = S[start:stop, start:stop]
    values, vectors = eigh(3 * D - S, D)
    aligner = NullSpaceAligner(2, modalities=[4, 5, 6], shrinkage=None, random_state=0)
    aligner.fit(data.X)
    np.testing.assert_allclose(aligner.singular_values_, np.sqrt(values[:2]), rtol=1e-9)
    cosine = np.abs(np.sum(row_space(aligner) * vectors[:, :2].T, axis=1))
    norms = np.linalg.norm(row_space(aligner), axis=1) * np.linalg.norm(vectors[:, :2], axis=0)
    np.testing.assert_allclose(cosine, norms, rtol=1e-9)


@pytest.mark.parametrize("widths", [(4, 5, 6), (4, 5, 6, 3)])
def test_many_white_modalities_are_those_of_cca_zoo(widths):
    """Latents of MCCA with unit covariances of the blocks, but for their size and sign."""
    linear = pytest.importorskip("cca_zoo.linear")
    data = make_paired_gaussians(
        400, n_features=widths, n_latent=2, noise=2.0, n_private=1, random_state=4
    )
    blocks = np.split(data.X, np.cumsum(widths)[:-1], axis=1)
    peer = linear.MCCA(2).fit(blocks)
    aligner = NullSpaceAligner(2, modalities=list(widths), shrinkage=None, random_state=0)
    aligner.fit(data.X)
    latents = np.vstack(encodings(aligner, data))
    theirs = np.vstack(
        [(X - X.mean(axis=0)) @ w for X, w in zip(blocks, peer.weights_, strict=True)]
    )
    ours, theirs = (z / np.linalg.norm(z, axis=0) for z in (latents, theirs))
    np.testing.assert_allclose(np.abs(np.sum(ours * theirs, axis=0)), 1, atol=1e-12)
    np.testing.assert_allclose(ours * np.sign(np.sum(ours * theirs, axis=0)), theirs, atol=1e-8)


def test_a_narrow_modality_does_not_narrow_imputation():
    """Between two of five columns there are five dimensions, whatever a third one has."""
    data = make_paired_gaussians(2300, n_features=(5, 5, 1), n_latent=4, noise=0.5, random_state=0)
    train, test = data.X[:300], data.X[300:]
    half, mean = test.copy(), train.mean(axis=0)
    half[:, 5:] = np.nan
    two = NullSpaceAligner(None, modalities=[5, 5]).fit(train[:, :10])
    there = two.impute(half[:, :10])[:, 5:]
    for n_components, atol in ((None, 1e-8), ("auto", 0.1), (1, 0.1)):
        aligner = NullSpaceAligner(n_components, modalities=[5, 5, 1]).fit(train)
        assert aligner.n_components_ == 1
        np.testing.assert_allclose(aligner.impute(half)[:, 5:10], there, atol=atol)
    plain = NullSpaceAligner(None, modalities=[5, 5, 1], shrinkage=None).fit(train)
    for shown in ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10], [10]):
        hidden = np.setdiff1d(np.arange(11), shown)
        slope = np.linalg.lstsq(train[:, shown] - mean[shown], train - mean, rcond=None)[0]
        half = test.copy()
        half[:, hidden] = np.nan
        expected = mean[hidden] + (test[:, shown] - mean[shown]) @ slope[:, hidden]
        np.testing.assert_allclose(plain.impute(half)[:, hidden], expected, atol=1e-8)


def test_what_is_left_of_an_imputation():
    """Variances of features, less what is explained: those of the residuals of regressions."""
    X = make_paired_gaussians(300, n_features=(3, 5, 2), noise=1.0, random_state=0).X
    aligner = NullSpaceAligner(None, modalities=[3, 5, 2], shrinkage=None).fit(X)
    shared = aligner.imputation_
    sizes = [len(coef) for coef in shared["coefs"]]
    np.testing.assert_allclose(shared["variances"], X.var(axis=0))
    _, root = conditional_latents(shared["covariance"], sizes, [0, 2], 1)
    left = shared["variances"][3:8] - np.sum((root @ shared["decoders"][1].T) ** 2, axis=0)
    known = np.hstack([np.ones((300, 1)), X[:, [0, 1, 2, 8, 9]]])
    residual = X[:, 3:8] - known @ np.linalg.lstsq(known, X[:, 3:8], rcond=None)[0]
    np.testing.assert_allclose(left, residual.var(axis=0), atol=1e-10)


def test_held_out_score_picks_the_shared_dimensions():
    """4 shared of 12 dimensions."""
    data = make_paired_gaussians(
        600, n_features=(12, 12), n_latent=4, noise=4.0, n_private=8, random_state=0
    )
    grid = GridSearchCV(
        NullSpaceAligner(modalities=[12, 12]), {"n_components": list(range(1, 13))}, cv=5
    ).fit(data.X)
    assert grid.best_params_["n_components"] == 4
    assert NullSpaceAligner(modalities=[12, 12]).fit(data.X).n_components_ == 4


def test_auto_counts_and_refuses():
    """Shared dimensions are counted for two and three modalities; none is said aloud."""
    for widths in ((8, 9), (5, 6, 7)):
        data = make_paired_gaussians(
            500, n_features=widths, n_latent=3, noise=3.0, n_private=2, random_state=6
        )
        aligner = NullSpaceAligner(modalities=list(widths), random_state=0).fit(data.X)
        assert aligner.n_components_ == 3
        assert np.all(aligner.pvalues_ <= 0.01)
        rng = np.random.default_rng(0)
        shuffled = np.hstack(
            [rng.permutation(b) for b in np.split(data.X, np.cumsum(widths)[:-1], axis=1)]
        )
        with pytest.warns(UserWarning, match="share nothing beyond chance on 500 pairs"):
            alone = clone(aligner).fit(shuffled)
        assert alone.transform(shuffled).shape == (500, 1)
        assert alone.pvalues_[0] > 0.01


def test_score_is_scale_free_and_not_won_by_collapse():
    """Information of noiseless pairs is large, of shuffled pairs not positive."""
    data = make_paired_gaussians(400, n_features=(5, 6), noise=1.0, random_state=0)
    aligner = NullSpaceAligner(2, modalities=[5, 6]).fit(data.X[:200])
    held_out = data.X[200:]
    scaled = NullSpaceAligner(2, modalities=[5, 6]).fit(data.X[:200] * 1000)
    assert scaled.score(held_out * 1000) == pytest.approx(aligner.score(held_out))
    shuffled = np.hstack([held_out[:, :5], held_out[::-1, 5:]])
    assert aligner.score(held_out) > 1
    assert aligner.score(shuffled) < 0
    exact = make_paired_gaussians(400, n_features=(5, 6), random_state=0)
    noiseless = NullSpaceAligner(2, modalities=[5, 6]).fit(exact.X[:200])
    assert 20 < noiseless.score(exact.X[200:]) < 100
    weights = np.repeat([0.0, 2.0], 100)
    assert aligner.score(held_out, sample_weight=weights) == pytest.approx(
        aligner.score(held_out[100:])
    )


def test_inverse_and_impute():
    """Missing blocks come back exactly without noise, and as a regression would with it."""
    data = make_paired_gaussians(300, n_features=(5, 7, 4), n_latent=3, random_state=1)
    aligner = NullSpaceAligner(modalities=data.modalities).fit(data.X)
    np.testing.assert_allclose(aligner.inverse_transform(aligner.transform(data.X)), data.X)
    for missing in ([0], [1], [0, 2]):
        X = data.X.copy()
        for m in missing:
            X[::2, [slice(0, 5), slice(5, 12), slice(12, 16)][m]] = np.nan
        before = X.copy()
        filled = aligner.impute(X)
        np.testing.assert_array_equal(X, before)
        np.testing.assert_allclose(filled, data.X, atol=1e-9)

    noisy = make_paired_gaussians(400, n_features=(5, 7), noise=4.0, random_state=1)
    full = NullSpaceAligner(None, modalities=[5, 7], shrinkage=None).fit(noisy.X)
    given_first = stack_modalities(noisy.X[:, :5], None, widths=(5, 7))
    centered = noisy.X - noisy.X.mean(axis=0)
    slope = np.linalg.lstsq(centered[:, :5], centered[:, 5:], rcond=None)[0]
    regression = noisy.X.mean(axis=0)[5:] + centered[:, :5] @ slope
    np.testing.assert_allclose(full.impute(given_first)[:, 5:], regression, atol=1e-8)


def test_loadings_are_correlations():
    """Of each feature with the latent of its own modality."""
    data = make_paired_gaussians(300, n_features=(5, 7), noise=2.0, random_state=1)
    aligner = NullSpaceAligner(2, modalities=[5, 7], shrinkage=None).fit(data.X)
    z = encodings(aligner, data)
    for j in range(12):
        for c in range(2):
            expected = np.corrcoef(data.X[:, j], z[int(j >= 5)][:, c])[0, 1]
            assert aligner.loadings_[j, c] == pytest.approx(expected, abs=1e-9)


def test_solvers_agree_and_auto_guards_accuracy():
    """Where a covariance loses the small end, auto reads the data again."""
    data = make_paired_gaussians(400, n_features=(6, 6), n_latent=3, random_state=0)
    rng = np.random.default_rng(1)
    mixed = []
    for block in np.split(data.X, [6], axis=1):
        rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        private = rng.normal(size=(400, 3)) * [1, 1e-3, 1e-5]
        full = np.hstack([block[:, :3], private])
        mixed.append(full @ rotation)
    X = np.hstack(mixed)
    for solver in ("auto", "qr"):
        aligner = NullSpaceAligner(3, solver=solver).fit(X)
        assert aligner.n_exact_components_ == 3
        z1, z2 = (e.transform(b) for e, b in zip(aligner.encoders_, mixed, strict=True))
        assert relative_alignment_error(z1, z2) <= 1e-10


def test_empty_rows_change_nothing():
    """Rows without any modality, or of no weight, are left out of the fit."""
    data = make_paired_gaussians(300, n_features=(5, 6), noise=1.0, random_state=0)
    X = np.vstack([data.X, data.X[:50]])
    X[300:] = np.nan
    plain, mixed = NullSpaceAligner(2, modalities=[5, 6]), NullSpaceAligner(2, modalities=[5, 6])
    plain.fit(data.X)
    mixed.fit(X[np.random.default_rng(0).permutation(350)])
    assert mixed.n_pairs_ == 300
    np.testing.assert_allclose(mixed.transform(data.X), plain.transform(data.X), atol=1e-9)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_white_blocks_are_not_shrunk_away(width):
    """Uncorrelated columns, as after a PCA, leave nothing to shrink; sharing is not noise."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(2000, width))
    X = np.hstack([z + 0.5 * rng.normal(size=z.shape), z + 0.5 * rng.normal(size=z.shape)])
    shrunk = NullSpaceAligner(None).fit(X)
    plain = NullSpaceAligner(None, shrinkage=None).fit(X)
    np.testing.assert_allclose(shrunk.correlations_, plain.correlations_, atol=0.01)
    assert shrunk.score(X) == pytest.approx(plain.score(X), rel=0.01)


def test_shrinkage_of_each_modality():
    """Equal ones are as one; others come to the blocks in their order, whatever rows lack."""
    data = make_paired_gaussians(200, n_features=(5, 6, 7), noise=1.0, random_state=3)
    few = data.X.copy()
    few[::3, 5:11] = np.nan
    chain = few.copy()
    chain[1::3, :5] = np.nan
    chain[2::3, 11:] = np.nan
    order = np.r_[5:11, 11:18, 0:5]
    for X in (data.X, few, chain):

        def fitted(shrinkage, widths=(5, 6, 7), X=X):
            aligner = NullSpaceAligner(
                2, modalities=list(widths), shrinkage=shrinkage, random_state=0
            )
            return aligner.fit(X)

        one, same = fitted(0.3), fitted((0.3, 0.3, 0.3))
        np.testing.assert_allclose(one.correlations_, same.correlations_)
        own, turned = (
            fitted([0.1, "auto", 0.6]),
            fitted(["auto", 0.6, 0.1], (6, 7, 5), X[:, order]),
        )
        np.testing.assert_allclose(own.correlations_, turned.correlations_, atol=1e-7)
        assert np.abs(own.correlations_ - fitted([0.6, "auto", 0.1]).correlations_).max() > 1e-4
    with pytest.raises(ValueError, match=r"shrinkage=.0.1, 0.2. has 2 values.*there are 3"):
        NullSpaceAligner(2, modalities=[5, 6, 7], shrinkage=[0.1, 0.2]).fit(data.X)
    with pytest.raises(ValueError, match="shrinkage=2 must be a number between 0 and 1"):
        NullSpaceAligner(2, modalities=[5, 13], shrinkage=(0.1, 2)).fit(data.X)


def test_shrinkage_helps_where_pairs_are_few():
    """Held-out information of 60 pairs of 50 + 50 noisy columns."""
    data = make_paired_gaussians(1060, n_features=(50, 50), n_latent=5, noise=5.0, random_state=0)
    shrunk, plain = (
        NullSpaceAligner(5, modalities=[50, 50], shrinkage=s).fit(data.X[:60])
        for s in ("auto", None)
    )
    assert shrunk.score(data.X[60:]) > 1
    assert plain.score(data.X[60:]) < 0


def test_pairs_that_are_none_stand_out():
    """The information of rows has the score as its mean; shuffled rows are told from pairs."""
    data = make_paired_gaussians(1000, n_features=(5, 6), n_latent=4, noise=0.3, random_state=0)
    X, wrong = data.X.copy(), np.arange(0, 200)
    X[wrong, 5:] = X[np.roll(wrong, 1), 5:]
    aligner = NullSpaceAligner(modalities=[5, 6]).fit(X)
    information = aligner.score_samples(X)
    assert information.mean() == pytest.approx(aligner.score(X))
    assert roc_auc_score(np.isin(np.arange(1000), wrong), -information) > 0.95


def test_information_is_of_pairs():
    """A row that has a single modality is named, and the modality."""
    data = make_paired_gaussians(50, n_features=(2, 3), random_state=0)
    X = data.X.copy()
    aligner = NullSpaceAligner(modalities={"a": [0, 1], "b": [2, 3, 4]}).fit(X)
    X[7, 2:] = np.nan
    with pytest.raises(ValueError, match="row 7 has the modality 'a' alone"):
        aligner.score_samples(X)


@pytest.mark.parametrize("method", ["score", "score_samples"])
def test_pairs_whose_information_overflows_are_refused(method):
    """Far beyond all that was learned from; nothing infinite is told of them."""
    X = np.random.default_rng(0).normal(size=(40, 4))
    X[:, 2:] += X[:, :2]
    aligner = NullSpaceAligner(1, modalities=[2, 2]).fit(X)
    with pytest.raises(ValueError, match="scale the features"):
        getattr(aligner, method)(1e200 * X)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_decide_signs(seed):
    """Two features that disagree have weights as skew as their negatives: one rule, any layout."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(30, 1))
    X = np.hstack([x, -x + 0.5 * rng.normal(size=(30, 1))])
    usual = NullSpaceAligner(1, modalities=[1, 1]).fit(X)
    assert usual.encoders_[0].coef_[0, 0] > 0
    for other in (np.asfortranarray(X), X[rng.permutation(30)], 3e5 * X, X + 7):
        again = NullSpaceAligner(1, modalities=[1, 1]).fit(other)
        assert again.encoders_[0].coef_[0, 0] > 0
