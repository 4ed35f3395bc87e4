r"""What components are worth to pairs that were not learned from.

Pairs agree better on what was learned from them than others do: correlations shrink, and
variances grow. Both are measured on pairs held out, those of all folds together: of variates
divided by their deviations the gap :math:`1 - r_j = \tfrac12 E (a_j - b_j)^2`, made to grow with
:math:`j` by isotonic regression. What finds the partners of pairs held out best is chosen, where
it is better than what comes before it by more than the standard error of the difference.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import isotonic_regression

from .._blocks import presence
from .._utils._rows import different_rows, own_order, spread_rows
from ..alignment._gaussian import shrinkage_of_each
from ..alignment._maps import maps_of_pairs, white_pairs
from ..alignment._whitening import WhitenedPairs
from ..moments._rows import ArrayRows
from ._points import RESOLUTION, Variates, partner_ranks, placed

# Variances and correlations below this are zero.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Worth:
    """What was chosen, and what components are worth then."""

    deviations: tuple[np.ndarray, np.ndarray]
    gap: np.ndarray
    shrinkage: Any
    metric: str
    ranks: np.ndarray  # reciprocal, of partners of the pairs held out


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
    if len(X) < 2 * n_folds:
        return []
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

    Shrinkages are tried for all modalities at once, then for the query's and the gallery's alone.

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
        ``n_components``, ``whiten``, ``center``, ``tol`` and ``solver`` of the aligner.
    shrinkages, metrics : sequence
        What may be chosen, the default first.
    """
    given = {name: options[name] for name in ("whiten", "center", "tol", "solver")}
    try:
        folds = [_Fold.of(X, weights, blocks, split, roles, given) for split in splits]
    except ValueError:  # too little is left
        return None
    if not folds:
        return None
    maps = {name: options[name] for name in ("n_components", "whiten")}
    counts = np.concatenate([fold.weights for fold in folds])
    best = None
    for shrinkage in shrinkages:
        best = _better(best, folds, maps | {"shrinkage": shrinkage}, metrics, counts)
    for m in roles if len(shrinkages) > 1 else ():
        before = [] if best is None else shrinkage_of_each(best.shrinkage, len(blocks))
        for value in shrinkages:
            own = (*before[:m], value, *before[m + 1 :])
            if value != before[m]:
                best = _better(best, folds, maps | {"shrinkage": own}, metrics, counts)
    return best


def _better(best: Worth | None, folds, maps, metrics, counts) -> Worth | None:
    """The best so far, or what beats it under other maps."""
    found = [fold.variates(maps) for fold in folds]
    k = min(a.shape[1] for a, _ in found)
    found = [(a[:, :k], b[:, :k]) for a, b in found]
    deviations, gap = _measured(found, counts)
    for metric in metrics:
        ranks = _partner_ranks(found, deviations, gap, metric)
        if best is None or _is_better(ranks - best.ranks, counts):
            best = Worth(deviations, gap, maps["shrinkage"], metric, ranks)
    return best


@dataclass(frozen=True)
class _Fold:
    """White pairs to learn from, and blocks of query and gallery that are held out."""

    pairs: WhitenedPairs
    exact: list[np.ndarray]
    blocks: tuple[np.ndarray, np.ndarray]  # centred
    weights: np.ndarray
    roles: tuple[int, int]

    @classmethod
    def of(cls, X, weights, blocks, split, roles, options) -> "_Fold":
        """Of a split into pairs to learn from and others."""
        train, test = split
        pairs, exact = white_pairs(ArrayRows(X[train], weights[train], blocks), **options)
        own = [blocks.take(X[test], m) - pairs.moments.mean[pairs.columns[m]] for m in roles]
        return cls(pairs, exact, (own[0], own[1]), weights[test], roles)

    def variates(self, maps) -> tuple[np.ndarray, np.ndarray]:
        """Canonical variates of query and gallery."""
        coefs, latent_cov = maps_of_pairs(self.pairs, self.exact, **maps)
        variates = Variates.of(coefs, latent_cov, self.roles)
        left, right = (x @ c.T for x, c in zip(self.blocks, variates.coefs, strict=True))
        return left, right


def _is_better(gain, weights) -> bool:
    """Whether a mean of gains is above its own standard error; weights count repeated rows."""
    n = weights.sum()
    mean = weights @ gain / n
    error = np.sqrt(weights @ (gain - mean) ** 2 / n / max(n - 1, 1))
    return bool(mean > max(error, NEGLIGIBLE))


def _measured(found, counts):
    """Deviations of variates held out, and the gaps between their correlations and one."""
    a, b = map(np.vstack, zip(*found, strict=True))
    share = counts / counts.sum()
    left, right = (np.sqrt(np.maximum(share @ z**2, NEGLIGIBLE**2)) for z in (a, b))
    gap = share @ (a / left - b / right) ** 2 / 2
    gap = isotonic_regression(np.clip(gap, RESOLUTION, 1.0))
    return (left, right), np.where(gap > 1 - NEGLIGIBLE, 1.0, gap)


def _partner_ranks(found, deviations, gap, metric: str) -> np.ndarray:
    """Reciprocal ranks of pairs held out, each among those of its fold."""
    scales, ranks = Variates.scales_of(deviations, gap, metric), []
    for both in found:
        left, right = (
            placed(z * s, metric, i) for i, (z, s) in enumerate(zip(both, scales, strict=True))
        )
        ranks.append(partner_ranks(left, right, np.arange(len(left))))
    return np.concatenate(ranks)
