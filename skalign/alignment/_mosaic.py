r"""A mosaic: rows that have some modalities each, and few or none that have all.

Two modalities are *linked* where two rows or more have both. A modality joins the aligned space if
a chain of links leads to it: video and radar that never met are aligned by an IMU that met both.

**Exact.** A link shows which functionals of its two modalities are equal on the rows that have
both (Theorem 2.1 of Kamboj & Do, for each link), :math:`F_{ml}^\top x_m + c = F_{lm}^\top x_l`.
What all modalities share are the :math:`a_m` that every link of a chain carries on,

.. math:: a_m = F_{ml} w_{ml}, \quad a_l = F_{lm} w_{ml} \quad \text{for all exact links},

the null space of one linear system. A row that has any modality then has the latent
:math:`z = a_m^\top x_m + c_m`, so that its mean and covariance come from all rows, and each
modality is regressed on it: :math:`x_m = \beta_m z + N_m u_m`, with :math:`u_m` apart from z.

**Noisy.** What is left, :math:`u = [u_1; \dots; u_M]`, is Gaussian, and rows are draws of it, of
which each shows some blocks: full-information maximum likelihood (:mod:`._em`). Two that never met
are independent given all others, the largest entropy that the rows allow. Along a chain of white
blocks that is :math:`C_{02} = C_{01} C_{12}`: its span is right wherever latents come through the
modality between, its size no more than this shows. The rows of two modalities or more are shrunk
as pairs are, by as many rows as their weakest link has.

Both start from the strongest links that join all: a maximum spanning tree.
"""

from dataclasses import dataclass

import numpy as np

from .._utils._linalg import reciprocal
from ..moments._accumulate import rows_in_common, strongest_links
from ..moments._moments import Moments, merge, of_one_kind
from ._canonical import confirmed_exact, principal_rotation
from ._em import (
    MAX_ITER_TOP,
    NEGLIGIBLE,
    TOLERANCE_TOP,
    Incomplete,
    Part,
    expectation_maximisation,
)
from ._gaussian import SharedGaussian, block_shrinkage, build_model, shrinkage_of_each
from ._significance import dimension_pvalues
from ._whitening import (
    WhitenedBlock,
    WhitenedPairs,
    canonical_correlations,
    check_varies,
    whiten_block,
)

# Functionals that links carry on agree up to this share of their size.
CARRIED = 1e-6
# Canonical correlations of a link where the likelihood starts.
BELOW_ONE = 0.999


def is_mosaic(moments, n_modalities: int) -> bool:
    """Whether complete rows are too few to learn from them alone, and others link modalities.

    They are enough where there are more of them than features. Of two modalities pairs are all.
    """
    some = [pattern for pattern in moments if 1 < sum(pattern) < n_modalities]
    complete = moments.get((True,) * n_modalities)
    if n_modalities == 2 or (complete is None and not moments):
        return False
    if complete is None or complete.n_rows < 2:
        return True
    return bool(some) and complete.weight <= len(complete.mean)


@dataclass(frozen=True)
class Mosaic:
    """Rows by the modalities that they have, and the links between these."""

    names: tuple[str, ...]
    groups: list[Incomplete]
    columns: list[np.ndarray]
    blocks: list[WhitenedBlock]  # over all rows that have each
    centers: list[np.ndarray]
    links: dict[tuple[int, int], WhitenedPairs]  # of the rows that have both
    exact: dict[tuple[int, int], list[np.ndarray]]  # of each link, in its white coordinates
    chain: list[tuple[int, int]]  # the strongest links that join all
    weights: np.ndarray  # (M, M) of the rows that have both
    center: bool

    @property
    def n_rows(self) -> int:
        """Rows that have two modalities or more."""
        return sum(g.moments.n_rows for g in self.groups if len(g.given) > 1)


def link_modalities(rows, moments, *, solver, center, tol) -> Mosaic:
    """Links between the modalities of a row source, of which these are the first moments.

    Parameters are those of :func:`skalign.alignment._whitening.whiten_rows`.
    """
    found = _linked(rows, moments, center, tol)
    accurate = all(link.accurate for link in found.links.values())
    if solver != "auto" or not rows.readable_again or accurate:
        return found
    return _linked(rows, rows.moments("qr"), center, tol)


