"""Class means of the source, carried over by the aligner: where classes should lie in a target.

Whether they help is tried on pairs that the aligner has not seen, so they are carried over once
more without each fold of the pairs. All of it is arrays before the target is learned.
"""

from dataclasses import replace

import numpy as np

from ._distillation import ANCHOR_WEIGHTS
from ._task import Anchors, TransferTask

# Folds of the pairs in which anchors are tried.
N_FOLDS = 5
# Anchors are left out where all of them together, at their heaviest, weigh less than this share of
# the pairs.
HEAVIEST = max(ANCHOR_WEIGHTS)
SHARE = 0.5


def anchor_folds(task: TransferTask) -> list[np.ndarray]:
    """Folds of the different pairs, in their order; none where anchors weigh too little to try."""
    n = len(task.weights)
    heaviest = len(task.known) * HEAVIEST
    if heaviest < SHARE * task.weights.sum() or n < 2 * N_FOLDS:
        return []
    return [np.arange(f, n, N_FOLDS) for f in range(N_FOLDS)]


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
