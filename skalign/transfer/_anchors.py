"""Class means of the source, carried over by the aligner: where classes should lie in a target.

Whether they help is tried on pairs that the aligner has not seen, so they are carried over once
more without each fold of the pairs. All of it is arrays before the target is learned.
"""

import numpy as np

from ..alignment._encoder import Encoders
from ..alignment._maps import align
from ..moments._rows import ArrayRows
from ._task import Anchors, TransferTask

# Folds of the pairs in which anchors are tried.
N_FOLDS = 5
# Pairs that an anchor of a class is worth; anchors are left out where all of them together weigh
# less than this share of the pairs.
WEIGHTS = (5.0, 20.0)
SHARE = 0.1


def class_means(X, labels, weights, columns, n_classes: int) -> np.ndarray:
    """Means of the classes in some columns; NaN elsewhere, and for classes without a row.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    labels : ndarray of int, shape (n,)
        Number of the class of each row.
    weights : ndarray of shape (n,)
    columns : ndarray of int
        Of the source.
    n_classes : int
    """
    means = np.full((n_classes, X.shape[1]), np.nan)
    for c in range(n_classes):
        mine = np.flatnonzero(labels == c)
        if len(mine):
            means[c, columns] = weights[mine] @ X[np.ix_(mine, columns)] / weights[mine].sum()
    return means


def carried_anchors(
    task: TransferTask, means, encoders: Encoders, rows: ArrayRows, pairs, m: int, options
) -> Anchors | None:
    """Anchors of the known classes, also without each fold; None where they weigh too little.

    Parameters
    ----------
    task : TransferTask
    means : ndarray of shape (n_classes, n_features)
        Class means of the source, NaN elsewhere.
    encoders : Encoders
        Of the aligner.
    rows : ArrayRows
        What the aligner has seen.
    pairs : ndarray of int
        Which of its rows are the pairs of the task.
    m : int
        Modality of the task.
    options : dict or None
        Hyperparameters of the aligner; None where it is frozen.
    """
    known = task.known
    weight = len(known) * max(WEIGHTS)
    if weight < SHARE * task.weights.sum() or len(task.weights) < 2 * N_FOLDS:
        return None
    fold = np.arange(len(task.weights)) % N_FOLDS  # of the different pairs, in their order
    every = [_carried(means, encoders)]
    for f in range(N_FOLDS):
        held = pairs[np.flatnonzero(fold[task.inverse] == f)]
        every.append(_carried_without(means, encoders, rows, held, options))
    every = [rows.blocks.take(points, m)[known] for points in every]
    usable = np.flatnonzero(np.isfinite(every).all(axis=(0, 2)))
    if len(usable) == 0:
        return None
    points, *without = (task.standardization.apply(points, usable) for points in every)
    folds = [(np.flatnonzero(fold == f), points) for f, points in enumerate(without)]
    return Anchors(points, usable, folds)


def _carried(means, encoders: Encoders) -> np.ndarray:
    """Class means of all modalities by what the encoders expect of those of the source."""
    anchors, found = np.full_like(means, np.nan), np.isfinite(means).any(axis=1)
    if found.any():
        anchors[found] = encoders.impute(means[found])
    return anchors


def _carried_without(means, encoders, rows, held, options) -> np.ndarray:
    """The same by an aligner that has not seen some of the rows."""
    if len(held) and options is not None:
        try:
            alignment = align(rows.without(held), **options)
        except ValueError:  # too little is left
            return np.full_like(means, np.nan)
        encoders = Encoders.of(alignment, rows.blocks)
    return _carried(means, encoders)
