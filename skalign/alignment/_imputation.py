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

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, solve_triangular

from .._utils._linalg import orthonormal_columns
from ._canonical import canonical_directions, white_gram
from ._gaussian import decoder_of, latent_covariance
from ._whitening import WhitenedPairs

# Ridges that are tried, in variances of a standardized column.
RIDGES = np.geomspace(1e-6, 1e2, 33)
# Degrees of freedom below which there is nothing to judge by.
LEAST_FREE = 1e-6
# The smallest rank is taken whose score is so near to the least one; of no more pairs than
# dimensions a score is less certain, and each direction costs more.
INDIFFERENT, INDIFFERENT_IF_WIDE = 1e-4, 2e-3
# What is left of a variance below this share of it is rounding.
ROUNDING = 1e-10
# Directions that are others, up to rounding.
NEGLIGIBLE = 1e-6
# Directions in which others share a modality are different ones where a singular value of them all
# together exceeds this: two at an angle of 41 degrees or more.
APART = 0.5


@dataclass(frozen=True)
class Shared:
    """All that a modality shares with any other: latents that imputation goes through."""

    coefs: list[np.ndarray]  # (p_m, d_m): latent = coef @ (x - mean), white in the model
    decoders: list[np.ndarray]  # (d_m, p_m)
    covariance: np.ndarray  # (sum p_m,) * 2: of the latents of all modalities
    variances: np.ndarray  # (n_features,): of the features in the model


def shared_in(pairs, model, loads) -> Shared:
    """Latents of each modality, as many as it needs."""
    return Shared(
        [pairs.blocks[m].coef(model.to_q(m, y)).T for m, y in enumerate(loads)],
        [decoder_of(pairs.blocks[m], model, m, y) for m, y in enumerate(loads)],
        latent_covariance(model, loads),
        feature_variances(pairs, model),
    )


def shared_directions(pairs, model, loads, counts):
    """Bases of all that each modality shares with any other one, and of the aligned space.

    A pair of modalities has directions of its own: between two of five columns there are five,
    whatever a third one has.
    """
    e = model.n_exact
    leading = e + max(counts.values()) if counts else None
    found = [[y[e:, :leading]] for y in loads]
    for (m, l), cross in model.cross.items():
        roots = [model.explained_root(i, pairs.blocks[i]) for i in (m, l)]
        n = min(cross.shape) if not counts else max(0, counts.get((m, l), 0) - e)
        both = canonical_directions({(0, 1): cross}, roots, min(n, *cross.shape))
        for i, y in zip((m, l), both, strict=True):
            found[i].append(y)
    apart = APART if counts else NEGLIGIBLE
    return [block_diag(np.eye(e), orthonormal_columns(np.hstack(ys), apart)) for ys in found]


def feature_variances(pairs, model):
    """Variance of each feature in the model."""
    out = np.zeros(len(pairs.moments.mean))
    for m, block in enumerate(pairs.blocks):
        spread = block.points(model.points(m, np.eye(model.n_exact + len(model.variance[m]))))
        out[pairs.columns[m]] = np.einsum("ij,ij->i", spread, spread)
    return out


def different_pairs(pairs: WhitenedPairs, rows) -> float:
    """Number of pairs; where there are no more than features, of different ones.

    Two of a kind are predicted from each other, with whatever error.
    """
    n, d = pairs.moments.weight, len(pairs.moments.mean)
    return min(n, rows.n_unique(d + 1)) if n <= d + 1 else n


def shared_by_ridge(pairs: WhitenedPairs, n: float) -> Shared:
    """The same where each modality predicts the others best, by n pairs."""
    maps = ridge_latents(pairs, n)
    cross = {(m, l): maps[m].T @ c @ maps[l] for (m, l), c in pairs.cross.items()}
    variances = np.zeros(len(pairs.moments.mean))
    for columns, block in zip(pairs.columns, pairs.blocks, strict=True):
        variances[columns] = block.scale**2
    both = list(zip(pairs.blocks, maps, strict=True))
    return Shared(
        [block.coef(u).T for block, u in both],
        [block.points(_dual(u)) for block, u in both],
        white_gram(cross),
        variances,
    )


def _dual(maps):
    """Columns D of the same span with ``D.T @ maps`` the identity."""
    basis, root = np.linalg.qr(maps)
    return solve_triangular(root, basis.T).T if len(root) else maps


# -- reduced-rank ridge regressions ---------------------------------------------------------------


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
    if maps.shape[1] >= len(root):  # they span all there is
        return root * np.eye(len(root))
    return root * orthonormal_columns(maps / root, NEGLIGIBLE)


def _cross(pairs, g, h):
    """Covariance (r_g, r_h) of the white coordinates of two modalities."""
    return pairs.cross[g, h] if g < h else pairs.cross[h, g].T


def _variance(pairs, modalities):
    """Total variance of standardized blocks."""
    return sum(float(np.sum(pairs.blocks[m].singular_values ** 2)) for m in modalities)


def _ridge(s, C, variance, n):
    """The ridge of least GCV, of all that is wanted together."""
    keep = s**2 / (s**2 + RIDGES[:, None])
    free = np.maximum(n - 1 - len(s) + np.sum(1 - keep, axis=1), LEAST_FREE)
    return RIDGES[np.argmin(_left(1 - keep, C, variance) / free**2)]


def _left(lost, C, variance):
    """Variance that ridge regressions leave, whose coordinates lose so much (..., r_g)."""
    explained = np.sum(C**2, axis=1)
    apart = variance - explained.sum()
    return lost**2 @ explained + (apart if apart > ROUNDING * variance else 0.0)


def _reduced_rank(keep, C, variance, n):
    """Functionals (r_g, k) of white coordinates that predict a block, of the rank of least GCV."""
    root, total, r = np.sqrt(keep)[:, None], keep.sum(), C.shape[1]
    u, c = _left_vectors(root * C)
    maps = root * u
    gain = c**2 * (2 - np.einsum("ij,ij->j", maps, maps))
    k = np.arange(len(c) + 1)
    freedom = np.where(k < min(total, r), k * (total + r - k) / r, total)
    free = np.maximum(n - 1 - freedom, LEAST_FREE)
    left = _left(1 - keep, C, variance) + np.append(np.cumsum(gain[::-1])[::-1], 0.0)
    score, wide = left / free**2, n <= sum(C.shape)
    near = 1 + (INDIFFERENT_IF_WIDE if wide else INDIFFERENT)
    return maps[:, : np.argmax(score <= near * score.min())]


def _left_vectors(W):
    """Left singular vectors and singular values, descending, by the smaller Gram matrix."""
    wide = W.shape[0] <= W.shape[1]
    values, vectors = np.linalg.eigh(W @ W.T if wide else W.T @ W)
    values, vectors = np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1]
    if wide:
        return vectors, values
    kept = values > ROUNDING * values[:1].sum()
    return W @ (vectors[:, kept] / values[kept]), values[kept]
