r"""White coordinates: each block on its own numerical range, at unit covariance.

A column is first scaled to unit variance, so that neither units nor order of magnitude
decide what counts as zero. Directions in which a block does not vary satisfy
:math:`A_m x_m = 0` whatever the other modality does; outside its range a block has no
coordinates, so such directions cannot come back.

Here it shows how accurate moments must be, and so here it is decided how rows are read: a
covariance first, its refinement where that is too coarse, a triangular root where a block lacks a
dimension or modalities agree exactly.
"""

from dataclasses import dataclass

import numpy as np

from .._utils._linalg import WELL_CONDITIONED, reciprocal
from ..moments._accumulate import Patterns
from ..moments._moments import Moments

# Singular values above this share of the largest count, however coarse the data are.
COARSEST = 1e-4
# Correlations closer to one than this are looked at again, by the size of the residual itself.
NEARLY_ONE = 1e-6


@dataclass(frozen=True)
class WhitenedBlock:
    """The numerical range of one block, and its white coordinates q.

    ``scale`` (d,) is zero for constant columns; ``basis`` (d, r); ``singular_values`` (r,),
    descending; ``white`` (p, r) has orthonormal columns, where the moments keep a root;
    ``rounding`` is the relative rounding error of q.
    """

    scale: np.ndarray
    basis: np.ndarray
    singular_values: np.ndarray
    white: np.ndarray | None
    rounding: float

    @property
    def rank(self) -> int:
        """Dimension of the range."""
        return len(self.singular_values)

    @property
    def coarse(self) -> bool:
        """Whether a covariance of the block loses digits that a root would keep."""
        largest, smallest = self.singular_values[[0, -1]]
        deficient = self.rank < np.sum(self.scale > 0)
        return bool(deficient or largest > WELL_CONDITIONED * smallest)

    @property
    def map(self) -> np.ndarray:
        """From x to q, (d, r)."""
        return reciprocal(self.scale)[:, None] * (self.basis / self.singular_values)

    def coef(self, q: np.ndarray) -> np.ndarray:
        """Map functionals of q (r, k) to functionals of x (d, k)."""
        return reciprocal(self.scale)[:, None] * (self.basis @ (q / self.singular_values[:, None]))

    def points(self, q: np.ndarray) -> np.ndarray:
        """Map points in q (r, k) to points in x (d, k)."""
        return self.scale[:, None] * (self.basis @ (q * self.singular_values[:, None]))


@dataclass(frozen=True)
class WhitenedPairs:
    """Pairs in white coordinates: what :func:`whiten_pairs` makes of moments."""

    moments: Moments
    columns: list[np.ndarray]
    blocks: list[WhitenedBlock]
    cross: dict[tuple[int, int], np.ndarray]  # covariance of q_m and q_l, m < l
    correlations: list[np.ndarray]  # singular values of each cross-covariance, descending
    met: dict[tuple[int, int], Moments] | None = None  # of rows that have two, where few have all

    @property
    def nearly_one(self) -> bool:
        """Whether a correlation is so near to one that it may be one."""
        return any(values[:1].sum() >= 1 - NEARLY_ONE for values in self.correlations)

    @property
    def accurate(self) -> bool:
        """Whether these moments will do; else a root is wanted in place of their covariance."""
        return self.moments.has_root or not (self.nearly_one or any(b.coarse for b in self.blocks))

    @property
    def max_components(self) -> int:
        """Most components that can be told apart: the rank of the smallest block."""
        return min(block.rank for block in self.blocks)

    def disagreement(self, m: int, l: int, coefs) -> np.ndarray | float:
        """Mean squares of ``x_m @ coefs_m - x_l @ coefs_l``; zero of two that never met."""
        if self.met is not None:
            if (m, l) not in self.met:
                return 0.0
            return self.met[m, l].quadratic(np.vstack([coefs[m], -coefs[l]]))
        v = np.zeros((len(self.moments.mean), coefs[0].shape[1]))
        v[self.columns[m]] = coefs[m]
        v[self.columns[l]] = -coefs[l]
        return self.moments.quadratic(v)


def first_moments(rows, solver, *, orthonormal: bool) -> Patterns:
    """Moments of a row source, by the modalities that rows have, as accurate as is likely to do.

    Of maps that shall be ``orthonormal``, not white, only a root keeps the small end accurate.
    """
    n, d = rows.shape
    if solver == "auto":
        solver = "covariance" if n > d and not orthonormal else "qr"
    return rows.moments(solver)


