r"""One Gaussian law per class, all of one covariance, from soft labels. Arrays in, arrays out.

In principal scores the second moment of all points is diagonal, :math:`S = \mathrm{diag}(v)`, and
with class means :math:`M` (C, p), shares :math:`\Pi` and ridge :math:`\rho` the covariance within
classes is

.. math:: T = (1 - \rho)(S - M^\top \Pi M) + \rho \bar v I = A - g M^\top \Pi M, \qquad
          A = g\,\mathrm{diag}(v) + \rho \bar v I, \quad g = 1 - \rho .

:math:`A` knows no labels, so that a change of labels costs C-by-C algebra (Woodbury): with
:math:`G = M A^{-1} M^\top` and :math:`Q = (I - g \Pi G)^{-1}` the discriminant, the log density up
to a constant per point, is :math:`x^\top A^{-1} M^\top Q - \tfrac12 \mathrm{diag}(G Q)`. Leaving a
point out changes one mean and adds a rank-one term to :math:`A`: closed form as well.
"""

from dataclasses import dataclass

import numpy as np

# Ridge, in shares of the mean variance: covariances within classes come from soft labels.
RIDGE = 0.3
# Principal scores whose variance is below this share of the largest are rounding.
NEGLIGIBLE = 1e-10
# A leave-one-out discriminant costs C**3 a point; at most so many multiplications are spent on it.
WORK = 4e8
BLOCK = 4_000_000


@dataclass(frozen=True)
class Principal:
    """Principal axes of weighted points: ``scores = (X - mean) @ axes``, not rescaled."""

    mean: np.ndarray  # (d,)
    axes: np.ndarray  # (d, p), orthonormal columns
    variance: np.ndarray  # (p,), descending

    def scores(self, X):
        """Coordinates along the axes, shape (n, p)."""
        return (X - self.mean) @ self.axes


def principal_axes(X, weights, negligible: float = NEGLIGIBLE) -> Principal:
    """Axes along which weighted points are uncorrelated; wide points never form ``d x d``."""
    mean = weights @ X / weights.sum()
    root = (X - mean) * np.sqrt(weights / weights.sum())[:, None]
    if X.shape[1] <= len(X):
        variance, axes = np.linalg.eigh(root.T @ root)
    else:
        variance, left = np.linalg.eigh(root @ root.T)
        kept = variance > negligible * max(variance[-1], 0)
        variance, left = variance[kept], left[:, kept]
        axes = root.T @ (left / np.sqrt(variance))
    kept = np.flatnonzero(variance > negligible * max(variance[-1:].sum(), 0))[::-1]
    axes = axes[:, kept]
    signs = np.where(np.sum(axes**3, axis=0) < 0, -1.0, 1.0)
    return Principal(mean, axes * signs, variance[kept])


def affordable_rows(n: int, n_classes: int) -> np.ndarray:
    """Rows, evenly spread, for which a leave-one-out discriminant is worth its cost."""
    most = max(1000, int(WORK / n_classes**3))
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


@dataclass(frozen=True)
class TiedPoints:
    """Points on which tied laws are learned, and what of it knows no labels."""

    points: np.ndarray  # (n, p) principal scores
    weights: np.ndarray  # (n,)
    diagonal: np.ndarray  # (p,): A
    keep: float  # g

    @classmethod
    def of(cls, points, variance, weights, ridge: float = RIDGE) -> "TiedPoints":
        """Points with the variance of each of their principal scores."""
        keep = 1.0 - ridge
        return cls(points, weights, keep * variance + ridge * variance.mean(), keep)

    def _statistics(self, resp):
        weighted = resp * self.weights[:, None]
        counts = weighted.sum(axis=0) + np.finfo(float).eps * self.weights.sum()
        means = weighted.T @ self.points / counts[:, None]
        return weighted, counts, means, (means / self.diagonal) @ means.T

    def discriminant(self, resp):
        """Coefficients (p, C) and intercept (C,) of the discriminant for labels ``resp``."""
        _, counts, means, gram = self._statistics(resp)
        shares = counts / self.weights.sum()
        turn = np.linalg.inv(np.eye(len(counts)) - self.keep * shares[:, None] * gram)
        return (means / self.diagonal).T @ turn, -0.5 * np.diagonal(gram @ turn)

    def leave_one_out(self, resp, rows):
        """Discriminants (len(rows), C) of some points, each under the law of all others."""
        weighted, counts, means, gram = self._statistics(resp)
        total, points = self.weights.sum(), self.points[rows]
        own = points / self.diagonal
        size = np.sum(own * points, axis=1)  # x' A^-1 x
        project = own @ means.T
        # a mean without its point is  a mu - q x
        left = np.maximum(counts - weighted[rows], 1e-3 * counts)
        a, q = counts / left, weighted[rows] / left
        share = self.keep * self.weights[rows] / total
        lost = share / np.maximum(1 - share * size, 1e-6)  # Sherman-Morrison
        out = np.empty((len(rows), len(counts)))
        step = max(1, BLOCK // len(counts) ** 2)
        for start in range(0, len(rows), step):
            s = slice(start, start + step)
            out[s] = self._without(a[s], q[s], size[s], project[s], lost[s], left[s] / total, gram)
        return out

    def _without(self, a, q, size, project, lost, shares, gram):
        scaled = a * project
        moved = scaled - q * size[:, None]  # M_left A^-1 x
        grams = a[:, :, None] * gram * a[:, None, :]
        grams -= scaled[:, :, None] * q[:, None, :] + q[:, :, None] * scaled[:, None, :]
        grams += size[:, None, None] * q[:, :, None] * q[:, None, :]
        grams += lost[:, None, None] * moved[:, :, None] * moved[:, None, :]
        cross = moved * (1 + lost * size)[:, None]
        system = np.eye(gram.shape[0]) - self.keep * shares[:, :, None] * grams
        right = np.concatenate([np.swapaxes(grams, 1, 2), cross[:, :, None]], axis=2)
        solved = np.linalg.solve(np.swapaxes(system, 1, 2), right)
        return solved[:, :, -1] - 0.5 * np.einsum("ijj->ij", solved[:, :, :-1])
