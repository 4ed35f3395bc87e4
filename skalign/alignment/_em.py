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

from .._utils._linalg import reciprocal
from ..moments._moments import Moments, merge, of_one_kind
from ._gaussian import SharedGaussian, block_shrinkage
from ._whitening import WhitenedBlock, WhitenedPairs, check_varies, whiten_block

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


def incomplete_rows(moments, center: bool) -> list[Incomplete]:
    """Moments of the rows that lack a modality, about their mean or about the origin.

    They come by the modalities that rows have, and go in an order of their own.
    """
    return [
        Incomplete(
            tuple(m for m, has in enumerate(pattern) if has), part if center else part.about_zero()
        )
        for pattern, part in sorted(moments.items())
        if not all(pattern)
    ]


def learn_from_all(
    pairs: WhitenedPairs,
    incomplete: list[Incomplete],
    shrinkage,
    names,
    *,
    tol: float | None,
    eps: float,
) -> tuple[WhitenedPairs, SharedGaussian]:
    """Pairs and model of the pairs and of the rows that lack a modality.

    The pairs have no exactly shared directions, which need no help; their covariance is shrunk.
    They come back in coordinates that cover what a modality does in any row, with the mean of the
    model. ``tol`` and ``eps`` are those of :func:`skalign.alignment._whitening.whiten_pairs`.
    """
    everyone = tuple(range(len(pairs.blocks)))
    stack = pairs.moments.restricted(np.concatenate(pairs.columns))
    given = [everyone, *(group.given for group in incomplete)]
    parts = of_one_kind([stack, *(group.moments for group in incomplete)])
    groups = [Incomplete(*group) for group in zip(given, parts, strict=True)]
    widths = [len(c) for c in pairs.columns]
    totals = [_all_rows(groups, m, widths) for m in everyone]
    blocks = [whiten_block(total, np.arange(len(total.mean)), tol, eps) for total in totals]
    check_varies(blocks, names)
    white = _White(blocks, [total.mean for total in totals])
    shown = [white.part(group) for group in groups]
    alphas = [block_shrinkage(b, shrinkage, pairs.moments.weight) for b in pairs.blocks]
    start = replace(shown[0], cov=_shrunk(shown[0].cov, blocks, alphas))
    mean, cov = expectation_maximisation([start, *shown[1:]])

    moved = np.empty_like(pairs.moments.mean)
    for m, columns in enumerate(pairs.columns):
        own = mean[white.at((m,))][:, None]
        moved[columns] = white.centers[m] + blocks[m].points(own)[:, 0]
    # white in the model, so that all that follows is of one size
    unit = np.sqrt(np.diagonal(cov))
    unit = np.where(unit > 0, unit, 1.0)
    for m, block in enumerate(blocks):
        own = block.singular_values * unit[white.at((m,))]
        blocks[m] = replace(block, singular_values=own)
    moments, cov = replace(pairs.moments, mean=moved), cov / np.outer(unit, unit)
    return replace(pairs, moments=moments, blocks=blocks), _as_model(cov, white)


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

    blocks: list[WhitenedBlock]
    centers: list[np.ndarray]

    def at(self, given):
        """Coordinates of some modalities."""
        edges = np.cumsum([0, *(b.rank for b in self.blocks)])
        return np.concatenate([np.arange(edges[m], edges[m + 1]) for m in given])

    def part(self, group: Incomplete) -> Part:
        """Moments in these coordinates."""
        centre = np.concatenate([self.centers[m] for m in group.given])
        about = replace(group.moments, mean=group.moments.mean - centre)
        mapped = about.mapped([self.blocks[m].map for m in group.given])
        return Part(mapped.weight, self.at(group.given), mapped.mean, mapped.covariance())


def _all_rows(groups, m, widths):
    """Moments of a modality over every row that has it."""
    total = None
    for group in groups:
        if m in group.given:
            start = sum(widths[g] for g in group.given if g < m)
            columns = np.arange(start, start + widths[m])
            total = merge(total, group.moments.restricted(columns))
    assert total is not None
    return total


def _shrunk(cov, blocks, alphas):
    """The covariance of pairs, as if a share of each block were independent noise."""
    both = list(zip(blocks, alphas, strict=True))
    keep = np.concatenate([np.full(b.rank, np.sqrt(1 - a)) for b, a in both])
    noise = np.concatenate([a / b.singular_values**2 for b, a in both])
    return cov * np.outer(keep, keep) + np.diag(noise)


def expectation_maximisation(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all coordinates; the first part shows them all, and is the start."""
    mean, cov = parts[0].mean, parts[0].cov
    total = sum(part.weight for part in parts)
    for _ in range(MAX_ITER):
        first, second = np.zeros_like(mean), np.zeros_like(cov)
        for part in parts:
            filled, cov_filled = _expected(part, mean, cov)
            first += part.weight / total * filled
            second += part.weight / total * (cov_filled + np.outer(filled, filled))
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
    # at unit variances: what is negligible must not be so beside a shrunk direction of no variance
    unit = reciprocal(np.sqrt(np.diagonal(own)))
    own = own * np.outer(unit, unit)
    inverse = np.linalg.pinv(own, rcond=NEGLIGIBLE, hermitian=True)
    slope = unit[:, None] * inverse @ (unit[:, None] * across)
    filled, full = np.empty_like(mean), np.empty_like(cov)
    filled[given] = part.mean
    filled[hidden] = mean[hidden] + (part.mean - mean[given]) @ slope
    between = part.cov @ slope
    full[np.ix_(given, given)] = part.cov
    full[np.ix_(given, hidden)], full[np.ix_(hidden, given)] = between, between.T
    left = cov[np.ix_(hidden, hidden)] - across.T @ slope
    full[np.ix_(hidden, hidden)] = slope.T @ between + (left + left.T) / 2
    return filled, full


def _as_model(cov, white):
    """The model in coordinates in which each block is white."""
    rotations, variances = [], []
    for m in range(len(white.blocks)):
        own = white.at((m,))
        variance, rotation = np.linalg.eigh(cov[np.ix_(own, own)])
        rotations.append(rotation)
        variances.append(np.maximum(variance, NEGLIGIBLE * variance[-1]))
    roots = [axes / np.sqrt(v) for axes, v in zip(rotations, variances, strict=True)]
    cross = {
        (m, l): roots[m].T @ cov[np.ix_(white.at((m,)), white.at((l,)))] @ roots[l]
        for m in range(len(roots))
        for l in range(m + 1, len(roots))
    }
    exact = [np.zeros((b.rank, 0)) for b in white.blocks]
    return SharedGaussian(exact, list(rotations), variances, cross, shrunk=True)
