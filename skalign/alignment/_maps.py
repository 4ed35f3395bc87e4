r"""From moments of pairs to one linear map per modality. Arrays in, arrays out.

Let :math:`S_{ml}` be the second moments of the pairs and :math:`D` their block diagonal.
The maps :math:`A_m` minimise the disagreement of all modalities,

.. math:: \sum_{m<l} \lVert A_m x_m - A_l x_l \rVert^2 = v^\top (M D - S) v,

under a gauge :math:`v^\top B v = 1`. With :math:`B = I` this is the left null space of the stacked
blocks (Kamboj & Do, Eq. 3, with the sign of Eq. 2 corrected); with :math:`B = D` it is canonical
correlation analysis for two modalities (Hotelling 1936; Björck & Golub 1973) and
MAXVAR generalised CCA for more (Kettenring 1971).

Each step changes the coordinates of a block:

=====  ==============================================  =================================
x      the block as given, centred                     :math:`S_{mm}`
q      :math:`s^{-1} V^\top \Delta^{-1} x`             identity, on the block's own range
y      :math:`[a,\; N h^{-1/2}]^\top q`                identity, in the shrunk model
=====  ==============================================  =================================

:math:`\Delta` scales columns to unit variance; :math:`V, s` come from an SVD; the columns of
:math:`a` are exactly shared directions, those of :math:`N` span the rest; and :math:`h` is the
shrunk variance of the rest, :math:`h = (1 - \alpha) + \alpha \tau` with the eigenvalues
:math:`\tau` of :math:`N^\top s^{-2} N`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag
from sklearn.utils import check_random_state

from .._utils._linalg import reciprocal
from .._utils._validation import (
    TOO_FAR_APART,
    check_number,
    check_option,
    check_switch,
    no_overflow,
)
from ._canonical import (
    canonical_directions,
    confirmed_exact,
    principal_rotation,
    white_gram,
)
from ._em import incomplete_rows, learn_from_all
from ._gaussian import build_model, decoder_of, latent_covariance, shrinkage_of_each
from ._imputation import (
    Shared,
    different_pairs,
    feature_variances,
    shared_by_ridge,
    shared_directions,
    shared_in,
)
from ._mosaic import chain_pvalues, is_mosaic, link_modalities, link_pvalues, pairs_and_model
from ._significance import SIGNIFICANCE, count_shared, dimension_pvalues, pairs_of_two
from ._whitening import WhitenedPairs, first_moments, whiten_rows

# Singular values of the stacked blocks below this, times the largest, span their null space.
EXACT = 1e-12
# Weights whose cubes sum to less than this share of their sizes have no sign of their own.
CANCELS = 1e-6


@dataclass(frozen=True)
class Alignment:
    """What :func:`align` finds; lists hold one item per modality."""

    coefs: list[np.ndarray]  # (k, d_m): latent = coef @ (x - mean)
    means: list[np.ndarray]  # (d_m,)
    decoders: list[np.ndarray]  # (d_m, k): least-squares way back under the model
    loadings: np.ndarray  # (n_features, k): correlation of each feature with its latent
    latent_covariance: np.ndarray  # (M k, M k): covariance of the latents of all modalities
    singular_values: np.ndarray
    correlations: np.ndarray
    pvalues: np.ndarray
    n_exact_components: int
    n_pairs: int
    ranks: np.ndarray  # (M,)
    shared: Shared

    @property
    def n_components(self) -> int:
        """Dimension of the aligned space."""
        return len(self.pvalues)


def align(
    rows,
    *,
    n_components="auto",
    whiten=True,
    center=True,
    shrinkage="auto",
    tol=None,
    solver="auto",
    random_state=None,
) -> Alignment:
    """Maps of each modality into the space in which the pairs among some rows agree.

    Parameters
    ----------
    rows : ArrayRows, DaskRows or Accumulated
    n_components, whiten, center, shrinkage, tol, solver, random_state
        As of :class:`skalign.NullSpaceAligner`.
    """
    _check_shrinkages(shrinkage, rows.blocks.names)
    with no_overflow():
        moments = first_moments(rows, solver, orthonormal=not whiten)
        learn = _learn_mosaic if is_mosaic(moments, len(rows.blocks)) else _learn_pairs
        options = {"solver": solver, "center": center, "tol": tol, "shrinkage": shrinkage}
        rng = check_random_state(random_state)
        pairs, model, pvalues, ranks, k, shared = learn(
            rows, moments, n_components, rng, **options
        )
        alignment = _solve(pairs, model, k, whiten, pvalues[:k], ranks, shared)
    if not all(np.isfinite(a).all() for a in [*alignment.coefs, *alignment.decoders]):
        raise ValueError(TOO_FAR_APART)
    return alignment


def white_pairs(rows, *, whiten=True, center=True, tol=None, solver="auto"):
    """White pairs of complete rows and their exact directions, for :func:`maps_of_pairs`."""
    with no_overflow():
        moments = first_moments(rows, solver, orthonormal=not whiten)
        _, pairs = whiten_rows(rows, moments, solver=solver, center=center, tol=tol)
        return pairs, confirmed_exact(pairs, rows)


def maps_of_pairs(pairs: WhitenedPairs, exact, *, n_components, whiten, shrinkage):
    """What :func:`align` finds of complete rows: their maps alone, by one of many shrinkages.

    Returns
    -------
    coefs : list of ndarray of shape (k, d_m)
        Up to the signs of components, which all modalities share.
    latent_covariance : ndarray of shape (M k, M k)
    """
    with no_overflow():
        model = build_model(pairs, exact, shrinkage)
        k = min(n_components or pairs.max_components, pairs.max_components)
        coefs, loads = _load(pairs, model, k, whiten)
        return [c.T for c in coefs], latent_covariance(model, loads)


def _learn_pairs(rows, moments, n_components, rng, *, shrinkage, center, tol, solver):
    """Pairs, their model, p-values and ranks, number of components, of complete rows.

    And what imputation goes through: latents, numbers of dimensions that each two of three
    modalities or more share, or nothing but the aligned space. Where other rows have one modality
    each, they tell nothing of what goes with what.
    """
    names = rows.blocks.names
    moments, pairs = whiten_rows(rows, moments, solver=solver, center=center, tol=tol)
    _check_ranks(pairs, names, n_components)
    model = build_model(pairs, confirmed_exact(pairs, rows), shrinkage)
    dof = pairs.moments.weight - center
    pvalues = dimension_pvalues(pairs, model, dof, rng)
    k = _count_components(n_components, pairs, pvalues)
    incomplete = incomplete_rows(moments, center)
    limited = len(names) == 2 and not _is_auto(n_components)
    linked = any(len(group.given) > 1 for group in incomplete)
    shared: Shared | dict = {}
    if isinstance(shrinkage, str) and not (
        linked or model.n_exact or (limited and len(names) == 2)
    ):
        shared = shared_by_ridge(pairs, different_pairs(pairs, rows))
    elif len(names) > 2 and (n_components is not None or isinstance(shrinkage, str)):
        shared = count_shared(pairs_of_two(pairs, model, dof, rng))
    ranks = np.array([block.rank for block in pairs.blocks])
    if incomplete and model.n_exact == 0:
        accuracy = {"tol": tol, "eps": rows.eps}
        pairs, model = learn_from_all(pairs, incomplete, shrinkage, names, **accuracy)
        k = min(k, pairs.max_components)  # a sum over all rows may tell fewer dimensions apart
    return pairs, model, pvalues, ranks, k, shared


def _learn_mosaic(rows, moments, n_components, rng, *, shrinkage, center, tol, solver):
    """The same of rows few of which, or none, are complete."""
    mosaic = link_modalities(rows, moments, solver=solver, center=center, tol=tol)
    pairs, model = pairs_and_model(mosaic, shrinkage)
    _check_ranks(pairs, rows.blocks.names, n_components)
    of_links = link_pvalues(mosaic, shrinkage, rng)
    pvalues = chain_pvalues(mosaic, of_links)
    counts = {} if n_components is None else count_shared(of_links)
    ranks = np.array([block.rank for block in mosaic.blocks])
    k = _count_components(n_components, pairs, pvalues)
    return pairs, model, pvalues, ranks, k, counts


def _count_components(n_components, pairs, pvalues) -> int:
    """Dimension of the aligned space."""
    if n_components is None:
        return pairs.max_components
    if n_components == "auto":
        return max(1, int(np.sum(pvalues <= SIGNIFICANCE)))
    return n_components


def check_options(n_components, whiten, center, shrinkage, tol, solver, random_state) -> None:
    """Raise unless the options of :func:`align` make sense; they are named."""
    if not _is_auto(n_components):
        check_number("n_components", n_components, low=1, integer=True)
    for each in shrinkage_of_each(shrinkage, 1):
        if not _is_auto(each):
            check_number("shrinkage", each, low=0, high=1)
    if tol is not None:
        check_number("tol", tol, low=0, high=1)
    check_switch("whiten", whiten)
    check_switch("center", center)
    check_option("solver", solver, ("auto", "covariance", "qr"))
    check_random_state(random_state)


def _check_shrinkages(shrinkage, names) -> None:
    """Raise where there are not as many as modalities."""
    if len(each := shrinkage_of_each(shrinkage, len(names))) != len(names):
        raise ValueError(
            f"shrinkage={each!r} has {len(each)} values, one for each modality: there are "
            f"{len(names)}, {list(names)}."
        )


def warn_of_chance(n_pairs: int, pvalue: float, *, weighted: bool) -> None:
    """Warn the caller of a fit if the modalities share nothing beyond chance."""
    if pvalue > SIGNIFICANCE:
        count = ", counted by sample_weight," if weighted else ""
        warnings.warn(
            f"The modalities share nothing beyond chance on {n_pairs} pairs{count} "
            f"(smallest p-value {pvalue:.2g}). The aligned space keeps one "
            "component, which means nothing. Check that rows are paired, or give more pairs.",
            UserWarning,
            stacklevel=3,
        )


def _is_auto(value) -> bool:
    """Whether a parameter is left to us, or to nobody."""
    return value is None or (isinstance(value, str) and value == "auto")


def _check_ranks(pairs: WhitenedPairs, names, n_components) -> None:
    """Raise where a modality has too few dimensions."""
    for name, block in zip(names, pairs.blocks, strict=True):
        if isinstance(n_components, int | np.integer) and n_components > block.rank:
            raise ValueError(
                f"n_components={n_components} exceeds the rank of modality {name!r}, which is "
                f"{block.rank} over {pairs.moments.n_rows} pairs: ask for fewer components."
            )


def _solve(pairs, model, k, whiten, pvalues, ranks, shared) -> Alignment:
    """Maps under the gauge, and what they say of the pairs.

    Imputation goes through what is ``shared``, or of two modalities through the aligned space;
    between two of three or more through so many dimensions as are told, or all that there are.
    """
    coefs, loads = _load(pairs, model, k, whiten)
    latent_cov = latent_covariance(model, loads)
    decoders = [decoder_of(pairs.blocks[m], model, m, y) for m, y in enumerate(loads)]
    if not isinstance(shared, Shared) and len(loads) > 2:
        shared = shared_in(pairs, model, shared_directions(pairs, model, loads, shared))
    exact = min(model.n_exact, k)
    singular_values = np.sqrt(_losses(latent_cov, coefs, k, whiten))
    singular_values[:exact] = _residuals(pairs, coefs, whiten)[:exact]
    signs = _signs(pairs, coefs)
    both = np.tile(signs, len(coefs))
    coefs, decoders = [signs[:, None] * c.T for c in coefs], [d * signs for d in decoders]
    latent_cov = latent_cov * np.outer(both, both)
    return Alignment(
        coefs=coefs,
        means=[pairs.moments.mean[c] for c in pairs.columns],
        decoders=decoders,
        loadings=signs * _loadings(pairs, model, loads),
        latent_covariance=latent_cov,
        singular_values=singular_values,
        correlations=_correlations(latent_cov, k),
        pvalues=pvalues,
        n_exact_components=exact,
        n_pairs=pairs.moments.n_rows,
        ranks=ranks,
        shared=shared
        if isinstance(shared, Shared)
        else Shared(coefs, decoders, latent_cov, feature_variances(pairs, model)),
    )


def _load(pairs, model, k, whiten):
    """Maps under the gauge, of features and in y."""
    if not whiten:
        return _load_orthonormal(pairs, model, k)
    loads = _load_white(pairs, model, k)
    return [pairs.blocks[m].coef(model.to_q(m, y)) for m, y in enumerate(loads)], loads


def _load_white(pairs, model, k):
    """Gauge D: the exact directions, then those of the largest model correlation."""
    e = model.n_exact
    shared = min(e, k)
    top = np.eye(e, shared)
    rest = [np.zeros((len(v), 0)) for v in model.variance]
    if k > e:
        roots = [model.explained_root(m, block) for m, block in enumerate(pairs.blocks)]
        rest = canonical_directions(model.cross, roots, k - e)
    blocks = []
    for y in rest:
        block = np.zeros((e + len(y), k))
        block[:e, :shared] = top
        block[e:, shared:] = y
        blocks.append(block)
    return blocks


def _load_orthonormal(pairs, model, k):
    """Gauge I: orthonormal rows of ``[A_1 | ... | A_M]``, the paper's Eq. 3.

    Coordinates ``x = basis @ beta`` with orthonormal bases keep the gauge.
    """
    bases, to_q = [], []
    for block in pairs.blocks:
        basis = np.linalg.qr(block.scale[:, None] * block.basis)[0]
        bases.append(basis)
        within = block.basis.T @ (block.scale[:, None] * basis)
        to_q.append(block.singular_values[:, None] * within)
    to_y = [model.from_q(m, q) for m, q in enumerate(to_q)]
    sizes = [b.shape[1] for b in bases]
    if not model.shrunk and pairs.moments.has_root:
        beta = _left_null([b.white @ q for b, q in zip(pairs.blocks, to_q, strict=True)], k)
    else:
        gram = _model_gram(model)
        loss = len(sizes) * np.eye(len(gram)) - gram
        both = block_diag(*to_y)
        beta = _smallest(both.T @ loss @ both, np.linalg.solve(both, _exact_stack(model)), k)
    parts = np.split(beta, np.cumsum(sizes)[:-1])
    coefs = [basis @ part for basis, part in zip(bases, parts, strict=True)]
    return coefs, [a @ part for a, part in zip(to_y, parts, strict=True)]


def _left_null(blocks, k):
    """Smallest singular vectors of the stacked blocks, ``[X_1; -X_2]`` for two modalities.

    Blocks are what of them counts: a direction that ``tol`` drops is not orthogonal to the others
    in units of the features, but is none.
    """
    rows = []
    for m in range(len(blocks)):
        for l in range(m + 1, len(blocks)):
            signs = [(i == m) - (i == l) for i in range(len(blocks))]
            rows.append(np.hstack([s * block for s, block in zip(signs, blocks, strict=True)]))
    stack = np.vstack(rows)
    _, size, right = np.linalg.svd(stack, full_matrices=len(stack) < stack.shape[1])
    size = np.pad(size, (0, len(right) - len(size)))
    null = int(np.sum(size <= EXACT * size[0]))
    edges = np.cumsum([b.shape[1] for b in blocks])[:-1]
    vectors = right[::-1].T
    rotation = principal_rotation(np.split(vectors[:, :null], edges), blocks)
    return np.hstack([vectors[:, :null] @ rotation, vectors[:, null:]])[:, :k]


def _smallest(loss, exact, k):
    """Orthonormal directions of least loss, the exact ones first."""
    exact = np.linalg.qr(exact)[0]
    complement = np.linalg.qr(exact, mode="complete")[0][:, exact.shape[1] :]
    vectors = np.linalg.eigh(complement.T @ loss @ complement)[1]
    return np.hstack([exact, complement @ vectors])[:, :k]


def _exact_stack(model):
    parts = [np.eye(model.n_exact + len(v), model.n_exact) for v in model.variance]
    return np.vstack(parts)


def _model_gram(model):
    """Covariance of the y of all modalities."""
    e = model.n_exact
    full = {}
    for key, c in model.cross.items():
        full[key] = np.zeros((e + c.shape[0], e + c.shape[1]))
        full[key][:e, :e] = np.eye(e)
        full[key][e:, e:] = c
    return white_gram(full)


def _loadings(pairs, model, loads):
    out = np.zeros((len(pairs.moments.mean), loads[0].shape[1]))
    for m, (block, y) in enumerate(zip(pairs.blocks, loads, strict=True)):
        deviation = np.outer(block.scale, np.linalg.norm(y, axis=0))
        cov = block.points(model.points(m, y))
        ratio = np.divide(cov, deviation, out=np.zeros_like(cov), where=deviation > 0)
        out[pairs.columns[m]] = np.clip(ratio, -1.0, 1.0)
    return out


def _split_diagonals(latent_cov, k):
    """Variances (M, k) of the latents, and their covariances (M, M, k) between modalities."""
    n = len(latent_cov) // k
    between = np.einsum("mjlj->mlj", latent_cov.reshape(n, k, n, k))
    return np.einsum("mmj->mj", between), between


def _correlations(latent_cov, k):
    """Mean correlation between modalities, per component."""
    variance, between = _split_diagonals(latent_cov, k)
    deviation = np.sqrt(variance)
    product = deviation[:, None] * deviation[None]
    ratio = np.divide(between, product, out=np.zeros_like(between), where=product > 0)
    n = len(variance)
    others = ratio.sum(axis=(0, 1)) - np.einsum("mmj->j", ratio)
    return np.clip(others / (n * (n - 1)), -1.0, 1.0)


def _losses(latent_cov, coefs, k, whiten):
    """Smallest eigenvalues ``v.T (M D - S) v / v.T B v`` of the model."""
    variance, between = _split_diagonals(latent_cov, k)
    loss = len(variance) * variance.sum(axis=0) - between.sum(axis=(0, 1))
    gauge = len(variance) if whiten else np.sum([np.sum(c**2, axis=0) for c in coefs], axis=0)
    return np.maximum(loss / gauge, 0.0)


def _residuals(pairs, coefs, whiten):
    """Square root of the same, measured on the pairs: accurate where it is near zero."""
    total: Any = 0.0
    gauge = len(coefs) if whiten else np.sum([np.sum(c**2, axis=0) for c in coefs], axis=0)
    for m in range(len(coefs)):
        for l in range(m + 1, len(coefs)):
            total = total + pairs.disagreement(m, l, coefs)
    return np.sqrt(total / gauge)


def _signs(pairs, coefs):
    """Signs that make the skewness of each component's scaled weights positive.

    It does not depend on the order of columns or modalities. Where cubes cancel, as in a
    difference of two alike columns, rounding would choose: there the first large weight does.
    """
    weights = np.zeros((len(pairs.moments.mean), coefs[0].shape[1]))
    for block, columns, c in zip(pairs.blocks, pairs.columns, coefs, strict=True):
        weights[columns] = block.scale[:, None] * c
    weights *= reciprocal(np.abs(weights).max(axis=0))
    size = np.abs(weights)
    balance, most = np.sum(weights**3, axis=0), np.sum(size**3, axis=0)
    first = np.argmax(size >= 1 - CANCELS, axis=0)
    tied = np.abs(balance) <= CANCELS * most
    decides = np.where(tied, weights[first, np.arange(len(first))], balance)
    return np.where(decides < 0, -1.0, 1.0)
