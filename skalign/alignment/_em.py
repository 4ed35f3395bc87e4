r"""Rows that lack modalities improve the model of the pairs: EM with missing blocks.

All rows are taken as draws of one Gaussian, :math:`x = [x_1; \dots; x_M] \sim N(\mu, C)`, of which
a row shows the blocks :math:`g` and hides the blocks :math:`h`. Given the model, the hidden ones
are, with :math:`K = C_{gg}^{-1} C_{gh}`,

.. math:: x_h \mid x_g \sim N\bigl(\mu_h + K^\top (x_g - \mu_g),\; C_{hh} - C_{hg} K\bigr) .

The model starts from the shrunk covariance of the pairs, which stays their share of every update
(Dempster, Laird & Rubin 1977). Rows enter by their moments alone. What modalities share is
learned from pairs, how each of them varies from everybody: covariances from all rows beside
cross-covariances of the pairs would not belong to one law, and do harm.

EM crawls, by the share of what is missing in what there is, and so it is extrapolated (SQUAREM,
scheme S3 of Varadhan & Roland 2008): of the point :math:`\theta`, two steps :math:`r, s` and
:math:`v = s - r`,

.. math:: \theta' = \theta - 2 \alpha r + \alpha^2 v, \qquad
          \alpha = -\lVert r \rVert / \lVert v \rVert \le -1 ,

which is taken back to the plain steps wherever it is no covariance or lowers the likelihood.
Beside shrunk pairs 24 steps do: on held-out pairs the top of the likelihood, some hundreds of
steps away, scores no better, for what is left to climb is what few pairs say by chance. Where no
row has every modality, steps go on to the top.

Of two modalities that never met, the likelihood knows only what others carry from one to the
other. The rest is as it would be by chance: of all covariances with the blocks that were seen, the
one of largest entropy, in which two that never met are independent given all others,
:math:`(C^{-1})_{ml} = 0` (Dempster 1972). It is the covariance of a Gaussian graphical model, and
the step that fits it is a regression of each block on those that it met (Hastie, Tibshirani &
Friedman 2009, algorithm 17.1).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotri

from .._utils._linalg import reciprocal
from ..moments._moments import Moments, merge, of_one_kind
from ._gaussian import SharedGaussian, block_shrinkage, shrinkage_of_each
from ._whitening import WhitenedBlock, WhitenedPairs, check_varies, whiten_block

# Steps, three of which make an accelerated one, and the change by which they end: beside shrunk
# pairs, beside pairs as they are, and up to the top of the likelihood.
MAX_ITER, MAX_ITER_UNSHRUNK, MAX_ITER_TOP = 24, 60, 600
TOLERANCE, TOLERANCE_TOP = 1e-4, 1e-7
# Sweeps over blocks of which some never met, and the change by which these end.
MAX_SWEEPS = 50
SETTLED = 1e-10
# Directions of a block below this share of its largest variance hold no information.
NEGLIGIBLE = 1e-10
# Pivots of a Cholesky factor above this leave no such direction.
PLAIN = 1e-3


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
    more = {m for group in incomplete for m in group.given}
    blocks = [
        whiten_block(total, np.arange(widths[m]), tol, eps) if m in more else pairs.blocks[m]
        for m, total in enumerate(totals)
    ]
    check_varies(blocks, names)
    white = _White(blocks, [total.mean for total in totals])
    shown = [white.part(group) for group in groups]
    each = shrinkage_of_each(shrinkage, len(pairs.blocks))
    alphas = [
        block_shrinkage(b, s, pairs.moments.weight)
        for b, s in zip(pairs.blocks, each, strict=True)
    ]
    start = replace(shown[0], cov=_shrunk(shown[0].cov, blocks, alphas))
    steps = MAX_ITER if any(alphas) else MAX_ITER_UNSHRUNK
    mean, cov = expectation_maximisation([start, *shown[1:]], max_iter=steps)

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


def expectation_maximisation(
    parts: list[Part],
    start=None,
    apart=(),
    *,
    max_iter: int | None = None,
    tol: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all coordinates, by accelerated EM.

    Parameters
    ----------
    parts : list of Part
        None of them need show all coordinates where a start is given.
    start : tuple of ndarray of shape (r,) and (r, r), default=None
        Mean and covariance to start from; None takes those of the first part.
    apart : list of pair of ndarray of int
        Coordinates that no part shows together.
    max_iter : int, default=None
        Most steps of EM; None are those that pairs need.
    tol : float, default=None
        Largest change of a step at the end; None as above.
    """
    mean, cov = (parts[0].mean, parts[0].cov) if start is None else start
    max_iter, tol = MAX_ITER if max_iter is None else max_iter, TOLERANCE if tol is None else tol
    point, reached = np.vstack([mean, cov]), None
    for _ in range(max_iter // 3):
        once = _step(parts, point, apart)
        twice = _step(parts, once, apart)
        if np.max(np.abs(twice - once)) < tol:
            point = twice
            break
        there, reached = _extrapolated(parts, point, once, twice, reached)
        point = there if there is twice else _step(parts, there, apart)
    return point[0], point[1:]


def _extrapolated(parts, point, once, twice, reached):
    """Where two steps lead to if taken further, and its likelihood, which is not below.

    A likelihood is None as long as nobody has asked for it.
    """
    first, change = once - point, twice - 2 * once + point
    size = float(np.linalg.norm(change))
    ahead = float(np.linalg.norm(first)) / size if size > 0 else 1.0
    while ahead > 1:
        reached = _log_likelihood(parts, point) if reached is None else reached
        there = point + 2 * ahead * first + ahead**2 * change
        likelihood = _log_likelihood(parts, there)
        if likelihood >= reached and np.isfinite(likelihood):
            return there, likelihood
        ahead = (ahead + 1) / 2 if ahead > 2 else 1.0
    return twice, None


def _step(parts, point, apart=()):
    """A step of EM: mean and covariance; those that are ``apart`` stay so given all others."""
    mean, cov = point[0], point[1:]
    total = sum(part.weight for part in parts)
    first, second = np.zeros_like(mean), np.zeros_like(cov)
    for part in parts:
        filled, cov_filled = _expected(part, mean, cov)
        first += part.weight / total * filled
        second += part.weight / total * (cov_filled + np.outer(filled, filled))
    update = second - np.outer(first, first)
    return np.vstack([first, largest_entropy(update, apart) if len(apart) else update])


def _log_likelihood(parts, point):
    """Of all rows, but for a constant; minus infinity where a covariance is none."""
    mean, cov = point[0], point[1:]
    total = 0.0
    for part in parts:
        off = part.mean - mean[part.given]
        try:
            root = np.linalg.cholesky(cov[np.ix_(part.given, part.given)])
        except np.linalg.LinAlgError:
            return -np.inf
        inverse = dpotri(root, lower=1)[0]  # its lower triangle, zeros above
        own = part.cov + np.outer(off, off)
        left = 2 * np.sum(inverse * own) - np.diagonal(inverse) @ np.diagonal(own)
        total -= part.weight * (np.sum(np.log(np.diagonal(root))) + left / 2)
    return total


def largest_entropy(cov, apart):
    """The covariance in which coordinates that are ``apart`` are independent given all others.

    All else is as in ``cov``, which is positive definite, and remains so at every sweep.

    Parameters
    ----------
    cov : ndarray of shape (r, r)
    apart : list of pair of ndarray of int
    """
    full = cov.copy()
    sides = [(a, b) for a, b in apart] + [(b, a) for a, b in apart]
    blocks = {tuple(a): a for a, _ in sides if len(a)}
    unmet = {key: np.concatenate([b for a, b in sides if tuple(a) == key]) for key in blocks}
    for _ in range(MAX_SWEEPS):
        before = full.copy()
        for key, own in blocks.items():
            met = np.setdiff1d(np.arange(len(cov)), np.concatenate([own, unmet[key]]))
            slope = _regression(full[np.ix_(met, met)], full[np.ix_(met, own)])
            carried = full[np.ix_(unmet[key], met)] @ slope
            full[np.ix_(unmet[key], own)], full[np.ix_(own, unmet[key])] = carried, carried.T
        if np.max(np.abs(full - before)) < SETTLED:
            break
    return full


def _regression(own, across):
    """``own^+ @ across``, at unit variances.

    What is negligible must not be so beside a shrunk direction of no variance.
    """
    if len(own) == 0:  # older SciPy solves no empty system
        return across
    unit = reciprocal(np.sqrt(np.diagonal(own)))
    own, across = own * np.outer(unit, unit), unit[:, None] * across
    try:
        root = np.linalg.cholesky(own)
        if np.min(np.diagonal(root)) > PLAIN:
            return unit[:, None] * cho_solve((root, True), across)
    except np.linalg.LinAlgError:
        pass
    return unit[:, None] * (np.linalg.pinv(own, rcond=NEGLIGIBLE, hermitian=True) @ across)


def _expected(part, mean, cov):
    """Mean and covariance of the rows of a part, what they hide filled in by the model."""
    given = part.given
    hidden = np.setdiff1d(np.arange(len(mean)), given)
    if len(hidden) == 0:
        return part.mean, part.cov
    own, across = cov[np.ix_(given, given)], cov[np.ix_(given, hidden)]
    slope = _regression(own, across)
    filled, full = np.empty_like(mean), np.empty_like(cov)
    filled[given] = part.mean
    filled[hidden] = mean[hidden] + (part.mean - mean[given]) @ slope
    between = part.cov @ slope
    full[np.ix_(given, given)] = part.cov
    full[np.ix_(given, hidden)], full[np.ix_(hidden, given)] = between, between.T
    moved = slope.T @ (between - across)  # what rows show of the hidden, less what was expected
    full[np.ix_(hidden, hidden)] = cov[np.ix_(hidden, hidden)] + (moved + moved.T) / 2
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
