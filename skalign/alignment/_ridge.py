r"""Reduced-rank ridge regression of each modality on the others, by generalised cross-validation.

Imputation wants the best guess of features, not what is surely shared. With white coordinates
:math:`q_g` of the given block, of singular values :math:`s` at unit column variances, and
:math:`C = \mathrm{Cov}(q_g, x_h)` over n pairs, a ridge :math:`\lambda` shrinks coordinates by
:math:`f = s^2 / (s^2 + \lambda)`. With

.. math:: \mathrm{diag}(f)^{1/2} C = \sum_i c_i u_i v_i^\top

the regression of rank k is :math:`\sum_{i \le k} c_i v_i (f^{1/2} \circ u_i)^\top q_g`
(Mukherjee & Zhu 2011, *Stat. Anal. Data Min.* 4, 612). Both :math:`\lambda` and k have the least

.. math:: \frac{\mathrm{RSS} / n}{(1 - (1 + \nu) / n)^2} , \qquad
          \nu = \sum f \;\text{ or }\; k \, (\textstyle\sum f + r_h - k) / r_h ,

with the dimension :math:`r_h` of the wanted block (Golub, Heath & Wahba 1979, *Technometrics* 21,
215): leave-one-out without its rows. A ridge is a noise of the given block, of variance
:math:`\lambda` in each standardized column. So latents that are white under this noise, in the
span of what predicts others and of what is predicted, serve every pattern of blocks.
"""

import numpy as np

from .._utils._linalg import orthonormal_columns
from ._whitening import WhitenedPairs

# Ridges that are tried, in variances of a standardized column.
RIDGES = np.geomspace(1e-6, 1e2, 33)
# Degrees of freedom below which there is nothing to judge by.
LEAST_FREE = 1e-6
# Directions that are others, up to rounding.
NEGLIGIBLE = 1e-6


def ridge_latents(pairs: WhitenedPairs, n: float) -> list[np.ndarray]:
    """Functionals (r_m, p_m) of white coordinates that imputation goes through.

    With the noise of the ridge they are white.

    Parameters
    ----------
    pairs : WhitenedPairs
    n : float
        Their number, or total weight.
    """
    every = range(len(pairs.blocks))
    found: list[list[np.ndarray]] = [[] for _ in every]
    keeps = []
    for g in every:
        s = pairs.blocks[g].singular_values
        crosses = {h: _cross(pairs, g, h) for h in every if h != g}
        wanted = {h: c * pairs.blocks[h].singular_values for h, c in crosses.items()}
        ridge = _ridge(s, np.hstack(list(wanted.values())), _variance(pairs, wanted), n)
        keeps.append(s**2 / (s**2 + ridge))
        for h, C in wanted.items():
            maps = _reduced_rank(keeps[g], C, _variance(pairs, [h]), n)
            found[g].append(maps)
            found[h].append(crosses[h].T @ maps)
    return [_white(np.hstack(maps), keep) for maps, keep in zip(found, keeps, strict=True)]


def _white(maps, keep):
    """Functionals of the same span, white under the noise ``1 / keep - 1`` of coordinates."""
    root = np.sqrt(keep)[:, None]
    return root * orthonormal_columns(maps / root, NEGLIGIBLE)


def _cross(pairs, g, h):
    """Covariance (r_g, r_h) of the white coordinates of two modalities."""
    return pairs.cross[g, h] if g < h else pairs.cross[h, g].T


def _variance(pairs, modalities):
    """Total variance of standardized blocks."""
    return sum(float(np.sum(pairs.blocks[m].singular_values ** 2)) for m in modalities)


def _ridge(s, C, variance, n):
    """The ridge of least GCV, of all that is wanted together."""
    explained = np.sum(C**2, axis=1)
    keep = s**2 / (s**2 + RIDGES[:, None])
    left = variance - (keep * (2 - keep)) @ explained
    free = np.maximum(n - 1 - len(s) + np.sum(1 - keep, axis=1), LEAST_FREE)
    return RIDGES[np.argmin(left / free**2)]


def _reduced_rank(keep, C, variance, n):
    """Functionals (r_g, k) of white coordinates that predict a block, of the rank of least GCV."""
    root, total, r = np.sqrt(keep)[:, None], keep.sum(), C.shape[1]
    u, c, _ = np.linalg.svd(root * C, full_matrices=False)
    maps = root * u
    gain = c**2 * (2 - np.einsum("ij,ij->j", maps, maps))
    k = np.arange(len(c) + 1)
    freedom = np.where(k < min(total, r), k * (total + r - k) / r, total)
    free = np.maximum(n - 1 - freedom, LEAST_FREE)
    left = variance - np.append(0.0, np.cumsum(gain))
    return maps[:, : np.argmin(left / free**2)]