def _linked(rows, moments, center, tol) -> Mosaic:
    names, every = rows.blocks.names, range(len(rows.blocks))
    columns = [rows.blocks.indices(m) for m in every]
    groups = _by_modality(moments, columns, center)
    widths = [len(c) for c in columns]
    totals = [_joint(groups, (m,), widths, names) for m in every]
    blocks = [whiten_block(total, np.arange(len(total.mean)), tol, rows.eps) for total in totals]
    counts = rows_in_common(moments, len(names))
    several = np.flatnonzero(np.diagonal(counts) > 1)  # of one row it is no wonder
    check_varies([blocks[m] for m in several], [names[m] for m in several])
    links = {}
    for m, l in zip(*np.nonzero(np.triu(counts, 1) >= 2), strict=True):
        link = _link(_joint(groups, (m, l), widths, names), widths[m], tol, rows.eps)
        if min(block.rank for block in link.blocks):
            links[int(m), int(l)] = link
    weights = rows_in_common(moments, len(names), weighted=True)
    linked = np.zeros_like(weights)
    for m, l in links:
        linked[m, l] = weights[m, l]
    chain = strongest_links(linked, np.finfo(float).tiny)
    _check_joined(chain, counts, names)
    exact = {link: confirmed_exact(pairs, rows, link) for link, pairs in links.items()}
    centers = [total.mean for total in totals]
    return Mosaic(
        names, groups, columns, blocks, centers, links, exact, chain, weights, bool(center)
    )


def _by_modality(moments, columns, center) -> list[Incomplete]:
    """Moments by the modalities that rows have, whose columns follow in order."""
    groups = []
    for pattern, part in sorted(moments.items()):
        if all(pattern):
            part = part.restricted(np.concatenate(columns))
        given = tuple(m for m, has in enumerate(pattern) if has)
        groups.append(Incomplete(given, part if center else part.about_zero()))
    parts = of_one_kind([group.moments for group in groups])
    return [Incomplete(g.given, part) for g, part in zip(groups, parts, strict=True)]


def _places(given, wanted, widths):
    """Columns of some modalities among those that rows have."""
    edges = dict(zip(given, np.cumsum([0, *(widths[g] for g in given)]), strict=False))
    return np.concatenate([np.arange(edges[m], edges[m] + widths[m]) for m in wanted])


def _joint(groups, wanted, widths, names) -> Moments:
    """Moments of some modalities over every row that has them."""
    total = None
    for group in groups:
        if set(wanted) <= set(group.given):
            total = merge(total, group.moments.restricted(_places(group.given, wanted, widths)))
    if total is None:
        raise ValueError(
            f"no row has modality {names[wanted[0]]!r}: leave it out, or give rows that have it."
        )
    return total


def _link(moments: Moments, width, tol, eps) -> WhitenedPairs:
    """White coordinates of two modalities over the rows that have both."""
    columns = [np.arange(width), np.arange(width, len(moments.mean))]
    a, b = (whiten_block(moments, c, tol, eps) for c in columns)
    if a.white is not None and b.white is not None:
        cross = a.white.T @ b.white
    else:
        cross = a.map.T @ moments.covariance(*columns) @ b.map
    return WhitenedPairs(
        moments, columns, [a, b], {(0, 1): cross}, [canonical_correlations(cross)]
    )


def _check_joined(chain, counts, names) -> None:
    """Raise if a modality is not joined to the others, directly or by others between."""
    parts = [{m} for m in range(len(names))]
    for link in chain:
        parts = [p for p in parts if not p & set(link)] + [
            set().union(*(p for p in parts if p & set(link)))
        ]
    if len(parts) == 1:
        return
    parts.sort(key=lambda p: (-len(p), -sum(counts[m, m] for m in p), min(p)))
    off = min(parts[1:], key=min)
    cut, others = ([names[m] for m in sorted(p)] for p in (off, set().union(*parts) - off))
    is_cut = (
        f"modality {cut[0]!r} is"
        if len(cut) == 1
        else f"modalities {', '.join(map(repr, cut))} are"
    )
    raise ValueError(
        f"{is_cut} cut off: no two rows that differ in it have it together with "
        f"{' or '.join(map(repr, others))}. A common space is learned from rows that have two "
        "modalities or more, which join all in a chain: give such rows, or leave a modality out."
    )


