r"""The number of dimensions that modalities share beyond chance.

Under independence of Gaussian blocks the largest squared sample correlation of a
:math:`p`- and a :math:`q`-dimensional block is the largest root of a double Wishart problem
(Roy 1953). Johnstone (2008, *Ann. Statist.* 36, 2638) approximates its logit by a shifted and
scaled Tracy-Widom law of order one, accurate to second order, which needs nothing but the
dimensions and the degrees of freedom: no resampling, nothing that depends on row order.
"""

from itertools import combinations

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincc, gammaincc

from .._utils._linalg import gram_svd, oas_shrinkage
from .._utils._rows import shuffled_rows
from ._canonical import block_sizes, white_gram
from ._gaussian import SharedGaussian, rest_cross
from ._whitening import WhitenedPairs, canonical_correlations

# Tracy-Widom law of order 1 as a shifted gamma law (Chiani 2014, J. Multivariate Anal. 129, 69).
TW_SHAPE, TW_SCALE, TW_SHIFT = 46.446, 0.186054, 9.84801
TW_MEAN, TW_SD = -1.2065335745820, 1.6077810345810**0.5
NULL_DRAWS = 100
# Shuffles of pairs, how many that share as much as they are enough to stop, and rounding of sums.
N_SHUFFLES, ENOUGH, ROUNDING = 399, 5, 1e-10
# Squares of singular values below this share of the largest are rounding.
NEGLIGIBLE = 1e-10
# Below this p-value a dimension counts as shared.
SIGNIFICANCE = 0.01


def tracy_widom_sf(x):
    """Survival function of the Tracy-Widom law of order 1."""
    return gammaincc(TW_SHAPE, np.maximum((np.asarray(x) + TW_SHIFT) / TW_SCALE, 0.0))


def roy_pvalue(squared_correlation, p, q, dof):
    """P-value of the largest squared canonical correlation of two independent blocks.

    Parameters
    ----------
    squared_correlation : float or ndarray
    p, q : int or ndarray
        Dimensions of the two blocks.
    dof : float or ndarray
        Degrees of freedom of the pairs: their number, less one if the mean was taken out.

    Returns
    -------
    float or ndarray
    """
    squared = np.clip(squared_correlation, 0.0, 1.0)
    small, large, total = np.minimum(p, q), np.maximum(p, q), np.asarray(dof) - 1.0
    enough = np.asarray(dof) >= small + large + 1  # if not, it is one whatever the data
    total = np.where(enough, total, small + large)  # anything that has angles
    gamma = 2 * np.arcsin(np.sqrt((small - 0.5) / total))
    phi = 2 * np.arcsin(np.sqrt((large - 0.5) / total))
    center = 2 * np.log(np.tan((phi + gamma) / 2))
    width = np.cbrt(16 / (total**2 * np.sin(phi + gamma) ** 2 * np.sin(phi) * np.sin(gamma)))
    pvalue = tracy_widom_sf((_logit(squared) - center) / width)
    if np.any(small == 1):  # the squared multiple correlation: its law is exact
        only = np.where(small == 1, large, 1)  # and slow to compute where it is not wanted
        exact = betaincc(only / 2, (total + 1 - only) / 2, np.where(small == 1, squared, 0.0))
        pvalue = np.where(small == 1, exact, pvalue)
    return np.where(enough, pvalue, 1.0)[()]


def critical_correlation(level: float, p: int, q: int, dof: float) -> float:
    """Largest canonical correlation that is not significant: the inverse of `roy_pvalue`.

    It is one where no correlation is significant, for want of degrees of freedom.
    """
    if roy_pvalue(1.0, p, q, dof) > level:
        return 1.0
    return brentq(lambda r: roy_pvalue(r**2, p, q, dof) - level, 0.0, 1.0)


