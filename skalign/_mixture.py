r"""Gaussian laws of classes and components in the aligned space. Arrays in, arrays out.

A component :math:`k` has weight :math:`\pi_k` and, in each modality, a Gaussian law of its own
latents: the projection of a Gaussian is Gaussian, with that modality's noise,
:math:`z_m \mid k \sim N(\mu_{mk}, \Sigma_{mk})`. Component k carries class probabilities
:math:`p(c \mid k)`, so that

.. math:: p(c \mid z_m) = \sum_k p(c \mid k) \,
          \frac{\pi_k N(z_m; \mu_{mk}, \Sigma_{mk})}{\sum_j \pi_j N(z_m; \mu_{mj}, \Sigma_{mj})} .
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp, softmax

MAX_ITER = 50
TOLERANCE = 1e-4
# Smallest share of the mean variance that a pooled covariance keeps in each direction.
FLOOR = 1e-6


@dataclass(frozen=True)
class GaussianLaw:
    """Weights (K,), means (K, k) and covariances (K, k, k), or (k, k) where they are tied."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def tied(self) -> bool:
        """Whether all components share one covariance."""
        return self.covariances.ndim == 2


@dataclass(frozen=True)
class ComponentLaw:
    """Class probabilities by way of components."""

    law: GaussianLaw
    component_proba: np.ndarray  # (K, C)

    def class_proba(self, Z) -> np.ndarray:
        """Class probabilities of latents, shape (n, C)."""
        return responsibilities(Z, self.law) @ self.component_proba


@dataclass(frozen=True)
class PriorLaw:
    """The same class probabilities for everybody."""

    prior: np.ndarray  # (C,)

    def class_proba(self, Z) -> np.ndarray:
        """Class probabilities of latents, shape (n, C)."""
        return np.tile(self.prior, (len(Z), 1))


def fit_law(Z, resp, sample_weight, tied: bool) -> GaussianLaw:
    """Gaussian law of each component from responsibilities.

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
        return GaussianLaw(counts / total, means + center, pooled)
    prior = Z.shape[1] + 1.0
    covariances = np.empty((len(counts), Z.shape[1], Z.shape[1]))
    for k, (count, mean) in enumerate(zip(counts, means, strict=True)):
        offset = (Z - mean) * np.sqrt(weighted[:, k])[:, None]
        covariances[k] = (offset.T @ offset + prior * pooled) / (count + prior)
    return GaussianLaw(counts / total, means + center, covariances)


def _shrunk(cov, n):
    d = len(cov)
    cov = (cov + cov.T) / 2
    # latents that do not vary still have a law: a narrow one, whose squares do not underflow
    level = max(np.trace(cov) / d, np.sqrt(np.finfo(float).tiny))
    spread, square = np.mean(cov**2), level**2
    excess = (n + 1) * (spread - square / d)
    alpha = 1.0 if excess <= 0 else min(1.0, (spread + square) / excess)
    return (1 - alpha) * cov + (alpha + FLOOR) * level * np.eye(d)


def log_density(Z, law: GaussianLaw) -> np.ndarray:
    """Log density of each component, shape (n, K)."""
    n_components, d = law.means.shape
    out = np.empty((len(Z), n_components))
    if law.tied:
        root = np.linalg.cholesky(law.covariances)
        origin = law.weights @ law.means
        points = solve_triangular(root, (Z - origin).T, lower=True)
        centers = solve_triangular(root, (law.means - origin).T, lower=True)
        out[:] = points.T @ centers
        out -= 0.5 * (np.sum(points**2, axis=0)[:, None] + np.sum(centers**2, axis=0))
        out -= np.sum(np.log(np.diagonal(root)))
    else:
        for k, (center, cov) in enumerate(zip(law.means, law.covariances, strict=True)):
            root = np.linalg.cholesky(cov)
            points = solve_triangular(root, (Z - center).T, lower=True)
            out[:, k] = -0.5 * np.sum(points**2, axis=0) - np.sum(np.log(np.diagonal(root)))
    return out - 0.5 * d * np.log(2 * np.pi)


def responsibilities(Z, law: GaussianLaw) -> np.ndarray:
    """Posterior probabilities of the components, shape (n, K)."""
    with np.errstate(divide="ignore"):  # a component without weight is never chosen
        joint = log_density(Z, law) + np.log(law.weights)
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


def join(probas, powers, prior, otherwise):
    r"""Join what modalities say of the same samples, as independent given the class.

    .. math:: p(c \mid x) \propto p(c) \prod_m (p(c \mid x_m) / p(c))^{\kappa_m}

    A sample of which one modality says something gets just that.

    Parameters
    ----------
    probas : list of ndarray of shape (n, C)
        Class probabilities by each modality; NaN in rows that lack it.
    powers : list of float
        :math:`\kappa_m`.
    prior : ndarray of shape (C,)
        Class probabilities that each of them started from.
    otherwise : ndarray of shape (C,)
        Answer for rows of which nothing is said.

    Returns
    -------
    proba : ndarray of shape (n, C)
    usable : ndarray of bool, shape (n,)
        Whether anything was said.
    """
    said = np.array([np.isfinite(proba[:, 0]) for proba in probas])
    log_prior = np.log(np.maximum(prior, np.finfo(float).tiny))
    total = np.tile(log_prior, (said.shape[1], 1))
    out = np.tile(otherwise, (said.shape[1], 1))
    for rows, proba, power in zip(said, probas, powers, strict=True):
        out[rows] = proba[rows]
        log_proba = np.log(np.maximum(proba[rows], np.finfo(float).tiny))
        total[rows] += power * (log_proba - log_prior)
    several = said.sum(axis=0) > 1
    out[several] = softmax(total[several], axis=1)
    return out, said.any(axis=0)
