"""Blocks of several modalities in one array, and which rows have which.

A sample is one row of a 2-D array in which the blocks of all modalities stand
side by side. A modality that is missing from a sample is a block of NaN.
"""

from numbers import Integral

import numpy as np

from ._array_api import OnDevice, host, not_finite, on_device
from ._blocks import Blocks, Columns


def presence(X: np.ndarray | OnDevice, blocks: Blocks, first_row: int = 0) -> np.ndarray:
    """Which modalities each row has.

    Parameters
    ----------
    X : ndarray or OnDevice of shape (n_samples, n_features)
    blocks : Blocks
    first_row : int, default=0
        Number of the first row, for the messages.

    Returns
    -------
    ndarray of bool, shape (n_samples, n_modalities)

    Raises
    ------
    ValueError
        If a block holds infinity, or NaN in some of its columns only.
    """
    present = np.ones((len(X), len(blocks)), dtype=bool)
    for m, name in enumerate(blocks.names):
        infinite, some, all_ = not_finite(blocks.take(X, m))
        if infinite.any():
            raise ValueError(
                f"Input X contains infinity: modality {name!r}, row "
                f"{first_row + np.flatnonzero(infinite)[0]}. Remove or clip such values."
            )
        present[:, m] = ~all_
        partly = some & ~all_
        if partly.any():
            raise ValueError(
                f"Input X contains NaN in part of a block: modality {name!r}, row "
                f"{first_row + np.flatnonzero(partly)[0]}. A missing modality is a block "
                "that is all NaN; impute scattered missing values before."
            )
    return present


def select(X, columns: Columns, rows=None):
    """Some columns, and some rows, of an array or dataframe, as what it is."""
    if hasattr(X, "iloc"):  # pandas
        X = X.iloc[:, columns]
        return X if rows is None else X.iloc[rows]
    if hasattr(X, "select") and hasattr(X, "columns"):  # polars
        X = X[:, columns if isinstance(columns, slice) else columns.tolist()]
        return X if rows is None else X[rows.tolist()]
    X = on_device(X)
    if isinstance(X, OnDevice):  # less of it moves
        return host(X[slice(None) if rows is None else rows, columns])
    X = np.asarray(X)[:, columns]
    return X if rows is None else X[rows]


def rows_of(X: np.ndarray, rows) -> np.ndarray:
    """Rows of ascending numbers, without a copy where none is left out in between."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return X[rows[0] : rows[-1] + 1]
    return X[rows]


def stack_modalities(*blocks, widths=None) -> np.ndarray:
    """Put the blocks of several modalities side by side, ``None`` where one is missing.

    Parameters
    ----------
    *blocks : array-like of shape (n_samples, d_m), or None
        One block per modality, rows paired. ``None`` stands for a modality that these
        samples lack; its columns become NaN.
    widths : sequence of int, default=None
        Width ``d_m`` of each modality. Needed where a block is ``None``.

    Returns
    -------
    ndarray of shape (n_samples, d_1 + ... + d_M)
        float32 if every given block is, float64 otherwise.

    Raises
    ------
    ValueError
        If no block is given, if a width is needed and not given, or if the blocks
        differ in their number of rows.

    Examples
    --------
    >>> from skalign import stack_modalities
    >>> stack_modalities([[1.0, 2.0]], None, widths=(2, 1))
    array([[ 1.,  2., nan]])
    """
    given = {m: np.asarray(block) for m, block in enumerate(blocks) if block is not None}
    if not given:
        raise ValueError("no block is given: at least one modality must be present.")
    for m, array in given.items():
        if array.ndim != 2 or array.dtype.kind not in "iufb":
            raise ValueError(
                f"block {m} has shape {array.shape} and dtype {array.dtype}: give a 2-D array of "
                "numbers."
            )
    if widths is None:
        missing = [m for m in range(len(blocks)) if m not in given]
        if missing:
            raise ValueError(f"block {missing[0]} is None: pass widths=(d_1, ..., d_M).")
        widths = [array.shape[1] for array in given.values()]
    if np.ndim(widths) != 1 or not all(isinstance(w, Integral) and int(w) > 0 for w in widths):
        raise ValueError(f"widths={widths!r} must be positive integers, one a block.")
    if len(widths) != len(blocks):
        raise ValueError(f"{len(blocks)} blocks, but {len(widths)} widths: one width a block.")
    first, n_samples = next((m, len(array)) for m, array in given.items())
    for m, array in given.items():
        if array.shape[1] != widths[m]:
            raise ValueError(
                f"block {m} has shape {array.shape}, expected (n_samples, {widths[m]})."
            )
        if len(array) != n_samples:
            raise ValueError(
                f"block {m} has {len(array)} rows, block {first} has {n_samples}: "
                "rows must be paired."
            )
    single = all(array.dtype == np.float32 for array in given.values())
    X = np.full((n_samples, sum(widths)), np.nan, dtype=np.float32 if single else np.float64)
    edges = np.concatenate([[0], np.cumsum(widths)])
    for m, array in given.items():
        X[:, edges[m] : edges[m + 1]] = array
    return X
