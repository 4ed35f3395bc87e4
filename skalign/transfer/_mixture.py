r"""Gaussian components of the aligned space, and the classes that they stand for. Arrays only.

A component :math:`k` has weight :math:`\pi_k`, a Gaussian density of the latents and class
probabilities :math:`p(c \mid k)`. A mixture of scikit-learn without starting values of its own is
fitted with what the source says of the pairs as soft labels (mixture discriminant analysis, Hastie
& Tibshirani 1996): a component belongs to one class, and

.. math:: \sum_i w_i \sum_c p(c \mid x_{1i}) \log \sum_{k \in c} \pi_k N(z_i; \mu_k, \Sigma_k)

is climbed by an EM with the responsibilities

.. math:: r_{ik} = \sum_c p(c \mid x_{1i}) \, p(k \mid c, z_i) , \qquad
          p(k \mid c, z) \propto p(c \mid k) \, \pi_k N(z; \mu_k, \Sigma_k) .

The source alone says how likely a class is, and the latents, part of which it has seen, which
component of the class. Other mixtures are fitted as scikit-learn fits them, :math:`p(c \mid k)`
is of maximum likelihood, and responsibilities are the same.

Whatever a target modality is told by,

.. math:: p(c \mid x_2) = \sum_k p(c \mid k) \, p(k \mid x_2) .

In its aligned latents a component has a Gaussian density there: the projection of a Gaussian is
Gaussian, with that modality's noise. On the whole of its features, linear discriminants
:math:`e_k` of the components are learned from :math:`r`, and those of the classes, :math:`d_c`,
speak for their components, too:

.. math:: \log p(k \mid x_2) = \log \bar p(k) + e_k(x_2) + \sum_c p(c \mid k) \, d_c(x_2)
          + \text{const} , \qquad \bar p(k) \propto \sum_c p(k \mid c) .

Components of a class have fewer rows than the class, and lean on all of them.
"""

import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.cluster import kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state

from .._utils._quiet import quietly
from ._components import GaussianComponents, fit_components, log_density
from ._task import TargetModel

MAX_ITER = 50
TOLERANCE = 1e-4
# Pairs that a component has without any.
FLOOR = 1e-6
# Smallest probability of a component.
TINY = 1e-12
# Digits of a latent that decide on the order in which rows reach a mixture.
DIGITS = 8


@dataclass(frozen=True)
class MixtureModel:
    """Class probabilities by way of components."""

    components: Any  # GaussianComponents, or the DistilledModel of components
    component_class_proba: np.ndarray  # (K, C)

    def predict_proba(self, X) -> np.ndarray:
        """Class probabilities of latents or features, shape (n, C)."""
        return self.components.predict_proba(X) @ self.component_class_proba


def component_classes(resp, posterior, sample_weight) -> np.ndarray:
    r"""Class probabilities of each component, by maximum likelihood.

    Given the class the source is independent of the component, so that a pair has the likelihood
    :math:`\sum_k r_{ik} \sum_c p(c \mid k) \, p(c \mid x_i^{(1)}) / p(c)`. An EM over
    :math:`p(c \mid k)` climbs it. The mean posterior of a component's pairs, where it starts,
    would count the source's own doubt as a mixture of classes.

    Parameters
    ----------
    resp : ndarray of shape (n, K)
        Responsibilities of the components.
    posterior : ndarray of shape (n, C)
        Class probabilities of the source classifier.
    sample_weight : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (K, C)
    """
    weighted = resp * sample_weight[:, None]
    prior = np.maximum(sample_weight @ posterior / sample_weight.sum(), np.finfo(float).tiny)
    ratio = posterior / prior
    # a component without rows says what is known without it
    proba = _rows_to_one(weighted.T @ posterior + FLOOR * prior)
    for _ in range(MAX_ITER):
        classes = _rows_to_one(ratio * (resp @ proba))
        update = _rows_to_one(weighted.T @ classes + FLOOR * prior)
        change = np.max(np.abs(update - proba))
        proba = update
        if change < TOLERANCE:
            break
    return proba


def _rows_to_one(values):
    return values / values.sum(axis=1, keepdims=True)


# -- the mixture of the aligned space -------------------------------------------------------------


