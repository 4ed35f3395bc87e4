r"""Ridge regression for all penalties at once, each with its leave-one-out errors.

With centred rows :math:`\sqrt{w_i} t_i` as :math:`U S V^\top`, the ridge of penalty :math:`a` has

.. math:: \beta = V \frac{S}{S^2 + a} U^\top r, \qquad
          h_i = \frac{w_i}{\sum w} + \sum_k u_{ik}^2 \frac{s_k^2}{s_k^2 + a},

and leaves the residual :math:`e_i / (1 - h_i)` where row :math:`i` is left out (Golub, Heath &
Wahba 1979). The intercept is not penalized, and left out with the row. The decomposition is that
of the rows where columns outnumber them. Arrays only.
"""

from dataclasses import dataclass

import numpy as np

from .._utils._linalg import thin_svd

# Penalties, as multiples of the mean squared singular value per row.
PENALTIES = np.geomspace(1e-4, 10**2.5, 25)
# Squared singular values below this share of the largest are rounding.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Rows:
    """Weighted rows, centred, as coordinates in their own span."""

    left: np.ndarray  # (n, r): U
    values: np.ndarray  # (r,): S
    right: np.ndarray  # (r, d): V'
    mean: np.ndarray  # (d,)
    share: np.ndarray  # (n,): weights of sum one

    @property
    def coordinates(self) -> np.ndarray:
        """The rows, unweighted and centred, in their span: (n, r)."""
        return self.left * self.values / np.sqrt(self.share)[:, None]

    @property
    def penalties(self) -> np.ndarray:
        """Penalties that are tried, the weights being of sum one; where no row differs any do."""
        size = self.values @ self.values
        return PENALTIES * (size / len(self.share) if size else 1.0)


@dataclass(frozen=True)
class Path:
    """Linear models of the same rows, one after another."""

    coefs: np.ndarray  # (p, r, q): in the coordinates of the rows
    residuals: np.ndarray  # (p, n, q): of each row by a model that has not seen it


def spanned(points, weights) -> Rows:
    """Decompose rows of positive weights."""
    share = weights / weights.sum()
    mean = share @ points
    left, values, right = thin_svd(np.sqrt(share)[:, None] * (points - mean))
    kept = values**2 > NEGLIGIBLE * max(np.max(values, initial=0.0) ** 2, np.finfo(float).tiny)
    return Rows(left[:, kept], values[kept], right[kept], mean, share)


def ridge_path(rows: Rows, responses) -> Path:
    """Ridge regressions of responses (n, q) for every penalty."""
    root = np.sqrt(rows.share)[:, None]
    centred = responses - rows.share @ responses
    along = rows.left.T @ (root * centred)
    squares = rows.values**2
    shrunk = squares / (squares + rows.penalties[:, None])  # (p, r)
    coefs = (shrunk / rows.values)[:, :, None] * along
    fitted = (rows.left / root) @ (shrunk[:, :, None] * along)
    leverage = rows.share + shrunk @ (rows.left**2).T
    kept = np.maximum(1 - leverage, np.finfo(float).eps)
    return Path(coefs, (centred - fitted) / kept[:, :, None])


def leverages(rows: Rows, penalty: float) -> np.ndarray:
    """Leverage of each row, of one penalty: (n,)."""
    shrunk = rows.values**2 / (rows.values**2 + penalty)
    return rows.share + rows.left**2 @ shrunk
