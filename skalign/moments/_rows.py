"""Row sources: rows in memory or on a device, and what is kept of rows that are gone.

A row source answers ``moments(kind)``, ``refined(moments)`` and ``n_unique(limit)``, whatever its
rows are; :class:`DaskRows` is a third one.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .._blocks import Blocks
from .._utils._array_api import as_numpy
from .._utils._rows import row_blocks
from .._utils._validation import rounding_of
from ._accumulate import (
    Patterns,
    mapped_moments,
    merge_patterns,
    moments_by_pattern,
    refine,
    rows_in_common,
    strongest_links,
)
from ._moments import Moments


class ArrayRows:
    """Rows of an array (n, d), NumPy's or a device's, with weights (n,) or None.

    If ``verbose``, a pass prints how far it is.
    """

    readable_again = in_memory = True
    refined = refine

    def __init__(self, X, weights, blocks: Blocks, verbose: bool = False):
        self.X, self.weights, self.blocks, self.verbose = X, weights, blocks, verbose
        self.shape, self.eps = X.shape, rounding_of(X.dtype)

    def on_host(self) -> "ArrayRows":
        """The same rows as NumPy's."""
        return ArrayRows(as_numpy(self.X), self.weights, self.blocks, self.verbose)

    def moments(self, kind: str) -> Patterns:
        """Moments by the modalities that rows have."""
        return moments_by_pattern(self.X, self.weights, self.blocks, kind, verbose=self.verbose)

    def mapped(self, mean, maps, *, stop: bool = True) -> Patterns | None:
        """Moments by the modalities that rows have, each block mapped."""
        options = {"stop": stop, "verbose": self.verbose}
        return mapped_moments(self.X, self.weights, self.blocks, mean, maps, **options)

    def fold(self, function, merged, shared):
        """``function(rows, shared)``: there is but one chunk of these rows."""
        return function(self, shared)

    def n_unique(self, limit: int, modalities=None) -> int:
        """Number of different complete rows, of which no more than ``limit + 1`` are counted.

        Those of some ``modalities`` have these, and differ in them.
        """
        return len(self.hashes(limit, modalities))

    def hashes(self, limit: int | None = None, modalities=None) -> np.ndarray:
        """Numbers of different complete rows, up to as many as may ever be asked for."""
        shown: np.ndarray | slice = slice(None)
        if modalities is not None and len(modalities) < len(self.blocks):
            shown = np.concatenate([self.blocks.indices(m) for m in modalities])
        d = self.shape[1]
        limit = d + 2 if limit is None else min(limit, d + 2)
        seen = np.zeros(0, dtype=np.uint64)
        for rows in row_blocks(len(self.X), d, 2 * d + 64):
            if len(seen) > limit:
                break
            batch = as_numpy(self.X[rows])[:, shown]
            complete = np.isfinite(batch).all(axis=1)
            if self.weights is not None:
                complete &= self.weights[rows] > 0
            # one column is enough where its values differ, and saves looking at the others
            first = np.unique(_doubles(batch[complete, 0]))
            enough = len(first) > d + 2
            found = first.view(np.uint64) if enough else _hashes(_doubles(batch[complete]))
            seen = np.union1d(seen, found)[: d + 3]
        return seen

    def unweighted(self) -> "ArrayRows":
        """The same rows, all of which count alike."""
        return ArrayRows(self.X, None, self.blocks, self.verbose)

    def without(self, held: np.ndarray) -> "ArrayRows":
        """All rows but some."""
        kept = np.delete(np.arange(len(self.X)), held)
        weights = None if self.weights is None else self.weights[kept]
        return ArrayRows(self.X[kept], weights, self.blocks)


def heavy_rows(rows, shared, least: float):
    """Different complete rows that take part in some latents: their numbers, weights and latents.

    Parameters
    ----------
    rows : ArrayRows
    shared : tuple of list of ndarray, ndarray, ndarray and float
        Columns of the modalities that a row must have; mean and maps (d, k) from the first of
        these to latents; the weight of all rows there are.
    least : float
        Share of the squares of all latents that a row has, where it is looked at.
    """
    columns, mean, coef, total = shared
    every, found = np.concatenate(columns), []
    for some in row_blocks(max(len(rows.X), 1), rows.shape[1]):  # a chunk may be empty
        batch = as_numpy(rows.X[some])
        weights = np.ones(len(batch)) if rows.weights is None else rows.weights[some]
        complete = np.isfinite(batch[:, every]).all(axis=1) & (weights > 0)
        batch, weights = batch[complete], weights[complete]
        latents = (batch[:, columns[0]] - mean) @ coef
        heavy = weights * np.sum(latents**2, axis=1) > least * total
        numbers = _hashes(_doubles(batch[heavy][:, every]))
        found.append((numbers, weights[heavy], latents[heavy]))
    return merged_rows(*found)


