r"""The Gaussian model of the pairs: exact directions as they are, the rest shrunk.

In the coordinates y of :class:`SharedGaussian` each block is white, and modalities differ from
independence by their cross-covariances only.

For latents :math:`z = [z_1; \dots; z_M]` with joint covariance :math:`\Sigma` the information
that the modalities of a sample carry about each other is

.. math:: \log \frac{p(z)}{\prod_m p(z_m)} = \tfrac12 \Bigl( \sum_m \log |\Sigma_{mm}|
          - \log |\Sigma| - z^\top K z \Bigr), \qquad
          K = \Sigma^{-1} - \mathrm{blockdiag}(\Sigma_{11}^{-1}, \dots, \Sigma_{MM}^{-1}).

It is quadratic in :math:`z`: its mean over samples needs their second moment and nothing else.
"""

from dataclasses import dataclass

import numpy as np

from .._utils._linalg import oas_shrinkage
from ._whitening import WhitenedBlock, WhitenedPairs

# Latents whose covariance is so near to the identity are white.
UNIT = 1e-13
# Latents are compared through independent noise of this relative variance, so that an exact
# alignment carries much information, but not infinitely much.
RESOLUTION = 1e-10


@dataclass(frozen=True)
class SharedGaussian:
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
        basis = self.rest[m]
        rest = q if basis is None else basis.T @ q
        return np.vstack([self.exact[m].T @ q, rest * np.sqrt(self.variance[m])[:, None]])

    def points(self, m: int, y: np.ndarray) -> np.ndarray:
        """Map points in y (r, k) to points in q."""
        e = self.n_exact
        rest = y[e:] * np.sqrt(self.variance[m])[:, None]
        return self.exact[m] @ y[:e] + (rest if self.rest[m] is None else self.rest[m] @ rest)

    def explained_root(self, m: int, block: WhitenedBlock) -> np.ndarray:
        """Root of what the rest of y explains of the features, for `principal_rotation`."""
        deviation = np.sqrt(self.variance[m])
        if self.rest[m] is None:
            return block.singular_values * deviation
        return block.singular_values[:, None] * (self.rest[m] * deviation)


def build_model(pairs: WhitenedPairs, exact: list[np.ndarray], shrinkage) -> SharedGaussian:
    """Gaussian model of the pairs: exact directions as they are, the rest shrunk.

    A block at unit column variances is shrunk as ``(1 - alpha) S + alpha I``, cross-covariances
    by ``sqrt((1 - alpha_m) (1 - alpha_l))``, as adding independent noise would: so the model
    stays positive definite and no correlation exceeds one.
    """
    each = shrinkage_of_each(shrinkage, len(pairs.blocks))
    alphas = [
        block_shrinkage(r, s, pairs.moments.weight)
        for r, s in zip(pairs.blocks, each, strict=True)
    ]
    rest: list[np.ndarray | None] = []
    variance = []
    for block, a, alpha in zip(pairs.blocks, exact, alphas, strict=True):
        precision = 1 / block.singular_values**2
        if a.shape[1] == 0:
            rest.append(None)
        else:
            complement = np.linalg.qr(a, mode="complete")[0][:, a.shape[1] :]
            bounds = precision.min(), precision.max()
            precision, rotation = np.linalg.eigh(complement.T @ (precision[:, None] * complement))
            precision = np.clip(precision, *bounds)  # rounding of a wide range may leave it
            rest.append(complement @ rotation)
        variance.append((1 - alpha) + alpha * precision)
    cross = {
        (m, l): np.sqrt((1 - alphas[m]) * (1 - alphas[l]))
        * rest_cross(c, rest[m], rest[l])
        / np.sqrt(np.outer(variance[m], variance[l]))
        for (m, l), c in pairs.cross.items()
    }
    return SharedGaussian(exact, rest, variance, cross, shrunk=any(alphas))


def shrinkage_of_each(shrinkage, n_modalities: int) -> list:
    """What is asked for each modality, of what is asked for all or of a sequence."""
    several = isinstance(shrinkage, list | tuple | np.ndarray)
    return list(shrinkage) if several else [shrinkage] * n_modalities


