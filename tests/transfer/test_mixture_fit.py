"""Mixtures fitted to pairs and what the source says of them, and components taught to a target."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from skalign import CrossModalTransferClassifier, NullSpaceAligner
from skalign.datasets import make_paired_gaussians
from skalign.transfer._distillation import distil
from skalign.transfer._mixture import fit_mixture, shared_out, with_classes, within_classes
from skalign.transfer._task import Standardization, TransferTask

few = settings(deadline=None, max_examples=20)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
KINDS = ["full", "tied", "diag", "spherical"]


def two_modes(rng, n=120, d=2, doubt=0.1):
    """Draw two classes of two modes each, that no line tells apart, and a source that doubts."""
    labels, modes = rng.integers(2, size=n), rng.integers(2, size=n)
    centers = np.array([[[-4, -4], [4, 4]], [[-4, 4], [4, -4]]])[labels, modes]
    Z = np.hstack([centers, np.zeros((n, d - 2))]) + rng.normal(size=(n, d))
    posterior = np.where(np.eye(2)[labels] == 1, 1 - doubt, doubt)
    return Z, posterior, labels, 2 * labels + modes


@few
@given(generators, st.sampled_from(KINDS))
def test_modes_of_classes_are_found(rng, kind):
    """A component a mode, each of the class that it belongs to."""
    Z, posterior, labels, modes = two_modes(rng)
    mixture = GaussianMixture(4, covariance_type=kind, n_init=3, random_state=0)
    proba = fit_mixture(mixture, Z, posterior, np.ones(len(Z)))
    np.testing.assert_array_equal(proba, [[1, 0], [1, 0], [0, 1], [0, 1]])
    found = mixture.predict(Z)
    assert np.mean(proba[found].argmax(axis=1) == labels) > 0.97
    assert len(np.unique(np.column_stack([found, modes]), axis=0)) < 4 + 0.1 * len(Z)
    assert mixture.converged_


@few
@given(generators, st.sampled_from(KINDS))
def test_a_fitted_mixture_is_one_of_scikit_learn(rng, kind):
    """Its densities are those of its own means and covariances, of the type asked for."""
    Z, posterior, *_ = two_modes(rng, n=60, d=3)
    mixture = GaussianMixture(5, covariance_type=kind, reg_covar=0.1, random_state=0)
    fit_mixture(mixture, Z, posterior, np.ones(len(Z)))
    covs = mixture.covariances_
    full = {
        "full": lambda k: covs[k],
        "tied": lambda k: covs,
        "diag": lambda k: np.diag(covs[k]),
        "spherical": lambda k: covs[k] * np.eye(3),
    }[kind]
    joint = [
        np.log(weight) + multivariate_normal.logpdf(Z, mean, full(k))
        for k, (weight, mean) in enumerate(zip(mixture.weights_, mixture.means_, strict=True))
    ]
    np.testing.assert_allclose(
        np.log(mixture.predict_proba(Z) + 1e-300),
        log_softmax(np.transpose(joint), axis=1),
        rtol=1e-6,
        atol=1e-6,
    )
    reference = GaussianMixture(5, covariance_type=kind).fit(Z)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(mixture, name).shape == getattr(reference, name).shape, name
    np.testing.assert_allclose(mixture.weights_.sum(), 1)
    assert np.linalg.eigvalsh(full(0)).min() > 0.1
    assert mixture.sample(10)[0].shape == (10, 3)
    assert np.isfinite(mixture.bic(Z))


@few
@given(generators, st.sampled_from(KINDS))
def test_the_bound_climbs(rng, kind):
    """More steps never fit worse, but for what the shrinkage of covariances takes."""
    Z, posterior, *_ = two_modes(rng, n=200)
    mixture = GaussianMixture(6, covariance_type=kind, random_state=0, tol=1e-6, max_iter=500)
    fit_mixture(mixture, Z, posterior, np.ones(len(Z)))
    bounds = np.array(mixture.lower_bounds_)
    assert len(bounds) == mixture.n_iter_
    assert bounds[-1] == mixture.lower_bound_
    assert np.diff(bounds).min(initial=0.0) > -0.02
    assert bounds[-1] >= bounds[0]


@few
@given(generators, st.integers(2, 4), st.sampled_from(KINDS))
def test_one_component_a_class_leaves_the_source_alone(rng, n_classes, kind):
    """Components are the classes, with the moments that the posterior gives them."""
    Z, posterior = rng.normal(size=(80, 3)), rng.dirichlet(np.ones(n_classes), size=80)
    weights = rng.integers(1, 4, size=80).astype(float)
    mixture = GaussianMixture(n_classes, covariance_type=kind, random_state=0)
    proba = fit_mixture(mixture, Z, posterior, weights)
    np.testing.assert_array_equal(proba, np.eye(n_classes))
    np.testing.assert_allclose(within_classes(mixture, Z, proba, posterior), posterior, atol=1e-9)
    weighted = posterior * weights[:, None]
    counts = weighted.sum(axis=0)
    np.testing.assert_allclose(mixture.weights_, counts / counts.sum())
    np.testing.assert_allclose(mixture.means_, weighted.T @ Z / counts[:, None], atol=1e-6)


@few
@given(generators, st.integers(2, 8))
def test_the_source_alone_says_how_likely_a_class_is(rng, n_components):
    """Responsibilities of a class's own components sum to the source's posterior."""
    Z, posterior, *_ = two_modes(rng, doubt=0.3)
    mixture = GaussianMixture(n_components, random_state=0, reg_covar=1e-4)
    proba = fit_mixture(mixture, Z, posterior, np.ones(len(Z)))
    far = np.vstack([Z, 1e4 * Z[:5]])
    said = np.vstack([posterior, posterior[:5]])
    resp = within_classes(mixture, far, proba, said)
    np.testing.assert_allclose(resp @ proba, said, atol=1e-9)


@few
@given(generators, st.sampled_from([GaussianMixture, BayesianGaussianMixture]))
def test_order_and_coding_of_rows_are_no_matter(rng, kind):
    """A weight of two is a row twice, wherever it stands."""
    Z, posterior, *_ = two_modes(rng, n=60)
    weights = rng.integers(0, 3, size=60)
    rows = rng.permutation(np.repeat(np.arange(60), weights))
    a, b = (kind(n_components=4, random_state=0, max_iter=1000) for _ in range(2))
    first = fit_mixture(a, Z, posterior, weights.astype(float))
    second = fit_mixture(b, Z[rows], posterior[rows], np.ones(len(rows)))
    np.testing.assert_allclose(first, second, atol=1e-7)
    np.testing.assert_allclose(a.means_, b.means_, atol=1e-7)
    np.testing.assert_allclose(a.covariances_, b.covariances_, atol=1e-7)


@pytest.mark.parametrize(
    "mixture",
    [
        GaussianMixture(4, means_init=[[0, 0], [0, 1], [1, 0], [1, 1]], random_state=0),
        GaussianMixture(4, weights_init=[0.1, 0.2, 0.3, 0.4], random_state=0),
        GaussianMixture(4, precisions_init=[2 * np.eye(2)] * 4, random_state=0),
        GaussianMixture(4, init_params="random_from_data", random_state=0),
        GaussianMixture(1, random_state=0),
        BayesianGaussianMixture(n_components=4, random_state=0),
    ],
    ids=["means", "weights", "precisions", "init_params", "fewer than classes", "bayesian"],
)
def test_other_mixtures_are_fitted_as_scikit_learn_fits_them(mixture):
    """Starting values that were given are where it starts."""
    Z, posterior, *_ = two_modes(np.random.default_rng(0))
    Z = Z[np.lexsort(np.round(Z, 8).T[::-1])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = mixture.__class__(**mixture.get_params()).fit(Z)
        proba = fit_mixture(mixture, Z, posterior, np.ones(len(Z)))
    np.testing.assert_array_equal(mixture.means_, expected.means_)
    np.testing.assert_array_equal(mixture.covariances_, expected.covariances_)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"covariance_type": "round"}, "covariance_type"),
        ({"tol": -1.0}, "tol"),
        ({"max_iter": -1}, "max_iter"),
        ({"n_init": 0}, "n_init"),
        ({"reg_covar": -1.0}, "reg_covar"),
        ({"init_params": "somewhere"}, "init_params"),
        ({"n_components": 2.5}, "n_components"),
    ],
    ids=str,
)
def test_parameters_are_those_of_scikit_learn(options, match):
    """What it refuses is refused, and named."""
    Z, posterior, *_ = two_modes(np.random.default_rng(0))
    with pytest.raises(ValueError, match=match):
        fit_mixture(GaussianMixture(**{"n_components": 4} | options), Z, posterior, np.ones(120))


def test_steps_and_starts_are_counted():
    """``max_iter`` ends the climb with a warning; of several starts the best one stays."""
    Z, posterior, *_ = two_modes(np.random.default_rng(0), doubt=0.4)
    short = GaussianMixture(6, max_iter=2, tol=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        fit_mixture(short, Z, posterior, np.ones(120))
    assert short.n_iter_ == 2
    assert not short.converged_
    once, often = (GaussianMixture(6, n_init=n, random_state=0) for n in (1, 8))
    for mixture in (once, often):
        fit_mixture(mixture, Z, posterior, np.ones(120))
    assert often.lower_bound_ >= once.lower_bound_
    seeds = []
    for seed in range(5):
        mixture = GaussianMixture(6, random_state=seed)
        fit_mixture(mixture, Z, posterior, np.ones(120))
        seeds.append(mixture.lower_bound_)
    assert len(np.unique(seeds)) > 1


@given(st.integers(1, 30), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_components_are_shared_out(extra, counts):
    """Each class that has rows gets one; no other class deserves one of its components more."""
    counts = np.array(counts, dtype=float)
    counts[0] += 1
    parts = shared_out(np.sum(counts > 0) + extra, counts)
    assert parts.sum() == np.sum(counts > 0) + extra
    np.testing.assert_array_equal(parts > 0, counts > 0)
    some = counts > 0
    least = np.min(counts[some] / np.maximum(parts[some] - 1, 1e-9))
    assert least >= np.max(counts[some] / parts[some]) * (1 - 1e-6)


# -- what becomes of them in a transfer ----------------------------------------------------------


def draw_modes(seed, n, noise=1.5):
    """Draw modalities of classes of two modes; labelled rows of the source, pairs, test rows."""
    rng = np.random.default_rng(seed)
    Z, _, labels, _ = two_modes(rng, n=n, d=3)
    X1 = Z @ rng.normal(size=(3, 6)) + 0.5 * rng.normal(size=(n, 6))
    X2 = Z @ rng.normal(size=(3, 9)) + noise * rng.normal(size=(n, 9))
    X, y = np.hstack([X1, X2]), labels.copy()
    X[:200, 6:], y[200:] = np.nan, -1
    return X, y, labels


def transfer(mixture=None, **options):
    return CrossModalTransferClassifier(
        KNeighborsClassifier(7),
        aligner=NullSpaceAligner(modalities=[6, 9]),
        mixture=mixture,
        random_state=0,
        **options,
    )


def test_classes_of_several_modes_are_learned_from_few_pairs():
    """With a component a mode they are told apart better than by one discriminant a class."""
    gains = []
    for seed in range(6):
        X, y, labels = draw_modes(seed, 760, noise=4.0)
        scores = [
            transfer(mixture).fit(X[:260], y[:260]).score(X[260:], labels[260:])
            for mixture in (None, GaussianMixture(4))
        ]
        gains.append(scores[1] - scores[0])
    assert np.mean(gains) > 0.005


@pytest.mark.parametrize("space", ["whole", "aligned"])
@pytest.mark.parametrize("mixture", [GaussianMixture(4), BayesianGaussianMixture(n_components=3)])
def test_classes_come_by_way_of_components(space, mixture):
    """What the target says is the mean of the classes of components, by their probabilities."""
    X, y, labels = draw_modes(0, 900)
    model = transfer(mixture, target_space=space).fit(X[:500], y[:500])
    target = model.target_classifier_
    np.testing.assert_array_equal(target.component_class_proba_, model.component_class_proba_)
    n_components = len(model.component_class_proba_)
    assert hasattr(target, "means_") is (space == "aligned")
    if space == "whole":
        assert target.coef_.shape == (n_components, 9)
        u = (X[500:, 6:] - target.mean_) * getattr(target, "feature_weights_", 1.0)
        scores = u @ target.coef_.T + target.intercept_
        if hasattr(target, "landmarks_"):
            squares = np.sum((u[:, None] - target.landmarks_) ** 2, axis=2)
            scores += np.exp(-target.gamma_ * squares) @ target.dual_coef_.T
        said = np.exp(log_softmax(scores, axis=1)) @ model.component_class_proba_
        np.testing.assert_allclose(target.predict_proba(X[500:, 6:]), said, atol=1e-9)
    assert model.score(X[500:], labels[500:]) > 0.7


@few
@given(generators, st.booleans(), st.integers(1, 5))
def test_discriminants_of_classes_and_components_add_up(rng, wide, n_components):
    """Log probabilities of both, and of components within their classes, as the docs have it."""
    X, posterior, *_ = two_modes(rng, n=40, d=60 if wide else 4)
    weights, n = rng.uniform(0.5, 2, size=40), X.shape[1]
    mean, unit = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
    standard = Standardization(mean, unit, 1 / unit, None)
    none = np.zeros((0, n))
    of_pairs = standard, np.arange(40), np.arange(40), np.zeros(40, dtype=bool)
    task = TransferTask(X, posterior, weights, none, np.zeros(0), *of_pairs)
    proba = rng.dirichlet(np.ones(2), size=n_components)
    resp = rng.dirichlet(np.ones(n_components), size=40)
    counts = weights @ resp
    parts = distil(task), distil(replace(task, posterior=resp), kernel=False)
    model = with_classes(*parts, proba, counts)
    raw = mean + X / unit

    def say(model):
        Z = raw if model.encoder is None else (raw - model.encoder[1]) @ model.encoder[0].T
        return model.predictor.predict_proba(Z)

    joint = counts[:, None] * proba
    scores = np.log(say(parts[0])) @ proba.T + np.log(say(parts[1]))
    scores += np.log(np.sum(joint / joint.sum(axis=0), axis=1))
    expected = np.exp(log_softmax(scores, axis=1)) @ proba
    np.testing.assert_allclose(say(model), expected, rtol=1e-6, atol=1e-9)


@few
@given(st.integers(0, 100), st.integers(1, 4))
def test_units_of_the_target_are_no_matter(seed, n_components):
    """Components speak of features in whatever unit these are."""
    X, y, _ = draw_modes(seed, 400)
    scales = np.random.default_rng(seed).uniform(0.1, 10, size=15)
    model = transfer(GaussianMixture(n_components)).fit(X[:300], y[:300])
    other = transfer(GaussianMixture(n_components)).fit(
        X[:300] * np.r_[np.ones(6), scales[6:]], y[:300]
    )
    np.testing.assert_allclose(
        model.predict_proba(X[300:]),
        other.predict_proba(X[300:] * np.r_[np.ones(6), scales[6:]]),
        atol=1e-4,
    )


def test_all_modalities_take_part():
    """Every modality but the source learns the components, where it lacks others, too."""
    data = make_paired_gaussians(
        900, n_features=(5, 6, 7), n_latent=3, n_classes=3, noise=2.5, random_state=0
    )
    X, y = data.X.copy(), data.y.copy()
    X[:200, 5:], y[200:] = np.nan, -1
    X[200:250, 5:11] = np.nan  # the third modality without the target
    scores = {}
    for ways in ("target", "available"):
        model = CrossModalTransferClassifier(
            GaussianNB(),
            aligner=NullSpaceAligner(modalities=[5, 6, 7]),
            mixture=GaussianMixture(6, random_state=0),
            predict_from=ways,
        ).fit(X[:500], y[:500])
        scores[ways] = model.score(np.hstack([X[500:, :5] * np.nan, X[500:, 5:]]), data.y[500:])
    assert set(model.classifiers_) == {1, 2}
    assert scores["available"] > scores["target"]
