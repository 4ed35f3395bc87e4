r"""What the classes of a modality are learned from, and what comes of it: arrays.

Repeated rows become weights of different ones, and these are put in the order of

.. math:: \sum_j u_{ij}, \quad \sum_j u_{ij}^2, \quad \sum_j u_{ij}^3,

rounded sums over the standardized features :math:`u`: neither the order of rows nor that of
columns, units, or the coding of repeated rows show in what follows, in folds and in choices that
are made on some of the rows.

Class means of the source, carried over by the aligner, say where classes should lie. Whether they
help is tried on pairs that the aligner has not seen, so they are carried over once more without
each fold of the pairs.
"""

import warnings
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import Any

import numpy as np

from .._utils._linalg import orthonormal_rows, reciprocal
from .._utils._rows import different_rows, members_of, own_order, spread_rows
from ..alignment._significance import SIGNIFICANCE, shuffled_pvalue
from ..alignment._whitening import signal_scale
from ._source import PLENTY, SoftLabels

# Pairs that an anchor of a class is worth.
ANCHOR_WEIGHTS = (5.0, 20.0)
# Folds of the pairs in which anchors are tried.
N_FOLDS = 5
# Anchors are left out where all of them together, at their heaviest, weigh less than this share of
# the pairs.
HEAVIEST = max(ANCHOR_WEIGHTS)
SHARE = 0.5
# Pairs that a row is worth whose label is known, not only what the source says.
CERTAIN = 3.0
# Pairs that are shuffled to test whether modalities share anything, where there are more.
MOST_SHUFFLED = 500


@dataclass(frozen=True)
class Standardization:
    """Coordinates of a modality in which features have comparable scales."""

    mean: np.ndarray  # (d,)
    unit: np.ndarray  # (d,): 1 / standard deviation, zero for constant features
    scale: np.ndarray  # (d,)
    basis: np.ndarray | None  # (k, d): the span that may be looked at, orthonormal rows

    def apply(self, points) -> np.ndarray:
        """Coordinates of points, in float64."""
        out = np.subtract(points, self.mean, dtype=np.float64)
        out *= self.unit
        return out if self.basis is None else out @ self.basis.T

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


@dataclass(frozen=True)
class TransferTask:
    """What is known of the classes in a modality that nobody has labelled."""

    points: np.ndarray  # (n, d'): different pairs, standardized
    posterior: np.ndarray  # (n, C): what the source says of their classes
    weights: np.ndarray  # (n,)
    unpaired: np.ndarray  # (u, d'): different rows that lack the source
    unpaired_weights: np.ndarray  # (u,)
    standardization: Standardization
    pairs: np.ndarray  # all of these, as rows of what was given
    inverse: np.ndarray  # number of the different one that each of them is
    certain: np.ndarray  # (n,): which have no source, but a label of their own
    anchors: Anchors | None = None
    groups: tuple[np.ndarray, np.ndarray] | None = None  # (n,) each: names, and rows as given

    @property
    def known(self) -> np.ndarray:
        """Classes that the source gives a pair; it may lack some."""
        return np.flatnonzero(self.posterior.sum(axis=0) > 0)


@dataclass(frozen=True)
class TargetModel:
    """The classes of a modality, learned."""

    predictor: Any  # DistilledModel, MixtureModel or PriorModel
    encoder: tuple | None  # maps and mean from features to what the predictor takes
    class_prior: np.ndarray  # (C,): answer where nothing is seen
    assumed_prior: np.ndarray  # (C,): what its probabilities start from
    inverse_temperature: float = 1.0  # power of its probabilities beside the source's
    agreement: float | None = None  # with the source: 0 is chance, 1 the most there can be
    pvalue: float = 1.0  # of that agreement, were the pairs shuffled
    views: "OtherViews | None" = None


