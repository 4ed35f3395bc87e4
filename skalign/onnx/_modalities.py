r"""Encoders, aligners, imputers and regressors as nodes of a graph.

A modality is missing where its whole block is NaN. Missing blocks are put at their mean, where
latents are zero. What is filled in is linear in the latents of the modalities that are there, by a
map for each pattern of them: all of these are evaluated at once, side by side, and that of the
row's own pattern is kept.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ..alignment._gaussian import conditional_latents
from ._graph import DOUBLE, Graph

# More modalities have too many patterns to write down the map of each.
MOST_MODALITIES = 6


def encode(g: Graph, x: str, encoder: Any) -> str:
    """Latents (n, k) of rows of one modality."""
    return g.affine(x, encoder.coef_.T, encoder.mean_)


def regress(g: Graph, x: str, regressor: Any) -> str:
    """Numbers (n, q) by rows of one modality."""
    coef = np.atleast_2d(regressor.coef_)
    mean = g.add(g.affine(x, coef.T, regressor.mean_), np.atleast_1d(regressor.intercept_))
    low, high = np.asarray(regressor.limits_).reshape(2, -1)
    return g.at_most(g.at_least(mean, low), high)


def deviation(g: Graph, x: str, regressor: Any) -> str:
    """Standard deviations (n, q) of these numbers."""
    u = g("Mul", g("Sub", x, regressor.mean_), regressor.feature_weights_)
    along = g("MatMul", u, regressor.components_.T)
    lengths = (g.reduced("ReduceSumSquare", points, 1) for points in (u, along))
    beyond = g("Div", g.at_least(g("Sub", *lengths), 0.0), float(regressor.penalty_))
    leverage = g("Mul", g.add(beyond, 1.0), float(regressor.row_share_))
    noise = g("Mul", g.add(leverage, 1.0), np.atleast_1d(regressor.noise_variance_))
    return g("Sqrt", g.add(noise, np.atleast_1d(regressor.error_variance_)))


def regressed(g: Graph, x: str, model: Any, what: Any, otherwise: Any) -> str:
    """Numbers or their deviations by the target of rows, and what is said of rows without it."""
    block = g.columns(x, model.aligner_.modality_columns_[model.target_])
    prior = np.reshape(otherwise, (1, -1))
    return g("Where", lacking(g, block), prior, what(g, block, model.target_regressor_))


# -- several modalities --------------------------------------------------------------------------


def blocks_of(g: Graph, x: str, aligner: Any) -> list[str]:
    """Columns of each modality."""
    return [g.columns(x, columns) for columns in aligner.modality_columns_]


def lacking(g: Graph, block: str) -> str:
    """Which rows lack a modality, bool (n, 1)."""
    missing = g.cast(g("IsNaN", block), DOUBLE)
    return g("Greater", g.reduced("ReduceMin", missing, 1), 0.5)


def latents(g: Graph, blocks: Sequence[str], missing: Sequence[str], maps, means) -> list[str]:
    """Latents of each modality; zero where it is missing."""
    parts = zip(blocks, missing, maps, means, strict=True)
    return [g.affine(g("Where", none, mean, x), a.T, mean) for x, none, a, mean in parts]


def transform(g: Graph, x: str, aligner: Any) -> str:
    """Mean of the latents of the modalities that rows have."""
    blocks = blocks_of(g, x, aligner)
    missing = [lacking(g, block) for block in blocks]
    maps, means = zip(*((e.coef_, e.mean_) for e in aligner.encoders_), strict=True)
    total = g.add(*latents(g, blocks, missing, maps, means))
    count = g.add(*(g.cast(g("Not", none), DOUBLE) for none in missing))
    return g("Div", total, count)


def impute(g: Graph, x: str, aligner: Any) -> str:
    """Rows whose missing blocks are filled; columns that no modality selects are left out."""
    if len(aligner.encoders_) > MOST_MODALITIES:
        raise NotImplementedError(
            f"impute of {len(aligner.encoders_)} modalities is not converted, of up to "
            f"{MOST_MODALITIES} it is: there is a map for each pattern of missing blocks."
        )
    learned, means = aligner.imputation_, [e.mean_ for e in aligner.encoders_]
    blocks = blocks_of(g, x, aligner)
    missing = [lacking(g, block) for block in blocks]
    Z = g.concat(latents(g, blocks, missing, learned["coefs"], means))
    expected = _of_own_pattern(g, Z, missing, learned)
    filled = []
    for block, none, mean, decoder, z in zip(
        blocks, missing, means, learned["decoders"], expected, strict=True
    ):
        filled.append(g("Where", none, g.add(g("MatMul", z, decoder.T), mean), block))
    places = np.argsort(np.concatenate(aligner.modality_columns_))
    return g.columns(g.concat(filled), places)


def _of_own_pattern(g: Graph, Z: str, missing: Sequence[str], learned) -> list[str]:
    """Expected latents of each modality, given those that a row has."""
    sizes = [len(coef) for coef in learned["coefs"]]
    edges = np.cumsum([0, *sizes])
    patterns = [p for p in product([False, True], repeat=len(sizes)) if any(p)]
    maps = np.zeros((edges[-1], len(patterns), edges[-1]))  # latents, pattern, expected latents
    for number, pattern in enumerate(patterns):
        given = [m for m, there in enumerate(pattern) if there]
        rows = np.concatenate([np.arange(edges[m], edges[m + 1]) for m in given])
        for m in set(range(len(sizes))) - set(given):
            slope, _ = conditional_latents(learned["covariance"], sizes, given, m)
            maps[rows, number, edges[m] : edges[m + 1]] = slope
    # patterns as binary numbers, of which the first modality is the highest digit
    digits = 2.0 ** np.arange(len(sizes))[::-1]
    there = g.concat([g.cast(g("Not", none), DOUBLE) for none in missing])
    code = g("MatMul", there, digits[:, None])
    own = g.cast(g("Equal", code, 1.0 + np.arange(len(patterns))), DOUBLE)
    every = g("MatMul", Z, maps.reshape(edges[-1], -1))
    every = g("Reshape", every, np.array([-1, len(patterns), edges[-1]]))
    kept = g("Mul", every, g("Reshape", own, np.array([-1, len(patterns), 1])))
    # of rows without a modality nothing is known: NaN
    known = g.reduced("ReduceSum", own, 1)
    expected = g("Div", g.reduced("ReduceSum", kept, 1, keep=False), known)
    return [
        g.columns(expected, np.arange(start, stop))
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]
