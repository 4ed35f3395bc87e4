"""True latents from anchors, from class means, and from a known mixture."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skalign import LatentGauge, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.metrics import reconstruction_error

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
PAPER = NullSpaceAligner(2, whiten=False, center=False, shrinkage=None)


def invertible(rng, k):
    """A map whose condition number is at most 20, and an offset."""
    U, V = (np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(2))
    return U * rng.uniform(0.5, 10.0, size=k) @ V, rng.normal(scale=5.0, size=k)


def anchored(Z, rows):
    """The rows of Z, NaN elsewhere."""
    return np.where(np.isin(np.arange(len(Z)), rows)[:, None], Z, np.nan)


def clusters(n, k, n_components, seed, scale=3.0, tied=False):
    """Latents from a mixture with covariances of its own, the mixture, and components."""
    rng = np.random.default_rng(seed)
    roots = np.eye(k) + 0.5 * rng.normal(size=(1 if tied else n_components, k, k)) / np.sqrt(k)
    roots = np.broadcast_to(roots, (n_components, k, k))
    weights = rng.dirichlet(np.full(n_components, 10.0))
    means = rng.normal(scale=scale, size=(n_components, k))
    y = rng.choice(n_components, n, p=weights)
    z = means[y] + np.einsum("nij,nj->ni", roots[y], rng.normal(size=(n, k)))
    covariances = roots @ roots.transpose(0, 2, 1)
    return z, {"means": means, "covariances": covariances, "weights": weights}, y


def mixture_gauge(mixture, **options):
    return LatentGauge(mixture=mixture, random_state=0, **options)


# -- anchors --------------------------------------------------------------------------------------


@few
@given(generators, st.integers(1, 6), st.booleans())
def test_anchors_undo_any_affine_map(rng, k, fit_intercept):
    """As many as the map has unknowns in a row recover every row, to rounding."""
    F, f = invertible(rng, k)
    Z = rng.normal(size=(40, k))
    X = Z @ F.T + f * fit_intercept
    rows = np.arange(k + fit_intercept)
    Z[rows] = np.vstack([np.eye(k), np.zeros((1, k))])[rows] + 0.1 * rng.normal(size=Z[rows].shape)
    X[rows] = Z[rows] @ F.T + f * fit_intercept
    gauge = LatentGauge(fit_intercept=fit_intercept).fit(X, anchored(Z, rows))
    np.testing.assert_allclose(gauge.transform(X), Z, atol=1e-9)
    np.testing.assert_allclose(gauge.inverse_transform(Z), X, atol=1e-9)
    np.testing.assert_allclose(gauge.coef_, np.linalg.inv(F), atol=1e-9)
    assert np.all(gauge.intercept_ == 0) or fit_intercept


@few
@given(generators, st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_noisy_anchors_are_least_squares(rng, k, n_latent, fit_intercept):
    """For each coordinate as LinearRegression on the rows that know it."""
    X, Y = rng.normal(size=(50, k)) + 3, rng.normal(size=(50, n_latent)) - 2
    Y[rng.random(Y.shape) < 0.4] = np.nan
    gauge = LatentGauge(fit_intercept=fit_intercept).fit(X, Y)
    for column, (coef, intercept) in enumerate(zip(gauge.coef_, gauge.intercept_, strict=True)):
        rows = np.isfinite(Y[:, column])
        known = LinearRegression(fit_intercept=fit_intercept).fit(X[rows], Y[rows, column])
        np.testing.assert_allclose(coef, known.coef_, atol=1e-9)
        np.testing.assert_allclose(intercept, known.intercept_, atol=1e-9)


@few
@given(generators, st.integers(1, 4))
def test_anchors_are_equivariant(rng, k):
    """What comes out does not depend on the affine map that latents have gone through."""
    X, Y = rng.normal(size=(30, k)), rng.normal(size=(30, k))
    F, f = invertible(rng, k)
    plain = LatentGauge().fit(X, Y).transform(X)
    np.testing.assert_allclose(
        LatentGauge().fit(X @ F.T + f, Y).transform(X @ F.T + f), plain, atol=1e-9
    )


def test_one_true_latent_of_several():
    """A vector y is one latent; inverse_transform stays as close to the mean as it can."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) + 4
    gauge = LatentGauge().fit(X, X[:, 1] - X[:, 2])
    Z = gauge.transform(X)
    assert Z.shape == (60, 1)
    back = gauge.inverse_transform(Z)
    np.testing.assert_allclose(gauge.transform(back), Z, atol=1e-12)
    np.testing.assert_allclose(back[:, 0], X[:, 0].mean(), atol=1e-12)
    moved = X - X.mean(axis=0)
    assert np.all(np.linalg.norm(back - X.mean(axis=0), axis=1) <= np.linalg.norm(moved, axis=1))


