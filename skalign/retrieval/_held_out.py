r"""What components are worth to pairs that were not learned from.

Pairs agree better on what was learned from them than others do: correlations shrink, and
variances grow. Both are measured on pairs held out, those of all folds together: of variates
divided by their deviations the gap :math:`1 - r_j = \tfrac12 E (a_j - b_j)^2`, made to grow with
:math:`j` by isotonic regression. What finds the partners of pairs held out best is chosen, where
it is better than what comes before it by more than the standard error of the difference.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import isotonic_regression

from .._blocks import presence
from .._utils._rows import different_rows, own_order, spread_rows
from ..alignment._maps import align
from ..moments._rows import ArrayRows
from ._points import RESOLUTION, Variates, partner_ranks, placed

# Variances and correlations below this are zero.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Worth:
    """What was chosen, and what components are worth then."""

    deviations: tuple[np.ndarray, np.ndarray]
    gap: np.ndarray
    shrinkage: float | str | None
    metric: str


def complete_rows(rows: ArrayRows, most: int):
    """Pairs of some rows, evenly thinned to ``most``; their weights, numbers, and full count."""
    weights = np.ones(len(rows.X)) if rows.weights is None else rows.weights
    numbers = np.flatnonzero(presence(rows.X, rows.blocks).all(axis=1) & (weights > 0))
    n = len(numbers)
    if n > most:
        numbers = numbers[spread_rows(n, most)]
    return rows.X[numbers].astype(np.float64), weights[numbers], numbers, n


def thinned(left, right, most: int):
    """Pairs of both, evenly thinned to ``most``; their numbers are of no use any more."""
    total, parts = left[3] + right[3], []
    for X, weights, _, n in (left, right):
        share = len(X) if total <= most else round(most * n / total)
        kept = spread_rows(len(X), share) if len(X) and share else np.zeros(0, dtype=int)
        parts.append((X[kept], weights[kept]))
    X, weights = (np.concatenate(both) for both in zip(*parts, strict=True))
    return X, weights, None, total


def even_splits(X: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of rows (n, d), equal rows in one, whatever their order; none of too few rows."""
    first, _, inverse = different_rows((X,), np.arange(len(X)), np.ones(len(X)))
    if len(first) < 2 * n_folds:
        return []
    deviation = X[first].std(axis=0)
    points = (X[first] - X[first].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    folds = np.empty(len(first), dtype=int)
    folds[own_order([points])] = np.arange(len(first)) % n_folds
    folds = folds[inverse]
    return [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(n_folds)]


def best_of(X, weights, blocks, splits, roles, options, shrinkages, metrics) -> Worth | None:
    """What finds the partners of pairs held out best; None where none can be held out.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Pairs, all of which have every modality.
    weights : ndarray of shape (n,)
    blocks : Blocks
    splits : list of (train, test)
        Numbers of pairs.
    roles : tuple of int
        Positions of query and gallery.
    options : dict
        Of :func:`skalign.alignment._maps.align`.
    shrinkages, metrics : sequence
        What may be chosen, the default first.
    """
    best, ranks = None, np.zeros(0)
    for shrinkage in shrinkages:
        given = options | {"shrinkage": shrinkage}
        try:
            found = _held_out(X, weights, blocks, splits, roles, given)
        except ValueError:  # too little is left
            continue
        if not found:
            continue
        deviations, gap = _measured(found)
        counts = np.concatenate([w for *_, w in found])
        for metric in metrics:
            own = _partner_ranks(found, deviations, gap, metric)
            if best is None or _is_better(own - ranks, counts):
                best, ranks = Worth(deviations, gap, shrinkage, metric), own
    return best


def _is_better(gain, weights) -> bool:
    """Whether a mean of gains is above its own standard error; weights count repeated rows."""
    n = weights.sum()
    mean = weights @ gain / n
    error = np.sqrt(weights @ (gain - mean) ** 2 / n / max(n - 1, 1))
    return bool(mean > max(error, NEGLIGIBLE))


def _held_out(X, weights, blocks, splits, roles, options):
    """Canonical variates of query and gallery, and weights, of pairs held out; an item a fold."""
    found = []
    for train, test in splits:
        alignment = align(ArrayRows(X[train], weights[train], blocks), **options)
        variates = Variates.of(alignment.coefs, alignment.latent_covariance, roles)
        values = [
            (blocks.take(X[test], m) - alignment.means[m]) @ coef.T
            for m, coef in zip(roles, variates.coefs, strict=True)
        ]
        found.append((*values, weights[test]))
    k = min((a.shape[1] for a, *_ in found), default=0)
    return [(a[:, :k], b[:, :k], w) for a, b, w in found]


def _measured(found):
    """Deviations of variates held out, and the gaps between their correlations and one."""
    a, b = (np.vstack([item[i] for item in found]) for i in (0, 1))
    share = np.concatenate([item[2] for item in found])
    share = share / share.sum()
    left, right = (np.sqrt(np.maximum(share @ z**2, NEGLIGIBLE**2)) for z in (a, b))
    gap = share @ (a / left - b / right) ** 2 / 2
    gap = isotonic_regression(np.clip(gap, RESOLUTION, 1.0))
    return (left, right), np.where(gap > 1 - NEGLIGIBLE, 1.0, gap)


def _partner_ranks(found, deviations, gap, metric: str) -> np.ndarray:
    """Reciprocal ranks of pairs held out, each among those of its fold."""
    scales, ranks = Variates.scales_of(deviations, gap, metric), []
    for *both, w in found:
        points = [
            placed(z * s, metric, role)
            for role, (z, s) in enumerate(zip(both, scales, strict=True))
        ]
        ranks.append(partner_ranks(points[0], points[1], np.arange(len(w))))
    return np.concatenate(ranks)