# -- what the links say together -----------------------------------------------------------------


def link_pvalues(mosaic: Mosaic, shrinkage, rng) -> dict[tuple[int, int], np.ndarray]:
    """P-values of "the two share no more than j dimensions", of each link."""
    found = {}
    for link, pairs in mosaic.links.items():
        own = [shrinkage_of_each(shrinkage, len(mosaic.blocks))[m] for m in link]
        model = build_model(pairs, mosaic.exact[link], own)
        found[link] = dimension_pvalues(pairs, model, pairs.moments.weight - mosaic.center, rng)
    return found


def chain_pvalues(mosaic: Mosaic, of_links) -> np.ndarray:
    """P-values of "no more than j dimensions come through to every modality", j = 0, 1, ...

    Every link of a chain must carry a dimension; where modalities are joined by more than one
    chain, the one counts whose weakest link is strongest.
    """
    size = min(block.rank for block in mosaic.blocks)
    found = {
        link: np.pad(own[:size], (0, max(0, size - len(own))), constant_values=1.0)
        for link, own in of_links.items()
    }
    pvalues = np.ones(size)
    for j in range(size):
        sure = np.full(mosaic.weights.shape, -2.0)
        for link, own in found.items():
            sure[link] = -own[j]
        pvalues[j] = -sure[strongest_links(sure, -1.0)[-1]]
    return np.maximum.accumulate(pvalues) + 0.0


def _carried(mosaic: Mosaic) -> list[np.ndarray]:
    """Functionals of x (d_m, e) that are equal in all modalities, from exact links alone."""
    none = [np.zeros((len(c), 0)) for c in mosaic.columns]
    exact = [link for link, (a, _) in mosaic.exact.items() if a.shape[1]]
    joined = np.zeros_like(mosaic.weights)
    for link in exact:
        joined[link] = 1.0
    if len(strongest_links(joined, 1.0)) < len(none) - 1:
        return none
    sides = {}  # F_ml and F_lm in the white coordinates of all rows, together orthonormal
    for link in exact:
        pair = [
            block.singular_values[:, None] * (block.basis.T @ (block.scale[:, None] * own.coef(a)))
            for block, own, a in zip(
                [mosaic.blocks[m] for m in link],
                mosaic.links[link].blocks,
                mosaic.exact[link],
                strict=True,
            )
        ]
        both = np.linalg.qr(np.vstack(pair))[0]
        sides[link] = np.split(both, [len(pair[0])])
    edges = np.cumsum([0, *(block.rank for block in mosaic.blocks)])
    rows, start = [], int(edges[-1])
    width = start + sum(pair[0].shape[1] for pair in sides.values())
    for link, pair in sides.items():
        stop = start + pair[0].shape[1]
        for m, side in zip(link, pair, strict=True):
            row = np.zeros((len(side), width))
            row[:, edges[m] : edges[m + 1]] = np.eye(len(side))
            row[:, start:stop] = -side
            rows.append(row)
        start = stop
    _, size, right = np.linalg.svd(np.vstack(rows))
    size = np.pad(size, (0, width - len(size)))
    found = right[size <= CARRIED * size[0]].T
    return [
        block.coef(a)
        for block, a in zip(mosaic.blocks, np.split(found[: edges[-1]], edges[1:-1]), strict=True)
    ]


@dataclass(frozen=True)
class _Shared:
    """Exact latents ``z = coef.T @ (x - center) + offset``, white over all rows."""

    coefs: list[np.ndarray]  # (d_m, e)
    offsets: list[np.ndarray]  # (e,)


