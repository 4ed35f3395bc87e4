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

from dataclasses import dataclass

import numpy as np

from ._model import Model, principal_turn, white_directions
from ._significance import white_gram
from ._white import Pairs

# Singular values of the stacked blocks below this, times the largest, span their null space.
EXACT = 1e-12
# Latents whose covariance is so near to the identity are white.
UNIT = 1e-13


@dataclass(frozen=True)
class Alignment:
    """What :func:`align` finds; lists hold one item per modality."""

    coefs: list[np.ndarray]  # (k, d_m): latent = coef @ x
    decoders: list[np.ndarray]  # (d_m, k): least-squares way back under the model
    loadings: np.ndarray  # (n_features, k): correlation of each feature with its latent
    latent_cov: np.ndarray  # (M k, M k): covariance of the latents of all modalities
    singular_values: np.ndarray
    correlations: np.ndarray


def align(pairs: Pairs, model: Model, n_components: int, whiten: bool) -> Alignment:
    """Maps of each modality into the ``n_components`` dimensions they share best."""
    if whiten:
        loads = _load_white(pairs, model, n_components)
        coefs = [pairs.ranges[m].coef(model.to_q(m, y)) for m, y in enumerate(loads)]
    else:
        coefs, loads = _load_orthonormal(pairs, model, n_components)
    latent_cov = _latent_covariance(model, loads)
    decoders = [_decoder(pairs.ranges[m], model, m, y) for m, y in enumerate(loads)]
    correlations = _correlations(latent_cov, n_components)
    exact = min(model.n_exact, n_components)
    singular_values = np.sqrt(_losses(latent_cov, coefs, n_components, whiten))
    singular_values[:exact] = _residuals(pairs, coefs, whiten)[:exact]
    signs = _signs(pairs, coefs)
    both = np.tile(signs, len(coefs))
    return Alignment(
        [signs[:, None] * c.T for c in coefs],
        [d * signs for d in decoders],
        signs * _loadings(pairs, model, loads),
        latent_cov * np.outer(both, both),
        singular_values,
        correlations,
    )


def _load_white(pairs, model, k):
    """Gauge D: the exact directions, then those of the largest model correlation."""
    e = model.n_exact
    shared = min(e, k)
    top = np.eye(e, shared)
    rest = [np.zeros((len(v), 0)) for v in model.variance]
    if k > e:

        def spread(m, y):
            return model.values(m, np.pad(y, ((e, 0), (0, 0)))) * pairs.ranges[m].spread[:, None]

        rest = white_directions(model.cross, spread, k - e)
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
    bases, to_y = [], []
    for m, block in enumerate(pairs.ranges):
        basis = np.linalg.qr(block.scale[:, None] * block.basis)[0]
        bases.append(basis)
        turn = block.spread[:, None] * (block.basis.T @ (block.scale[:, None] * basis))
        to_y.append(model.from_q(m, turn))
    sizes = [b.shape[1] for b in bases]
    if not model.shrunk and pairs.moments.root is not None:
        beta = _left_null(pairs, bases, k)
    else:
        gram = _model_gram(model)
        loss = len(sizes) * np.eye(len(gram)) - gram
        turn = _block_diagonal(to_y)
        beta = _smallest(turn.T @ loss @ turn, np.linalg.solve(turn, _exact_stack(model)), k)
    parts = np.split(beta, np.cumsum(sizes)[:-1])
    coefs = [basis @ part for basis, part in zip(bases, parts, strict=True)]
    return coefs, [turn @ part for turn, part in zip(to_y, parts, strict=True)]


def _left_null(pairs, bases, k):
    """Smallest singular vectors of the stacked blocks, ``[X_1; -X_2]`` for two modalities."""
    blocks = [pairs.moments.root[:, c] @ b for c, b in zip(pairs.columns, bases, strict=True)]
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
    turn = principal_turn(np.split(vectors[:, :null], edges), lambda m, b: blocks[m] @ b)
    return np.hstack([vectors[:, :null] @ turn, vectors[:, null:]])[:, :k]


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


def _block_diagonal(blocks):
    out = np.zeros(np.sum([b.shape for b in blocks], axis=0))
    row = column = 0
    for b in blocks:
        out[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out


def _latent_covariance(model, loads):
    e, k, n = model.n_exact, loads[0].shape[1], len(loads)
    out = np.zeros((n * k, n * k))
    for m in range(n):
        out[m * k : (m + 1) * k, m * k : (m + 1) * k] = loads[m].T @ loads[m]
        for l in range(m + 1, n):
            shared = loads[m][:e].T @ loads[l][:e]
            block = shared + loads[m][e:].T @ model.cross[m, l] @ loads[l][e:]
            out[m * k : (m + 1) * k, l * k : (l + 1) * k] = block
            out[l * k : (l + 1) * k, m * k : (m + 1) * k] = block.T
    return out


def _decoder(block, model, m, y):
    """Regression of x on its latents ``y.T @ y_m``: ``Cov(x, z) Cov(z)^+``."""
    gram = y.T @ y
    if np.abs(gram - np.eye(len(gram))).max() > UNIT:  # as white latents are
        y = y @ np.linalg.pinv(gram, hermitian=True)
    return block.values(model.values(m, y))


def _loadings(pairs, model, loads):
    out = np.zeros((len(pairs.moments.mean), loads[0].shape[1]))
    for m, (block, y) in enumerate(zip(pairs.ranges, loads, strict=True)):
        deviation = np.outer(block.scale, np.linalg.norm(y, axis=0))
        cov = block.values(model.values(m, y))
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
    moments, total = pairs.moments, 0.0
    gauge = len(coefs) if whiten else np.sum([np.sum(c**2, axis=0) for c in coefs], axis=0)
    for m in range(len(coefs)):
        for l in range(m + 1, len(coefs)):
            v = np.zeros((len(moments.mean), coefs[0].shape[1]))
            v[pairs.columns[m]] = coefs[m]
            v[pairs.columns[l]] = -coefs[l]
            if moments.root is not None:
                total = total + np.sum((moments.root @ v) ** 2, axis=0)
            else:
                total = total + np.maximum(np.sum(v * (moments.scatter @ v), axis=0), 0.0)
    return np.sqrt(total / moments.weight / gauge)


def _signs(pairs, coefs):
    """Signs that make the skewness of each component's scaled weights positive.

    It does not depend on the order of columns or modalities.
    """
    scaled = [r.scale[:, None] * c for r, c in zip(pairs.ranges, coefs, strict=True)]
    cubes = [np.einsum("ij,ij,ij->j", w, w, w) for w in scaled]
    return np.where(np.sum(cubes, axis=0) < 0, -1.0, 1.0)
