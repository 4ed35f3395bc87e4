"""Rows of stacked blocks: moments by what each row has, and the model of the pairs."""

from dataclasses import dataclass

import numpy as np

from ._array_api import OnDevice, beside, host
from ._blocks import Blocks
from ._missing import Incomplete
from ._model import Model, build_model, exact_directions, stack_rank
from ._moments import Accumulator, Moments, about_zero, batches, counted, merge
from ._progress import Progress
from ._refine import refined
from ._stacking import presence
from ._validation import rounding_of
from ._white import Pairs, whiten_pairs

# Moments of rows, by the modalities that they have.
Patterns = dict[tuple[bool, ...], Moments]


def gather(
    X, weights, blocks: Blocks, *, kind, refine, whitened, verbose=False
) -> tuple[Patterns, Pairs]:
    """Moments of ``X`` that are accurate enough, and the white pairs they give.

    Parameters
    ----------
    X : ndarray or OnDevice of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    blocks : Blocks
    kind : {"covariance", "qr"}
        What to keep of the second moment.
    refine : bool
        Whether to read the data again where a covariance is too coarse.
    whitened : callable
        Makes :class:`_white.Pairs` of moments.
    verbose : bool
    """

    def progress(what):
        return Progress(what, len(X)) if verbose else None

    sums = sum_up(X, weights, blocks, kind, progress("moments"))
    pairs = whitened(sums)
    if pairs.accurate or not refine:
        return sums, pairs
    everyone = (True,) * len(blocks)
    if not pairs.nearly_one:
        root = refined(X, weights, blocks, sums[everyone], progress("refinement"))
        if root is not None:
            sums = {**sums, everyone: root}
            pairs = whitened(sums)
            if not pairs.nearly_one:
                return sums, pairs
    sums = sum_up(X, weights, blocks, "qr", progress("triangular root"))
    return sums, whitened(sums)


def whiten(sums: Patterns, blocks: Blocks, *, center, tol, eps) -> Pairs:
    """White coordinates of the pairs.

    Parameters
    ----------
    sums : dict
        Moments by pattern.
    blocks : Blocks
    center : bool
        Whether moments are about the mean, or about the origin.
    tol, eps : float
        See :func:`_white.whiten_pairs`.
    """
    total = _complete(sums, blocks)
    columns = [blocks.indices(m) for m in range(len(blocks))]
    return whiten_pairs(total if center else about_zero(total), columns, tol=tol, eps=eps)


def incomplete(sums: Patterns, center: bool) -> list[Incomplete]:
    """Moments of the rows that lack a modality, in an order of their own."""
    return [
        Incomplete(
            tuple(m for m, has in enumerate(pattern) if has), part if center else about_zero(part)
        )
        for pattern, part in sorted(sums.items())
        if not all(pattern)
    ]


def fit_model(pairs: Pairs, more_than, shrinkage) -> Model:
    """Gaussian model of the pairs, in which exact directions are truly exact.

    With no more different pairs than the rank of the stacked blocks any two modalities agree, by
    interpolation: Theorem 2.1 says nothing there. ``more_than(limit)`` tells whether there are
    more different pairs than that; repeated rows count once.
    """
    ranks = [block.rank for block in pairs.ranges]
    exact = [np.zeros((rank, 0)) for rank in ranks]
    if pairs.moments.n_rows > max(ranks) + 1:
        found = exact_directions(pairs)
        n_exact = found[0].shape[1]
        if n_exact and more_than(stack_rank(pairs, n_exact) + 1):
            exact = found
    return build_model(pairs, exact, shrinkage)


def check_ranks(pairs: Pairs, names, n_components) -> None:
    """Raise where a modality has too few dimensions."""
    for name, block in zip(names, pairs.ranges, strict=True):
        if block.rank == 0:
            raise ValueError(
                f"modality {name!r} is constant over the pairs: nothing can be aligned with it."
            )
        if isinstance(n_components, int | np.integer) and n_components > block.rank:
            raise ValueError(
                f"n_components={n_components} exceeds the rank of modality {name!r}, which is "
                f"{block.rank} over {pairs.moments.n_rows} pairs: ask for fewer components."
            )


def sum_up(X, weights, blocks: Blocks, kind: str, progress=None) -> Patterns:
    """Moments of the rows of positive weight, by the modalities that they have."""
    everything = (True,) * len(blocks)
    sums = {everything: Accumulator(kind)}
    # each batch on a device has a price of its own
    size = "qr" if isinstance(X, OnDevice) else kind
    for rows in batches(len(X), X.shape[1], size):
        batch, w = counted(X, weights, rows)
        # a NaN or infinity shows in the mean; only then are rows looked at
        if not sums[everything].add(batch, w):
            _add_by_pattern(sums, X, weights, blocks, rows)
        if progress is not None:
            progress(rows.stop)
    totals = {pattern: total.result() for pattern, total in sums.items()}
    found = {pattern: total for pattern, total in totals.items() if total is not None}
    if not all(total.finite for total in found.values()):
        raise ValueError(
            "X holds values whose squares overflow: scale the features, for example by "
            "StandardScaler."
        )
    return found


