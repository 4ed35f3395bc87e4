r"""White coordinates: each block on its own numerical range, at unit covariance.

A column is first scaled to unit variance, so that neither units nor order of magnitude
decide what counts as zero. Directions in which a block does not vary satisfy
:math:`A_m x_m = 0` whatever the other modality does; outside its range a block has no
coordinates, so such directions cannot come back.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._moments import Moments
from ._significance import correlations

# Relative accuracy that a covariance can keep: its whitening loses the condition number squared.
COVARIANCE_CONDITION = 1e3
# Singular values above this share of the largest count, however coarse the data are.
COARSEST = 1e-4
# Correlations closer to one than this are looked at again, by the size of the residual itself.
NEARLY_ONE = 1e-6


@dataclass(frozen=True)
class BlockRange:
    """The numerical range of one block, and its white coordinates q.

    ``scale`` (d,) is zero for constant columns; ``basis`` (d, r); ``spread`` (r,), descending;
    ``white`` (p, r) has orthonormal columns, where the moments keep a root; ``rounding`` is the
    relative rounding error of q.
    """

    scale: np.ndarray
    basis: np.ndarray
    spread: np.ndarray
    white: np.ndarray | None
    rounding: float

    @property
    def rank(self) -> int:
        """Dimension of the range."""
        return len(self.spread)

    @property
    def map(self) -> np.ndarray:
        """From x to q, (d, r)."""
        return reciprocal(self.scale)[:, None] * (self.basis / self.spread)

    def coef(self, q: np.ndarray) -> np.ndarray:
        """Map functionals of q (r, k) to functionals of x (d, k)."""
        return reciprocal(self.scale)[:, None] * (self.basis @ (q / self.spread[:, None]))

    def values(self, q: np.ndarray) -> np.ndarray:
        """Map points in q (r, k) to points in x (d, k)."""
        return self.scale[:, None] * (self.basis @ (q * self.spread[:, None]))


@dataclass(frozen=True)
class Pairs:
    """Pairs in white coordinates: what :func:`whiten_pairs` makes of moments."""

    moments: Moments
    columns: list[np.ndarray]
    ranges: list[BlockRange]
    cross: dict[tuple[int, int], np.ndarray]  # covariance of q_m and q_l, m < l
    accurate: bool  # false where a covariance is too coarse and a root is wanted
    correlations: list[np.ndarray]  # singular values of each cross-covariance, descending

    @property
    def nearly_one(self) -> bool:
        """Whether a correlation is so near to one that it may be one."""
        return any(values[:1].sum() >= 1 - NEARLY_ONE for values in self.correlations)


def signal_scale(deviation, mean, eps):
    """Standard deviations of columns, zero for constant ones: what is left there is rounding."""
    return np.where(deviation <= 8 * eps * np.abs(mean), 0.0, deviation)


def reciprocal(scale):
    """``1 / scale``, and zero where the scale is."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)


def whiten_pairs(moments: Moments, columns, *, tol: float | None, eps: float) -> Pairs:
    """Restrict each block to its numerical range and make it white there.

    Parameters
    ----------
    moments : Moments
        Of the rows that have every modality.
    columns : list of ndarray of int
        Columns of each modality.
    tol : float, optional
        Singular values below ``tol`` times the largest, columns at unit variance, count as zero.
    eps : float
        Relative rounding error of the data.
    """
    ranges = [block_range(moments, c, tol, eps) for c in columns]
    cross = {}
    for m, a in enumerate(ranges):
        for k in range(m + 1, len(ranges)):
            b = ranges[k]
            if a.white is not None and b.white is not None:
                cross[m, k] = a.white.T @ b.white
            elif moments.scatter is not None:
                block = moments.scatter[np.ix_(columns[m], columns[k])] / moments.weight
                cross[m, k] = a.map.T @ block @ b.map
    largest_first = [*map(correlations, cross.values())]
    pairs = Pairs(moments, list(columns), ranges, cross, True, largest_first)
    if moments.root is None and (pairs.nearly_one or not _covariance_suffices(ranges)):
        return replace(pairs, accurate=False)
    return pairs


def block_range(moments: Moments, columns, tol: float | None, eps: float) -> BlockRange:
    """Numerical range of the columns of one modality; parameters as above."""
    mean = moments.mean[columns]
    scale = np.sqrt(np.maximum(moments.variance_sum()[columns], 0.0) / moments.weight)
    scale = signal_scale(scale, mean, eps)
    used = scale > 0
    if not used.any():
        return BlockRange(scale, np.zeros((len(columns), 0)), np.zeros(0), np.zeros((0, 0)), eps)
    rounding = eps * float(np.max(1 + np.abs(mean[used]) / scale[used]))
    cap = np.sqrt(eps)
    if moments.root is not None:
        root = moments.root[:, columns[used]] / (scale[used] * np.sqrt(moments.weight))
        left, spread, right = _thin_svd(root)
        floor = min(4 * rounding * len(columns), COARSEST)
    else:
        assert moments.scatter is not None
        block = moments.scatter[np.ix_(columns[used], columns[used])]
        unit = 1 / (np.sqrt(moments.weight) * scale[used])
        block *= unit[:, None]
        block *= unit
        values, vectors = np.linalg.eigh(block)
        spread, right = np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1].T
        left, rounding = None, np.sqrt(rounding)
        floor = min(np.sqrt(len(columns)) * 4 * rounding, np.sqrt(cap))
    rank = int(np.sum(spread > (floor if tol is None else tol) * spread[0]))
    basis = np.zeros((len(columns), rank))
    basis[used] = right[:rank].T
    spread = spread[:rank]
    return BlockRange(
        scale, basis, spread, None if left is None else left[:, :rank],
        min(rounding * spread[0] / spread[-1], cap),
    )  # fmt: skip


def _covariance_suffices(ranges):
    if min(block.rank for block in ranges) == 0:
        return True
    for block in ranges:
        deficient = block.rank < np.sum(block.scale > 0)
        if deficient or block.spread[0] > COVARIANCE_CONDITION * block.spread[-1]:
            return False
    return True


def _thin_svd(X):
    """Singular value decomposition; of wide matrices by way of their small Gram matrix.

    The Gram matrix loses the square of the condition number; where that is large its vectors only
    start one step of Rayleigh and Ritz.
    """
    if 2 * len(X) > X.shape[1]:
        return np.linalg.svd(X, full_matrices=False)
    values, left = np.linalg.eigh(X @ X.T)
    kept = values > 100 * len(X) * np.finfo(float).eps * values[-1]
    values, left = values[kept][::-1], left[:, kept][:, ::-1]
    right = X.T @ (left / np.sqrt(values))
    if values[0] > COVARIANCE_CONDITION**2 * values[-1]:
        right = np.linalg.qr(right)[0]
        left, spread, turn = np.linalg.svd(X @ right, full_matrices=False)
        return left, spread, turn @ right.T
    return left, np.sqrt(values), right.T
