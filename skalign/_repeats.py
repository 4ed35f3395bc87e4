"""Repeated rows become weights of different ones. Arrays only.

Rows are put in lexicographic order, which tells equal ones apart from different ones. Sorting by
the first column decides for most of continuous rows: the rest of the columns are compared only
where that one ties.
"""

import numpy as np


def merge_repeats(blocks, weights):
    """Different rows, in an order of their own, the weight of each, and which one a row is.

    Row order and the coding of repeated rows end here: a pair that is there twice is left out
    twice.

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
    return order[new], np.bincount(inverse, weights, minlength=int(new.sum())), inverse
