r"""The Gaussian model of the pairs: exact directions as they are, the rest shrunk.

In the coordinates y of :class:`Model` each block is white, and modalities differ from
independence by their cross-covariances only.
"""

from dataclasses import dataclass

import numpy as np

from ._significance import block_sizes, shared_pvalues, white_gram
from ._white import NEARLY_ONE, BlockRange, Pairs

# Correlations that differ by less are equal.
TIE = 1e-12
# Directions are few where there are so many times as many in all.
FEW = 8
# A Gram matrix keeps the digits of correlations down to this share of the largest.
SMALL = 1e-2


@dataclass(frozen=True)
class Model:
    """The shrunk Gaussian model of the pairs, white in the coordinates y of each block."""

    exact: list[np.ndarray]  # a_m (r_m, e)
    rest: list[np.ndarray | None]  # N_m (r_m, r_m - e); None is the identity
    variance: list[np.ndarray]  # h_m (r_m - e,)
    cross: dict[tuple[int, int], np.ndarray]  # of the rest of y_m and y_l, m < l
    shrunk: bool

    @property
    def n_exact(self) -> int:
        return self.exact[0].shape[1]

    def to_q(self, m: int, y: np.ndarray) -> np.ndarray:
        """Map functionals of y (r, k) to functionals of q."""
        e = self.n_exact
        rest = y[e:] / np.sqrt(self.variance[m])[:, None]
        return self.exact[m] @ y[:e] + (rest if self.rest[m] is None else self.rest[m] @ rest)

    def from_q(self, m: int, q: np.ndarray) -> np.ndarray:
        """Map functionals of q (r, k) to functionals of y."""
        turn = self.rest[m]
        rest = q if turn is None else turn.T @ q
        return np.vstack([self.exact[m].T @ q, rest * np.sqrt(self.variance[m])[:, None]])

    def values(self, m: int, y: np.ndarray) -> np.ndarray:
        """Map points in y (r, k) to points in q."""
        e = self.n_exact
        rest = y[e:] * np.sqrt(self.variance[m])[:, None]
        return self.exact[m] @ y[:e] + (rest if self.rest[m] is None else self.rest[m] @ rest)


def exact_directions(pairs: Pairs) -> list[np.ndarray]:
    """Directions ``a_m`` in q, the same latent in every modality up to rounding.

    Candidates are the directions of correlation one; the residual of the latents themselves
    decides, since a correlation cannot tell 1e-8 from zero. Theorem 2.1 of Kamboj & Do.

    Returns
    -------
    list of ndarray of shape (r_m, e), with orthonormal columns
    """
    if not pairs.nearly_one:
        return [np.zeros((r.rank, 0)) for r in pairs.ranges]

    def spread(m, q):
        return q * pairs.ranges[m].spread[:, None]

    rounding = max(r.rounding for r in pairs.ranges)
    if pairs.moments.root is None:  # nothing better to look at than the correlation
        return white_directions(pairs.cross, spread, above=1 - min(NEARLY_ONE, 10 * rounding**2))
    candidates = white_directions(pairs.cross, spread, above=1 - NEARLY_ONE)
    if candidates[0].shape[1] == 0:
        return candidates
    latents = [
        r.white @ (c / np.linalg.norm(c, axis=0))
        for r, c in zip(pairs.ranges, candidates, strict=True)
    ]
    center = np.mean(latents, axis=0)
    _, residual, turn = np.linalg.svd(
        np.vstack([z - center for z in latents]), full_matrices=False
    )
    limit = 10 * rounding * np.sqrt(max(r.rank for r in pairs.ranges))
    exact = [_nearest_orthonormal(c @ turn[residual <= limit].T) for c in candidates]
    principal = principal_turn(exact, spread)
    return [a @ principal for a in exact]


def _nearest_orthonormal(a):
    left, _, right = np.linalg.svd(a, full_matrices=False)
    return left @ right


def build_model(pairs: Pairs, exact: list[np.ndarray], shrinkage: float | str | None) -> Model:
    """Gaussian model of the pairs: exact directions as they are, the rest shrunk.

    A block at unit column variances is shrunk as ``(1 - alpha) S + alpha I``, cross-covariances
    by ``sqrt((1 - alpha_m) (1 - alpha_l))``, as adding independent noise would: so the model
    stays positive definite and no correlation exceeds one.
    """
    alphas = [block_shrinkage(r, shrinkage, pairs.moments.weight) for r in pairs.ranges]
    rest: list[np.ndarray | None] = []
    variance = []
    for block, a, alpha in zip(pairs.ranges, exact, alphas, strict=True):
        precision = 1 / block.spread**2
        if a.shape[1] == 0:
            rest.append(None)
        else:
            complement = np.linalg.qr(a, mode="complete")[0][:, a.shape[1] :]
            bounds = precision.min(), precision.max()
            precision, turn = np.linalg.eigh(complement.T @ (precision[:, None] * complement))
            precision = np.clip(precision, *bounds)  # rounding of a wide range may leave it
            rest.append(complement @ turn)
        variance.append((1 - alpha) + alpha * precision)
    cross = {
        (m, l): np.sqrt((1 - alphas[m]) * (1 - alphas[l]))
        * _rest_cross(c, rest[m], rest[l])
        / np.sqrt(np.outer(variance[m], variance[l]))
        for (m, l), c in pairs.cross.items()
    }
    return Model(exact, rest, variance, cross, shrunk=any(alphas))


