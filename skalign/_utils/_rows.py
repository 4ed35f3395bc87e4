"""Rows in blocks, evenly spread, different from each other, in order, shuffled. Arrays only."""

import numpy as np

# Numbers of a block of rows: one MiB, which a cache holds.
BLOCK = 2**17
# Digits of the sums that put rows in order.
DIGITS = 7
# Fewer groups than these have so few orders that no p-value of them is small.
FEW_GROUPS = 7


def row_blocks(n: int, width: int, least: int = 1, numbers: int = BLOCK):
    """Slices of rows, each of about so many numbers, of ``least`` rows or more."""
    step = max(least, numbers // max(width, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def spread_rows(n: int, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def take_rows(X: np.ndarray, rows) -> np.ndarray:
    """Rows of ascending numbers, without a copy where none is left out in between."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return X[rows[0] : rows[-1] + 1]
    return X[rows]


def own_order(blocks) -> np.ndarray:
    """An order of standardized rows that neither rows nor columns decide."""
    keys = []
    for term in ("ij->i", "ij,ij->i", "ij,ij,ij->i"):
        power = term.count("ij")
        sums = sum(np.einsum(term, *[block] * power) for block in blocks)
        keys.append(np.round(sums / max(np.abs(sums).max(initial=0.0), 1e-300), DIGITS))
    return np.lexsort(keys[::-1])


def different_rows(blocks, rows, weights):
    """Different rows among some, the weight of each, and which one a row is.

    Equal rows are found by sorting: the first column decides for most of continuous rows, the
    rest of the columns are compared only where it ties.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n, d_m)
        Blocks of the rows, side by side; taken apart so that none is copied.
    rows : ndarray of int
        Which of them are looked at.
    weights : ndarray of shape (n,)

    Returns
    -------
    first : ndarray of int
        Where among ``rows`` each different one is met first.
    total : ndarray
        Its weight.
    inverse : ndarray of int, shape (len(rows),)
        Number of the different row that a row is.
    """
    column = blocks[0][rows, 0]
    order = np.argsort(column, kind="stable")
    column = column[order]
    tied = np.zeros(len(order) + 1, dtype=bool)
    tied[1:-1] = column[1:] == column[:-1]  # with the row before
    new = ~tied[:-1]
    runs = np.flatnonzero(tied[:-1] | tied[1:])  # places that the first column leaves open
    if len(runs):
        among = order[runs]
        open_rows = np.hstack([b[rows[among]] for b in blocks]) + 0.0  # so that -0.0 equals 0.0
        rank = np.unique(open_rows, axis=0, return_inverse=True)[1].ravel()
        inner = np.argsort(rank, kind="stable")  # the first column comes first: runs stay apart
        order[runs] = among[inner]
        new[runs] = np.append(True, np.diff(rank[inner]) > 0)
    number = np.cumsum(new) - 1
    inverse = np.empty(len(order), dtype=np.intp)
    inverse[order] = number
    total = np.bincount(inverse, weights[rows], minlength=int(new.sum()))
    return order[new], total, inverse


def shuffled_rows(n: int, groups, rng) -> np.ndarray:
    """An order of rows in which each gets another partner, as if these were drawn apart.

    Rows that depend on each other are moved together: the rows of a group meet those of another
    one, in their order, of which each stands for several or some are left out where the other
    group is shorter or longer. A few groups have few orders, so that their rows are turned round
    in a circle besides.

    Parameters
    ----------
    n : int
    groups : list of ndarray of int, or None
        Rows of each group, as :func:`members_of` lists them; None where each row stands alone.
    rng : RandomState or Generator
    """
    if groups is None:
        return rng.permutation(n)
    order = np.empty(n, dtype=int)
    for own, k in zip(groups, rng.permutation(len(groups)), strict=True):
        other = groups[k]
        if len(groups) < FEW_GROUPS:
            other = np.roll(other, int(rng.uniform() * len(other)))
        order[own] = other[np.arange(len(own)) * len(other) // len(own)]
    return order


def numbered(groups) -> np.ndarray:
    """Numbers of groups, which may be of any type, in the order of their first rows."""
    numbers: dict = {}
    every = [numbers.setdefault(group, len(numbers)) for group in groups.tolist()]
    return np.array(every, dtype=int)


def members_of(groups, places=None) -> list[np.ndarray] | None:
    """Rows of each group, in their order, or by their places; None where there are no groups."""
    if groups is None:
        return None
    if places is not None:
        order = np.argsort(places, kind="stable")
        return [order[own] for own in members_of(groups[order]) or []]
    unit = numbered(groups)
    ends = np.cumsum(np.bincount(unit))[:-1]
    return np.split(np.argsort(unit, kind="stable"), ends)
