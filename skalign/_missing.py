r"""Rows that lack modalities improve the model of the pairs: EM with missing blocks.

All rows are taken as draws of one Gaussian, :math:`x = [x_1; \dots; x_M] \sim N(\mu, C)`, of which
a row shows the blocks :math:`g` and hides the blocks :math:`h`. Given the model, the hidden ones
are, with :math:`K = C_{gg}^{-1} C_{gh}`,

.. math:: x_h \mid x_g \sim N\bigl(\mu_h + K^\top (x_g - \mu_g),\; C_{hh} - C_{hg} K\bigr) .

The model starts from the shrunk covariance of the pairs, which stays their share of every update
(Dempster, Laird & Rubin 1977). Rows enter by their moments alone. What modalities share is
learned from pairs, how each of them varies from everybody: covariances from all rows beside
cross-covariances of the pairs would not belong to one law, and do harm.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._model import Model, block_shrinkage
from ._moments import Moments, as_covariance, merge, restrict
from ._white import BlockRange, Pairs, block_range

# Rows without a partner say nothing of what modalities share, so that the EM is soon done.
MAX_ITER = 10
TOLERANCE = 1e-4
# Directions of a block below this share of its largest variance hold no information.
NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class Incomplete:
    """Moments of the rows that have some modalities, whose columns follow in order."""

    given: tuple[int, ...]
    moments: Moments


def learn_from_all(
    pairs: Pairs, incomplete: list[Incomplete], shrinkage, *, tol: float | None, eps: float
) -> tuple[Pairs, Model]:
    """Model of the pairs and of the rows that lack a modality.

    Parameters
    ----------
    pairs : Pairs
        Without exactly shared directions: these need no help.
    incomplete : list of Incomplete
    shrinkage : "auto", float or None
        Of the covariance of the pairs.
    tol, eps : float
        As in :func:`_white.whiten_pairs`.

    Returns
    -------
    pairs : Pairs
        In coordinates that cover what a modality does in any row; its mean is that of the model.
    model : Model
    """
    everyone = tuple(range(len(pairs.ranges)))
    stack = restrict(pairs.moments, np.concatenate(pairs.columns))
    groups = [Incomplete(everyone, stack), *incomplete]
    if any(group.moments.root is None for group in groups):
        groups = [replace(group, moments=as_covariance(group.moments)) for group in groups]
    edges = np.cumsum([0, *(len(c) for c in pairs.columns)])
    together = [_all_rows(groups, m, np.diff(edges)) for m in everyone]
    ranges = [block_range(total, np.arange(len(total.mean)), tol, eps) for total in together]
    white = _White(ranges, [total.mean for total in together])
    parts = [white.part(group) for group in groups]
    alphas = [block_shrinkage(r, shrinkage, pairs.moments.weight) for r in pairs.ranges]
    start = replace(parts[0], cov=_shrunk(parts[0].cov, ranges, alphas))
    mean, cov = expectation_maximisation([start, *parts[1:]])

    moved = np.empty_like(pairs.moments.mean)
    for m, columns in enumerate(pairs.columns):
        own = mean[white.at((m,))][:, None]
        moved[columns] = white.centers[m] + ranges[m].values(own)[:, 0]
    moments = replace(pairs.moments, mean=moved)
    return replace(pairs, moments=moments, ranges=ranges), _as_model(cov, white)


@dataclass(frozen=True)
class Part:
    """Rows in white coordinates, of which they show some."""

    weight: float
    given: np.ndarray  # coordinates that they show
    mean: np.ndarray
    cov: np.ndarray


@dataclass(frozen=True)
class _White:
    """White coordinates of all modalities, one after the other."""

    ranges: list[BlockRange]
    centers: list[np.ndarray]

    def at(self, given):
        """Coordinates of some modalities."""
        edges = np.cumsum([0, *(r.rank for r in self.ranges)])
        return np.concatenate([np.arange(edges[m], edges[m + 1]) for m in given])

    def part(self, group: Incomplete) -> Part:
        """Moments in these coordinates."""
        moments, given = group.moments, group.given
        maps = [self.ranges[m].map for m in given]
        offset = moments.mean - np.concatenate([self.centers[m] for m in given])

        def mapped(rows):
            edges = np.cumsum([len(a) for a in maps])[:-1]
            parts = zip(np.split(rows, edges, axis=-1), maps, strict=True)
            return np.concatenate([part @ a for part, a in parts], axis=-1)

        if moments.root is not None:
            root = mapped(moments.root)
            scatter = root.T @ root
        else:
            scatter = mapped(mapped(moments.scatter).T)
        return Part(moments.weight, self.at(given), mapped(offset), scatter / moments.weight)


def _all_rows(groups, m, widths):
    """Moments of a modality over every row that has it."""
    total = None
    for group in groups:
        if m in group.given:
            place = group.given.index(m)
            start = sum(widths[g] for g in group.given[:place])
            total = merge(total, restrict(group.moments, np.arange(start, start + widths[m])))
    assert total is not None
    return total


def _shrunk(cov, ranges, alphas):
    """The covariance of pairs, as if a share of each block were independent noise."""
    both = list(zip(ranges, alphas, strict=True))
    keep = np.concatenate([np.full(r.rank, np.sqrt(1 - a)) for r, a in both])
    noise = np.concatenate([a / r.spread**2 for r, a in both])
    return cov * np.outer(keep, keep) + np.diag(noise)


def expectation_maximisation(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all coordinates.

    Parameters
    ----------
    parts : list of Part
        The first shows every coordinate, and is where the model starts.
    """
    mean, cov = parts[0].mean, parts[0].cov
    total = sum(part.weight for part in parts)
    for _ in range(MAX_ITER):
        first, second = np.zeros_like(mean), np.zeros_like(cov)
        for part in parts:
            filled, spread = _expected(part, mean, cov)
            first += part.weight / total * filled
            second += part.weight / total * (spread + np.outer(filled, filled))
        update = second - np.outer(first, first)
        change = np.max(np.abs(update - cov))
        mean, cov = first, update
        if change < TOLERANCE:
            break
    return mean, cov