@dataclass(frozen=True)
class OtherViews:
    """Models beside that of the features, and the power of the mean of what all say."""

    exponent: float
    mean: np.ndarray  # (d,): of the features, which directions and forest take standardized
    unit: np.ndarray  # (d,)
    directions: TargetModel | None = None
    forest: Any = None  # Forest


def transfer_task(soft: SoftLabels, m: int, span=None, paired: bool = True) -> TransferTask:
    """Standardize the different pairs of a modality, and its rows that lack the source.

    Parameters
    ----------
    soft : SoftLabels
    m : int
    span : ndarray of shape (k, d), optional
        Maps whose span is all that may be looked at; None looks at the whole modality.
    paired : bool
        Whether sources teach; else labels of the modality do alone.
    """
    target, weights = soft.block(m), soft.weights
    rows, posterior, unpaired = _rows_of(soft, m, paired)
    of_source, codes = soft.of_sources(), np.full((len(target), 1), -1.0)
    codes[soft.labelled, 0] = soft.codes
    first, total, inverse = different_rows((of_source, target, codes), rows, weights)
    certain = codes[rows[first], 0] >= 0
    if paired and np.count_nonzero(~certain) < 2:
        raise ValueError("X has one pair of source and target: two different ones are needed.")
    total = np.where(certain, CERTAIN * total, total)
    others, extra, _ = different_rows((target,), unpaired, weights)
    chosen, unpaired = rows[first], unpaired[others]
    every = target[np.append(chosen, unpaired)]
    standard = _standardization(every, np.append(total, extra), span)
    if not standard.unit.any():
        raise ValueError(
            f"modality {soft.rows.blocks.names[m]!r} is constant: nothing tells classes by it."
        )
    points, unpaired = np.split(standard.apply(every), [len(chosen)])
    seen = np.zeros((len(chosen), of_source.shape[1]))
    if not certain.all():
        of_pairs = of_source[chosen[~certain]]
        seen[~certain] = _standardization(of_pairs, total[~certain]).apply(of_pairs)
    order, own = own_order([seen, points]), own_order([unpaired])
    return TransferTask(
        points[order],
        posterior[first[order]],
        total[order],
        unpaired[own],
        extra[own],
        standard,
        rows,
        np.argsort(order)[inverse],
        certain[order],
        groups=None if soft.groups is None else (soft.groups[chosen[order]], chosen[order]),
    )


def _rows_of(soft: SoftLabels, m: int, paired: bool):
    """Rows whose classes are told, by the source or by a label, these classes, and the others."""
    mine, own = soft.present[soft.pairs, m] & paired, soft.present[soft.labelled, m]
    rows = np.append(soft.pairs[mine], soft.labelled[own])
    labels = np.eye(soft.posterior.shape[1])[soft.codes[own]]
    others = soft.present[:, m] & (soft.weights > 0)
    others[rows] = False
    if paired:
        others &= ~soft.told
    return rows, np.vstack([soft.posterior[mine], labels]), np.flatnonzero(others)


def shared_pvalue(soft: SoftLabels, target: int) -> float:
    """P-value of what sources and target share linearly in pairs, whatever their classes."""
    both = soft.of_sources(), soft.block(target)
    pairs = soft.pairs[soft.present[soft.pairs, target]]
    first, total, _ = different_rows(both, pairs, soft.weights)
    some = spread_rows(len(first), MOST_SHUFFLED)
    blocks = [block[pairs[first]] for block in both]
    points = [_standardization(X, total).apply(X) for X in blocks]
    if soft.groups is None:
        own, members = own_order(points)[some], None
    else:
        own, members = some_of_groups(soft.groups[pairs[first]], pairs[first], MOST_SHUFFLED)
    return shuffled_pvalue([X[own] for X in points], total[own], members)


def some_of_groups(groups, places, most: int):
    """At most so many rows, evenly spread in each group, and the rows of each group among them."""
    every = np.concatenate(members_of(groups, places) or [])
    own = every[spread_rows(len(every), most)]
    return own, members_of(groups[own])