def fit_mixture(mixture, aligned, posterior, weights) -> np.ndarray:
    """Fit a given mixture to pairs, and give its components classes.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Unfitted; is fitted here.
    aligned : ndarray of shape (n, k)
        Pairs in the aligned space.
    posterior : ndarray of shape (n, C)
        Class probabilities of the source.
    weights : ndarray of shape (n,)
        Whole numbers, since mixtures of scikit-learn take none: rows are repeated.

    Returns
    -------
    ndarray of shape (K, C)
        Class probabilities of the components.
    """
    _check_mixture(mixture, weights)
    with config_context(array_api_dispatch=False):  # k-means, where mixtures start, has none
        if _starts_from_classes(mixture, posterior):
            Z, different, total = _different(aligned, posterior, weights)
            if mixture.n_components <= len(Z):
                owner = _fit_by_classes(mixture, Z, different, total)
                return np.eye(posterior.shape[1])[owner]
        # neither the order nor the coding of repeated rows may show in the result
        order = np.lexsort(np.round(aligned, DIGITS).T[::-1])
        mixture.fit(np.repeat(aligned[order], weights[order].astype(int), axis=0))
        return component_classes(mixture.predict_proba(aligned), posterior, weights)


def within_classes(mixture, aligned, proba, posterior) -> np.ndarray:
    """Responsibilities (n, K) where the source alone says how likely a class is.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Fitted.
    aligned : ndarray of shape (n, k)
    proba : ndarray of shape (K, C)
        Class probabilities of the components.
    posterior : ndarray of shape (n, C)
        Of the source.
    """
    with config_context(array_api_dispatch=False):
        said = mixture.predict_proba(aligned)
    said = said + TINY  # components of a class that are all far away share alike
    both = said * ((posterior / np.maximum(said @ proba, TINY**2)) @ proba.T)
    excluded = both.sum(axis=1, keepdims=True) == 0  # no component has the source's class
    return _rows_to_one(np.where(excluded, said, both))


def _starts_from_classes(mixture, posterior):
    """Whether nothing else is said of where it starts, and there is a component a class."""
    given = ("weights_init", "means_init", "precisions_init")
    return (
        isinstance(mixture, GaussianMixture)
        and all(getattr(mixture, name) is None for name in given)
        and mixture.init_params == "kmeans"
        and isinstance(mixture.n_components, Integral)
        and mixture.n_components >= np.sum(posterior.sum(axis=0) > 0)
    )


def _different(Z, posterior, weights):
    """Different rows, in an order of their own, and the weight of each."""
    rows = np.round(np.hstack([Z, posterior]), DIGITS)[weights > 0]
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(inverse.ravel(), weights[weights > 0])
    return Z[weights > 0][first], posterior[weights > 0][first], total


def shared_out(n_components: int, counts) -> np.ndarray:
    """How many components a class gets: one, and then in proportion to rows (D'Hondt)."""
    parts = (counts > 0).astype(int)
    for _ in range(n_components - parts.sum()):
        parts[np.argmax(counts / (parts + 1e-9))] += 1
    return parts


@dataclass(frozen=True)
class _Climb:
    """Where an EM has come to."""

    components: GaussianComponents
    bounds: list[float]
    converged: bool


def _fit_by_classes(mixture, Z, posterior, weights):
    """Fit components that belong to a class each, as ``mixture`` says otherwise.

    Returns
    -------
    ndarray of int, shape (K,)
        Class of each component.
    """
    with quietly(ConvergenceWarning):  # scikit-learn checks all parameters, at one component
        clone(mixture).set_params(n_components=1).fit(Z if len(Z) > 1 else np.repeat(Z, 2, axis=0))
    parts = shared_out(mixture.n_components, weights @ posterior)
    owner, rng = np.repeat(np.arange(len(parts)), parts), check_random_state(mixture.random_state)
    found = []
    for _ in range(mixture.n_init):
        start = _split_classes(Z, posterior, weights, parts, rng)
        found.append(_climb(mixture, Z, posterior, weights, start, owner))
    best = max(found, key=lambda climb: climb.bounds[-1])
    if not best.converged:
        warnings.warn(
            f"mixture={type(mixture).__name__} has not converged after max_iter="
            f"{mixture.max_iter} steps: raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=6,
        )
    _set_fitted(mixture, best, Z.shape[1])
    return owner


