"""Pairs among the rows of stacked blocks: their moments, and the model of them."""

import numpy as np

from ._blocks import Blocks
from ._model import Model, build_model, exact_directions, stack_rank
from ._moments import Moments, about_zero, batches, merge, moments
from ._stacking import presence
from ._white import Pairs, whiten_pairs


def gather(X, weights, blocks: Blocks, *, kind, center, tol, refine) -> Pairs:
    """White coordinates of the pairs in ``X``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    blocks : Blocks
    kind : {"covariance", "qr"}
        What to keep of the second moment.
    center : bool
        Whether moments are about the mean, or about the origin.
    tol : float or None
        See :func:`_white.whiten_pairs`.
    refine : bool
        Whether to read the data again for a root where a covariance is too coarse.
    """
    columns = [blocks.indices(m) for m in range(len(blocks))]
    while True:
        total = sum_up(X, weights, blocks, kind)
        total = total if center else about_zero(total)
        pairs = whiten_pairs(total, columns, tol=tol, eps=np.finfo(X.dtype).eps)
        if pairs.accurate or not refine:
            return pairs
        kind = "qr"


def fit_model(pairs: Pairs, X, weights, shrinkage) -> Model:
    """Gaussian model of the pairs, in which exact directions are truly exact.

    With no more different pairs than the rank of the stacked blocks any two modalities agree, by
    interpolation: Theorem 2.1 says nothing there.
    """
    ranks = [block.rank for block in pairs.ranges]
    exact = [np.zeros((rank, 0)) for rank in ranks]
    if pairs.moments.n_rows > max(ranks) + 1:
        found = exact_directions(pairs)
        n_exact = found[0].shape[1]
        if n_exact and more_than(stack_rank(pairs, n_exact) + 1, X, weights):
            exact = found
    return build_model(pairs, exact, shrinkage)


def check_ranks(pairs: Pairs, names, n_components) -> None:
    """Raise where a modality has too few dimensions."""
    for name, block in zip(names, pairs.ranges, strict=True):
        if block.rank == 0:
            raise ValueError(
                f"modality {name!r} is constant over the pairs: nothing can be aligned with it."
            )
        if isinstance(n_components, int | np.integer) and n_components > block.rank:
            raise ValueError(
                f"n_components={n_components} exceeds the rank of modality {name!r}, which is "
                f"{block.rank} over {pairs.moments.n_rows} pairs: ask for fewer components."
            )


def sum_up(X, weights, blocks: Blocks, kind: str) -> Moments:
    """Moments of the rows that have every modality and a positive weight."""
    total = None
    for rows in batches(*X.shape):
        w = None if weights is None else weights[rows]
        keep = slice(None) if w is None or w.all() else w > 0
        batch = moments(X[rows][keep], None if w is None else w[keep], kind)
        # a NaN or infinity shows in the moments; only then are rows looked at
        if batch is not None and not batch.finite:
            keep = presence(X[rows], blocks, rows.start).all(axis=1)
            keep = keep if w is None else keep & (w > 0)
            batch = moments(X[rows][keep], None if w is None else w[keep], kind)
            if batch is not None and not batch.finite:
                raise ValueError(
                    f"X holds values whose squares overflow, between rows {rows.start} and "
                    f"{rows.stop - 1}: scale the features, for example by StandardScaler."
                )
        total = merge(total, batch)
    n_pairs = 0 if total is None else total.n_rows
    if total is None or n_pairs < 2:
        raise ValueError(
            f"X has {('no pairs', 'one pair')[n_pairs]}: at least two rows need every modality "
            f"({', '.join(blocks.names)}) to learn how they correspond."
        )
    return total


def more_than(limit: int, X, weights) -> bool:
    """Whether there are more different pairs than ``limit``; repeated rows count once."""
    seen = set()
    for i in range(len(X)):
        if weights is None or weights[i] > 0:
            row = X[i] + 0.0  # so that -0.0 equals 0.0
            if np.isfinite(row).all():
                seen.add(row.tobytes())
            if len(seen) > limit:
                return True
    return False