def _exact_latents(mosaic: Mosaic) -> _Shared:
    """The latents that all modalities share exactly, at unit variance over all rows."""
    coefs = _carried(mosaic)
    n, e = len(coefs), coefs[0].shape[1]
    if e == 0:
        return _Shared(coefs, [np.zeros(0)] * n)
    # means of the two sides of a link are those of the same rows
    system, gaps = np.ones((1 + len(mosaic.links), n)), np.zeros((1 + len(mosaic.links), e))
    for row, ((m, l), pairs) in enumerate(mosaic.links.items(), start=1):
        system[row] = np.eye(n)[m] - np.eye(n)[l]
        sides = np.split(pairs.moments.mean, [len(coefs[m])])
        own, other = (
            (mean - mosaic.centers[i]) @ coefs[i] for i, mean in zip((m, l), sides, strict=True)
        )
        gaps[row] = other - own
    offsets = np.linalg.lstsq(system, gaps, rcond=None)[0]
    mean, second, total = np.zeros(e), np.zeros((e, e)), 0.0
    for group in mosaic.groups:  # a row shows its latent by any of its modalities
        m = group.given[0]
        own = group.moments.restricted(np.arange(len(coefs[m]))).mapped([coefs[m]])
        at = own.mean - mosaic.centers[m] @ coefs[m] + offsets[m]
        total += own.weight
        mean += own.weight * at
        second += own.weight * (own.covariance() + np.outer(at, at))
    if mosaic.center:
        mean, second = mean / total, second / total
        second, offsets = second - np.outer(mean, mean), offsets - mean
    else:
        second = second / total
    variance, axes = np.linalg.eigh(second)
    unit = axes / np.sqrt(variance)
    return _Shared([c @ unit for c in coefs], list(offsets @ unit))


def pairs_and_model(mosaic: Mosaic, shrinkage) -> tuple[WhitenedPairs, SharedGaussian]:
    """The Gaussian model of all rows, white in coordinates that cover what each modality does."""
    shared = _exact_latents(mosaic)
    e = shared.coefs[0].shape[1]
    slopes, rests, maps = [], [], []
    for block, coef in zip(mosaic.blocks, shared.coefs, strict=True):
        a = block.singular_values[:, None] * (block.basis.T @ (block.scale[:, None] * coef))
        slopes.append(np.linalg.lstsq(a.T, np.eye(e), rcond=None)[0])  # a (a'a)^-1
        rests.append(np.linalg.qr(a, mode="complete")[0][:, e:] if e else np.eye(block.rank))
        maps.append(block.map @ rests[-1])
    mean, cov, edges = _rest_model(mosaic, maps, shrinkage)
    blocks, exact, rest, roots, centers = [], [], [], [], []
    for m, block in enumerate(mosaic.blocks):
        own = slice(edges[m], edges[m + 1])
        variance, axes = np.linalg.eigh(cov[own, own])
        variance = np.maximum(variance, NEGLIGIBLE * variance.max(initial=0.0))
        roots.append(axes / np.sqrt(variance))
        # from y = [z; w] to the block, and white coordinates of what comes of it
        root = np.hstack([slopes[m], rests[m] @ (axes * np.sqrt(variance))])
        left, values, right = np.linalg.svd(block.singular_values[:, None] * root)
        at = rests[m] @ mean[own] - slopes[m] @ shared.offsets[m]
        centers.append(mosaic.centers[m] + block.points(at[:, None])[:, 0])
        blocks.append(WhitenedBlock(block.scale, block.basis @ left, values, None, block.rounding))
        exact.append(right[:, :e])
        rest.append(right[:, e:])
    if e:
        turn = principal_rotation(exact, [b.singular_values for b in blocks])
        exact = [a @ turn for a in exact]
    cross, between = {}, {}
    for m in range(len(blocks)):
        for l in range(m + 1, len(blocks)):
            own, other = slice(edges[m], edges[m + 1]), slice(edges[l], edges[l + 1])
            cross[m, l] = roots[m].T @ cov[own, other] @ roots[l]
            between[m, l] = exact[m] @ exact[l].T + rest[m] @ cross[m, l] @ rest[l].T
    stacked = np.zeros(sum(map(len, mosaic.columns)))
    for columns, own in zip(mosaic.columns, centers, strict=True):
        stacked[columns] = own
    weakest = min(mosaic.weights[link] for link in mosaic.chain)
    moments = Moments(weakest, mosaic.n_rows, stacked)
    met = {link: pairs.moments for link, pairs in mosaic.links.items()}
    correlations = [*map(canonical_correlations, between.values())]
    pairs = WhitenedPairs(moments, mosaic.columns, blocks, between, correlations, met)
    ones = [np.ones(r.shape[1]) for r in rest]
    return pairs, SharedGaussian(exact, list(rest), ones, cross, shrunk=True)