def block_shrinkage(block: WhitenedBlock, shrinkage: float | str | None, n: float) -> float:
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
    mean_square = float(np.sum(block.singular_values**4)) / d**2
    return min((d + 1) / (n + d + 1), oas_shrinkage(mean_square, 1.0, d, n))


def rest_cross(cross, left, right):
    """A cross-covariance of q between the rests of two blocks."""
    cross = cross if left is None else left.T @ cross
    return cross if right is None else cross @ right


@dataclass(frozen=True)
class Information:
    """Pointwise mutual information of latents ``z`` (M k): ``constant - z @ matrix @ z``, nats."""

    constant: float
    matrix: np.ndarray

    @classmethod
    def of(cls, latent_cov: np.ndarray, n_modalities: int, among=None) -> "Information":
        """The information that modalities carry about each other in the fitted model.

        Parameters
        ----------
        latent_cov : ndarray of shape (M k, M k)
            Covariance of the latents.
        n_modalities : int
        among : sequence of int, optional
            Modalities that are looked at, all by default. Latents of others count zero.
        """
        scale, noisy = _as_compared(latent_cov)
        among = range(n_modalities) if among is None else among
        mine = _latents_of(among, latent_cov, n_modalities)
        both = noisy[np.ix_(mine, mine)]
        difference, log_ratio = np.zeros_like(noisy), -np.linalg.slogdet(both)[1]
        difference[np.ix_(mine, mine)] = np.linalg.inv(both)
        for m in among:
            own = np.ix_(*[_latents_of([m], latent_cov, n_modalities)] * 2)
            difference[own] -= np.linalg.inv(noisy[own])
            log_ratio += np.linalg.slogdet(noisy[own])[1]
        return cls(0.5 * float(log_ratio), 0.5 * difference / np.outer(scale, scale))

    def mean(self, second_moment: np.ndarray) -> float:
        """Its mean, by the second moment of the latents about the mean of the model."""
        return self.constant - float(np.sum(self.matrix * second_moment))

    def of_rows(self, Z: np.ndarray) -> np.ndarray:
        """Of rows of latents (n, M k)."""
        return self.constant - np.sum((Z @ self.matrix) * Z, axis=1)  # which tells of overflow


@dataclass(frozen=True)
class Matching:
    r"""Points of queries and of a gallery, whose distances tell how well they match.

    With the law of the query's latents given those of the gallery, of mean :math:`z_g B` and
    covariance :math:`S = W^{-\top} W^{-1}`,

    .. math:: \log \frac{p(z_q, z_g)}{p(z_q) \, p(z_g)} = c + \tfrac12 z_q P z_q^\top
              - \tfrac12 \lVert z_q W - z_g B W \rVert^2 , \qquad P = \Sigma_{qq}^{-1} :

    the nearest point of the gallery is the most likely partner.
    """

    query: np.ndarray  # W (k, k)
    gallery: np.ndarray  # B W (k, k)
    precision: np.ndarray  # P (k, k)
    constant: float

    @classmethod
    def of(cls, latent_cov: np.ndarray, query: int, gallery: int, n_modalities: int) -> "Matching":
        """Of two modalities of the fitted model."""
        scale, noisy = _as_compared(latent_cov)
        rows, others = (_latents_of([m], latent_cov, n_modalities) for m in (query, gallery))
        own, across = noisy[np.ix_(rows, rows)], noisy[np.ix_(others, rows)]
        slope = np.linalg.solve(noisy[np.ix_(others, others)], across)
        left = own - across.T @ slope
        size, axes = np.linalg.eigh((left + left.T) / 2)
        root = axes / np.sqrt(np.maximum(size, RESOLUTION))
        unit, other = scale[rows][:, None], scale[others][:, None]
        log_ratio = np.linalg.slogdet(own)[1] - np.sum(np.log(np.maximum(size, RESOLUTION)))
        precision = np.linalg.inv(own) / (unit * unit.T)
        return cls(root / unit, slope @ root / other, precision, 0.5 * float(log_ratio))

    def information(self, Z: np.ndarray, squared_distances: np.ndarray) -> np.ndarray:
        """Pointwise mutual information (n, ...) of queries (n, k) and points so far from them."""
        own = np.einsum("ij,ij->i", Z @ self.precision, Z) / 2 + self.constant
        return own.reshape(-1, *[1] * (squared_distances.ndim - 1)) - squared_distances / 2


