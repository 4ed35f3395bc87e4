r"""One pass over rows: moments by the modalities that each has, and roots of them.

A covariance loses the square of the condition number. But its eigenvectors :math:`V_m` and
singular values :math:`s_m`, kept from falling below rounding, map each block to
:math:`y_m = s_m^{-1} V_m^\top \Delta_m^{-1} (x_m - \mu_m)`, computed from the data themselves, and
the covariance of :math:`y` is well-conditioned. With its Cholesky factor :math:`R`,

.. math:: C = B^\top R^\top R\, B, \qquad B = \mathrm{blockdiag}(s_m V_m^\top \Delta_m),

so that :math:`R B` is a root that loses the condition number only: the idea of CholeskyQR2
(Fukaya et al. 2014, 2020), the same sums again on mapped data.
"""

from typing import Any

import numpy as np

from .._blocks import Blocks, presence
from .._utils._array_api import as_numpy, device_sums, hstack, is_on_device, to_numpy
from .._utils._progress import with_progress
from .._utils._rows import BLOCK, row_blocks
from .._utils._validation import TOO_FAR_APART
from ._moments import Moments, as_root, merge, triangle

# Moments of rows, by the modalities that they have.
Patterns = dict[tuple[bool, ...], Moments]
# Mapped columns whose mean square is below this hold nothing but rounding.
NOTHING = 1e-9


def batches(n_rows: int, n_features: int, kind: str = "covariance"):
    """Slices of rows that bound the memory of a pass, and are taller than what they leave."""
    if kind == "qr":
        return row_blocks(n_rows, n_features, 4 * n_features, 8 * BLOCK)
    return row_blocks(n_rows, n_features, 2 * n_features)


def counted(X, weights, rows):
    """Rows of a batch that have a positive weight, and their weights."""
    batch, w = X[rows], None if weights is None else weights[rows]
    return (batch, w) if w is None or w.all() else (batch[w > 0], w[w > 0])


class Accumulator:
    """Sums up blocks of rows in float64, whatever their type and order.

    What is kept of the second moment is of a kind: ``"covariance"`` or ``"qr"``.
    """

    def __init__(self, kind: str = "covariance"):
        self.kind = kind
        self._weight, self._n_rows = 0.0, 0
        self._roots: Moments | None = None
        self._shift: np.ndarray | None = None
        self._sums: Any = None
        self._products: Any = None
        self._block: np.ndarray | None = None  # memory that is used again
        self._spare: np.ndarray | None = None

    def add(self, X, weights=None) -> bool:
        """Add a block; false, and nothing is added, if a mean of it is not finite."""
        if len(X) == 0:
            return True
        with np.errstate(invalid="ignore", over="ignore"):  # infinity in, NaN out
            if self.kind == "qr":
                batch = _root_of(as_numpy(X), weights)
                if not np.isfinite(batch.mean).all():
                    return False
                self._roots = merge(self._roots, batch)
            else:
                there = device_sums(X, self._shift, weights)
                shift, sums, products = there or self._sums_of(as_numpy(X), weights)
                if products is None or not np.isfinite(sums).all():
                    return False
                if self._shift is None:
                    self._shift, self._sums, self._products = shift, sums, products
                else:
                    self._sums = self._sums + sums  # one of a device's may be read-only
                    self._products += products
        self._weight += len(X) if weights is None else weights.sum()
        self._n_rows += len(X)
        return True

    def _sums_of(self, X, weights):
        """As of ``device_sums``; no products if a sum is not finite."""
        shift = self._shift
        if shift is None:  # from the first row on, so that a constant column is zero exactly
            first = X[0].astype(np.float64)
            shift = first + (X - first).mean(axis=0)
        # the one copy, of a block, into the same memory each time: fresh pages are slow. In the
        # order of the data, so that it is read as it lies
        again = self._block is not None and self._block.shape == X.shape
        block = np.subtract(X, shift, out=self._block if again else None)
        self._block = block
        sums = block.sum(axis=0) if weights is None else weights @ block
        if not np.isfinite(sums).all():
            return shift, sums, None
        if weights is not None:
            block *= np.sqrt(weights)[:, None]
        # NumPy knows a product with its own transpose for a symmetric one; SciPy's BLAS beside it
        # would have threads of its own, and the two stand in each other's way
        products = np.matmul(block.T, block, out=self._spare)
        if self._shift is not None:  # the first ones are added to
            self._spare = products
        return shift, sums, products

    def result(self) -> "Moments | None":
        """Moments of all rows so far; None where there is no row."""
        if self._shift is None:
            return self._roots
        offset = self._sums / self._weight
        with np.errstate(invalid="ignore", over="ignore"):
            between = np.sqrt(self._weight) * offset
            scatter = np.outer(between, between)
            products = self._products
            if not isinstance(products, np.ndarray):  # a device need not round both halves alike
                products = np.tril(to_numpy(products))
                products += np.tril(products, -1).T
            np.subtract(products, scatter, out=scatter)
        return Moments(self._weight, self._n_rows, self._shift + offset, scatter=scatter)


