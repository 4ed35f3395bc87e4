"""The law of the classes in each modality: learned from the source, or of given components."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from . import _student
from ._encoder import ModalityEncoder
from ._mixture import ComponentLaw, GaussianLaw, component_classes, fit_law

# Digits of a latent that decide on the order in which rows reach a mixture.
DIGITS = 8


@dataclass(frozen=True)
class Learned:
    """A modality as the source's posterior has it."""

    encoder: ModalityEncoder
    law: _student.StudentLaw
    rows: np.ndarray  # the different pairs
    weights: np.ndarray  # of each of them
    resp: np.ndarray  # their classes, (n, C)
    sharpness: float
    agreement: float
    pvalue: float


def learn(source, target, posterior, weights, span, feature_names) -> Learned:
    """Learn the classes of a modality from the source's posterior on pairs.

    Parameters
    ----------
    source, target : ndarray of shape (n_pairs, d)
        Both blocks of the pairs.
    posterior : ndarray of shape (n_pairs, n_classes)
    weights : ndarray of shape (n_pairs,)
    span : ndarray of shape (k, d) or None
        Maps whose span is all that may be looked at; None looks at the whole modality.
    feature_names : ndarray or None
    """
    rows, weights = _student.merge_repeats(source, target, weights)
    X = target[rows].astype(np.float64, copy=False)
    mean = weights @ X / weights.sum()
    scale = np.sqrt(weights @ (X - mean) ** 2 / weights.sum())
    # columns at unit variance; what is left of a constant one is rounding
    varies = scale > 8 * np.finfo(target.dtype).eps * np.abs(mean)
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=varies)
    turn = None if span is None else _orthonormal_rows(span * np.where(varies, scale, 0.0))
    X = (X - mean) * inverse
    known = np.flatnonzero(posterior.sum(axis=0) > 0)  # the source may lack a class
    student = _student.learn(X if turn is None else X @ turn.T, posterior[rows][:, known], weights)
    resp = np.zeros((len(rows), posterior.shape[1]))
    resp[:, known] = student.resp
    axes = student.axes.axes.T if turn is None else student.axes.axes.T @ turn
    encoder = ModalityEncoder._from_maps(
        axes * inverse, mean, (axes * np.where(varies, scale, 0.0)).T, feature_names
    )
    return Learned(
        encoder,
        student.law.widened(known, posterior.shape[1]),
        rows,
        weights,
        resp,
        student.sharpness,
        student.agreement,
        student.pvalue,
    )


def _orthonormal_rows(maps):
    _, values, right = np.linalg.svd(maps, full_matrices=False)
    return right[values > 1e-10 * values[0]]


def class_mixture(aligned, resp, weights) -> GaussianMixture:
    """A Gaussian mixture of the aligned space with one component per class."""
    return as_mixture(fit_law(aligned, resp, weights, tied=True))


@dataclass(frozen=True)
class Components:
    """A fitted mixture, and what its components are on the pairs."""

    mixture: Any
    resp: np.ndarray  # (n_pairs, K) responsibilities
    class_proba: np.ndarray  # (K, n_classes)
    tied: bool  # whether components share one covariance

    def law(self, Z, weights, rows) -> ComponentLaw:
        """Law that the components have in one modality, from its latents of some pairs."""
        law = fit_law(Z[rows], self.resp[rows], weights[rows], self.tied)
        return ComponentLaw(law, self.class_proba)


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
    """Give components the face of a fitted GaussianMixture."""
    covariance_type = "tied" if law.tied else "full"
    mixture = GaussianMixture(len(law.weights), covariance_type=covariance_type)
    mixture.weights_, mixture.means_ = law.weights, law.means
    mixture.covariances_ = law.covariances
    mixture.precisions_ = np.linalg.inv(law.covariances)
    roots = np.linalg.inv(np.linalg.cholesky(law.covariances))
    mixture.precisions_cholesky_ = np.swapaxes(roots, -1, -2)
    mixture.converged_, mixture.n_features_in_ = True, law.means.shape[1]
    return mixture
