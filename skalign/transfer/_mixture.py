r"""Gaussian components of the aligned space, and the classes that they stand for. Arrays only.

A component :math:`k` has weight :math:`\pi_k` and, in each modality, a Gaussian density of its
latents: the projection of a Gaussian is Gaussian, with that modality's noise,
:math:`z_m \mid k \sim N(\mu_{mk}, \Sigma_{mk})`. Component k carries class probabilities
:math:`p(c \mid k)`, so that

.. math:: p(c \mid z_m) = \sum_k p(c \mid k) \,
          \frac{\pi_k N(z_m; \mu_{mk}, \Sigma_{mk})}{\sum_j \pi_j N(z_m; \mu_{mj}, \Sigma_{mj})} .
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn import config_context
from sklearn.base import is_classifier

from .._utils._linalg import oas_shrinkage
from ._task import TargetModel

MAX_ITER = 50
TOLERANCE = 1e-4
# Smallest share of the mean variance that a pooled covariance keeps in each direction.
FLOOR = 1e-6
# Digits of a latent that decide on the order in which rows reach a mixture.
DIGITS = 8


@dataclass(frozen=True)
class GaussianComponents:
    """Weights (K,), means (K, k) and covariances (K, k, k), or (k, k) where they are tied."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def tied(self) -> bool:
        """Whether all components share one covariance."""
        return self.covariances.ndim == 2


@dataclass(frozen=True)
class MixtureModel:
    """Class probabilities by way of components."""

    components: GaussianComponents
    component_class_proba: np.ndarray  # (K, C)

    def predict_proba(self, Z) -> np.ndarray:
        """Class probabilities of latents, shape (n, C)."""
        return responsibilities(Z, self.components) @ self.component_class_proba


def fit_components(Z, resp, sample_weight, tied: bool) -> GaussianComponents:
    """Gaussian density of each component from responsibilities.

    The pooled covariance is shrunk towards its mean variance (oracle approximating shrinkage);
    the covariance of a component counts as many rows as it has, and the pooled one as
    ``n_features + 1`` rows beside them.

    Parameters
    ----------
    Z : ndarray of shape (n, k)
    resp : ndarray of shape (n, K)
        Responsibilities, rows sum to one.
    sample_weight : ndarray of shape (n,)
    tied : bool
        Whether components share the pooled covariance.
    """
    weighted = resp * sample_weight[:, None]
    counts = weighted.sum(axis=0)
    total = counts.sum()
    center = sample_weight @ Z / total
    Z = Z - center  # so that nothing cancels where latents are far from the origin
    # a component without rows keeps the common mean
    means = weighted.T @ Z / (counts + FLOOR)[:, None]
    second = (Z.T * sample_weight) @ Z
    pooled = _shrunk((second - (means.T * counts) @ means) / total, total)
    if tied:
        return GaussianComponents(counts / total, means + center, pooled)
    prior = Z.shape[1] + 1.0
    covariances = np.empty((len(counts), Z.shape[1], Z.shape[1]))
    for k, (count, mean) in enumerate(zip(counts, means, strict=True)):
        offset = (Z - mean) * np.sqrt(weighted[:, k])[:, None]
        covariances[k] = (offset.T @ offset + prior * pooled) / (count + prior)
    return GaussianComponents(counts / total, means + center, covariances)


def _shrunk(cov, n):
    d = len(cov)
    cov = (cov + cov.T) / 2
    # latents that do not vary still have a density: a narrow one, whose squares do not underflow
    level = max(np.trace(cov) / d, np.sqrt(np.finfo(float).tiny))
    alpha = oas_shrinkage(np.mean(cov**2), level, d, n)
    return (1 - alpha) * cov + (alpha + FLOOR) * level * np.eye(d)


def log_density(Z, components: GaussianComponents) -> np.ndarray:
    """Log density of each component, shape (n, K)."""
    n_components, d = components.means.shape
    out = np.empty((len(Z), n_components))
    if components.tied:
        root = np.linalg.cholesky(components.covariances)
        origin = components.weights @ components.means
        points = solve_triangular(root, (Z - origin).T, lower=True)
        centers = solve_triangular(root, (components.means - origin).T, lower=True)
        out[:] = points.T @ centers
        out -= 0.5 * (np.sum(points**2, axis=0)[:, None] + np.sum(centers**2, axis=0))
        out -= np.sum(np.log(np.diagonal(root)))
    else:
        for k, (center, cov) in enumerate(
            zip(components.means, components.covariances, strict=True)
        ):
            root = np.linalg.cholesky(cov)
            points = solve_triangular(root, (Z - center).T, lower=True)
            out[:, k] = -0.5 * np.sum(points**2, axis=0) - np.sum(np.log(np.diagonal(root)))
    return out - 0.5 * d * np.log(2 * np.pi)


def responsibilities(Z, components: GaussianComponents) -> np.ndarray:
    """Posterior probabilities of the components, shape (n, K)."""
    with np.errstate(divide="ignore"):  # a component without weight is never chosen
        joint = log_density(Z, components) + np.log(components.weights)
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


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


def fit_mixture(mixture, aligned, latents, maps, posterior, weights) -> dict[int, TargetModel]:
    """Components of a given mixture, with the classes that the source's posterior gives them.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Unfitted; is fitted here.
    aligned : ndarray of shape (n, k)
        Pairs in the aligned space.
    latents : dict of int to ndarray of shape (n, k)
        Latents of each modality to learn; NaN where a pair lacks it.
    maps : dict of int to tuple
        What makes them of features.
    posterior : ndarray of shape (n, C)
    weights : ndarray of shape (n,)
        Whole numbers, since mixtures of scikit-learn take none: rows are repeated.
    """
    _check_mixture(mixture, weights)
    # neither the order nor the coding of repeated rows may show in the result
    order = np.lexsort(np.round(aligned, DIGITS).T[::-1])
    with config_context(array_api_dispatch=False):  # k-means, where mixtures start, has none
        mixture.fit(np.repeat(aligned[order], weights[order].astype(int), axis=0))
        resp = mixture.predict_proba(aligned)
    proba = component_classes(resp, posterior, weights)
    prior = weights @ resp @ proba / weights.sum()
    tied, models = getattr(mixture, "covariance_type", None) == "tied", {}
    for m, Z in latents.items():
        rows = np.isfinite(Z).all(axis=1)
        if rows.any():
            components = fit_components(Z[rows], resp[rows], weights[rows], tied)
            models[m] = TargetModel(MixtureModel(components, proba), maps[m], prior)
    return models


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
