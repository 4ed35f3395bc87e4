"""Rows in blocks, rows evenly spread. Arrays only."""

import numpy as np

# Numbers of a block of rows: one MiB, which a cache holds.
BLOCK = 2**17


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