def _root_of(X, weights):
    """Moments of a block, with their root."""
    first = X[0].astype(np.float64)
    X = X - first
    weight = float(len(X) if weights is None else weights.sum())
    mean = X.mean(axis=0) if weights is None else weights @ X / weight
    X -= mean
    if weights is not None:
        X *= np.sqrt(weights)[:, None]
    return Moments(weight, len(X), first + mean, root=triangle(X))


def moments_by_pattern(
    X, weights, blocks: Blocks, kind: str, *, verbose: bool = False
) -> Patterns:
    """Moments of the rows (n, d) of positive weight, by the modalities that they have."""
    what = "triangular root" if kind == "qr" else "moments"
    # each batch on a device has a price of its own
    slices = batches(len(X), X.shape[1], "qr" if is_on_device(X) else kind)
    everything = (True,) * len(blocks)
    sums = {everything: Accumulator(kind)}
    for rows in with_progress(slices, what, verbose):
        # a NaN or infinity shows in the mean; only then are rows looked at
        if not sums[everything].add(*counted(X, weights, rows)):
            _add_by_pattern(sums, X, weights, blocks, rows)
    found = _results(sums)
    if not all(total.finite for total in found.values()):
        raise ValueError(TOO_FAR_APART)
    return found


def _results(sums) -> Patterns:
    """Moments by pattern, of those that have any row."""
    totals = {pattern: total.result() for pattern, total in sums.items()}
    return {pattern: total for pattern, total in totals.items() if total is not None}


def merge_patterns(a: Patterns, b: Patterns) -> Patterns:
    """Moments of the rows of both, by the modalities that they have."""
    both = {pattern: merge(a.get(pattern), b.get(pattern)) for pattern in {**a, **b}}
    return {pattern: total for pattern, total in both.items() if total is not None}


def rows_in_common(patterns: Patterns, n_modalities: int, *, weighted: bool = False) -> np.ndarray:
    """How many rows have both of two modalities, (M, M); or what they weigh together."""
    counts = np.zeros((n_modalities, n_modalities))
    for pattern, part in patterns.items():
        counts += np.outer(pattern, pattern) * (part.weight if weighted else part.n_rows)
    return counts


def strongest_links(counts: np.ndarray, least: float = 0) -> list[tuple[int, int]]:
    """Pairs of modalities that join as many as can be, by as many rows as can be.

    The spanning tree of largest counts, (M, M), none below ``least`` (Kruskal 1956), strongest
    first: one pair fewer than there are modalities, unless some are cut off.
    """
    group, links = list(range(len(counts))), []
    pairs = [(m, l) for m in group for l in range(m + 1, len(counts)) if counts[m, l] >= least]
    for m, l in sorted(pairs, key=lambda pair: -counts[pair]):
        if group[m] != group[l]:
            links.append((m, l))
            group = [group[m] if g == group[l] else g for g in group]
    return links