def merged_rows(*found):
    """Rows of which each is there once, with the weight of all that are equal to it."""
    numbers, weights, latents = map(np.concatenate, zip(*found, strict=True))
    numbers, first, which = np.unique(numbers, return_index=True, return_inverse=True)
    return numbers, np.bincount(which, weights, minlength=len(numbers)), latents[first]


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
class Accumulated:
    """What is kept of rows that are gone: enough to learn from them and from more."""

    patterns: Patterns
    seen: np.ndarray  # numbers of different complete rows
    eps: float
    blocks: Blocks
    links: dict[tuple[int, int], np.ndarray] = field(
        default_factory=dict
    )  # the same of two of many

    readable_again = False

    @classmethod
    def of(cls, rows, kind: str) -> "Accumulated":
        """What is kept of the rows of a source."""
        two = list(combinations(range(len(rows.blocks)), 2)) if len(rows.blocks) > 2 else []
        links = {link: rows.hashes(modalities=link) for link in two}
        return cls(rows.moments(kind), rows.hashes(), rows.eps, rows.blocks, links)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of columns."""
        return sum(part.n_rows for part in self.patterns.values()), self.blocks.n_features

    @property
    def n_pairs(self) -> int:
        """Number of rows that tell how modalities correspond: of the weakest link, where many."""
        counts = rows_in_common(self.patterns, len(self.blocks))
        links = strongest_links(counts, 1)
        return 0 if len(links) < len(self.blocks) - 1 else int(counts[links[-1]])

    def moments(self, kind: str) -> Patterns:
        """Moments by the modalities that rows have, of whatever kind they were kept."""
        return self.patterns

    def n_unique(self, limit: int, modalities=None) -> int:
        """Number of different complete rows, up to as many as may ever be asked for."""
        return len(self.hashes(limit, modalities))

    def hashes(self, limit: int | None = None, modalities=None) -> np.ndarray:
        """Numbers of different complete rows, or of those that have some modalities."""
        if modalities is None or len(modalities) == len(self.blocks):
            return self.seen
        return self.links.get(tuple(modalities), np.zeros(0, dtype=np.uint64))

    def merged(self, other: "Accumulated") -> "Accumulated":
        """All that either has seen."""
        patterns = merge_patterns(self.patterns, other.patterns)
        most, none = self.blocks.n_features + 3, np.zeros(0, dtype=np.uint64)
        seen = np.union1d(self.seen, other.seen)[:most]
        links = {
            link: np.union1d(self.links.get(link, none), other.links.get(link, none))[:most]
            for link in {**self.links, **other.links}
        }
        return Accumulated(patterns, seen, max(self.eps, other.eps), self.blocks, links)

    def __sizeof__(self) -> int:  # schedulers that move it go by this
        arrays = [a for m in self.patterns.values() for a in (m.mean, m.scatter, m.root)]
        return sum(a.nbytes for a in (*arrays, self.seen, *self.links.values()) if a is not None)

    def as_arrays(self) -> dict:
        """The same as arrays, for the state of an estimator."""
        parts = list(self.patterns.values())
        return {
            "patterns": np.array(list(self.patterns), dtype=bool).reshape(-1, len(self.blocks)),
            "weight": np.array([part.weight for part in parts], dtype=np.float64),
            "n_rows": np.array([part.n_rows for part in parts], dtype=np.int64),
            "mean": [part.mean for part in parts],
            "scatter": [part.scatter for part in parts],
            "root": [part.root for part in parts],
            "seen": self.seen,
            "links": np.array(list(self.links), dtype=np.int64).reshape(-1, 2),
            "seen_of_links": list(self.links.values()),
            "eps": self.eps,
        }

    @classmethod
    def from_arrays(cls, arrays: dict, blocks: Blocks) -> "Accumulated":
        """From what :meth:`as_arrays` gave."""
        columns = (arrays[name] for name in ("weight", "n_rows", "mean", "scatter", "root"))
        parts = [Moments(float(w), int(n), *rest) for w, n, *rest in zip(*columns, strict=True)]
        keys = [tuple(map(bool, pattern)) for pattern in arrays["patterns"]]
        seen, eps = arrays["seen"], float(arrays["eps"])
        pairs = [(int(m), int(l)) for m, l in arrays.get("links", ())]  # older files have none
        links = dict(zip(pairs, arrays.get("seen_of_links", ()), strict=True))
        return cls(dict(zip(keys, parts, strict=True)), seen, eps, blocks, links)
