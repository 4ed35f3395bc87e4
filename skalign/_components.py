"""The law of the classes in each modality: learned from the source, or of given components."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.mixture import GaussianMixture

from . import _student
from ._encoder import ModalityEncoder
from ._mixture import ComponentLaw, GaussianLaw, PriorLaw, component_classes, fit_law
from ._repeats import merge_repeats
from ._stacking import rows_of
from ._student_law import StudentLaw
from ._tied import row_blocks
from ._white import reciprocal, signal_scale

# Folds of the pairs in which anchors are tried.
N_FOLDS = 5
# Digits of a latent that decide on the order in which rows reach a mixture.
DIGITS = 8


@dataclass(frozen=True)
class Learned:
    """A modality as the source's posterior has it."""

    encoder: ModalityEncoder
    law: StudentLaw
    rows: np.ndarray  # the different pairs
    weights: np.ndarray  # of each of them
    resp: np.ndarray  # their classes, (n, C)
    sharpness: float
    agreement: float
    pvalue: float


def learn(source, target, posterior, weights, span, feature_names, anchors, alone) -> Learned:
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
    anchors : callable
        ``anchors(held)`` says where classes should lie in the target, shape (n_classes, d), if
        some of the pairs are not looked at; NaN for classes of which nothing is known.
    alone : tuple of ndarray of shape (n, d) and ndarray of shape (n,)
        Rows of the target that lack the source, and their weights.
    """
    rows, total, inverse = merge_repeats((source, target), weights)
    if len(rows) < 2:
        raise ValueError("X has one pair of source and target: two different ones are needed.")
    mean, deviation = _mean_and_deviation([(target, weights), alone])
    scale = signal_scale(deviation, mean, np.finfo(target.dtype).eps)
    unit = reciprocal(scale)
    turn = None if span is None else _orthonormal_rows(span * scale)
    known = np.flatnonzero(posterior.sum(axis=0) > 0)  # the source may lack a class

    def place(points, rows):
        out = np.empty((len(rows), len(unit) if turn is None else len(turn)))
        for s in row_blocks(len(rows), len(unit)):
            block = (points[rows[s]] - mean) * unit
            out[s] = block if turn is None else block @ turn.T
        return out

    kept, extra, _ = merge_repeats(alone[:1], alone[1])
    others = place(alone[0], kept), extra
    found = _find_anchors(anchors, inverse, total, known, place)
    student = _student.learn(place(target, rows), posterior[rows][:, known], total, found, others)
    resp = np.zeros((len(rows), posterior.shape[1]))
    resp[:, known] = student.resp
    axes = student.axes.axes.T if turn is None else student.axes.axes.T @ turn
    encoder = ModalityEncoder._from_maps(axes * unit, mean, (axes * scale).T, feature_names)
    return Learned(
        encoder,
        student.law.widened(known, posterior.shape[1]),
        rows,
        total,
        resp,
        student.sharpness,
        student.agreement,
        student.pvalue,
    )


def _mean_and_deviation(parts):
    """Mean and standard deviation of weighted rows (X, weights), all parts together."""
    parts = [(X[s], w[s]) for X, w in parts for s in row_blocks(*X.shape)]
    total = sum(w.sum() for _, w in parts)
    mean = sum(w @ X.astype(np.float64, copy=False) for X, w in parts) / total
    return mean, np.sqrt(sum(w @ (X - mean) ** 2 for X, w in parts) / total)


def _find_anchors(anchors, inverse, weights, known, place):
    """Anchors of the known classes, also without each fold; None where they weigh too little."""
    heaviest = len(known) * max(_student.ANCHOR_WEIGHTS)
    if heaviest < _student.ANCHOR_SHARE * weights.sum() or len(weights) < 2 * N_FOLDS:
        return None
    nothing = np.zeros(0, dtype=int)
    fold = np.arange(len(weights)) % N_FOLDS  # of the different pairs, in an order of their own
    all_points = [anchors(nothing)[known]]
    all_points += [anchors(np.flatnonzero(fold[inverse] == f))[known] for f in range(N_FOLDS)]
    usable = np.flatnonzero(np.isfinite(all_points).all(axis=(0, 2)))
    points, *without = (place(p, usable) for p in all_points)
    if len(usable) == 0:
        return None
    folds = [(np.flatnonzero(fold == f), held) for f, held in enumerate(without)]
    return _student.Anchors(points, usable, folds)


def _orthonormal_rows(maps):
    _, values, right = np.linalg.svd(maps, full_matrices=False)
    return right[values > 1e-10 * values[0]]


@dataclass(frozen=True)
class Laws:
    """Laws of the classes in some modalities, and the mixture of the aligned space."""

    by_modality: dict[int, tuple[ModalityEncoder, Any]]
    powers: dict[int, float]  # of each law beside others
    start: np.ndarray  # (C,): class probabilities from which the laws start
    class_prior: np.ndarray  # (C,)
    mixture: Any
    component_proba: np.ndarray  # (K, C)
    agreement: float | None = None
    pvalue: float = 1.0  # of what the target seems to know of the source's classes


def learn_laws(
    aligner, X, present, posterior, weights, source, target, wanted, anchors, alone
) -> Laws:
    """One law per class and modality, from what the source says of the pairs.

    Parameters
    ----------
    aligner : NullSpaceAligner
        Fitted.
    X : ndarray of shape (n, n_features)
        Rows that have the source, and at least one modality besides.
    present : ndarray of bool, shape (n, n_modalities)
    posterior : ndarray of shape (n, n_classes)
    weights : ndarray of shape (n,)
    source, target : int
    wanted : list of int
        Modalities to learn, the target among them.
    anchors : callable
        ``anchors(held)`` is what the aligner makes of the class means of the source, shape
        (n_classes, n_features), had it not seen some of the rows; NaN where there is none.
    alone : tuple of ndarrays
        Rows that lack the source, the modalities they have, and their weights.
    """
    blocks, learned = aligner._blocks, {}
    for m in wanted:
        rows, others = np.flatnonzero(present[:, m]), alone[1][:, m]
        encoder = aligner.encoders_[m]
        learned[m] = learn(
            rows_of(blocks.take(X, source), rows),
            rows_of(blocks.take(X, m), rows),
            posterior[rows],
            weights[rows],
            None if aligner.n_components == "auto" else encoder.coef_,
            getattr(encoder, "feature_names_in_", None),
            lambda held, rows=rows, m=m: blocks.take(anchors(rows[held]), m),
            (blocks.take(alone[0], m)[others], alone[2][others]),
        )
    best, n_classes = learned[target], posterior.shape[1]
    pairs = np.flatnonzero(present[:, target])[best.rows]
    found = np.flatnonzero(best.resp.any(axis=0))
    aligned = np.empty((len(pairs), aligner.n_components_))
    for s in row_blocks(len(pairs), X.shape[1]):
        aligned[s] = aligner._coding.mean(X[pairs[s]], present[pairs[s]])
    law = fit_law(aligned, best.resp[:, found], best.weights, True)
    return Laws(
        {m: (part.encoder, part.law) for m, part in learned.items()},
        {m: part.sharpness for m, part in learned.items()},
        np.full(n_classes, 1 / n_classes),
        best.weights @ best.resp / best.weights.sum(),
        as_mixture(law),
        np.eye(n_classes)[found],
        best.agreement,
        best.pvalue,
    )


def refuse(laws: Laws, target: int) -> Laws:
    """Let the target say nothing but the class prior."""
    encoder = laws.by_modality[target][0]
    return replace(
        laws,
        by_modality={**laws.by_modality, target: (encoder, PriorLaw(laws.class_prior))},
        powers={**laws.powers, target: 0.0},
    )


def fit_mixture(mixture, aligner, X, present, posterior, weights, target, wanted) -> Laws:
    """Components of a given mixture, labelled by the source's posterior.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
        Unfitted; is fitted here.
    aligner, X, present, posterior, weights, target, wanted
        As in :func:`learn_laws`; weights are whole numbers, since mixtures of scikit-learn take
        none: rows are repeated.
    """
    if not hasattr(mixture, "predict_proba") or is_classifier(mixture):
        raise ValueError(
            f"mixture={mixture!r} is no mixture: use an estimator of sklearn.mixture."
        )
    if np.any(weights != np.round(weights)):
        raise ValueError(
            f"mixture={type(mixture).__name__} takes no sample_weight, so that weights must be "
            "whole numbers here: how often a row is repeated."
        )
    pairs = np.flatnonzero(present[:, target])
    X, present, posterior, weights = X[pairs], present[pairs], posterior[pairs], weights[pairs]
    aligned = aligner._coding.mean(X, present)
    # neither the order nor the coding of repeated rows may show in the result
    order = np.lexsort(np.round(aligned, DIGITS).T[::-1])
    with config_context(array_api_dispatch=False):  # k-means, where mixtures start, has none
        mixture.fit(np.repeat(aligned[order], weights[order].astype(int), axis=0))
        resp = mixture.predict_proba(aligned)
    proba = component_classes(resp, posterior, weights)
    tied = getattr(mixture, "covariance_type", None) == "tied"
    latents, laws = aligner._coding.encode(X), {}
    for m in wanted:
        rows = present[:, m]
        if rows.any():
            Z = latents[m][rows].astype(np.float64, copy=False)
            law = ComponentLaw(fit_law(Z, resp[rows], weights[rows], tied), proba)
            laws[m] = aligner.encoders_[m], law
    prior = weights @ resp @ proba / weights.sum()
    return Laws(laws, dict.fromkeys(laws, 1.0), prior, prior, mixture, proba)


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
