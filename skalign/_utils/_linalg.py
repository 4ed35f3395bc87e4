r"""Decompositions that several rooms share. Arrays only.

A wide matrix :math:`X = U S V^\top` is decomposed by way of its small Gram matrix
:math:`X X^\top = U S^2 U^\top`, which loses the square of the condition number: where that shows,
its vectors only start one step of Rayleigh and Ritz, :math:`V = \mathrm{orth}(X^\top U)` and the
decomposition of the small :math:`X V`.
"""

import numpy as np

# A Gram matrix is accurate enough where the condition number is below this.
WELL_CONDITIONED = 1e3


def reciprocal(scale):
    """``1 / scale``, and zero where the scale is."""
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)


def oas_shrinkage(mean_square: float, mean_variance: float, d: int, n: float) -> float:
    r"""Oracle approximating shrinkage of a covariance towards its mean variance.

    .. math:: \alpha = \frac{s + \bar v^2}{(n + 1)(s - \bar v^2 / d)} \le 1,
              \qquad s = \mathrm{tr}(S^2) / d^2, \; \bar v = \mathrm{tr}(S) / d .

    Chen, Wiesel, Eldar & Hero 2010, Eq. 23, in the form that scikit-learn uses: of ``s``, the mean
    of the squared entries, of the mean variance, the dimension and the number of rows.
    """
    excess = (n + 1) * (mean_square - mean_variance**2 / d)
    return 1.0 if excess <= 0 else min(1.0, (mean_square + mean_variance**2) / excess)


def gram_svd(X, negligible: float):
    """Singular value decomposition by the Gram matrix of the rows, largest values first.

    Squared values below the share ``negligible`` of the largest are left out.
    """
    squares, left = np.linalg.eigh(X @ X.T)
    kept = squares > negligible * max(squares[-1], 0.0)
    squares, left = squares[kept][::-1], left[:, kept][:, ::-1]
    values = np.sqrt(squares)
    return left, values, (X.T @ (left / values)).T


def thin_svd(X):
    """Singular value decomposition; of wide matrices by way of their small Gram matrix.

    These have no singular values where all is zero.
    """
    if 2 * len(X) > X.shape[1]:
        return np.linalg.svd(X, full_matrices=False)
    left, values, right = gram_svd(X, 100 * len(X) * np.finfo(float).eps)
    if len(values) and values[0] > WELL_CONDITIONED * values[-1]:
        return _rayleigh_ritz(X, right.T)
    return left, values, right


def leading_svd(X, n: int | None):
    """Singular value decomposition, at least of the ``n`` largest values.

    A few of many come from the smaller Gram matrix; where that would lose digits, or cut through
    equal values, all are computed.
    """
    d = min(X.shape)
    if n is not None and 0 < 8 * n <= d:
        if d < len(X):
            right, values, left = leading_svd(X.T, n)
            return left.T, values, right.T
        squares, left = np.linalg.eigh(X @ X.T)
        squares, left = squares[d - n - 1 :], left[:, d - n - 1 :]
        below, lowest, highest = squares[0], squares[1], squares[-1]
        # digits of singular values above a hundredth of the largest are kept; and no cut too close
        if lowest > 1e-4 * highest and lowest - below > 1e-6 * highest:
            return _rayleigh_ritz(X, X.T @ left[:, 1:])
    return np.linalg.svd(X, full_matrices=False)


def _rayleigh_ritz(X, right):
    """Singular value decomposition of ``X`` within the span of some right vectors."""
    right = np.linalg.qr(right)[0]
    left, values, rotation = np.linalg.svd(X @ right, full_matrices=False)
    return left, values, rotation @ right.T


def orthonormal_columns(X, negligible: float):
    """Orthonormal basis of the span of some columns, whatever their size.

    Directions of singular values up to ``negligible``, columns at unit length, are left out.
    """
    norms = np.linalg.norm(X, axis=0)
    left, values, _ = np.linalg.svd(X[:, norms > 0] / norms[norms > 0], full_matrices=False)
    return left[:, values > negligible]


def orthonormal_rows(maps, negligible: float = 1e-10):
    """Orthonormal basis of the span of some rows."""
    _, values, right = np.linalg.svd(maps, full_matrices=False)
    return right[values > negligible * values[0]]
