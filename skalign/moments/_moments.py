r"""Mergeable sufficient statistics: a monoid of batches.

For rows :math:`x_i` with weights :math:`w_i` a batch is summed up as

.. math:: W = \sum_i w_i, \qquad \mu = \frac1W \sum_i w_i x_i, \qquad
          C = \sum_i w_i (x_i - \mu)(x_i - \mu)^\top,

and two batches merge exactly (Chan, Golub & LeVeque 1983):

.. math:: C_{ab} = C_a + C_b + \frac{W_a W_b}{W_a + W_b} (\mu_a - \mu_b)(\mu_a - \mu_b)^\top .

``"covariance"`` keeps :math:`C`, by one symmetric rank-n update per block of rows: blocks are
shifted by the mean :math:`s` of the first one, which costs nothing to undo,

.. math:: C = \sum_i w_i (x_i - s)(x_i - s)^\top - W (\mu - s)(\mu - s)^\top .

``"qr"`` keeps a triangular root, :math:`R^\top R = C`, which is merged by a QR decomposition of
the roots one above the other (TSQR) and never squares the condition number.

Which of the two is kept is known to this module alone: :class:`Moments` answers questions.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._utils._linalg import thin_svd


@dataclass(frozen=True)
class Moments:
    """Weight, mean and centred second moment of rows; a weight is a number of repeated rows."""

    weight: float
    n_rows: int
    mean: np.ndarray  # (d,)
    scatter: Any = None  # C (d, d), or else
    root: Any = None  # R (p, d), with R.T @ R == C

    @property
    def has_root(self) -> bool:
        """Whether no more than the condition number is lost, not its square."""
        return self.root is not None

    @property
    def finite(self) -> bool:
        """Whether every value that went in was finite, and its square."""
        return bool(np.isfinite(self.mean).all() and np.isfinite(self.sums_of_squares()).all())

    def sums_of_squares(self) -> np.ndarray:
        """Diagonal of ``C``."""
        if self.root is not None:
            return np.einsum("ij,ij->j", self.root, self.root)
        return np.diagonal(self.scatter)

    def deviations(self) -> np.ndarray:
        """Standard deviation of each column."""
        return np.sqrt(np.maximum(self.sums_of_squares(), 0.0) / self.weight)

    def covariance(self, rows=slice(None), columns=slice(None)) -> np.ndarray:
        """``C / weight``, or the block of some rows and columns of it."""
        if self.root is not None:
            return self.root[:, rows].T @ self.root[:, columns] / self.weight
        return self.scatter[rows][:, columns] / self.weight

    def quadratic(self, V: np.ndarray) -> np.ndarray:
        """``v.T @ C @ v / weight`` for each column of ``V``, never below zero."""
        if self.root is not None:
            return np.sum((self.root @ V) ** 2, axis=0) / self.weight
        return np.maximum(np.sum(V * (self.scatter @ V), axis=0), 0.0) / self.weight

    def rows(self, columns) -> np.ndarray:
        """Rows that have the same second moment: the root, where one is kept."""
        return self.root[:, columns]

    def principal(self, columns, scale):
        """Singular value decomposition of some columns, over ``scale * sqrt(weight)``.

        Left vectors (p, r), which are None without a root; values (r,); right (r, len(columns)).
        """
        unit = 1 / (np.sqrt(self.weight) * scale)
        if self.root is not None:
            return thin_svd(self.root[:, columns] * unit)
        block = self.scatter[np.ix_(columns, columns)]
        block *= unit[:, None]
        block *= unit
        squares, vectors = np.linalg.eigh(block)
        return None, np.sqrt(np.maximum(squares[::-1], 0.0)), vectors[:, ::-1].T

    def mapped(self, maps) -> "Moments":
        """Moments of ``x @ maps``, with ``maps`` a list of blocks that follow each other."""

        def apply(rows):
            parts = np.split(rows, np.cumsum([len(a) for a in maps])[:-1], axis=-1)
            return np.concatenate([p @ a for p, a in zip(parts, maps, strict=True)], axis=-1)

        if self.root is not None:
            return replace(self, mean=apply(self.mean), root=apply(self.root))
        return replace(self, mean=apply(self.mean), scatter=apply(apply(self.scatter).T))

    def restricted(self, columns) -> "Moments":
        """The same moments of some columns."""
        if self.root is not None:
            return replace(self, mean=self.mean[columns], root=self.root[:, columns])
        return replace(
            self, mean=self.mean[columns], scatter=self.scatter[np.ix_(columns, columns)]
        )

    def about_zero(self) -> "Moments":
        """The same moments about the origin: the second moment, not the covariance."""
        between, zero = np.sqrt(self.weight) * self.mean, np.zeros_like(self.mean)
        with np.errstate(invalid="ignore", over="ignore"):  # infinity in, NaN out
            if self.root is not None:
                return replace(self, mean=zero, root=triangle(np.vstack([self.root, between])))
            return replace(self, mean=zero, scatter=self.scatter + np.outer(between, between))


def merge(a: Moments | None, b: Moments | None) -> Moments | None:
    """Moments of the rows of both; ``None`` is the empty batch.

    A root and a scatter merge to a root.
    """
    if a is None or b is None:
        return a if b is None else b
    if (a.root is None) != (b.root is None):
        a, b = as_root(a), as_root(b)
    weight = a.weight + b.weight
    with np.errstate(invalid="ignore", over="ignore"):  # infinity in, NaN out
        shift = b.mean - a.mean
        mean = a.mean + shift * (b.weight / weight)
        between = np.sqrt(a.weight / weight * b.weight) * shift
        merged = Moments(weight, a.n_rows + b.n_rows, mean)
        if a.root is not None:  # and so has b
            return replace(merged, root=triangle(np.vstack([a.root, b.root, between])))
        return replace(merged, scatter=a.scatter + b.scatter + np.outer(between, between))


def of_one_kind(parts: list[Moments]) -> list[Moments]:
    """Moments that can be added up without a decomposition: all roots, or all scatters."""
    if all(part.has_root for part in parts):
        return parts
    return [replace(m, scatter=m.root.T @ m.root, root=None) if m.has_root else m for m in parts]


def as_root(m: Moments) -> Moments:
    """A root in place of a scatter, as accurate as that is."""
    if m.scatter is None:
        return m
    squares, vectors = np.linalg.eigh(m.scatter)
    return replace(m, scatter=None, root=(vectors * np.sqrt(np.maximum(squares, 0.0))).T)


def triangle(X):
    """A matrix of at most as many rows as columns with the same Gram matrix."""
    if len(X) <= X.shape[1] or not np.isfinite(X).all():
        return X
    return np.linalg.qr(X, mode="r")
