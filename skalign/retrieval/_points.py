r"""Points of queries and of a gallery, the nearer the likelier partners.

Canonical variates :math:`a` of a query and :math:`b` of an item of the gallery have unit variance,
and no correlation but :math:`r_j` of :math:`a_j` with the :math:`b_j` of its partner. Under the
Gaussian model

.. math:: \log \frac{p(a, b)}{p(a)\,p(b)} = \tfrac12 \sum_j \Bigl( a_j^2 - \log(1 - r_j^2)
          - \frac{(a_j - r_j b_j)^2}{1 - r_j^2} \Bigr) ,

so that the nearest of the points :math:`r_j b_j / \sqrt{1 - r_j^2}` to the query's
:math:`a_j / \sqrt{1 - r_j^2}` is the most likely partner. Cosines are those of latents times their
correlations (as in Li, Chinchali & Topcu, "CSA: data-efficient mapping of unimodal features to
multimodal features", ICLR 2025); of unit vectors they are :math:`1 - d^2 / 2`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from .._blocks import Blocks, presence, read_array
from .._utils._array_api import affine, as_numpy
from .._utils._rows import row_blocks
from .._utils._validation import no_overflow
from ..metrics._retrieval import reciprocal_ranks
from ._neighbors import nearest

METRICS = ("likelihood", "cosine")
# Least gap between a correlation and one: more agreement than that no metric can tell.
RESOLUTION = 1e-10
# A covariance of latents that is so near to that of canonical variates is one.
CANONICAL = 1e-9
# Distances that are held at once.
MOST_NUMBERS = 2**22
# Shares of variances and correlations below this are zero.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Variates:
    """Canonical variates of query and gallery, as maps of centred features."""

    coefs: tuple[np.ndarray, np.ndarray]  # (k, d_m)
    deviations: tuple[np.ndarray, np.ndarray]  # (k,), of partners that were not learned from
    gap: np.ndarray  # 1 - r (k,), ascending

    @classmethod
    def of(cls, coefs, latent_cov, roles) -> "Variates":
        """Those of a fitted model: of maps of all modalities, and the covariance of latents."""
        k = len(coefs[0])
        at = [slice(m * k, (m + 1) * k) for m in roles]
        own, cross = [latent_cov[s, s] for s in at], latent_cov[at[0], at[1]]
        r = np.diagonal(cross)
        if not _canonical(own, cross):
            roots = [_inverse_root(c) for c in own]
            left, r, right = np.linalg.svd(roots[0].T @ cross @ roots[1], full_matrices=False)
            turns = roots[0] @ left, roots[1] @ right.T
            maps = tuple(t.T @ coefs[m] for t, m in zip(turns, roles, strict=True))
        else:
            maps = tuple(coefs[m] for m in roles)
        if not len(r):  # a modality whose latents do not vary: nothing is shared
            r, maps = np.zeros(1), tuple(np.zeros((1, coefs[m].shape[1])) for m in roles)
        gap = np.clip(1 - r, RESOLUTION, 1.0)
        return cls(maps, (np.ones(len(gap)), np.ones(len(gap))), gap)

    def weighed(self, deviations, gap) -> "Variates":
        """The same maps, what they are worth by others; those worth nothing are left out."""
        k = min(len(gap), len(self.gap))
        k = max(1, int(np.sum(gap[:k] < 1)))
        maps = self.coefs[0][:k], self.coefs[1][:k]
        return Variates(maps, (deviations[0][:k], deviations[1][:k]), gap[:k])

    def scales(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """What turns variates of query and gallery into points."""
        return self.scales_of(self.deviations, self.gap, metric)

    @staticmethod
    def scales_of(deviations, gap, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """The same of deviations and gaps alone."""
        r = 1 - gap
        if metric == "cosine":
            return r, r
        left = np.sqrt(gap * (2 - gap))
        return 1 / (left * deviations[0]), r / (left * deviations[1])


def _canonical(own, cross) -> bool:
    """Whether latents are canonical variates as they are."""
    r = np.diagonal(cross)
    gaps = [own[0] - np.eye(len(r)), own[1] - np.eye(len(r)), cross - np.diag(r)]
    return max(np.abs(gap).max() for gap in gaps) <= CANONICAL and bool(np.all(np.diff(r) <= 0))


def _inverse_root(cov):
    """White directions (k, rank) of a covariance."""
    deviation = np.sqrt(np.diagonal(cov))
    unit = np.where(deviation > 0, deviation, 1.0)
    size, axes = np.linalg.eigh(cov / np.outer(unit, unit))
    kept = size > NEGLIGIBLE * max(size[-1], NEGLIGIBLE)
    return (axes[:, kept] / np.sqrt(size[kept])) / unit[:, None]


# -- points ------------------------------------------------------------------------------------


def placed(values, metric: str, role: int) -> np.ndarray:
    """Points of rows of scaled variates (n, k); NaN stays NaN.

    For cosines they have unit length. A row of zeros is at right angles to all others: it gets a
    direction of its own, one for queries and another for the gallery.
    """
    if metric != "cosine":
        return values
    length = np.linalg.norm(values, axis=1, keepdims=True)
    beyond = np.zeros((len(values), 2))
    beyond[:, role] = np.where(np.isnan(length[:, 0]), np.nan, length[:, 0] == 0)
    return np.hstack([values / np.where(length == 0, 1.0, length), beyond])


def similarities(queries, gallery, metric: str, gap) -> np.ndarray:
    """Pointwise mutual information in nats, or cosines, of points (n, k) and (m, k)."""
    squared = cdist(queries, gallery, "sqeuclidean")
    if metric == "cosine":
        return 1 - squared / 2
    left = gap * (2 - gap)
    own = queries**2 @ left - np.sum(np.log(left))
    return (own[:, None] - squared) / 2


def partner_ranks(queries, gallery, partners) -> np.ndarray:
    """Reciprocal ranks (n,) of the partners of queries, columns of the gallery; block by block."""
    found = [
        reciprocal_ranks(cdist(queries[rows], gallery, "sqeuclidean"), partners[rows])
        for rows in row_blocks(len(queries), len(gallery), numbers=MOST_NUMBERS)
    ]
    return np.concatenate(found)


# -- functions of rows, in memory or in chunks ---------------------------------------------------


@dataclass(frozen=True)
class Encoding:
    """What turns the rows of a table into points of one side, the query's, 0, or the gallery's."""

    coef: np.ndarray  # (k, d_m)
    mean: np.ndarray  # (d_m,)
    blocks: Blocks
    modality: int
    role: int
    metric: str

    @property
    def n_dimensions(self) -> int:
        """Of the points."""
        return len(self.coef) + 2 * (self.metric == "cosine")

    @no_overflow()
    def points(self, table, every: bool = False) -> np.ndarray:
        """Points (n, n_dimensions); NaN where a row lacks the modality, an error if ``every``."""
        X = read_array(table, self.blocks)
        lacking = np.flatnonzero(~presence(X, self.blocks)[:, self.modality])
        if every and len(lacking):
            raise ValueError(
                f"row {lacking[0]} lacks the modality {self.blocks.names[self.modality]!r} that "
                "queries are made of: leave such rows out."
            )
        values = as_numpy(affine(self.blocks.take(X, self.modality), self.coef.T, self.mean))
        return placed(values.astype(np.float64, copy=False), self.metric, self.role)


def neighbors_of_rows(table, encoding: Encoding, index, n_neighbors: int, numbers) -> np.ndarray:
    """Distances of the nearest of an index to each row, and beside them their ``numbers``."""
    distances, positions = nearest(index, encoding.points(table, every=True), n_neighbors)
    if encoding.metric == "cosine":
        distances = distances**2 / 2
    return np.hstack([distances, numbers[positions]])


def similarity_of_rows(table, encoding: Encoding, gallery, gap) -> np.ndarray:
    """How well rows fit the points of a gallery."""
    return similarities(encoding.points(table, every=True), gallery, encoding.metric, gap)
