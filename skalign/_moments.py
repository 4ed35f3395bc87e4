r"""Mergeable sufficient statistics: a monoid of batches.

For rows :math:`x_i` with weights :math:`w_i` a batch is summed up as

.. math:: W = \sum_i w_i, \qquad \mu = \frac1W \sum_i w_i x_i, \qquad
          C = \sum_i w_i (x_i - \mu)(x_i - \mu)^\top,

and two batches merge exactly (Chan, Golub & LeVeque 1983):

.. math:: C_{ab} = C_a + C_b + \frac{W_a W_b}{W_a + W_b} (\mu_a - \mu_b)(\mu_a - \mu_b)^\top .

``"covariance"`` keeps :math:`C`. ``"qr"`` keeps a triangular root, :math:`R^\top R = C`, which
is merged by a QR decomposition of the roots one above the other (TSQR) and never squares the
condition number.
"""

from dataclasses import dataclass, replace

import numpy as np

BATCH_BYTES = 8 << 20


@dataclass(frozen=True)
class Moments:
    """Weight, mean and centred second moment of rows.

    Attributes
    ----------
    weight : float
        Sum of the weights; a weight is a number of repeated rows.
    n_rows : int
        Number of rows that went in.
    mean : ndarray of shape (d,)
    scatter : ndarray of shape (d, d) or None
        ``C``, where it is kept.
    root : ndarray of shape (p, d) or None
        ``R`` with ``R.T @ R == C``, where it is kept.
    """

    weight: float
    n_rows: int
    mean: np.ndarray
    scatter: np.ndarray | None = None
    root: np.ndarray | None = None

    @property
    def finite(self) -> bool:
        """Whether every value that went in was finite, and its square."""
        return bool(np.isfinite(self.mean).all() and np.isfinite(self.variance_sum()).all())

    def variance_sum(self) -> np.ndarray:
        """Diagonal of ``C``."""
        if self.root is not None:
            return np.einsum("ij,ij->j", self.root, self.root)
        assert self.scatter is not None
        return np.diagonal(self.scatter)


def batches(n_rows: int, n_features: int):
    """Slices of rows that bound the memory of a pass."""
    # a QR of the roots one above the other wants batches that are taller than wide
    size = max(BATCH_BYTES // (8 * n_features), 4 * n_features, 256)
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def moments(X: np.ndarray, weights: np.ndarray | None = None, kind: str = "covariance"):
    """Sum up one batch of rows, accumulated in float64.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    weights : ndarray of shape (n,), optional
        Non-negative; ones where not given.
    kind : {"covariance", "qr"}
        What to keep of the second moment.

    Returns
    -------
    Moments, or None where there is no row.
    """
    if len(X) == 0:
        return None
    with np.errstate(invalid="ignore", over="ignore"):  # infinity in, NaN out: the caller looks
        first = X[0].astype(np.float64)
        # a copy, but of a batch; from its first row, so that a constant column is zero exactly
        X = np.subtract(X, first, dtype=np.float64)
        if weights is None:
            weight, mean = float(len(X)), X.mean(axis=0)
            X -= mean
        else:
            weight = float(weights.sum())
            mean = weights @ X / weight
            X -= mean
            X *= np.sqrt(weights)[:, None]
        if kind == "qr":
            return Moments(weight, len(X), first + mean, root=_triangle(X))
        return Moments(weight, len(X), first + mean, scatter=X.T @ X)


def merge(a: Moments | None, b: Moments | None) -> Moments | None:
    """Statistics of the rows of both; ``None`` is the empty batch."""
    if a is None or b is None:
        return a if b is None else b
    weight = a.weight + b.weight
    with np.errstate(invalid="ignore", over="ignore"):  # as in moments
        shift = b.mean - a.mean
        mean = a.mean + shift * (b.weight / weight)
        between = np.sqrt(a.weight / weight * b.weight) * shift
        merged = Moments(weight, a.n_rows + b.n_rows, mean)
        if a.root is not None and b.root is not None:
            return replace(merged, root=_triangle(np.vstack([a.root, b.root, between])))
        assert a.scatter is not None and b.scatter is not None
        return replace(merged, scatter=a.scatter + b.scatter + np.outer(between, between))


def about_zero(m: Moments) -> Moments:
    """The same statistics about the origin: the second moment, not the covariance."""
    between = np.sqrt(m.weight) * m.mean
    zero = np.zeros_like(m.mean)
    with np.errstate(invalid="ignore", over="ignore"):  # as in moments
        if m.root is not None:
            return replace(m, mean=zero, root=_triangle(np.vstack([m.root, between])))
        assert m.scatter is not None
        return replace(m, mean=zero, scatter=m.scatter + np.outer(between, between))


def restrict(m: Moments, columns) -> Moments:
    """The same statistics of some columns."""
    if m.root is not None:
        return replace(m, mean=m.mean[columns], root=m.root[:, columns])
    assert m.scatter is not None
    return replace(m, mean=m.mean[columns], scatter=m.scatter[np.ix_(columns, columns)])


def _triangle(X):
    """A matrix of at most as many rows as columns with the same Gram matrix."""
    if len(X) <= X.shape[1] or not np.isfinite(X).all():
        return X
    return np.linalg.qr(X, mode="r")
