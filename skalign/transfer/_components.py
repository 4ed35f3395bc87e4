r"""Gaussian components: weights :math:`\pi_k`, means and covariances. Arrays only.

.. math:: p(k \mid z) = \frac{\pi_k N(z; \mu_k, \Sigma_k)}{\sum_j \pi_j N(z; \mu_j, \Sigma_j)}

Covariances are shrunk, so that components of few rows have a density, too.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import softmax

from .._utils._linalg import oas_shrinkage

# Smallest share of the mean variance that a pooled covariance keeps in each direction.
FLOOR = 1e-6


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

    def predict_proba(self, Z) -> np.ndarray:
        """Posterior probabilities of the components, shape (n, K)."""
        return responsibilities(Z, self)


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
    cov = cov / level  # whose squares do not overflow
    alpha = oas_shrinkage(np.mean(cov**2), 1.0, d, n)
    return level * ((1 - alpha) * cov + (alpha + FLOOR) * np.eye(d))


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
    return softmax(joint, axis=1)  # of sum one, however far away
