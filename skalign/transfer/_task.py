"""What the classes of a modality are learned from, and what comes of it: arrays."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._utils._linalg import orthonormal_rows, power_sums, reciprocal
from .._utils._rows import row_blocks, unique_rows
from ..alignment._whitening import signal_scale


@dataclass(frozen=True)
class Standardization:
    """Coordinates of a modality in which features have comparable scales."""

    mean: np.ndarray  # (d,)
    unit: np.ndarray  # (d,): 1 / standard deviation, zero for constant features
    scale: np.ndarray  # (d,)
    basis: np.ndarray | None  # (k, d): the span that may be looked at, orthonormal rows

    def apply(self, points, rows=None) -> np.ndarray:
        """Coordinates of points, or of some of them, in float64."""
        rows = np.arange(len(points)) if rows is None else rows
        out = np.empty((len(rows), len(self.unit if self.basis is None else self.basis)))
        for s in row_blocks(len(rows), len(self.unit)):
            block = (points[rows[s]] - self.mean) * self.unit
            out[s] = block if self.basis is None else block @ self.basis.T
        return out

    def maps(self, axes):
        """Maps (p, d) of features to their coordinates along axes (d', p), and back (d, p)."""
        axes = axes.T if self.basis is None else axes.T @ self.basis
        return axes * self.unit, (axes * self.scale).T


@dataclass(frozen=True)
class Anchors:
    """Where classes should lie in a modality, and where they would without some of the pairs."""

    points: np.ndarray  # (a, d')
    classes: np.ndarray  # (a,)
    folds: list[tuple[np.ndarray, np.ndarray]]  # rows held out, points learned without them

    def beside(self, X, posterior, weights, weight, points=None):
        """Pairs and anchors together: features, posterior, weights."""
        if not weight:
            return X, posterior, weights
        points = self.points if points is None else points
        certain = np.eye(posterior.shape[1])[self.classes]
        heavy = np.append(weights, np.full(len(points), weight))
        return np.vstack([X, points]), np.vstack([posterior, certain]), heavy


@dataclass(frozen=True)
class TransferTask:
    """What is known of the classes in a modality that nobody has labelled."""

    points: np.ndarray  # (n, d'): different pairs, standardized
    posterior: np.ndarray  # (n, C): what the source says of their classes
    weights: np.ndarray  # (n,)
    unpaired: np.ndarray  # (u, d'): different rows that lack the source
    unpaired_weights: np.ndarray  # (u,)
    standardization: Standardization
    inverse: np.ndarray  # number of the different pair that each pair is
    anchors: Anchors | None = None

    @property
    def known(self) -> np.ndarray:
        """Classes that the source gives a pair; it may lack some."""
        return np.flatnonzero(self.posterior.sum(axis=0) > 0)

    def with_anchors(self, anchors: Anchors | None) -> "TransferTask":
        """The same task, and where its classes should lie."""
        return replace(self, anchors=anchors)


@dataclass(frozen=True)
class TargetModel:
    """The classes of a modality, learned."""

    predictor: Any  # DistilledModel, MixtureModel or PriorModel
    encoder: tuple | None  # maps and mean from features to what the predictor takes
    class_prior: np.ndarray  # (C,)
    inverse_temperature: float = 1.0  # power of its probabilities beside the source's
    agreement: float | None = None  # with the source: 0 is chance, 1 the most there can be
    pvalue: float = 1.0  # of that agreement, were the pairs shuffled


def transfer_task(source, target, posterior, weights, unpaired, unpaired_weights, span=None):
    """Standardize the different pairs, and the rows that lack the source.

    Parameters
    ----------
    source, target : ndarray of shape (n_pairs, d)
        Both blocks of the pairs.
    posterior : ndarray of shape (n_pairs, n_classes)
    weights : ndarray of shape (n_pairs,)
    unpaired : ndarray of shape (n, d)
        Rows of the target that lack the source.
    unpaired_weights : ndarray of shape (n,)
    span : ndarray of shape (k, d), optional
        Maps whose span is all that may be looked at; None looks at the whole modality.
    """
    rows, total, inverse = unique_rows((source, target), weights)
    if len(rows) < 2:
        raise ValueError("X has one pair of source and target: two different ones are needed.")
    parts = [
        (X[s], w[s])
        for X, w in ((target, weights), (unpaired, unpaired_weights))
        for s in row_blocks(*X.shape)
    ]
    mean, deviation = power_sums(parts)
    scale = signal_scale(deviation, mean, np.finfo(target.dtype).eps)
    basis = None if span is None else orthonormal_rows(span * scale)
    standard = Standardization(mean, reciprocal(scale), scale, basis)
    kept, extra, _ = unique_rows((unpaired,), unpaired_weights)
    return TransferTask(
        standard.apply(target, rows),
        posterior[rows],
        total,
        standard.apply(unpaired, kept),
        extra,
        standard,
        inverse,
    )