def nothing_shared(soft: SoftLabels, m: int, pvalue: float, classes, stacklevel=5) -> bool:
    """Whether pairs of sources and a target share nothing beyond chance, which is said.

    Else the classes are named that no pair shows, and no label of the target.

    Parameters
    ----------
    soft : SoftLabels
    m : int
        Position of the target.
    pvalue : float
        Of the decisions that the target's model makes.
    classes : ndarray of shape (C,)
    """
    mine, blocks = soft.present[soft.pairs, m], soft.rows.blocks
    source, target, n_pairs = blocks.named(soft.sources), blocks.names[m], np.count_nonzero(mine)
    pvalue = min(1.0, 2 * pvalue)  # of two tests
    if pvalue > SIGNIFICANCE:
        pvalue = min(pvalue, 2 * shared_pvalue(soft, m))
    taught = soft.codes[soft.present[soft.labelled, m]]
    alone = f"those of its {len(taught)} labelled rows"
    without = alone if len(np.unique(taught)) > 1 else "the class prior"
    shown = np.bincount(soft.posterior[mine].argmax(axis=1), minlength=len(classes))
    shown += np.bincount(taught, minlength=len(classes))
    message = ""
    if pvalue > SIGNIFICANCE:
        message = (
            f"Pairs of {source} and {target!r} share nothing beyond chance ({n_pairs} pairs, "
            f"p-value {pvalue:.2g}): predictions are {without}. Check that rows are paired, or "
            "give more pairs."
        )
    elif n_pairs >= PLENTY * len(classes) and not shown.all():
        message = (
            f"The source takes none of {n_pairs} pairs for {short(classes[shown == 0].tolist())}: "
            f"such classes can hardly be predicted from {target!r}. Give pairs of them, or "
            f"labelled rows of {target!r}."
        )
    if message:
        warnings.warn(message, UserWarning, stacklevel=stacklevel)
    return pvalue > SIGNIFICANCE


def _standardization(X, weights, span=None) -> Standardization:
    """Mean and deviation of weighted rows; constant columns are left out."""
    share = weights / weights.sum()
    mean = share @ X.astype(np.float64, copy=False)
    deviation = np.sqrt(share @ np.subtract(X, mean, dtype=np.float64) ** 2)
    scale = signal_scale(deviation, mean, np.finfo(X.dtype).eps)
    basis = None if span is None else orthonormal_rows(span * scale)
    return Standardization(mean, reciprocal(scale), scale, basis)


# -- anchors: class means of the source, carried over by the aligner -----------------------------


def anchor_folds(task: TransferTask) -> list[np.ndarray]:
    """Folds of the different pairs, in their order; none where anchors weigh too little to try."""
    n = len(task.weights)
    n_folds, heaviest = N_FOLDS, len(task.known) * HEAVIEST
    if heaviest < SHARE * task.weights.sum() or n < 2 * N_FOLDS:
        return []
    number = np.arange(n)
    if task.groups is not None:  # as a whole in one fold
        number = np.unique(task.groups[0], return_inverse=True)[1]
        n_folds = min(n_folds, number.max() + 1)
    return [np.flatnonzero(number % n_folds == f) for f in range(n_folds)] if n_folds > 1 else []


def with_anchors(task: TransferTask, folds, carried) -> TransferTask:
    """The task, and where classes should lie whose means were carried over in every fold.

    Parameters
    ----------
    task : TransferTask
    folds : list of ndarray of int
        Of :func:`anchor_folds`.
    carried : list of ndarray of shape (n_classes, d)
        Class means in the target, by an aligner that has seen all pairs, and without each fold;
        NaN where there is none.
    """
    carried = [points[task.known] for points in carried]
    usable = np.flatnonzero(np.isfinite(carried).all(axis=(0, 2)))
    if len(usable) == 0:
        return task
    points, *without = (task.standardization.apply(points[usable]) for points in carried)
    anchors = Anchors(points, usable, list(zip(folds, without, strict=True)))
    return replace(task, anchors=anchors)
