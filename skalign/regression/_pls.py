r"""Partial least squares of one response each, for all numbers of components at once.

With :math:`A = T^\top W T` and :math:`b = T^\top W r` of centred rows, the coefficients of
:math:`k` components minimize the squared error within the Krylov space
:math:`b, A b, \dots, A^{k-1} b` (Helland 1988). A basis of it that is orthonormal by :math:`A`
gives all of them, :math:`\beta_k = \sum_{j \le k} v_j (v_j^\top b)`. Arrays only.
"""

import numpy as np

from ._ridge import Path, Rows

# Components that are tried, at most.
MOST_COMPONENTS = 10
# Rows are left out one by one if there are no more than this, else in folds.
ONE_BY_ONE = 64
FOLDS = 10
# A direction as short as this, beside the first, is rounding.
NEGLIGIBLE = 1e-9


def pls_path(rows: Rows, responses) -> Path:
    """Partial least squares of responses (n, q), from one component on.

    The rows come in an order of their own, of which every tenth is a fold where they are many.
    """
    points, n = rows.coordinates, len(responses)
    folds = np.arange(n) % (n if n <= ONE_BY_ONE else FOLDS)
    fewest = n - int(np.bincount(folds).max())
    most = max(1, min(MOST_COMPONENTS, fewest - 2, points.shape[1]))
    residuals = np.empty((most, *responses.shape))
    for fold in range(folds.max() + 1):
        held, train = folds == fold, folds != fold
        coefs, mean, response = _fitted(
            points[train], responses[train], rows.share[train] / rows.share[train].sum(), most
        )
        residuals[:, held] = responses[held] - response - (points[held] - mean) @ coefs
    return Path(_fitted(points, responses, rows.share, most)[0], residuals)


def _fitted(points, responses, share, most):
    """Coefficients (most, r, q), mean of the points, and of the responses."""
    mean, response = share @ points, share @ responses
    points = points - mean
    weighted = points.T * share
    square, cross = weighted @ points, weighted @ (responses - response)
    return krylov_coefs(square, cross, most), mean, response


def krylov_coefs(square, cross, most: int) -> np.ndarray:
    """Coefficients within Krylov spaces of growing dimension: (most, r, q)."""
    total, coefs = np.zeros_like(cross), []
    basis: list[np.ndarray] = []
    direction = cross
    first = np.sqrt(np.maximum(np.einsum("rq,rq->q", cross, square @ cross), 0.0))
    for _ in range(most):
        for _ in range(2):  # once more, for digits that the first pass loses
            for known in basis:
                direction = direction - known * np.einsum("rq,rq->q", known, square @ direction)
        length = np.sqrt(np.maximum(np.einsum("rq,rq->q", direction, square @ direction), 0.0))
        usable = length > NEGLIGIBLE * first
        direction = np.where(usable, direction / np.where(usable, length, 1.0), 0.0)
        total = total + direction * np.einsum("rq,rq->q", direction, cross)
        basis.append(direction)
        coefs.append(total)
        image = square @ direction
        first = np.sqrt(np.maximum(np.einsum("rq,rq->q", image, square @ image), 0.0))
        direction = image
    return np.array(coefs)