def dimension_pvalues(pairs: WhitenedPairs, model: SharedGaussian, dof: float, rng) -> np.ndarray:
    """P-values of "the modalities share no more than j dimensions"; 0 for exact ones.

    Blocks too wide for the number of pairs are tested on their leading principal components:
    these do not depend on the other block, so the law under independence stays the same.
    """
    e = model.n_exact
    dof = dof - e
    sizes = [len(v) for v in model.variance]
    if sum(sizes) > dof / 2:
        widest = max(1, int(dof / (2 * len(sizes))))
        sizes = [min(size, widest) for size in sizes]
    cross = {
        (m, l): rest_cross(c, model.rest[m], model.rest[l])[: sizes[m], : sizes[l]]
        for (m, l), c in pairs.cross.items()
    }
    known = None
    if e == 0 and all(c.shape == cross[key].shape for key, c in pairs.cross.items()):
        known = pairs.correlations[0]
    pvalues = np.concatenate([np.zeros(e), shared_pvalues(cross, dof, rng, known)])
    return np.pad(pvalues, (0, pairs.max_components - len(pvalues)), constant_values=1.0)


def pairs_of_two(pairs: WhitenedPairs, model: SharedGaussian, dof: float, rng) -> dict:
    """P-values of "these two share no more than j dimensions", of each two modalities (m, l)."""
    found = {}
    for (m, l), correlations in zip(pairs.cross, pairs.correlations, strict=True):
        two = WhitenedPairs(
            pairs.moments,
            [pairs.columns[m], pairs.columns[l]],
            [pairs.blocks[m], pairs.blocks[l]],
            {(0, 1): pairs.cross[m, l]},
            [correlations],
        )
        own = SharedGaussian(
            [model.exact[m], model.exact[l]],
            [model.rest[m], model.rest[l]],
            [model.variance[m], model.variance[l]],
            {(0, 1): model.cross[m, l]},
            model.shrunk,
        )
        found[m, l] = dimension_pvalues(two, own, dof, rng)
    return found


def count_shared(pvalues: dict) -> dict:
    """Numbers of dimensions that each two modalities share beyond chance."""
    return {two: int(np.sum(own <= SIGNIFICANCE)) for two, own in pvalues.items()}


def shared_pvalues(cross: dict, dof: float, rng, known=None) -> np.ndarray:
    """P-values of "the modalities share no more than j dimensions", j = 0, 1, ...

    Parameters
    ----------
    cross : dict of (m, l) to ndarray of shape (r_m, r_l)
        Sample cross-covariances of white blocks, m < l.
    dof : float
        Degrees of freedom of the pairs.
    rng : RandomState
        For the null law of three or more modalities, which has no closed form. It is drawn from
        the dimensions alone, so it cannot depend on the order of the rows.
    known : ndarray, optional
        Canonical correlations of two modalities, where they are known already.

    Returns
    -------
    ndarray of shape (min r_m,), non-decreasing
    """
    sizes = block_sizes(cross)
    if min(sizes) == 0:
        return np.zeros(0)
    if len(sizes) == 2:
        if known is None:
            known = canonical_correlations(cross[0, 1])
        squared = known**2
        p, q = sizes
        j = np.arange(len(squared))
        return np.maximum.accumulate(roy_pvalue(squared, p - j, q - j, dof - j))
    if dof < sum(sizes) + 1:
        return np.ones(min(sizes))
    roots = np.linalg.eigvalsh(white_gram(cross))[::-1][: min(sizes)]
    null = _gram_null(sizes, dof, rng)
    deviation = max(null.std(ddof=1), np.finfo(float).tiny)
    score = (_logit(_unit(roots, len(sizes))) - null.mean()) / deviation
    return np.maximum.accumulate(tracy_widom_sf(TW_MEAN + TW_SD * score))


def _gram_null(sizes, dof, rng):
    """Draws of the logit of the largest root under independence."""
    total, edges = sum(sizes), np.concatenate([[0], np.cumsum(sizes)])
    draws = []
    for _ in range(NULL_DRAWS):
        # Bartlett: the triangular root of a Wishart matrix, whatever the number of rows
        root = np.triu(rng.standard_normal((total, total)), 1)
        root[np.diag_indices(total)] = np.sqrt(rng.chisquare(dof - np.arange(total)))
        white = [np.linalg.qr(root[:, a:b])[0] for a, b in zip(edges[:-1], edges[1:], strict=True)]
        top = np.linalg.norm(np.hstack(white), 2) ** 2
        draws.append(_logit(_unit(top, len(sizes))))
    return np.array(draws)