def _as_compared(latent_cov):
    """Deviations of latents, and their correlations under the noise they are compared through."""
    scale = np.sqrt(np.diagonal(latent_cov))
    scale = np.where(scale > 0, scale, 1.0)
    cov = latent_cov / np.outer(scale, scale)
    return scale, cov + np.diag(np.where(np.diagonal(cov) > 0, RESOLUTION, 1.0))


def _latents_of(modalities, latent_cov, n_modalities):
    """Positions of the latents of some modalities among those of all."""
    k = len(latent_cov) // n_modalities
    return np.concatenate([np.arange(m * k, (m + 1) * k) for m in modalities])


def latent_covariance(model, loads):
    e, n = model.n_exact, len(loads)
    edges = np.cumsum([0, *(y.shape[1] for y in loads)])
    at = [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    out = np.zeros((edges[-1], edges[-1]))
    for m in range(n):
        out[at[m], at[m]] = loads[m].T @ loads[m]
        for l in range(m + 1, n):
            shared = loads[m][:e].T @ loads[l][:e]
            block = shared + loads[m][e:].T @ model.cross[m, l] @ loads[l][e:]
            out[at[m], at[l]], out[at[l], at[m]] = block, block.T
    return out


def decoder_of(block, model, m, y):
    """Regression of x on its latents ``y.T @ y_m``: ``Cov(x, z) Cov(z)^+``."""
    gram = y.T @ y
    if np.abs(gram - np.eye(len(gram))).max(initial=0.0) > UNIT:  # as white latents are
        y = y @ np.linalg.pinv(gram, hermitian=True)
    return block.points(model.points(m, y))


def conditional_latents(covariance: np.ndarray, sizes, given: list[int], wanted: int):
    r"""The law of one modality's latents, given those of others.

    .. math:: z_w \mid z_g \sim N(z_g B, \Sigma_{ww} - B^\top \Sigma_{gw}), \qquad
              B = \Sigma_{gg}^{+} \Sigma_{gw} .

    Features :math:`x_w = \mu + z_w D^\top + \epsilon` of its decoder :math:`D` have the mean
    :math:`\mu + z_g B D^\top`, and the variance that they have in the model, less the diagonal of
    :math:`D R^\top R D^\top`.

    Parameters
    ----------
    covariance : ndarray of shape (sum(sizes), sum(sizes))
        Of the latents of all modalities, one after the other.
    sizes : list of int
        How many latents each modality has.
    given : list of int
    wanted : int

    Returns
    -------
    slope : ndarray of shape (sum of sizes of those given, size)
        ``E[z_wanted | z_given] = concatenate(z_given) @ slope``.
    root : ndarray of shape (rank, size)
        Root R of the covariance that is explained, ``root.T @ root``.
    """
    edges = np.cumsum([0, *sizes])
    rows = np.concatenate([np.arange(edges[m], edges[m + 1]) for m in given])
    shared = covariance[np.ix_(rows, np.arange(edges[wanted], edges[wanted + 1]))]
    values, axes = np.linalg.eigh(covariance[np.ix_(rows, rows)])
    kept = values > RESOLUTION * values.max(initial=0.0)
    root = (axes[:, kept] / np.sqrt(values[kept])).T @ shared
    return (axes[:, kept] / np.sqrt(values[kept])) @ root, root


def squared_length(covariance: np.ndarray, sizes, given: list[int], Z: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis lengths (n,) of latents (n, k) of some modalities.

    Along axes without variance none is counted, those below zero by rounding among them.
    """
    edges = np.cumsum([0, *sizes])
    rows = np.concatenate([np.arange(edges[m], edges[m + 1]) for m in given])
    values, axes = np.linalg.eigh(covariance[np.ix_(rows, rows)])
    kept = values > RESOLUTION * values.max(initial=0.0)
    return np.sum((Z @ (axes[:, kept] / np.sqrt(values[kept]))) ** 2, axis=1)
