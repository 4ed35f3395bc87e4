r"""Directions of rows and classes, and the von Mises-Fisher law of rows about their class.

Latents of a target row and of a prototype are mapped to where the fitted Gaussian model of the
pairs has noise of unit covariance, :class:`skalign.alignment._gaussian.Matching`:

.. math:: u = z_t W , \qquad v = z_s B W , \qquad
          \log p(z_t \mid z_s) = c - \tfrac12 \lVert u - v \rVert^2 .

The model holds for samples like the pairs. Those of a new class lie outside of them, where the
direction of a linear prediction is right much longer than its length. So both get a further
coordinate :math:`a` and unit length. Within :math:`a` of the mean of the pairs, cosines order
points as distances do; far outside they compare directions.

Rows of a class scatter about its mean direction :math:`d_c` with a concentration :math:`\kappa`
that all classes share (Banerjee, Dhillon, Ghosh & Sra 2005):

.. math:: p(c \mid z_t) \propto \pi_c \exp(\kappa \, d_c^\top u) .

A prototype is a sample of its class and no partner of the row, so that the pairs cannot tell
:math:`\kappa`. Prototypes do, where classes have several: it makes each of them most likely in its
class, given the others. Beside that stands what is known without them, a log-normal prior about
the concentration at which cosines of rows that have nothing in common deviate by one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial import KDTree
from scipy.special import log_softmax

from .._utils._rows import different_rows, row_blocks
from ..alignment._gaussian import Matching

# The further coordinate, in lengths of a typical prototype.
REACH = 0.5
# Classes whose directions are as close as this are alike; no length is smaller.
ALIKE, TINY = 1e-9, 1e-300
# Digits by which prototypes are told apart.
DIGITS = 9
# Decades of the concentration that are searched, about the prior's.
DECADES = 3.0


@dataclass(frozen=True)
class Sphere:
    """Maps of latents of source and target to one sphere."""

    target: np.ndarray  # W (k, k)
    source: np.ndarray  # B W (k, k)
    reach: float  # a
    chance: float  # one over the deviation of the cosine of unrelated rows

    @classmethod
    def of(cls, latent_cov: np.ndarray, source: int, target: int, n_modalities: int) -> "Sphere":
        """Of two modalities of the fitted model."""
        maps = Matching.of(latent_cov, target, source, n_modalities)
        k, total = len(maps.query), []
        for m, root in ((target, maps.query), (source, maps.gallery)):
            own = slice(m * k, (m + 1) * k)
            total.append(root.T @ latent_cov[own, own] @ root)
        reach2 = REACH**2 * np.trace(total[1])
        lengths2 = [np.trace(part) + reach2 for part in total]
        shared = np.sum(total[0] * total[1])
        chance = np.sqrt(lengths2[0] * lengths2[1] / shared) if shared > 0 else 0.0
        return cls(maps.query, maps.gallery, float(np.sqrt(reach2)), float(chance))

    def of_targets(self, Z: np.ndarray) -> np.ndarray:
        """Unit vectors (n, k + 1) of target latents (n, k)."""
        return self._unit(Z @ self.target)

    def of_sources(self, Z: np.ndarray) -> np.ndarray:
        """Unit vectors (n, k + 1) of source latents (n, k)."""
        return self._unit(Z @ self.source)

    def _unit(self, points):
        return _normalized(np.column_stack([points, np.full(len(points), self.reach)]))


def _normalized(vectors):
    size = np.abs(vectors).max(axis=1, keepdims=True)
    vectors = vectors / np.maximum(size, TINY)  # whose squares neither overflow nor vanish
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, TINY)


def mean_directions(V: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_classes: int):
    """Mean directions (C, k + 1) of classes, whose numbers are the codes of unit vectors."""
    return _normalized(_sums(V, codes, weights, n_classes))


def _sums(V, codes, weights, n_classes):
    sums = np.zeros((n_classes, V.shape[1]))
    np.add.at(sums, codes, weights[:, None] * V)
    return sums


def alike(directions: np.ndarray) -> tuple[int, int] | None:
    """Two classes that have the same direction, the first ones if there are any."""
    return min(KDTree(directions).query_pairs(ALIKE), default=None)


def concentration(V, codes, weights, n_classes: int, chance: float) -> float:
    r"""Concentration of prototypes about the mean direction of the others of their class.

    Maximizes :math:`\sum_i w_i \log p(c_i \mid v_i) - \tfrac12 \log^2 (\kappa / \kappa_0)`, where
    a class without its only prototype says nothing. Equal prototypes count as one row.

    Parameters
    ----------
    V : ndarray of shape (n, k + 1)
        Unit vectors.
    codes : ndarray of int, shape (n,)
    weights : ndarray of shape (n,)
    n_classes : int
    chance : float
        :math:`\kappa_0`.
    """
    if n_classes < 2 or not chance > 0:
        return chance
    rows = np.arange(len(V))
    parts = [
        codes[:, None].astype(float),
        np.round(V, DIGITS),
    ]  # products of equal rows may differ
    first, weights, _ = different_rows(parts, rows, weights)
    V, codes = V[first], codes[first]
    sums = _sums(V, codes, weights, n_classes)
    several = np.flatnonzero(np.bincount(codes, minlength=n_classes)[codes] > 1)
    if len(several) == 0:
        return chance
    V, codes, weights = V[several], codes[several], weights[several]
    others = _normalized(sums[codes] - weights[:, None] * V)
    own, D = np.einsum("ij,ij->i", V, others), _normalized(sums)

    def loss(log_ratio):
        kappa, total = chance * np.exp(log_ratio), 0.0
        for block in row_blocks(len(V), n_classes):
            cosines, here = V[block] @ D.T, codes[block]
            each = np.arange(len(here))
            cosines[each, here] = own[block]
            total += weights[block] @ log_softmax(kappa * cosines, axis=1)[each, here]
        return log_ratio**2 / 2 - total

    far = DECADES * np.log(10)
    return float(chance * np.exp(minimize_scalar(loss, bounds=(-far, far), method="bounded").x))


def log_posterior(U, directions, kappa: float, prior) -> np.ndarray:
    """Logarithms of the class probabilities (n, C) of unit vectors; -inf where the prior is 0."""
    with np.errstate(divide="ignore"):
        return log_softmax(kappa * (U @ directions.T) + np.log(prior), axis=1)