def _unit(root, n_modalities):
    """Mean correlation between modalities from an eigenvalue of the white Gram matrix."""
    return (root - 1.0) / (n_modalities - 1.0)


def _logit(x):
    x = np.clip(x, 1e-300, 1 - 1e-15)
    return np.log(x) - np.log1p(-x)


# -- by shuffling -------------------------------------------------------------------------------


def pvalue_of_shuffles(statistic, n: int, observed: float, n_shuffles: int, groups=None) -> float:
    """P-value of a statistic of n pairs, by shuffles of them.

    These end early where some come out as high as the pairs do (Besag & Clifford 1991).

    Parameters
    ----------
    statistic : callable
        Of an order of the rows of one block.
    n, n_shuffles : int
    observed : float
        Its value of the pairs as they are, less its rounding.
    groups : list of ndarray of int, optional
        Rows that are moved together, of each group, as in :func:`shuffled_rows`.
    """
    rng, as_high = np.random.default_rng(0), 0
    for drawn in range(1, n_shuffles + 1):
        as_high += bool(statistic(shuffled_rows(n, groups, rng)) >= observed)
        if as_high == ENOUGH:
            return as_high / drawn
    return (1 + as_high) / (1 + n_shuffles)


def shuffled_pvalue(blocks, weights, groups=None) -> float:
    """P-value of what two blocks share linearly, were their rows shuffled.

    Parameters
    ----------
    blocks : pair of ndarray of shape (n, d_m)
        Standardized.
    weights : ndarray of shape (n,)
    groups : list of ndarray of int, optional
        Rows that are moved together.
    """
    first, second = (whitened(X, weights / weights.sum()) for X in blocks)

    def shared(order):
        return linear_strength([first, reordered(second, order, groups)])

    observed = linear_strength([first, second]) * (1 - ROUNDING)
    return pvalue_of_shuffles(shared, len(second), observed, N_SHUFFLES, groups)


def linear_strength(white) -> float:
    r"""Sum of the fourth powers of the canonical correlations of blocks, each two of them.

    With weighted rows whitened by shrunk covariances, :math:`U_m = Z_m \Sigma_m^{-1/2}`, singular
    values of :math:`U_m^\top U_l` are canonical correlations. The sum of their fourth powers is
    mostly that of the largest, and its law under shuffles holds for any rows that are drawn apart
    from each other, with heavy tails or rarely lit columns, too.
    """
    total = 0.0
    for first, second in combinations(white, 2):
        cross = first.T @ second
        gram = cross @ cross.T if len(cross) < len(cross.T) else cross.T @ cross
        total += float(np.sum(gram**2))
    return total


def reordered(white, order, groups=None):
    r"""White rows in another order, white again where some stand for several.

    That is where groups of unequal sizes have met. Of :math:`U^\top U = I - R`, with the part R
    that shrinkage has, this is :math:`U_o (U_o^\top U_o + R)^{-1/2}`.
    """
    moved = white[order]
    if groups is None or len({*map(len, groups)}) == 1 or white.shape[1] == 0:
        return moved
    moved = moved - moved.mean(axis=0)
    values, axes = np.linalg.eigh(moved.T @ moved + np.eye(white.shape[1]) - white.T @ white)
    return moved @ (axes / np.sqrt(np.maximum(values, NEGLIGIBLE))) @ axes.T


def whitened(X, share):
    """Weighted rows less their mean, of unit covariance but for its shrinkage, shape (n, r)."""
    X = X[:, np.ptp(X, axis=0) > 0]
    d = X.shape[1]
    if d == 0:
        return X
    root = np.sqrt(share)[:, None] * (X - share @ X)
    if len(root) > d:  # by the smaller of the two Gram matrices
        _, roots, right = gram_svd(root.T, NEGLIGIBLE)
        left = right.T
    else:
        left, roots, _ = gram_svd(root, NEGLIGIBLE)
    mean = np.sum(roots**2) / d
    alpha = oas_shrinkage(float(np.sum(roots**4)) / d**2, mean, d, len(X))
    return left * (roots / np.sqrt((1 - alpha) * roots**2 + alpha * mean))
