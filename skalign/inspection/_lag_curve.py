r"""What two modalities share at each shift of one against the other, by rows held out.

Rows t of the one and t + lag of the other are paired. Sequences are cut into stretches, which are
dealt into folds; a pair counts where both of its rows are in one stretch, so that no row of a fold
is learned from. For every lag and fold maps are learned from the moments of all other folds, and
component j of these has on the fold the correlation

.. math:: c_j = \frac{a_j^\top S_{12} b_j}
                     {\sqrt{a_j^\top S_{11} a_j \; b_j^\top S_{22} b_j}},

with the fold's covariances S. What is told of a lag is the information of Gaussian pairs with such
correlations, :math:`-\tfrac12 \sum_j \operatorname{sgn}(c_j) \log (1 - c_j^2)`. A negative
correlation counts against it: components that mean nothing have either sign alike, and add up to
nothing. Were the maps judged by the rows that they come from, smooth sequences would agree at any
lag.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from .._blocks import Blocks
from ..alignment._maps import maps_of_pairs, white_pairs
from ..moments._rows import Accumulated, ArrayRows

# Correlations are told apart through noise of this relative variance, as by `NullSpaceAligner`.
RESOLUTION = 1e-10
# Stretches a fold gets of one sequence, where it is long enough, and how many times the longest
# lag each is, at least.
STRETCHES, LONG = 4, 8


class LagCurve(NamedTuple):
    """What is shared at each lag."""

    information: np.ndarray  # (L, F), in nats, of each fold
    n_pairs: np.ndarray  # (L, F), in each fold


def stretches(groups: np.ndarray, n_folds: int, longest: int) -> np.ndarray:
    """Number of the stretch of each row (n,), counted from zero; of a group a run, or parts of it.

    Rows of a group follow each other. A group is cut where there are too few groups for folds.
    """
    codes = np.unique(groups, return_inverse=True)[1]
    parts = 1 if codes.max() + 1 >= n_folds else 0
    out, first = np.empty(len(groups), dtype=int), 0
    for g in range(codes.max() + 1):
        rows = np.flatnonzero(codes == g)
        n = parts or int(np.clip(len(rows) // (LONG * longest + 1), n_folds, STRETCHES * n_folds))
        out[rows] = first + np.arange(len(rows)) * n // len(rows)
        first += n
    return out


def lag_curve(X1, X2, stretch, lags, n_folds: int, options: dict) -> LagCurve:
    """What two blocks share at each lag.

    Parameters
    ----------
    X1, X2 : ndarray of shape (n, d_m)
        Rows in order, sequence by sequence; NaN where a row lacks the block.
    stretch : ndarray of int, shape (n,)
        Of :func:`stretches`.
    lags : ndarray of int
    n_folds : int
    options : dict
        ``n_components``, ``whiten``, ``center``, ``shrinkage``, ``tol`` and ``solver``.
    """
    order = np.argsort(stretch, kind="stable")
    X1, X2, stretch = X1[order], X2[order], stretch[order]
    has = np.isfinite(X1[:, 0]), np.isfinite(X2[:, 0])
    widths = X1.shape[1], X2.shape[1]
    halves = slice(0, widths[0]), slice(widths[0], sum(widths))
    blocks = Blocks(("first", "second"), halves, sum(widths))
    information = np.full((len(lags), n_folds), np.nan)
    n_pairs = np.zeros((len(lags), n_folds), dtype=int)
    for i, lag in enumerate(lags):
        first = np.arange(max(0, -lag), len(X1) - max(0, lag))
        second = first + lag
        together = (stretch[first] == stretch[second]) & has[0][first] & has[1][second]
        first, second = first[together], second[together]
        X, fold = np.hstack([X1[first], X2[second]]), stretch[first] % n_folds
        n_pairs[i] = np.bincount(fold, minlength=n_folds)
        if np.sum(n_pairs[i] > 1) > 1:
            kept = [
                Accumulated.of(ArrayRows(X[fold == f], None, blocks), "covariance")
                for f in np.flatnonzero(n_pairs[i] > 1)
            ]
            information[i, n_pairs[i] > 1] = held_out(kept, options)
    return LagCurve(information, n_pairs)


def held_out(kept: list[Accumulated], options: dict) -> np.ndarray:
    """Information of each of some folds by maps learned from the others; NaN where none are."""
    out = np.full(len(kept), np.nan)
    maps = {name: options[name] for name in ("n_components", "whiten", "shrinkage")}
    reading = {name: options[name] for name in ("whiten", "center", "tol", "solver")}
    reading["solver"] = "covariance"  # moments are what is left of the rows
    for f, own in enumerate(kept):
        others = [other for g, other in enumerate(kept) if g != f]
        seen = others[0]
        for other in others[1:]:
            seen = seen.merged(other)
        with suppress(ValueError):  # a modality is constant there
            pairs, exact = white_pairs(seen, **reading)
            (first, second), _ = maps_of_pairs(pairs, exact, **maps)
            out[f] = information_of(first, second, own.patterns[True, True].covariance())
    return out


def information_of(first, second, covariance) -> float:
    """Signed information, in nats, of the components of maps (k, d_m) on rows of a covariance."""
    d = first.shape[1]
    cross = np.sum((first @ covariance[:d, d:]) * second, axis=1)
    own = np.sum((first @ covariance[:d, :d]) * first, axis=1)
    other = np.sum((second @ covariance[d:, d:]) * second, axis=1)
    scale = np.sqrt(np.maximum(own, 0.0) * np.maximum(other, 0.0))
    c = np.divide(cross, scale, out=np.zeros_like(cross), where=scale > 0)
    left = np.maximum(1 - np.minimum(c**2, 1.0), RESOLUTION)
    return float(-0.5 * np.sum(np.sign(c) * np.log(left)))