def test_latents_that_do_not_vary_are_no_obstacle():
    """Where no row of X goes anchors need not go; where some do, they must."""
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(30, 2))
    X = np.column_stack([Z @ [[2.0, 1.0], [0.0, 3.0]], np.full(30, 7.0)])
    gauge = LatentGauge().fit(X, anchored(Z, range(5)))
    np.testing.assert_allclose(gauge.transform(X), Z, atol=1e-12)
    X[20, 2] = 8.0
    with pytest.raises(ValueError, match="the anchors span 2 of 3 dimensions"):
        LatentGauge().fit(X, anchored(Z, range(5)))


# -- class means ----------------------------------------------------------------------------------


@few
@given(generators, st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_class_means_agree_with_anchors_at_them(rng, k, more, fit_intercept):
    """Rows whose class means are exact: both recover the map, also where some have no label."""
    F, f = invertible(rng, k)
    n_classes = k + fit_intercept + more
    means = np.vstack([5 * np.eye(k), np.zeros((1, k)), rng.normal(size=(4, k))])[:n_classes]
    offsets = rng.normal(size=(n_classes, 6, k))
    offsets -= offsets.mean(axis=1, keepdims=True)
    Z, y = (means[:, None] + offsets).reshape(-1, k), np.repeat(np.arange(n_classes) + 3, 6)
    Z, y = np.vstack([Z, rng.normal(size=(9, k))]), np.append(y, np.full(9, -1))
    X, X_means = Z @ F.T + f * fit_intercept, means @ F.T + f * fit_intercept
    gauge = LatentGauge(fit_intercept=fit_intercept, class_means=means).fit(X, y)
    np.testing.assert_allclose(gauge.transform(X), Z, atol=1e-8)
    assert gauge.classes_.tolist() == list(range(3, n_classes + 3))
    if n_classes > 1:
        anchors = LatentGauge(fit_intercept=fit_intercept).fit(X_means, means)
        np.testing.assert_allclose(gauge.coef_, anchors.coef_, atol=1e-8)
        np.testing.assert_allclose(gauge.intercept_, anchors.intercept_, atol=1e-8)


def test_class_means_by_label():
    """A mapping, a dataframe by its index, and rows in the order of sorted labels."""
    Z, _, y = clusters(600, 2, 4, 0)
    words, X = np.array(["d", "a", "c", "b"])[y], Z @ [[1.0, 2.0], [0.0, 1.0]] + 3
    frame = pd.DataFrame(Z).groupby(words).mean()
    sorted_ = LatentGauge(class_means=frame.to_numpy()).fit(X, words)
    np.testing.assert_allclose(sorted_.transform(X), Z, atol=1e-9)
    for means in (frame, frame.iloc[::-1], frame.T.to_dict("list")):
        gauge = LatentGauge(class_means=means).fit(X, words)
        np.testing.assert_array_equal(gauge.coef_, sorted_.coef_)


def test_noise_of_class_means_is_that_of_the_rows():
    """The other way round as LinearRegression of mean latents, weighted by their rows."""
    Z, mixture, y = clusters(200, 3, 7, 1)
    gauge = LatentGauge(class_means=mixture["means"]).fit(Z, y)
    seen = np.array([Z[y == c].mean(axis=0) for c in range(7)])
    forward = LinearRegression().fit(mixture["means"], seen, sample_weight=np.bincount(y))
    np.testing.assert_allclose(gauge.inverse_transform(Z), forward.predict(Z), atol=1e-9)


# -- a known mixture ------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n_components"), [(1, 3), (2, 5), (3, 12), (2, 20)])
def test_the_mixture_is_enough(k, n_components):
    """Likelier than the truth, and as close to it as sampling allows, through any affine map."""
    Z, mixture, _ = clusters(1500, k, n_components, 2)
    F, f = invertible(np.random.default_rng(3), k)
    X = Z @ F.T + f
    gauge = mixture_gauge(mixture, n_init=4).fit(X)
    assert reconstruction_error(Z, gauge.transform(X)) < 0.15
    assert gauge.alternative_coef_.shape == (0, k, k)
    assert gauge.alternative_intercept_.shape == (0, k)
    assert gauge.n_free_rotations_ == 0
    densities = [
        w * multivariate_normal(m, c).pdf(Z) for w, m, c in zip(*parts_of(mixture), strict=True)
    ]
    truth = np.log(np.sum(densities, axis=0)).mean() - np.linalg.slogdet(F)[1]
    assert truth < gauge.log_likelihood_ < truth + 0.05
    plain = mixture_gauge(mixture, n_init=4).fit(Z)
    np.testing.assert_allclose(plain.transform(Z), gauge.transform(X), atol=1e-4)


def parts_of(mixture):
    return mixture["weights"], mixture["means"], mixture["covariances"]


def test_likelihood_is_that_of_the_mapped_mixture():
    """As a mixture of scikit-learn, whose latents are those that come out, tells it."""
    Z, mixture, _ = clusters(400, 2, 3, 4)
    model = GaussianMixture(3)
    model.weights_, model.means_, model.covariances_ = parts_of(mixture)
    model.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(model.covariances_))
    gauge = mixture_gauge(mixture).fit(Z)
    expected = model.score(gauge.transform(Z)) + np.linalg.slogdet(gauge.coef_)[1]
    np.testing.assert_allclose(gauge.log_likelihood_, expected, rtol=1e-9)


