r"""Tied Gaussian laws of points lifted by a Gaussian kernel, block by block. Arrays only.

With landmarks :math:`l_j`, and :math:`K = V \Lambda V^\top` the kernel among them, a point has
:math:`k(z)_j = \exp(-\gamma |z - l_j|^2)` and is lifted to :math:`k(z)^\top V \Lambda^{-1/2}`,
so that inner products of lifted landmarks are their kernel (Nyström). A law of lifted points
needs no more than

.. math:: \sum_i w_i k_i, \qquad \sum_i w_i k_i k_i^\top, \qquad \sum_i w_i r_{ic} k_i,

which add up over blocks of points: no matrix of all points by all landmarks is held. Principal
axes of the lifted points are linear in :math:`k`, and so are the discriminants.
"""

from dataclasses import dataclass

import numpy as np

from ._tied import TiedLaw, axes_of, row_blocks, spread_rows

# Width of the kernel: exp(-BANDWIDTH |a - b|^2 / total variance).
BANDWIDTH = 0.3
LANDMARKS = 1000
# Kernels of all points and landmarks that are evaluated, where points are many.
KERNEL_SIZE = 10**7
# Principal scores of lifted points whose variance is below this share of the largest are rounding.
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class LiftedLaw:
    """Tied laws of lifted points, whose principal scores are ``kernel @ onto - shift``."""

    landmarks: np.ndarray  # (L, p): every point, or some of them, evenly spread
    gamma: float
    onto: np.ndarray  # (L, q)
    shift: np.ndarray  # (q,)
    law: TiedLaw

    def scores(self, Z):
        """Principal scores of lifted points, shape (n, q)."""
        return gaussian_kernel(Z, self.landmarks, self.gamma) @ self.onto - self.shift

    def discriminant(self):
        """Coefficients (L, C) of the kernel, and intercept (C,)."""
        coef, intercept = self.law.discriminant()
        return self.onto @ coef, intercept - self.shift @ coef

    def leave_one_out(self, Z, resp, weights):
        """Discriminants of points, each under the law of all others."""
        out = np.empty(resp.shape)
        for s in row_blocks(len(Z), len(self.landmarks)):
            weighted = resp[s] * weights[s][:, None]
            out[s] = self.law.leave_one_out(self.scores(Z[s]), weighted, weights[s])
        return out


def lifted_law(Z, total_variance, resp, weights) -> LiftedLaw:
    """Lift points of total variance ``total_variance`` and learn the law of soft labels."""
    most = min(LANDMARKS, max(100, KERNEL_SIZE // len(Z)))
    landmarks = Z[spread_rows(len(Z), most)]
    gamma = BANDWIDTH / max(total_variance, np.sqrt(np.finfo(float).tiny))
    among = gaussian_kernel(landmarks, landmarks, gamma)
    values, vectors = np.linalg.eigh(among)
    kept = values > 1e-8 * values[-1]
    basis = vectors[:, kept] / np.sqrt(values[kept])

    origin, total = among.mean(axis=0), weights.sum()  # near the mean, so that little cancels
    sums, second = _sums(Z, landmarks, gamma, origin, resp, weights)
    counts, mean = weights @ resp, sums[-1] / total
    axes = axes_of(mean, basis.T @ (second / total - np.outer(mean, mean)) @ basis, NEGLIGIBLE)
    onto = basis @ axes.axes
    law = TiedLaw.of(axes.variance, total, counts, (sums[:-1] - np.outer(counts, mean)) @ onto)
    return LiftedLaw(landmarks, gamma, onto, (origin + mean) @ onto, law)


def _sums(Z, landmarks, gamma, origin, resp, weights):
    """Weighted sums of kernels less ``origin``: by class, the last of all points; and squares."""
    sums, second = np.zeros((resp.shape[1] + 1, len(origin))), np.zeros((len(origin),) * 2)
    for s in row_blocks(len(Z), len(origin), least=len(origin)):
        kernel = gaussian_kernel(Z[s], landmarks, gamma)
        kernel -= origin
        sums += np.column_stack([resp[s] * weights[s][:, None], weights[s]]).T @ kernel
        kernel *= np.sqrt(weights[s])[:, None]
        second += kernel.T @ kernel
    return sums, second


def gaussian_kernel(A, B, gamma):
    """``exp(-gamma |a - b|^2)``, shape (len(A), len(B))."""
    out = powers(A) @ exponents(B, gamma).T
    np.minimum(out, 0.0, out=out)
    return np.exp(out, out=out)


def powers(X, mean=0.0, unit=1.0):
    """Points ``(X - mean) * unit``, their squares and ones, side by side: (n, d + 2)."""
    d = X.shape[1]
    out = np.empty((len(X), d + 2))
    points = out[:, :d]
    np.subtract(X, mean, out=points)
    points *= unit
    squares = np.einsum("ij,ij->i", points, points)
    out[:, d] = np.minimum(squares, np.finfo(float).max)  # times zero it is zero
    out[:, d + 1] = 1.0
    return out


def exponents(landmarks, gamma):
    """Exponents of the kernel as linear maps of the powers: (L, d + 2)."""
    squares = np.sum(landmarks**2, axis=1)
    return gamma * np.column_stack([2 * landmarks, np.full(len(landmarks), -1.0), -squares])
