r"""The solve: directions in which white blocks agree, exactly or as well as they can.

Between two white blocks with cross-covariance :math:`C` the directions of largest correlation are
the singular vectors of :math:`C` (Björck & Golub 1973); between more, the leading eigenvectors of
the joint covariance (MAXVAR, Kettenring 1971). Directions of correlation one are looked at again:
they are exact where the latents themselves agree up to rounding (Theorem 2.1 of Kamboj & Do).

A direction that one row alone shows agrees by a coincidence: two columns that are lit there and
nowhere else. Where no more rows than dimensions show these, each is such a row. One of the share w
of the weight, with white latents z, is known by its leverage, which is as large as can be,

.. math:: w\, z^\top z = 1 - w ;

directions are exact that are orthogonal to the latents of all of these.
"""

from functools import partial

import numpy as np

from .._utils._linalg import leading_svd
from ..moments._rows import heavy_rows, merged_rows
from ._whitening import NEARLY_ONE, WhitenedPairs

# Correlations that differ by less are equal.
TIE = 1e-12
# What rounding may take from a leverage, and the smallest that a copy of such a row may have.
LEVERAGE, LIGHTEST = 1e-6, 1e-4


def exact_directions(pairs: WhitenedPairs) -> list[np.ndarray]:
    """Directions ``a_m`` in q, the same latent in every modality up to rounding.

    Candidates are the directions of correlation one; the residual of the latents themselves
    decides, since a correlation cannot tell 1e-8 from zero. Theorem 2.1 of Kamboj & Do.

    Returns
    -------
    list of ndarray of shape (r_m, e), with orthonormal columns
    """
    if not pairs.nearly_one:
        return [np.zeros((r.rank, 0)) for r in pairs.blocks]

    roots = [r.singular_values for r in pairs.blocks]
    rounding = max(r.rounding for r in pairs.blocks)
    if not pairs.moments.has_root:  # nothing better to look at than the correlation
        nearly = min(NEARLY_ONE, 10 * rounding**2)
        return canonical_directions(pairs.cross, roots, above=1 - nearly)
    candidates = canonical_directions(pairs.cross, roots, above=1 - NEARLY_ONE)
    if candidates[0].shape[1] == 0:
        return candidates
    latents = [r.white @ c for r, c in zip(pairs.blocks, candidates, strict=True)]
    center = np.mean(latents, axis=0)
    _, residual, rotation = np.linalg.svd(
        np.vstack([z - center for z in latents]), full_matrices=False
    )
    limit = 10 * rounding * np.sqrt(max(r.rank for r in pairs.blocks))
    exact = [_nearest_orthonormal(c @ rotation[residual <= limit].T) for c in candidates]
    principal = principal_rotation(exact, roots)
    return [a @ principal for a in exact]


def confirmed_exact(pairs: WhitenedPairs, rows, modalities=None) -> list[np.ndarray]:
    """Exact directions, where there are different pairs enough to show any.

    With no more different pairs than the rank of the stacked blocks any two modalities agree, by
    interpolation: Theorem 2.1 says nothing there. Repeated rows count once. The pairs are of all
    modalities of a row source, or of some.
    """
    if pairs.moments.n_rows > max(block.rank for block in pairs.blocks) + 1:
        most = min(int(np.sum(values >= 1 - NEARLY_ONE)) for values in pairs.correlations)
        least = stack_rank(pairs, most) + 1
        if most and rows.n_unique(least, modalities) > least:  # else none is worth finding
            found = exact_directions(pairs)
            n_exact = found[0].shape[1]
            limit = stack_rank(pairs, n_exact) + 1
            if n_exact and rows.n_unique(limit, modalities) > limit:
                return _without_lone_rows(found, pairs, rows, modalities)
    return [np.zeros((block.rank, 0)) for block in pairs.blocks]


