r"""Rows in blocks, rows evenly spread, different rows in an order of their own. Arrays only.

Repeated rows become weights of different ones. Equal rows are found by sorting: the first column
decides for most of continuous rows, the rest of the columns are compared only where it ties.
Different rows are then put in the order of

.. math:: \sum_j u_{ij}, \quad \sum_j u_{ij}^2, \quad \sum_j u_{ij}^3,
          \qquad u_{ij} = (x_{ij} - \bar x_j) / s_j ,

rounded, so that neither the order of rows nor that of columns, units, or the coding of repeated
rows show in what follows: folds, and choices that are made on some of the rows.
"""

import numpy as np

from ._linalg import power_sums, reciprocal

# Numbers of a block of rows: one MiB, which a cache holds.
BLOCK = 2**17
# Digits of the sums that put rows in order.
DIGITS = 7


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


def unique_rows(blocks, weights):
    """Different rows, in an order of their own, the weight of each, and which one a row is.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n, d_m)
        Blocks of the rows, side by side; taken apart so that none is copied.
    weights : ndarray of shape (n,)

    Returns
    -------
    first : ndarray of int
        Where each different row is met first.
    total : ndarray
        Its weight.
    inverse : ndarray of int, shape (n,)
        Number of the different row that a row is.
    """
    if len(weights) == 0:
        return np.zeros(0, dtype=int), np.zeros(0), np.zeros(0, dtype=int)
    order = np.argsort(blocks[0][:, 0], kind="stable")
    column = blocks[0][order, 0]
    tied = np.zeros(len(order) + 1, dtype=bool)
    tied[1:-1] = column[1:] == column[:-1]  # with the row before
    new = ~tied[:-1]
    runs = np.flatnonzero(tied[:-1] | tied[1:])  # places that the first column leaves open
    if len(runs):
        rows = order[runs]
        open_rows = np.hstack([block[rows] for block in blocks]) + 0.0  # so that -0.0 equals 0.0
        rank = np.unique(open_rows, axis=0, return_inverse=True)[1].ravel()
        inner = np.argsort(rank, kind="stable")  # the first column comes first: runs stay apart
        order[runs] = rows[inner]
        new[runs] = np.append(True, np.diff(rank[inner]) > 0)
    number = np.cumsum(new) - 1
    inverse = np.empty(len(order), dtype=np.intp)
    inverse[order] = number
    first, total = order[new], np.bincount(inverse, weights, minlength=int(new.sum()))
    place = np.lexsort(_order_keys(blocks, first, total)[::-1])
    position = np.empty(len(place), dtype=np.intp)
    position[place] = np.arange(len(place))
    return first[place], total[place], position[inverse]


def _order_keys(blocks, rows, weights):
    """Numbers that put rows in an order which neither rows nor columns decide."""
    sums = np.zeros((3, len(rows)))
    for block in blocks:
        parts = row_blocks(len(rows), block.shape[1])
        mean, deviation = power_sums([(block[rows[s]], weights[s]) for s in parts])
        unit = reciprocal(np.where(deviation > 1e-12 * np.abs(mean), deviation, 0.0))
        for s in parts:
            u = (block[rows[s]] - mean) * unit
            for power in (1, 2, 3):
                sums[power - 1, s] += np.einsum("ij->i", u**power)
    scale = np.abs(sums).max(axis=1, keepdims=True)
    return np.round(sums * reciprocal(scale), DIGITS)