def _split_classes(Z, posterior, weights, parts, rng):
    """Responsibilities (n, K) of the clusters of each class, by k-means of its rows."""
    out, rows, first = np.zeros((len(Z), parts.sum())), np.arange(len(Z)), 0
    for c in np.flatnonzero(parts):
        part = np.zeros(len(Z), dtype=int)
        if parts[c] > 1:
            share = weights * posterior[:, c]
            seed = rng.randint(np.iinfo(np.int32).max)
            part = _k_means(Z, share / share.mean() + FLOOR, parts[c], seed)
        out[rows, first + part] = posterior[:, c]
        first += parts[c]
    return out


def _k_means(Z, weights, n_clusters, seed):
    """Cluster of each weighted row: an EM need not start from the best ones."""
    centers, _ = kmeans_plusplus(Z, n_clusters, sample_weight=weights, random_state=seed)
    clusters = np.zeros(len(Z), dtype=int)
    for _ in range(MAX_ITER):
        nearest = np.argmin(np.sum(centers**2, axis=1) - 2 * Z @ centers.T, axis=1)
        if np.array_equal(nearest, clusters):
            break
        clusters = nearest
        weighted = np.eye(n_clusters)[clusters] * weights[:, None]
        counts = weighted.sum(axis=0)[:, None]
        centers = np.where(counts > 0, weighted.T @ Z / np.maximum(counts, TINY), centers)
    return clusters


def _climb(mixture, Z, posterior, weights, resp, owner) -> _Climb:
    """EM from responsibilities, in which the source's posterior stays."""
    bounds, share = [-np.inf], weights / weights.sum()
    first = np.searchsorted(owner, np.unique(owner))
    for _ in range(max(mixture.max_iter, 1)):
        components = _restricted(
            fit_components(Z, resp, weights, mixture.covariance_type == "tied"), mixture
        )
        joint = log_density(Z, components) + np.log(np.maximum(components.weights, TINY))
        of_class = np.logaddexp.reduceat(joint, first, axis=1)
        mine = np.searchsorted(owner[first], owner)
        resp = posterior[:, owner] * np.exp(joint - of_class[:, mine])
        bounds.append(share @ np.sum(posterior[:, owner[first]] * of_class, axis=1))
        converged = abs(bounds[-1] - bounds[-2]) < mixture.tol
        if converged:
            break
    return _Climb(components, bounds[1:], converged)


def _restricted(components: GaussianComponents, mixture) -> GaussianComponents:
    """Components whose covariances are of the mixture's type and have its ``reg_covar``."""
    covs, d = components.covariances, components.means.shape[1]
    if mixture.covariance_type in ("diag", "spherical"):
        variances = np.diagonal(covs, axis1=1, axis2=2)
        if mixture.covariance_type == "spherical":
            variances = np.repeat(variances.mean(axis=1, keepdims=True), d, axis=1)
        covs = variances[:, :, None] * np.eye(d)
    return replace(components, covariances=covs + mixture.reg_covar * np.eye(d))


def _set_fitted(mixture, found: _Climb, n_features):
    """Fitted attributes of a Gaussian mixture, as its own `fit` would set them."""
    covs = found.components.covariances
    roots = np.linalg.inv(np.linalg.cholesky(covs))
    roots = np.swapaxes(roots, -1, -2)  # upper ones
    precisions = roots @ np.swapaxes(roots, -1, -2)
    if mixture.covariance_type in ("diag", "spherical"):
        covs, roots, precisions = (
            np.diagonal(m, axis1=1, axis2=2).copy() for m in (covs, roots, precisions)
        )
    if mixture.covariance_type == "spherical":
        covs, roots, precisions = covs[:, 0], roots[:, 0], precisions[:, 0]
    mixture.weights_, mixture.means_ = found.components.weights, found.components.means
    mixture.covariances_, mixture.precisions_cholesky_ = covs, roots
    mixture.precisions_, mixture.n_features_in_ = precisions, n_features
    mixture.converged_, mixture.n_iter_ = bool(found.converged), len(found.bounds)
    mixture.lower_bound_, mixture.lower_bounds_ = found.bounds[-1], found.bounds


# -- components in a modality ---------------------------------------------------------------------