def _add_by_pattern(sums, X, weights, blocks, rows):
    """Add a batch to the sums of the modalities that each row has."""
    batch, w = X[rows], None if weights is None else weights[rows]
    present = presence(batch, blocks, rows.start)
    counts = np.ones(len(batch), dtype=bool) if w is None else w > 0
    for pattern in np.unique(present[counts & present.any(axis=1)], axis=0):
        mine = np.flatnonzero((present == pattern).all(axis=1) & counts)
        part = batch[mine]
        if not pattern.all():
            part = hstack([blocks.take(part, m) for m in np.flatnonzero(pattern)])
        key = tuple(bool(has) for has in pattern)
        if key not in sums:
            sums[key] = Accumulator(sums[(True,) * len(blocks)].kind)
        if not sums[key].add(part, None if w is None else w[mine]):
            raise ValueError(
                f"X holds values that overflow, between rows {rows.start} and {rows.stop - 1}: "
                "scale the features, for example by StandardScaler."
            )


# -- a root from one more pass -------------------------------------------------------------------


def whitening_maps(total: Moments, blocks: Blocks):
    """Maps of each block to white coordinates, and back: a list of pairs of (d, d)."""
    maps = []
    for m in range(len(blocks)):
        columns = blocks.indices(m)
        scale = total.deviations()[columns]
        scale = np.where(scale > 0, scale, 1.0)
        _, values, right = total.principal(columns, scale)
        floor = len(columns) * np.finfo(float).eps * max(values[0] ** 2, np.finfo(float).tiny)
        values = np.sqrt(np.maximum(values**2, floor))
        maps.append((right.T / np.outer(scale, values), (right.T * values).T * scale))
    return maps


def mapped_moments(
    X, weights, blocks: Blocks, mean, maps, *, stop: bool = True, verbose: bool = False
) -> Patterns | None:
    """Moments by the modalities that rows have, each block mapped by :func:`whitening_maps`.

    With ``stop``, None as soon as the first complete rows lack a dimension.
    """
    everything = (True,) * len(blocks)
    sums = {everything: Accumulator()}
    for rows in with_progress(batches(*X.shape), "refinement", verbose):
        batch, w = counted(X, weights, rows)
        batch = as_numpy(batch)
        Y = np.empty(batch.shape)
        for m, (there, _) in enumerate(maps):
            columns = blocks.columns[m]
            Y[:, columns] = np.subtract(blocks.take(batch, m), mean[columns]) @ there
        if not sums[everything].add(Y, w):
            _add_by_pattern(sums, Y, w, blocks, slice(0, len(Y)))
        if stop and rows.start == 0 and lacks_dimension(sums[everything].result()):
            return None
    return _results(sums)


def lacks_dimension(mapped: Moments | None) -> bool:
    """Whether a mapped column holds nothing but rounding."""
    return mapped is not None and bool(np.min(mapped.deviations() ** 2) < NOTHING)


def refine(rows, totals: Patterns) -> Patterns | None:
    """Moments with roots, by one more pass over rows of a source.

    None where a block of the pairs lacks a dimension, so that this fails.
    """
    everything = (True,) * len(rows.blocks)
    maps = whitening_maps(totals[everything], rows.blocks)
    mapped = rows.mapped(totals[everything].mean, maps)
    if mapped is None or lacks_dimension(mapped.get(everything)):
        return None
    return {p: _root_from_mapped(mapped[p], totals[p], rows.blocks, maps, p) for p in totals}


def _root_from_mapped(mapped, total, blocks, maps, pattern) -> Moments:
    """A root of the rows that have some modalities."""
    try:
        factor = np.linalg.cholesky(mapped.covariance() * mapped.weight).T
    except np.linalg.LinAlgError:  # few rows, of which others tell what they lack
        factor = as_root(mapped).rows(slice(None))
    root, start = np.empty_like(factor), 0
    for m in np.flatnonzero(pattern):
        back = maps[m][1]
        # only complete rows keep the order of the columns
        place = blocks.columns[m] if all(pattern) else slice(start, start + len(back))
        root[:, place] = factor[:, place] @ back
        start += len(back)
    return Moments(total.weight, total.n_rows, total.mean, root=root)