def block_shrinkage(block: BlockRange, shrinkage: float | str | None, n: float) -> float:
    """Oracle approximating shrinkage (Chen, Wiesel, Eldar & Hero 2010), at unit variances.

    Where a block is white already it shrinks all the way, however many pairs there are: right
    for a covariance, but here it stands for noise and would wipe out what modalities share. So it
    weighs no more than a prior that is worth d + 1 pairs.
    """
    if shrinkage is None:
        return 0.0
    if shrinkage != "auto":
        return float(shrinkage)
    d = int(np.sum(block.scale > 0))
    mean_square = float(np.sum(block.spread**4)) / d**2
    excess = (n + 1) * (mean_square - 1 / d)
    most = (d + 1) / (n + d + 1)
    return most if excess <= 0 else min(most, (mean_square + 1) / excess)


def _rest_cross(cross, left, right):
    cross = cross if left is None else left.T @ cross
    return cross if right is None else cross @ right


def dimension_pvalues(pairs: Pairs, model: Model, dof: float, rng) -> np.ndarray:
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
        (m, l): _rest_cross(c, model.rest[m], model.rest[l])[: sizes[m], : sizes[l]]
        for (m, l), c in pairs.cross.items()
    }
    known = None
    if e == 0 and all(c.shape == cross[key].shape for key, c in pairs.cross.items()):
        known = pairs.correlations[0]
    pvalues = np.concatenate([np.zeros(e), shared_pvalues(cross, dof, rng, known)])
    return np.pad(pvalues, (0, max_components(pairs) - len(pvalues)), constant_values=1.0)


def stack_rank(pairs: Pairs, n_exact: int) -> int:
    """Numerical rank of the stacked blocks, of which ``n_exact`` directions are shared exactly."""
    total = sum(r.rank for r in pairs.ranges)
    if len(pairs.ranges) == 2:
        return total - n_exact
    roots = np.linalg.eigvalsh(white_gram(pairs.cross))
    return int(np.sum(roots > NEARLY_ONE**2))


def max_components(pairs: Pairs) -> int:
    """Most components that can be told apart: the rank of the smallest block."""
    return min(r.rank for r in pairs.ranges)


def white_directions(cross, spread, n=None, above=None):
    """Directions of largest correlation between white blocks, largest first.

    Two modalities: singular vectors of their cross-covariance. More: eigenvectors of the joint
    covariance. Each block of a direction has unit length, on average over the blocks.

    Parameters
    ----------
    cross : dict of (m, l) to ndarray of shape (r_m, r_l)
        Cross-covariances, m < l.
    spread : callable
        ``spread(m, y)`` maps directions of block m to features at unit variance; what they
        explain there tells equal correlations apart.
    n : int, optional
        How many directions.
    above : float, optional
        All directions of a larger correlation.
    """
    if len(cross) == 1:
        left, root, right = _leading(cross[0, 1], n)
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
            turn = principal_turn(tied, spread)
            for group in tied:
                group[:] = group @ turn
    return [block[:, :n] for block in blocks]


def _leading(cross, n):
    """Singular value decomposition, at least of the ``n`` largest values.

    A few of many come from the Gram matrix, and one step of Rayleigh and Ritz; where that would
    lose digits, or cut through equal values, all are computed.
    """
    d = min(cross.shape)
    if n is not None and 0 < FEW * n <= d:
        if d < len(cross):  # the smaller of the two Gram matrices
            right, root, left = _leading(cross.T, n)
            return left.T, root, right.T
        values, left = np.linalg.eigh(cross @ cross.T)
        values, left = values[d - n - 1 :], left[:, d - n - 1 :]
        below, lowest, highest = values[0], values[1], values[-1]
        if lowest > SMALL**2 * highest and lowest - below > NEARLY_ONE * highest:
            right = np.linalg.qr(cross.T @ left[:, 1:])[0]
            left, root, turn = np.linalg.svd(cross @ right, full_matrices=False)
            return left, root, turn @ right.T
    return np.linalg.svd(cross, full_matrices=False)


def principal_turn(blocks, spread):
    """Rotation of directions that agree equally well to principal axes of what they explain.

    Such directions are known up to a rotation only; without a rule it would be rounding that
    chooses one, and the order of the rows would show in the result.
    """
    if blocks[0].shape[1] == 1:
        return np.ones((1, 1))
    explained = [spread(m, block) for m, block in enumerate(blocks)]
    gram = sum(points.T @ points for points in explained)
    return np.linalg.eigh(gram)[1][:, ::-1]