def gaussian_models(mixture, encoders, X, wanted, resp, class_proba, weights, given=None):
    """Gaussian densities of the components in the latents of modalities.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Says whether components share a covariance.
    encoders : Encoders
        Of all modalities.
    X : ndarray of shape (n, n_features)
        Rows of all modalities; NaN where one is missing.
    wanted : list of int
        Modalities to learn.
    resp : ndarray of shape (n, K)
    class_proba : ndarray of shape (K, C)
    weights : ndarray of shape (n,)
    given : ndarray of shape (C,), optional
        Class prior, in place of the shares of the pairs.

    Returns
    -------
    dict of int to TargetModel
    """
    tied, models = getattr(mixture, "covariance_type", None) == "tied", {}
    latents = encoders.encode(X)
    for m in wanted:
        rows = np.isfinite(latents[m]).all(axis=1)
        components = fit_components(latents[m][rows], resp[rows], weights[rows], tied)
        prior = weights[rows] @ resp[rows] @ class_proba / weights[rows].sum()
        if given is not None:
            times = class_proba @ np.divide(
                given, prior, out=np.zeros_like(prior), where=prior > TINY
            )
            scaled = components.weights * times
            components, prior = replace(components, weights=scaled / scaled.sum()), given
        maps = encoders.coefs[m], encoders.means[m], encoders.decoders[m]
        models[m] = TargetModel(MixtureModel(components, class_proba), maps, prior, prior)
    return models


def with_classes(
    of_classes: TargetModel, of_components: TargetModel, class_proba, counts
) -> TargetModel:
    """Component discriminants, to which those of the classes are added.

    Parameters
    ----------
    of_classes : TargetModel
        Of a modality, distilled.
    of_components : TargetModel
        The same, of components in place of classes, without kernel.
    class_proba : ndarray of shape (K, C)
        Class probabilities of components.
    counts : ndarray of shape (K,)
        Pairs that each component is responsible for.
    """
    classes, own = of_classes.predictor, of_components.predictor
    known = np.isfinite(classes.intercept)
    share = _rows_to_one(class_proba[:, known] + TINY)
    coef, mean = _of_features(of_components)
    if of_classes.encoder is None:
        shift, unit = coef @ (classes.mean - mean), classes.feature_weights
        coef = np.divide(coef, unit, out=np.zeros_like(coef), where=np.greater(unit, 0))
    else:  # of the scores that the classes are told by
        _, center, decoder = of_classes.encoder
        shift, coef = coef @ (center - mean), coef @ decoder
    # components share out what their classes have
    weight = counts[:, None] * share
    weight = np.sum(weight / np.maximum(weight.sum(axis=0), np.finfo(float).tiny), axis=1)
    shift += own.intercept + np.log(np.maximum(weight, np.finfo(float).tiny))
    model = replace(
        classes,
        coef=coef + share @ classes.coef[known],
        intercept=shift + share @ classes.intercept[known],
        dual_coef=share @ classes.dual_coef[known],
    )
    prior = counts @ class_proba / counts.sum()
    return replace(
        of_classes,
        predictor=MixtureModel(model, class_proba),
        class_prior=prior,
        inverse_temperature=1.0,
        agreement=None,
    )


def _of_features(model: TargetModel):
    """Linear coefficients (K, d) of features less their mean, and that mean."""
    predictor = model.predictor
    if model.encoder is None:
        return predictor.coef * predictor.feature_weights, predictor.mean
    coef, mean, _ = model.encoder
    return predictor.coef @ coef, mean


def _check_mixture(mixture, weights):
    name = type(mixture).__name__
    if not hasattr(mixture, "predict_proba") or is_classifier(mixture):
        raise ValueError(
            f"mixture={mixture!r} is no mixture: use an estimator of sklearn.mixture."
        )
    if np.any(weights != np.round(weights)):
        raise ValueError(
            f"mixture={name} takes no sample_weight, so that weights must be whole numbers here: "
            "how often a row is repeated."
        )
    n_components = getattr(mixture, "n_components", 1)
    if n_components > weights.sum():
        raise ValueError(
            f"mixture={name} has n_components={n_components}, but X has {weights.sum():.0f} pairs "
            "of source and target: ask for fewer components, or give more pairs."
        )