def _expected(part, mean, cov):
    """Mean and covariance of the rows of a part, what they hide filled in by the model."""
    given = part.given
    hidden = np.setdiff1d(np.arange(len(mean)), given)
    if len(hidden) == 0:
        return part.mean, part.cov
    own, across = cov[np.ix_(given, given)], cov[np.ix_(given, hidden)]
    slope = np.linalg.pinv(own, rcond=NEGLIGIBLE, hermitian=True) @ across
    filled, spread = np.empty_like(mean), np.empty_like(cov)
    filled[given] = part.mean
    filled[hidden] = mean[hidden] + (part.mean - mean[given]) @ slope
    between = part.cov @ slope
    spread[np.ix_(given, given)] = part.cov
    spread[np.ix_(given, hidden)], spread[np.ix_(hidden, given)] = between, between.T
    left = cov[np.ix_(hidden, hidden)] - across.T @ slope
    spread[np.ix_(hidden, hidden)] = slope.T @ between + (left + left.T) / 2
    return filled, spread


def _as_model(cov, white):
    """The model in coordinates in which each block is white."""
    turns, variances = [], []
    for m in range(len(white.ranges)):
        own = white.at((m,))
        variance, turn = np.linalg.eigh(cov[np.ix_(own, own)])
        turns.append(turn)
        variances.append(np.maximum(variance, NEGLIGIBLE * variance[-1]))
    roots = [turn / np.sqrt(v) for turn, v in zip(turns, variances, strict=True)]
    cross = {
        (m, l): roots[m].T @ cov[np.ix_(white.at((m,)), white.at((l,)))] @ roots[l]
        for m in range(len(roots))
        for l in range(m + 1, len(roots))
    }
    exact = [np.zeros((r.rank, 0)) for r in white.ranges]
    return Model(exact, list(turns), variances, cross, shrunk=True)