def _rest_model(mosaic: Mosaic, maps, shrinkage):
    """Mean and covariance of what is not shared exactly, ``u_m = maps_m.T @ (x_m - center)``."""
    edges = np.cumsum([0, *(a.shape[1] for a in maps)])
    at = [np.arange(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    noise = [(block.scale[:, None] * a) for block, a in zip(mosaic.blocks, maps, strict=True)]
    noise = [a.T @ a for a in noise]  # what is independent at unit variances
    parts = []
    for group in mosaic.groups:
        given = np.concatenate([at[m] for m in group.given])
        if len(given):
            parts.append(_shrunk_part(mosaic, group, maps, noise, given, shrinkage))
    mean, cov = np.zeros(edges[-1]), _start(mosaic, maps, noise, at, shrinkage)
    if len(mean) == 0:
        return mean, cov, edges
    apart = [
        (at[m], at[l])
        for m in range(len(at))
        for l in range(m + 1, len(at))
        if not mosaic.weights[m, l] and len(at[m]) and len(at[l])
    ]
    mean, cov = expectation_maximisation(
        parts, (mean, cov), apart, max_iter=MAX_ITER_TOP, tol=TOLERANCE_TOP
    )
    return (mean if mosaic.center else 0 * mean), cov, edges


def _shares(mosaic, given, shrinkage):
    """Share of independent noise in each of some modalities, by their weakest link."""
    if len(given) == 1:
        return [0.0]
    n = min(mosaic.weights[m, l] for m in given for l in given if m < l)
    each = shrinkage_of_each(shrinkage, len(mosaic.blocks))
    return [block_shrinkage(mosaic.blocks[m], each[m], n) for m in given]


def _shrunk(cov, maps, noise, alphas):
    """The covariance of some rests, as if a share of each were independent noise."""
    keep = np.concatenate(
        [np.full(a.shape[1], np.sqrt(1 - alpha)) for a, alpha in zip(maps, alphas, strict=True)]
    )
    cov, start = cov * np.outer(keep, keep), 0
    for own, alpha in zip(noise, alphas, strict=True):
        place = slice(start, start + len(own))
        cov[place, place] += alpha * own
        start += len(own)
    return cov


def _mapped(moments: Moments, mosaic, given, maps) -> Moments:
    """Moments of the rests of some modalities."""
    center = np.concatenate([mosaic.centers[m] for m in given])
    about = Moments(
        moments.weight, moments.n_rows, moments.mean - center, moments.scatter, moments.root
    )
    return about.mapped([maps[m] for m in given])


def _shrunk_part(mosaic, group: Incomplete, maps, noise, places, shrinkage) -> Part:
    own = _mapped(group.moments, mosaic, group.given, maps)
    alphas = _shares(mosaic, group.given, shrinkage)
    some = [maps[m] for m in group.given], [noise[m] for m in group.given]
    return Part(own.weight, places, own.mean, _shrunk(own.covariance(), *some, alphas))


def _start(mosaic, maps, noise, at, shrinkage):
    """White blocks, correlated along the strongest links: positive definite."""
    step, n = {}, len(at)
    for m, l in mosaic.chain:
        own = _mapped(mosaic.links[m, l].moments, mosaic, (m, l), maps)
        some = [maps[m], maps[l]], [noise[m], noise[l]]
        cov = _shrunk(own.covariance(), *some, _shares(mosaic, (m, l), shrinkage))
        cut = len(at[m])
        left, right = _inverse_root(cov[:cut, :cut]), _inverse_root(cov[cut:, cut:])
        a, values, b = np.linalg.svd(left @ cov[:cut, cut:] @ right, full_matrices=False)
        step[m, l] = (a * np.minimum(values, BELOW_ONE)) @ b
        step[l, m] = step[m, l].T
    cov = np.eye(sum(map(len, at)))
    for m in range(n):
        reached, frontier = {m: np.eye(len(at[m]))}, [m]
        while frontier:
            here = frontier.pop()
            for (i, l), across in step.items():
                if i == here and l not in reached:
                    reached[l] = reached[here] @ across
                    frontier.append(l)
                    cov[np.ix_(at[m], at[l])] = reached[l]
    return cov


def _inverse_root(cov):
    """Symmetric inverse square root, zero where nothing varies."""
    values, axes = np.linalg.eigh(cov)
    values = np.where(values > NEGLIGIBLE * values.max(initial=0.0), values, 0.0)
    return (axes * reciprocal(np.sqrt(values))) @ axes.T
