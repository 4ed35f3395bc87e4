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
"""

from dataclasses import dataclass, replace

import numpy as np

from ._array_api import OnDevice, host, to_numpy

# A block of rows that stays in the cache while it is shifted and multiplied.
BLOCK_BYTES = 1 << 20
# Rows from which one triangular root is made.
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


def batches(n_rows: int, n_features: int, kind: str = "covariance"):
    """Slices of rows that bound the memory of a pass."""
    if kind == "qr":  # the roots one above the other want batches that are taller than wide
        size = max(BATCH_BYTES // (8 * n_features), 4 * n_features, 256)
    else:
        size = max(BLOCK_BYTES // (8 * n_features), 2 * n_features, 256)  # taller than the sums
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def counted(X, weights, rows):
    """Rows of a batch that have a positive weight, and their weights."""
    batch, w = X[rows], None if weights is None else weights[rows]
    return (batch, w) if w is None or w.all() else (batch[w > 0], w[w > 0])


class Accumulator:
    """Sums up blocks of rows in float64, whatever their type and order.

    Parameters
    ----------
    kind : {"covariance", "qr"}
        What to keep of the second moment.
    """

    def __init__(self, kind: str = "covariance"):
        self.kind = kind
        self._shift: np.ndarray | None = None
        self._weight, self._n_rows = 0.0, 0
        self._roots: Moments | None = None
        self._block: np.ndarray | None = None  # memory that is used again
        self._spare: np.ndarray | None = None

    def add(self, X: np.ndarray | OnDevice, weights: np.ndarray | None = None) -> bool:
        """Add a block; false, and nothing is added, if a mean of it is not finite."""
        if len(X) == 0:
            return True
        with np.errstate(invalid="ignore", over="ignore"):  # infinity in, NaN out
            if self.kind == "covariance" and isinstance(X, OnDevice) and X.double:
                added = self._add_on_device(X, weights)
            else:
                add = self._add_root if self.kind == "qr" else self._add
                added = add(host(X), weights)
        if added:
            self._weight += len(X) if weights is None else weights.sum()
            self._n_rows += len(X)
        return added

    def _add_root(self, X, weights):
        batch = _root_of(X, weights)
        if not np.isfinite(batch.mean).all():
            return False
        self._roots = merge(self._roots, batch)
        return True

    def _add_on_device(self, X, weights):
        shift, sums, products = X.sums(self._shift, weights)
        if not np.isfinite(sums).all():
            return False
        if self._shift is None:
            self._shift, self._sums, self._products = shift, sums, products
        else:
            self._sums, self._products = self._sums + sums, self._products + products
        return True

    def _add(self, X, weights):
        shift = self._shift
        if shift is None:  # from the first row on, so that a constant column is zero exactly
            first = X[0].astype(np.float64)
            shift = first + np.subtract(X, first, dtype=np.float64).mean(axis=0)
        # the one copy, of a block, into the same memory each time: fresh pages are slow. In the
        # order of the data, so that it is read as it lies
        again = self._block is not None and self._block.shape == X.shape
        block = np.subtract(X, shift, out=self._block if again else None, dtype=np.float64)
        self._block = block
        sums = block.sum(axis=0) if weights is None else weights @ block
        if not np.isfinite(sums).all():
            return False
        if weights is not None:
            block *= np.sqrt(weights)[:, None]
        # NumPy knows a product with its own transpose for a symmetric one; SciPy's BLAS beside it
        # would have threads of its own, and the two stand in each other's way
        if self._shift is None:
            self._shift, self._sums, self._products = shift, sums, block.T @ block
        else:
            self._spare = np.matmul(block.T, block, out=self._spare)
            self._sums += sums
            self._products += self._spare
        return True

    def result(self) -> "Moments | None":
        """Moments of all rows so far; None where there is no row."""
        if self.kind == "qr" or self._shift is None:
            return self._roots
        offset = self._sums / self._weight
        with np.errstate(invalid="ignore", over="ignore"):
            between = np.sqrt(self._weight) * offset
            scatter = np.outer(between, between)
            products = self._products
            if not isinstance(products, np.ndarray):  # a device need not round both halves alike
                products = np.tril(to_numpy(products))
                products += np.tril(products, -1).T
            np.subtract(products, scatter, out=scatter)
        return Moments(self._weight, self._n_rows, self._shift + offset, scatter=scatter)


def _root_of(X, weights):
    first = X[0].astype(np.float64)
    X = np.subtract(X, first, dtype=np.float64)
    weight = float(len(X) if weights is None else weights.sum())
    mean = X.mean(axis=0) if weights is None else weights @ X / weight
    X -= mean
    if weights is not None:
        X *= np.sqrt(weights)[:, None]
    return Moments(weight, len(X), first + mean, root=_triangle(X))


def merge(a: Moments | None, b: Moments | None) -> Moments | None:
    """Statistics of the rows of both; ``None`` is the empty batch.

    A root and a scatter merge to a root.
    """
    if a is None or b is None:
        return a if b is None else b
    if (a.root is None) != (b.root is None):
        a, b = as_root(a), as_root(b)
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


def as_covariance(m: Moments) -> Moments:
    """The same statistics with a scatter in place of a root."""
    return m if m.root is None else replace(m, scatter=m.root.T @ m.root, root=None)


def as_root(m: Moments) -> Moments:
    """The same statistics with a root in place of a scatter, as accurate as that is."""
    if m.scatter is None:
        return m
    values, vectors = np.linalg.eigh(m.scatter)
    return replace(m, scatter=None, root=(vectors * np.sqrt(np.maximum(values, 0.0))).T)


def _triangle(X):
    """A matrix of at most as many rows as columns with the same Gram matrix."""
    if len(X) <= X.shape[1] or not np.isfinite(X).all():
        return X
    return np.linalg.qr(X, mode="r")