def whiten_rows(rows, moments: Patterns, *, solver="auto", center=True, tol=None):
    """Moments of a row source, by the modalities that rows have, and the white pairs they give.

    The solver ``"auto"`` keeps what is accurate enough of the :func:`first_moments`. Moments are
    about the mean if ``center``, else about the origin; ``tol`` is that of :func:`whiten_pairs`.
    """

    def white(moments):
        pairs = complete_pairs(moments, rows.blocks, center)
        return whiten_pairs(pairs, rows.blocks, tol=tol, eps=rows.eps)

    pairs = white(moments)
    too_few = not pairs.moments.has_root and pairs.moments.n_rows <= rows.shape[1]
    if solver != "auto" or not rows.readable_again or (pairs.accurate and not too_few):
        return moments, pairs
    if not pairs.nearly_one and not too_few:
        refined = rows.refined(moments)
        if refined is not None:
            pairs = white(refined)
            if not pairs.nearly_one:
                return refined, pairs
    moments = rows.moments("qr")
    return moments, white(moments)


def complete_pairs(moments: Patterns, blocks, center: bool) -> Moments:
    """Moments of the rows that have every modality, about their mean or about the origin."""
    total = moments.get((True,) * len(blocks))
    n_pairs = 0 if total is None else total.n_rows
    if total is None or n_pairs < 2:
        raise ValueError(
            f"X has {('no pairs', 'one pair')[n_pairs]}: at least two rows need every modality "
            f"({', '.join(blocks.names)}) to learn how they correspond."
        )
    return total if center else total.about_zero()


def canonical_correlations(cross: np.ndarray) -> np.ndarray:
    """Canonical correlations of two white blocks, descending.

    By the Gram matrix of their cross-covariance: it loses digits of those near zero only.
    """
    cross = cross if cross.shape[0] <= cross.shape[1] else cross.T
    return np.sqrt(np.maximum(np.linalg.eigvalsh(cross @ cross.T)[::-1], 0.0))


def signal_scale(deviation, mean, eps):
    """Standard deviations of columns, zero for constant ones: what is left there is rounding."""
    return np.where(deviation <= 8 * eps * np.abs(mean), 0.0, deviation)


def whiten_pairs(moments: Moments, blocks, *, tol: float | None, eps: float) -> WhitenedPairs:
    """Restrict each block to its numerical range and make it white there.

    Of the rows that have every modality; one that does not vary is an error. Singular values below
    ``tol`` times the largest, columns at unit variance, count as zero; None goes by ``eps``, the
    relative rounding error of the data.
    """
    columns = [blocks.indices(m) for m in range(len(blocks))]
    white = [whiten_block(moments, c, tol, eps) for c in columns]
    check_varies(white, blocks.names)
    cross = {}
    for m, a in enumerate(white):
        for l in range(m + 1, len(white)):
            b = white[l]
            if a.white is not None and b.white is not None:
                cross[m, l] = a.white.T @ b.white
            else:
                cross[m, l] = a.map.T @ moments.covariance(columns[m], columns[l]) @ b.map
    largest_first = [*map(canonical_correlations, cross.values())]
    return WhitenedPairs(moments, columns, white, cross, largest_first)


def check_varies(blocks: list[WhitenedBlock], names) -> None:
    """Raise where a modality has no dimension."""
    for name, block in zip(names, blocks, strict=True):
        if block.rank == 0:
            raise ValueError(
                f"modality {name!r} is constant over the pairs: nothing can be aligned with it."
            )


def whiten_block(moments: Moments, columns, tol: float | None, eps: float) -> WhitenedBlock:
    """Numerical range of the columns of one modality; parameters as above."""
    mean = moments.mean[columns]
    scale = signal_scale(moments.deviations()[columns], mean, eps)
    used = scale > 0
    if not used.any():
        return WhitenedBlock(scale, np.zeros((len(columns), 0)), np.zeros(0), None, eps)
    rounding = eps * float(np.max(1 + np.abs(mean[used]) / scale[used]))
    left, values, right = moments.principal(columns[used], scale[used])
    if left is None:
        rounding = np.sqrt(rounding)
        floor = min(np.sqrt(len(columns)) * 4 * rounding, eps**0.25)
    else:
        floor = min(4 * rounding * len(columns), COARSEST)
    floor = floor if tol is None else max(tol, np.finfo(float).eps)
    rank = int(np.sum(values >= floor * values[0]))
    basis = np.zeros((len(columns), rank))
    basis[used] = right[:rank].T
    return WhitenedBlock(
        scale,
        basis,
        values[:rank],
        None if left is None else left[:, :rank],
        min(rounding * values[0] / values[rank - 1], np.sqrt(eps)),
    )