@pytest.mark.parametrize(("k", "n_components"), [(3, 2), (4, 3), (5, 2)])
def test_covariances_tell_what_means_leave_open(k, n_components):
    """Fewer means than an affine map of so many dimensions needs."""
    Z, mixture, _ = clusters(2500, k, n_components, 5)
    X = Z @ invertible(np.random.default_rng(6), k)[0].T
    gauge = mixture_gauge(mixture).fit(X)
    assert reconstruction_error(Z, gauge.transform(X)) < 0.2


def test_order_of_rows_does_not_show():
    """The search looks at rows in an order of their own."""
    Z, mixture, _ = clusters(700, 2, 4, 7)
    order = np.random.default_rng(8).permutation(len(Z))
    coefs = [mixture_gauge(mixture).fit(rows).coef_ for rows in (Z, Z[order])]
    np.testing.assert_allclose(*coefs, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_papers_figure_4(seed):
    """Where the paper has 10.93: rounding from two anchors, less than .1 from the mixture."""
    data = make_paired_gaussians(random_state=seed)
    z, mixture = data.latent, {"means": data.class_means, "covariances": np.eye(2)}
    anchors = make_pipeline(PAPER, LatentGauge(fit_intercept=False))
    error = reconstruction_error(z, anchors.fit(data.X, anchored(z, [0, 1])).transform(data.X))
    assert error <= 5e-13  # rounding times the condition of two anchors that are no choice
    mixed = make_pipeline(PAPER, mixture_gauge(mixture, fit_intercept=False)).fit(data.X, data.y)
    assert reconstruction_error(z, mixed.transform(data.X)) <= 0.1
    assert np.all(mixed[-1].intercept_ == 0)


def test_a_symmetric_mixture_is_told():
    """Affine maps of the paper's mixture: exchange and reflection are found, one is the truth."""
    data = make_paired_gaussians(random_state=0)
    Z = NullSpaceAligner(2).fit_transform(data.X)
    gauge = mixture_gauge({"means": data.class_means, "covariances": np.eye(2)})
    with pytest.warns(UserWarning, match="3 other map.s. are about as likely"):
        gauge.fit(Z)
    assert gauge.n_free_rotations_ == 0
    maps = zip(gauge.alternative_coef_, gauge.alternative_intercept_, strict=True)
    others = [Z @ A.T + b for A, b in maps]
    errors = [reconstruction_error(data.latent, z) for z in (gauge.transform(Z), *others)]
    assert len(errors) == 4
    assert sorted(np.array(errors) < 0.1) == [False, False, False, True]


@pytest.mark.parametrize(("n_components", "free"), [(1, 3), (2, 1), (3, 0)])
def test_free_rotations_are_counted(n_components, free):
    """Of equal spheres in three dimensions: all, about the line of two means, none."""
    means = np.array([[0.0, 0.0, 0.0], [5.0, 1.0, 0.0], [1.0, 3.0, 9.0]])[:n_components]
    rng = np.random.default_rng(9)
    Z = means[rng.integers(n_components, size=1000)] + rng.normal(size=(1000, 3))
    gauge = mixture_gauge({"means": means, "covariances": np.eye(3)})
    with pytest.warns(UserWarning, match="leaves the gauge open"):
        gauge.fit(Z)
    assert gauge.n_free_rotations_ == free


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("estimator", [GaussianMixture, BayesianGaussianMixture])
def test_mixtures_of_scikit_learn(estimator, kind):
    """Each type of covariance, learned from other latents than those that are mapped."""
    Z, _, _ = clusters(900, 2, 3, 10, tied=True)
    known = estimator(n_components=3, covariance_type=kind, random_state=0).fit(Z[:300])
    X = Z[300:] @ [[1.0, 2.0], [-1.0, 1.0]] - 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a sphere may be reflected
        gauge = clone(mixture_gauge(FrozenEstimator(known))).fit(X)
    assert known.score(gauge.transform(X)) > known.score(Z[300:]) - 0.2
    with pytest.raises(ValueError, match=r"is not fitted.*FrozenEstimator"):
        clone(mixture_gauge(known)).fit(X)


# -- as a part of scikit-learn --------------------------------------------------------------------


def test_in_a_pipeline_before_a_classifier():
    """Labels of the classifier serve class means, and are not minded beside a mixture."""
    data = make_paired_gaussians(
        400, n_features=(4, 5), n_classes=4, class_std=0.5, random_state=1
    )
    mixture = {"means": data.class_means, "covariances": 0.25 * np.eye(2)}
    for gauge in (LatentGauge(class_means=data.class_means), mixture_gauge(mixture)):
        aligner = NullSpaceAligner(2, modalities=[4, 5])
        model = make_pipeline(aligner, gauge, LogisticRegression())
        assert cross_val_score(model, data.X, data.y, cv=3).min() > 0.9
        latents = model.fit(data.X, data.y)[:-1].transform(data.X)
        assert reconstruction_error(data.latent, latents) < 0.15


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    """Rows, anchors and output may be frames; names are kept and checked."""
    module = pytest.importorskip(library)
    Z = np.random.default_rng(11).normal(size=(20, 2))
    X, Y = Z @ [[1.0, 2.0], [3.0, 4.0]] + 1, anchored(Z, range(8))
    frame, known = module.DataFrame({"a": X[:, 0], "b": X[:, 1]}), module.DataFrame(Y)
    gauge = LatentGauge().set_output(transform=library).fit(frame, known)
    out = gauge.transform(frame)
    assert list(out.columns) == ["latentgauge0", "latentgauge1"]
    np.testing.assert_allclose(out.to_numpy(), Z, atol=1e-12)
    assert gauge.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        gauge.transform(module.DataFrame({"b": X[:, 0], "a": X[:, 1]}))


def test_dask():
    """Read into memory to fit, mapped lazily; NaN in a chunk is told."""
    da = pytest.importorskip("dask.array")
    dd = pytest.importorskip("dask.dataframe")
    Z = np.random.default_rng(12).normal(size=(40, 2))
    X, Y = Z @ [[1.0, 2.0], [3.0, 4.0]] + 1, anchored(Z, range(8))
    plain = LatentGauge().fit(X, Y)
    chunks = da.from_array(X, chunks=(15, 2))
    gauge = LatentGauge().fit(chunks, da.from_array(Y, chunks=(15, 2)))
    np.testing.assert_array_equal(gauge.coef_, plain.coef_)
    lazy = gauge.transform(chunks)
    assert lazy.chunks == ((15, 15, 10), (2,))
    np.testing.assert_allclose(lazy.compute(), Z, atol=1e-12)
    np.testing.assert_allclose(gauge.inverse_transform(lazy).compute(), X, atol=1e-12)
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b"]), npartitions=3)
    named = LatentGauge().fit(frame, Y)
    np.testing.assert_allclose(named.transform(frame).compute(), Z, atol=1e-12)
    with pytest.raises(ValueError, match="contains NaN"):
        gauge.transform(da.where(chunks == X[3, 0], np.nan, chunks)).compute()


def test_float32_stays_float32():
    """In and out; the map itself is of float64."""
    Z = np.random.default_rng(13).normal(size=(30, 2)).astype(np.float32)
    gauge = LatentGauge().fit(2 * Z + 1, Z)
    assert gauge.transform(2 * Z + 1).dtype == np.float32
    assert gauge.inverse_transform(Z).dtype == np.float32
    assert gauge.coef_.dtype == np.float64


def test_refit_forgets_and_failure_restores():
    """Attributes of one kind of gauge do not outlive it; a failed fit loses nothing."""
    Z, mixture, y = clusters(300, 2, 3, 14)
    gauge = mixture_gauge(mixture).fit(Z)
    gauge.set_params(mixture=None, class_means=mixture["means"]).fit(Z, y)
    assert not hasattr(gauge, "log_likelihood_")
    before = dict(vars(gauge))
    with pytest.raises(ValueError, match="2 rows but y has 3 classes"):
        gauge.set_params(class_means=mixture["means"][:2]).fit(Z, y)
    assert {**vars(gauge), "class_means": None} == {**before, "class_means": None}


# -- bad input ------------------------------------------------------------------------------------

Z, MIXTURE, Y = clusters(60, 3, 5, 15)
TRUTH = {"means": MIXTURE["means"], "covariances": np.eye(3)}
EDGE = np.full((3, 3), 2.0)
BAD = {
    "no anchor": ({}, np.full_like(Z, np.nan), "y has 0 anchors: an affine map of 3 dim.*needs 4"),
    "few anchors": ({}, anchored(Z, [4, 7, 9]), "y has 3 anchors.*or 3 with fit_intercept=False"),
    "one anchor": ({"fit_intercept": False}, anchored(Z, [4]), "1 anchor: a linear.*needs 3"),
    "few in one column": (
        {},
        np.where(np.arange(3) == 1, anchored(Z, [1, 2]), Z),
        "y has 2 anchors for column 1",
    ),
    "no y": ({}, None, "requires y to be passed, but the target y is None"),
    "infinite y": ({}, np.where(Z[5, 1] == Z, np.inf, Z), "y contains infinity"),
    "words": ({}, np.where(Y == 1, "a", "b"), "y must be true latents.*unless class_means"),
    "short y": ({}, Z[:50], "inconsistent numbers of samples"),
    "intercept": ({"fit_intercept": "no"}, Z, "fit_intercept='no' must be True or False"),
    "starts": ({"n_init": 0}, Z, "n_init=0 must be an integer >= 1"),
    "two kinds": ({"class_means": Z[:5], "mixture": TRUTH}, Y, "both given"),
    "few means": (
        {"class_means": MIXTURE["means"][:3]},
        np.where(Y < 3, Y, -1),
        "class_means has 3 means with labelled rows.*needs 4",
    ),
    "other classes": ({"class_means": {0: Z[0], 9: Z[1]}}, Y, "no mean for class 1 of y"),
    "rows": ({"class_means": MIXTURE["means"][:4]}, Y, "has 4 rows but y has 5 classes"),
    "columns": ({"class_means": MIXTURE["means"][:, :2]}, Y, "has 2 columns but X has 3"),
    "alike": ({"class_means": np.ones((5, 3))}, Y, "class_means span 0 of 3 dimensions"),
    "NaN mean": ({"class_means": MIXTURE["means"] * np.nan}, Y, "class_means contains NaN"),
    "continuous": ({"class_means": MIXTURE["means"]}, Z[:, 0], "Unknown label type: continuous"),
    "dimensions": (
        {"mixture": {"means": Z[:5, :2], "covariances": np.eye(2)}},
        None,
        "mixture has 2 dimensions but X has 3 columns",
    ),
    "components": (
        {"mixture": {**TRUTH, "covariances": np.stack([np.eye(3)] * 4)}},
        None,
        re.escape("covariances of mixture have shape (4, 3, 3): (5, 3, 3)"),
    ),
    "weights": ({"mixture": {**TRUTH, "weights": [0.5, 0.5]}}, None, "for 5 components"),
    "sum": ({"mixture": {**TRUTH, "weights": np.full(5, 0.5)}}, None, "positive and sum to 1"),
    "negative": ({"mixture": {**TRUTH, "covariances": -np.eye(3)}}, None, "positive definite"),
    "singular": ({"mixture": {**TRUTH, "covariances": EDGE}}, None, "positive definite"),
    "no means": ({"mixture": {"covariances": np.eye(3)}}, None, "mixture lacks 'means'"),
    "other part": ({"mixture": {**TRUTH, "precisions": 1}}, None, "mixture has 'precisions'"),
    "unfitted": ({"mixture": GaussianMixture(2)}, None, "is not fitted"),
    "no mixture": ({"mixture": 5}, None, "mixture=5 is not fitted"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    """The message names what is wrong, and what is needed."""
    options, y, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        LatentGauge(**options).fit(Z, y)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_row_that_is_not_finite_is_named(value):
    """At the fit and afterwards."""
    Z = np.random.default_rng(0).normal(size=(20, 2))
    gauge = LatentGauge().fit(Z, Z)
    bad = Z.copy()
    bad[7, 1] = value
    for call in (lambda: LatentGauge().fit(bad, Z), lambda: gauge.transform(bad)):
        with pytest.raises(ValueError, match=r"(NaN|infinity).*: row 7"):
            call()


def test_bad_latents():
    """Too few directions for a mixture or for classes, too large, NaN, too few columns."""
    flat = np.column_stack([Z[:, :2], Z[:, 0]])
    with pytest.raises(ValueError, match="the rows of X span 2 of 3 dimensions"):
        LatentGauge(mixture=TRUTH).fit(flat)
    with pytest.raises(ValueError, match="scale the features"):
        LatentGauge(mixture=TRUTH).fit(Z * [1e-30, 1.0, 1e30])
    with pytest.raises(ValueError, match="mean latents of classes in X span 2 of 3"):
        LatentGauge(class_means=MIXTURE["means"]).fit(flat, Y)
    with pytest.raises(ValueError, match="scale the features"):
        LatentGauge().fit(Z * 1e200, Z)
    with pytest.raises(ValueError, match="X contains NaN"):
        LatentGauge().fit(np.where(Z[3, 1] == Z, np.nan, Z), Z)
    gauge = LatentGauge().fit(Z, Z[:, :2])
    with pytest.raises(ValueError, match="expected 2 components"):
        gauge.inverse_transform(Z)
