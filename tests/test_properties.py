"""What must not change the result, for data drawn at random."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import principal_angles

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10_000)
solvers = st.sampled_from(["auto", "covariance", "qr"])
shrinkages = st.sampled_from([None, "auto", 0.3])


def draw(seed, widths=(4, 6), n=150, noise=1.0):
    """Pairs with two well separated correlations."""
    return make_paired_gaussians(n, n_features=widths, noise=noise, random_state=seed)


def invertible(rng, d):
    """A well conditioned invertible matrix that is not orthogonal."""
    return np.linalg.qr(rng.normal(size=(d, d)))[0] * np.exp(rng.uniform(-1, 1, size=d))


def same_up_to_sign(a, b, atol=1e-7):
    """Equal columns, each up to its sign."""
    sign = np.sign(np.sum(a * b, axis=0))
    np.testing.assert_allclose(a, b * sign, atol=atol)


@quick
@given(seed=seeds, solver=solvers, whiten=st.booleans(), shrinkage=shrinkages)
def test_order_of_samples(seed, solver, whiten, shrinkage):
    data = draw(seed)
    order = np.random.default_rng(seed).permutation(len(data.X))
    options = {"modalities": [4, 6], "solver": solver, "whiten": whiten, "shrinkage": shrinkage}
    a = NullSpaceAligner(2, **options).fit(data.X)
    b = NullSpaceAligner(2, **options).fit(data.X[order])
    np.testing.assert_allclose(a.transform(data.X), b.transform(data.X), atol=1e-7)
    np.testing.assert_allclose(a.pvalues_, b.pvalues_, atol=1e-9)


@quick
@given(seed=seeds, solver=solvers, whiten=st.booleans(), shrinkage=shrinkages)
def test_order_of_modalities(seed, solver, whiten, shrinkage):
    widths = [4, 6, 5]
    data = draw(seed, widths)
    blocks = np.split(data.X, [4, 10], axis=1)
    order = np.random.default_rng(seed).permutation(3)
    options = {"solver": solver, "whiten": whiten, "shrinkage": shrinkage, "random_state": 0}
    a = NullSpaceAligner(2, modalities=widths, **options).fit(data.X)
    b = NullSpaceAligner(2, modalities=[widths[m] for m in order], **options)
    b.fit(np.hstack([blocks[m] for m in order]))
    np.testing.assert_allclose(a.singular_values_, b.singular_values_, atol=1e-8)
    for position, m in enumerate(order):
        same_up_to_sign(
            a.encoders_[m].transform(blocks[m]), b.encoders_[position].transform(blocks[m])
        )


@quick
@given(seed=seeds, solver=solvers, whiten=st.booleans(), shrinkage=shrinkages)
def test_order_of_columns(seed, solver, whiten, shrinkage):
    """A mapping finds the blocks wherever their columns are."""
    data = draw(seed)
    order = np.random.default_rng(seed).permutation(10)
    place = np.argsort(order)
    options = {"solver": solver, "whiten": whiten, "shrinkage": shrinkage}
    a = NullSpaceAligner(2, modalities=[4, 6], **options).fit(data.X)
    b = NullSpaceAligner(2, modalities={"a": place[:4], "b": place[4:]}, **options)
    b.fit(data.X[:, order])
    np.testing.assert_allclose(a.transform(data.X), b.transform(data.X[:, order]), atol=1e-7)
    np.testing.assert_allclose(b.loadings_[place], a.loadings_, atol=1e-7)


@quick
@given(seed=seeds, solver=solvers)
def test_any_invertible_map_of_a_block_when_white(seed, solver):
    """Latents of canonical correlations do not know the coordinates of a block."""
    data = draw(seed)
    rng = np.random.default_rng(seed)
    Y = np.hstack([data.X[:, :4] @ invertible(rng, 4), data.X[:, 4:] @ invertible(rng, 6)])
    options = {"modalities": [4, 6], "solver": solver, "shrinkage": None}
    a, b = (NullSpaceAligner(2, **options).fit(data) for data in (data.X, Y))
    same_up_to_sign(a.transform(data.X), b.transform(Y))
    np.testing.assert_allclose(a.correlations_, b.correlations_, atol=1e-9)
    np.testing.assert_allclose(a.score(data.X), b.score(Y), rtol=1e-6)


@quick
@given(seed=seeds, center=st.booleans())
def test_orthogonal_map_of_a_block_in_the_gauge_of_the_paper(seed, center):
    """Rotating a block rotates its map."""
    data = draw(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    Y = np.hstack([data.X[:, :4], data.X[:, 4:] @ turn])
    options = {"modalities": [4, 6], "whiten": False, "shrinkage": None, "center": center}
    a, b = (NullSpaceAligner(2, **options).fit(data) for data in (data.X, Y))
    np.testing.assert_allclose(a.singular_values_, b.singular_values_, atol=1e-9)
    same_up_to_sign(a.transform(data.X), b.transform(Y))


@quick
@given(seed=seeds, shrinkage=shrinkages, scale=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3))
def test_units_and_offsets(seed, shrinkage, scale, shift):
    """White latents do not know units; centred ones do not know offsets."""
    data = draw(seed)
    Y = data.X.copy()
    Y[:, 4:] = Y[:, 4:] * scale
    Y[:, :4] = Y[:, :4] + shift
    options = {"modalities": [4, 6], "shrinkage": shrinkage}
    a, b = (NullSpaceAligner(2, **options).fit(data) for data in (data.X, Y))
    np.testing.assert_allclose(a.transform(data.X), b.transform(Y), atol=1e-6)


@quick
@given(seed=seeds, solver=solvers, whiten=st.booleans(), shrinkage=shrinkages)
def test_a_weight_is_a_number_of_repeated_rows(seed, solver, whiten, shrinkage):
    data = draw(seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=len(data.X))
    options = {"modalities": [4, 6], "solver": solver, "whiten": whiten, "shrinkage": shrinkage}
    a = NullSpaceAligner(**options).fit(data.X, sample_weight=weights)
    b = NullSpaceAligner(**options).fit(np.repeat(data.X, weights, axis=0))
    assert a.n_components_ == b.n_components_
    np.testing.assert_allclose(a.transform(data.X), b.transform(data.X), atol=1e-7)
    np.testing.assert_allclose(a.pvalues_, b.pvalues_, atol=1e-9)
    assert np.isclose(
        a.score(data.X, sample_weight=weights), b.score(np.repeat(data.X, weights, axis=0))
    )


@quick
@given(seed=seeds, m=st.integers(0, 2))
def test_a_missing_block_leaves_the_encoding_of_the_others(seed, m):
    """Rows with one modality are what its encoder alone says; with two, their mean."""
    widths, edges = [4, 6, 5], [0, 4, 10, 15]
    data = draw(seed, widths)
    aligner = NullSpaceAligner(2, modalities=widths, random_state=0).fit(data.X)
    alone = np.full_like(data.X, np.nan)
    own = slice(edges[m], edges[m + 1])
    alone[:, own] = data.X[:, own]
    blocks = np.split(data.X, [4, 10], axis=1)
    z = [e.transform(b) for e, b in zip(aligner.encoders_, blocks, strict=True)]
    np.testing.assert_allclose(aligner.transform(alone), z[m], rtol=1e-12, atol=1e-12)
    without = data.X.copy()
    without[:, own] = np.nan
    others = [z[i] for i in range(3) if i != m]
    np.testing.assert_allclose(aligner.transform(without), np.mean(others, axis=0), atol=1e-12)
    np.testing.assert_allclose(aligner.transform(data.X), np.mean(z, axis=0), atol=1e-12)


@quick
@given(seed=seeds, mixture=st.sampled_from([None, "gaussian"]), shuffle=st.booleans())
def test_transfer_by_order_and_weights(seed, mixture, shuffle):
    """Neither row order nor the coding of repeated rows shows in predictions."""
    data = draw(seed, n=120)
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 3, size=120)
    order = rng.permutation(weights.sum()) if shuffle else np.arange(weights.sum())
    given_mixture = None if mixture is None else GaussianMixture(2, random_state=0)
    model = {"aligner": NullSpaceAligner(modalities=[4, 6]), "mixture": given_mixture}
    a = CrossModalTransferClassifier(GaussianNB(), **model)
    b = CrossModalTransferClassifier(GaussianNB(), **model)
    a.fit(data.X, data.y, sample_weight=weights)
    b.fit(np.repeat(data.X, weights, axis=0)[order], np.repeat(data.y, weights)[order])
    np.testing.assert_allclose(a.predict_proba(data.X), b.predict_proba(data.X), atol=1e-6)


@quick
@given(seed=seeds)
def test_transfer_looks_at_the_target_alone(seed):
    """Whatever stands in the other blocks, and that is what the target's classifier says."""
    data = draw(seed, n=120)
    model = CrossModalTransferClassifier(GaussianNB(), aligner=NullSpaceAligner(modalities=[4, 6]))
    model.fit(data.X, data.y)
    proba = model.predict_proba(data.X)
    other = data.X.copy()
    other[:, :4] = np.random.default_rng(seed).normal(size=(120, 4)) * 100
    np.testing.assert_array_equal(model.predict_proba(other), proba)
    other[:, :4] = np.nan
    np.testing.assert_array_equal(model.predict_proba(other), proba)
    np.testing.assert_array_equal(model.target_classifier_.predict_proba(data.X[:, 4:]), proba)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)


@quick
@given(seed=seeds, k=st.integers(1, 4))
def test_exact_alignment_is_the_left_null_space(seed, k):
    """Rows of the unwhitened aligner span the same space as a plain SVD's, whatever k."""
    data = make_paired_gaussians(100, n_features=(k + 1, k + 2), n_latent=k, random_state=seed)
    options = {"modalities": data.modalities, "whiten": False, "center": False, "shrinkage": None}
    aligner = NullSpaceAligner(k, **options).fit(data.X)
    blocks = np.split(data.X, [k + 1], axis=1)
    # rows that act on the range of each block: others are zero on the data and mean nothing
    bases = [np.linalg.svd(b, full_matrices=False)[2][:k] for b in blocks]
    stack = np.hstack([blocks[0] @ bases[0].T, -blocks[1] @ bases[1].T])
    null = np.linalg.svd(stack)[2][-k:]
    oracle = np.hstack([null[:, :k] @ bases[0], null[:, k:] @ bases[1]])
    rows = np.hstack([e.coef_ for e in aligner.encoders_])
    assert principal_angles(rows, oracle).max() <= 1e-8
