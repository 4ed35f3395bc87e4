"""Rows of stacked blocks: moments by what each row has, and the model of the pairs."""

import numpy as np

from ._blocks import Blocks
from ._missing import Incomplete
from ._model import Model, build_model, exact_directions, stack_rank
from ._moments import Accumulator, Moments, about_zero, batches
from ._stacking import presence
from ._white import Pairs, whiten_pairs

# Moments of rows, by the modalities that they have.
Patterns = dict[tuple[bool, ...], Moments]


def gather(
    X, weights, blocks: Blocks, *, kind, center, tol, refine
) -> tuple[Pairs, list[Incomplete]]:
    """White coordinates of the pairs in ``X``, and moments of the rows that lack a modality.

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
        sums = sum_up(X, weights, blocks, kind)
        if not center:
            sums = {pattern: about_zero(total) for pattern, total in sums.items()}
        total = _complete(sums, blocks)
        pairs = whiten_pairs(total, columns, tol=tol, eps=np.finfo(X.dtype).eps)
        if pairs.accurate or not refine:
            break
        kind = "qr"
    others = {pattern: part for pattern, part in sums.items() if not all(pattern)}
    return pairs, [
        Incomplete(tuple(int(m) for m in np.flatnonzero(pattern)), part)
        for pattern, part in sorted(others.items())
    ]


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


def sum_up(X, weights, blocks: Blocks, kind: str) -> Patterns:
    """Moments of the rows of positive weight, by the modalities that they have."""
    everything = (True,) * len(blocks)
    sums = {everything: Accumulator(kind)}
    for rows in batches(*X.shape, kind):
        batch, w = X[rows], None if weights is None else weights[rows]
        if w is not None and not w.all():
            batch, w = batch[w > 0], w[w > 0]
        # a NaN or infinity shows in the mean; only then are rows looked at
        if not sums[everything].add(batch, w):
            _add_by_pattern(sums, X, weights, blocks, rows)
    totals = {pattern: total.result() for pattern, total in sums.items()}
    found = {pattern: total for pattern, total in totals.items() if total is not None}
    if not all(total.finite for total in found.values()):
        raise ValueError(
            "X holds values whose squares overflow: scale the features, for example by "
            "StandardScaler."
        )
    return found


def _add_by_pattern(sums, X, weights, blocks, rows):
    batch, w = X[rows], None if weights is None else weights[rows]
    present = presence(batch, blocks, rows.start)
    counted = np.ones(len(batch), dtype=bool) if w is None else w > 0
    for pattern in np.unique(present[counted & present.any(axis=1)], axis=0):
        mine = np.flatnonzero((present == pattern).all(axis=1) & counted)
        part = batch[mine]
        if not pattern.all():
            part = np.hstack([blocks.take(part, m) for m in np.flatnonzero(pattern)])
        key = tuple(bool(has) for has in pattern)
        if key not in sums:
            sums[key] = Accumulator(sums[(True,) * len(blocks)].kind)
        if not sums[key].add(part, None if w is None else w[mine]):
            raise ValueError(
                f"X holds values that overflow, between rows {rows.start} and {rows.stop - 1}: "
                "scale the features, for example by StandardScaler."
            )


def _complete(sums: Patterns, blocks: Blocks) -> Moments:
    total = sums.get((True,) * len(blocks))
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