def _without_lone_rows(exact, pairs, rows, modalities):
    """Exact directions but those that a single different row alone shows.

    Rows that are gone, of which sums are kept, are not looked at.
    """
    if not rows.readable_again:
        return exact
    shown = range(len(rows.blocks)) if modalities is None else modalities
    coef, mean = pairs.blocks[0].coef(exact[0]), pairs.moments.mean[pairs.columns[0]]
    seen = [rows.blocks.indices(m) for m in shown]
    look = partial(heavy_rows, least=LIGHTEST)
    weight, latents = rows.fold(look, merged_rows, (seen, mean, coef, pairs.moments.weight))[1:]
    share = weight / pairs.moments.weight
    lone = share * np.sum(latents**2, axis=1) >= 1 - share - LEVERAGE
    if not lone.any():
        return exact
    _, size, axes = np.linalg.svd(latents[lone])
    kept = axes[np.sum(size > LEVERAGE * size[0]) :].T
    exact = [a @ kept for a in exact]
    principal = principal_rotation(exact, [block.singular_values for block in pairs.blocks])
    return [a @ principal for a in exact]


def _nearest_orthonormal(a):
    left, _, right = np.linalg.svd(a, full_matrices=False)
    return left @ right


def canonical_directions(cross, roots, n=None, above=None):
    """Directions of largest correlation between white blocks, largest first.

    Two modalities: singular vectors of their cross-covariance. More: eigenvectors of the joint
    covariance. Each block of a direction has unit length, on average over the blocks.

    Parameters
    ----------
    cross : dict of (m, l) to ndarray of shape (r_m, r_l)
        Cross-covariances, m < l.
    roots : list of ndarray of shape (r_m,) or (p, r_m)
        Roots of what a direction of each block explains of its features at unit variance, by
        which equal correlations are told apart; diagonal where 1-D.
    n : int, optional
        How many directions.
    above : float, optional
        All directions of a larger correlation.
    """
    if len(cross) == 1:
        left, root, right = leading_svd(cross[0, 1], n)
        blocks = [left, right.T]
    else:
        sizes = block_sizes(cross)
        values, vectors = np.linalg.eigh(white_gram(cross))
        order = np.argsort(values)[::-1][: min(sizes)]
        root = (values[order] - 1) / (len(sizes) - 1)
        blocks = np.split(vectors[:, order] * np.sqrt(len(sizes)), np.cumsum(sizes)[:-1])
    n = len(root) if n is None else n
    if above is not None:
        n = int(np.sum(root > above))
    edges = np.concatenate([[0], np.flatnonzero(-np.diff(root) > TIE) + 1, [len(root)]])
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if start < n and stop - start > 1:
            tied = [block[:, start:stop] for block in blocks]
            rotation = principal_rotation(tied, roots)
            for group in tied:
                group[:] = group @ rotation
    return [block[:, :n] for block in blocks]


def principal_rotation(blocks, roots):
    """Rotation of directions that agree equally well to principal axes of what they explain.

    Such directions are known up to a rotation only; without a rule it would be rounding that
    chooses one, and the order of the rows would show in the result.
    """
    if blocks[0].shape[1] == 1:
        return np.ones((1, 1))
    gram = 0.0
    for root, block in zip(roots, blocks, strict=True):
        points = root[:, None] * block if root.ndim == 1 else root @ block
        gram = gram + points.T @ points
    return np.linalg.eigh(gram)[1][:, ::-1]


def stack_rank(pairs: WhitenedPairs, n_exact: int) -> int:
    """Numerical rank of the stacked blocks, of which ``n_exact`` directions are shared exactly."""
    total = sum(r.rank for r in pairs.blocks)
    if len(pairs.blocks) == 2:
        return total - n_exact
    roots = np.linalg.eigvalsh(white_gram(pairs.cross))
    return int(np.sum(roots > NEARLY_ONE**2))


def block_sizes(cross: dict) -> list[int]:
    """Dimensions of the blocks of a dict of cross-covariances."""
    last = max(m for _, m in cross)
    return [cross[m, last].shape[0] for m in range(last)] + [cross[0, last].shape[1]]


def white_gram(cross: dict) -> np.ndarray:
    """Covariance of all white blocks together: identity blocks, and ``cross`` around them."""
    edges = np.concatenate([[0], np.cumsum(block_sizes(cross))])
    gram = np.eye(edges[-1])
    for (m, l), block in cross.items():
        gram[edges[m] : edges[m + 1], edges[l] : edges[l + 1]] = block
        gram[edges[l] : edges[l + 1], edges[m] : edges[m + 1]] = block.T
    return gram