def _add_by_pattern(sums, X, weights, blocks, rows):
    batch, w = X[rows], None if weights is None else weights[rows]
    present = presence(batch, blocks, rows.start)
    counts = np.ones(len(batch), dtype=bool) if w is None else w > 0
    for pattern in np.unique(present[counts & present.any(axis=1)], axis=0):
        mine = np.flatnonzero((present == pattern).all(axis=1) & counts)
        part = batch[mine]
        if not pattern.all():
            part = beside([blocks.take(part, m) for m in np.flatnonzero(pattern)])
        key = tuple(bool(has) for has in pattern)
        if key not in sums:
            sums[key] = Accumulator(sums[(True,) * len(blocks)].kind)
        if not sums[key].add(part, None if w is None else w[mine]):
            raise ValueError(
                f"X holds values that overflow, between rows {rows.start} and {rows.stop - 1}: "
                "scale the features, for example by StandardScaler."
            )


def _complete(sums: Patterns, blocks: Blocks) -> Moments:
    total = sums.get((True,) * len(blocks))
    n_pairs = 0 if total is None else total.n_rows
    if total is None or n_pairs < 2:
        raise ValueError(
            f"X has {('no pairs', 'one pair')[n_pairs]}: at least two rows need every modality "
            f"({', '.join(blocks.names)}) to learn how they correspond."
        )
    return total


class Distinct:
    """Different complete rows, repeated ones counted once, up to as many as may be asked for."""

    def __init__(self, n_features: int):
        self.most = n_features + 2
        self.seen = np.zeros(0, dtype=np.uint64)

    def add(self, X, weights, limit: int | None = None) -> bool:
        """Look at rows until there are more than ``limit`` different ones; whether there are."""
        limit = self.most if limit is None else limit
        step = 2 * self.most + 60  # enough, where hardly a row is repeated
        for start in range(0, len(X), step):
            if len(self.seen) > limit:
                break
            rows = slice(start, start + step)
            batch = host(X[rows])
            complete = np.isfinite(batch).all(axis=1)
            if weights is not None:
                complete &= weights[rows] > 0
            # one column is enough where its values differ, and saves looking at the others
            first = np.unique(_doubles(batch[:, 0][complete]))
            enough = len(first) > self.most
            found = first.view(np.uint64) if enough else _hashes(_doubles(batch[complete]))
            self.seen = np.union1d(self.seen, found)[: self.most + 1]
        return len(self.seen) > limit


def _doubles(X):
    return X.astype(np.float64) + 0.0  # so that -0.0 equals 0.0


def _hashes(X):
    """One number a row, of its bits: equal rows have equal ones, whatever stands around them."""
    bits = np.ascontiguousarray(X).view(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=X.shape[1], dtype=np.uint64) * 2 + 1
    for shift in (29, 32):  # so that all bits of a number matter to the high ones of the sum
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(31)
    return (bits * factors).sum(axis=1, dtype=np.uint64)


@dataclass(frozen=True)
class Seen:
    """What is kept of rows that are gone: enough to learn from them and from more."""

    sums: Patterns
    different: Distinct
    eps: float

    @classmethod
    def nothing(cls, n_features: int) -> "Seen":
        """No rows."""
        return cls({}, Distinct(n_features), 0.0)

    def __sizeof__(self) -> int:  # schedulers that move it go by this
        arrays = [a for m in self.sums.values() for a in (m.mean, m.scatter, m.root)]
        return sum(a.nbytes for a in (*arrays, self.different.seen) if a is not None)

    def n_pairs(self, blocks: Blocks) -> int:
        """Number of complete rows."""
        total = self.sums.get((True,) * len(blocks))
        return 0 if total is None else total.n_rows

    def more_than(self, limit: int) -> bool:
        """Whether there were more than so many different pairs."""
        return len(self.different.seen) > limit

    def with_rows(self, X, weights, blocks: Blocks, kind: str) -> "Seen":
        """Some more rows."""
        different = Distinct(X.shape[1])
        different.add(X, weights)
        return self.merged(Seen(sum_up(X, weights, blocks, kind), different, rounding_of(X.dtype)))

    def merged(self, other: "Seen") -> "Seen":
        """All that either has seen."""
        sums = dict(self.sums)
        for pattern, part in other.sums.items():
            total = merge(sums.get(pattern), part)
            assert total is not None
            sums[pattern] = total
        different = Distinct(self.different.most - 2)
        both = np.union1d(self.different.seen, other.different.seen)
        different.seen = both[: different.most + 1]  # more than may be asked for is enough
        return Seen(sums, different, max(self.eps, other.eps))
