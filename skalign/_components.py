"""Components of the aligned space, and the classes they stand for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from ._mixture import GaussianLaw, class_responsibilities, component_classes, fit_law

# Digits of a latent that decide on the order in which rows reach a mixture.
DIGITS = 8


@dataclass(frozen=True)
class Components:
    """A fitted mixture, and what its components are on the pairs."""

    mixture: Any
    resp: np.ndarray  # (n_pairs, K) responsibilities
    class_proba: np.ndarray  # (K, n_classes)
    tied: bool  # whether components share one covariance


def of_classes(target, aligned, posterior, weights) -> Components:
    """One component per class, that starts from the source's posterior and holds on to it.

    Parameters
    ----------
    target, aligned : ndarray of shape (n_pairs, k)
        Latents of the target modality, and of all modalities together.
    posterior : ndarray of shape (n_pairs, n_classes)
    weights : ndarray of shape (n_pairs,)
    """
    resp = class_responsibilities(target, posterior, weights)
    mixture = as_mixture(fit_law(aligned, resp, weights, tied=True))
    return Components(mixture, resp, np.eye(posterior.shape[1]), tied=True)


def of_mixture(mixture, aligned, posterior, weights) -> Components:
    """Components of a given mixture, labelled by the source's posterior.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Unfitted; is fitted here.
    aligned : ndarray of shape (n_pairs, k)
    posterior : ndarray of shape (n_pairs, n_classes)
    weights : ndarray of shape (n_pairs,)
        Whole numbers: mixtures of scikit-learn take no weights, so rows are repeated.
    """
    if not hasattr(mixture, "predict_proba"):
        raise ValueError(
            f"mixture={mixture!r} has no predict_proba: use an estimator of sklearn.mixture."
        )
    if np.any(weights != np.round(weights)):
        raise ValueError(
            f"mixture={type(mixture).__name__} takes no sample_weight, so that weights must be "
            "whole numbers here: how often a row is repeated."
        )
    # neither the order nor the coding of repeated rows may show in the result
    order = np.lexsort(np.round(aligned, DIGITS).T[::-1])
    mixture.fit(np.repeat(aligned[order], weights[order].astype(int), axis=0))
    resp = mixture.predict_proba(aligned)
    tied = getattr(mixture, "covariance_type", None) == "tied"
    return Components(mixture, resp, component_classes(resp, posterior, weights), tied)


def as_mixture(law: GaussianLaw) -> GaussianMixture:
    """A fitted GaussianMixture with these components."""
    covariance_type = "tied" if law.tied else "full"
    mixture = GaussianMixture(len(law.weights), covariance_type=covariance_type)
    mixture.weights_, mixture.means_ = law.weights, law.means
    mixture.covariances_ = law.covariances
    mixture.precisions_ = np.linalg.inv(law.covariances)
    roots = np.linalg.inv(np.linalg.cholesky(law.covariances))
    mixture.precisions_cholesky_ = np.swapaxes(roots, -1, -2)
    mixture.converged_, mixture.n_features_in_ = True, law.means.shape[1]
    return mixture
