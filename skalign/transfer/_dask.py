"""Rows of a Dask collection that a transfer looks at in memory, drawn evenly.

At most ``MOST_ROWS`` of each kind: labelled rows of the source; rows that have the source and
another modality; rows without the source; rows of the source alone without a label. Those of a
kind are cut into so many stretches of equal length, in order, and one row is drawn of each, by a
fixed sequence, whatever the chunks are. A row drawn for its label alone comes without its other
modalities, and one drawn as a pair alone without its label, so that neither kind outweighs the
other.
"""

from functools import partial

import numpy as np

from .._blocks import presence, read_array
from .._utils._array_api import as_numpy
from .._utils._labels import is_blank, known_labels
from .._utils._validation import FLOATS, check_vector, check_weights, is_frame
from ..moments._dask import checked, fold_vector, tasks
from ..moments._rows import ArrayRows

# Rows of each kind.
MOST_ROWS = 100_000


def drawn(rows, table, y, sources, name: str):
    """Rows in memory that the rest of a transfer looks at: all of an array, some of a collection.

    Parameters
    ----------
    rows : ArrayRows or DaskRows
    table : array or dataframe
        ``X`` validated; of a collection its columns.
    y : array-like, dask array or series, or None
    sources : sequence of int
    name : str
        Of the estimator, for messages.

    Returns
    -------
    table : ndarray or dataframe
    y : ndarray or None
    rows : ArrayRows
        On the host.
    """
    if rows.in_memory:
        rows = rows.on_host()
        return (table if is_frame(table) else as_numpy(table)), y, rows
    import dask

    labels = set() if y is None else _labels_of(y, name)
    known = {"blocks": rows.blocks, "sources": sources, "labels": labels}
    each = {"y": y, "sample_weight": rows.sample_weight}
    counts = np.array(dask.compute(*tasks(partial(_counts, **known), rows.X, **each)))
    ends = np.cumsum(counts, axis=0)
    picks = []
    for start, end in zip(ends - counts, ends, strict=True):
        of_kinds = zip(start, end, map(_draw, ends[-1]), strict=True)
        picks.append(
            [p[np.searchsorted(p, a) : np.searchsorted(p, b)] - a for a, b, p in of_kinds]
        )
    parts = dask.compute(*tasks(partial(_taken, **known), rows.X, picks, **each))
    X, y, w = zip(*([part for part in parts if len(part[0])] or parts[:1]), strict=True)
    table = _stacked(X)
    y, weights = (None if v[0] is None else np.concatenate(v) for v in (y, w))
    return table, y, ArrayRows(read_array(table, rows.blocks), weights, rows.blocks)


def _labels_of(y, name):
    """Values of ``y`` that are labels, found as in memory from all the values there are."""
    values = fold_vector(_values, _united, y)
    if not values:
        known_labels(np.array([np.nan]), name)  # raises
    values = np.array([*values, None], dtype=object)[:-1]
    known = known_labels(np.repeat(values, 3), name)[1]  # each value alone looks like regression
    return {value for value, is_known in zip(values, known[::3], strict=True) if is_known}


def _draw(total):
    """Which rows of so many are looked at, in ascending order."""
    if total <= MOST_ROWS:
        return np.arange(total)
    edges = np.linspace(0, total, MOST_ROWS + 1).astype(np.int64)
    where = np.random.RandomState(0).random_sample(MOST_ROWS)
    return edges[:-1] + (where * np.diff(edges)).astype(np.int64)


def _stacked(parts):
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    return np.concatenate(parts)


def _values(y):
    y = np.asarray(y).ravel()
    if y.dtype.kind in "iufb":
        return set(np.unique(y[~np.isnan(y)]).tolist())
    return {None if is_blank(value) else value for value in y.tolist()}


def _kinds(chunk, y, sample_weight, blocks, sources, labels):
    """Kinds of each row, as the module lists them: (4, n). And which are labelled: (n,)."""
    present = presence(read_array(checked(chunk, FLOATS), blocks), blocks)
    has = present[:, list(sources)].any(axis=1)
    others = np.delete(present, list(sources), axis=1).any(axis=1)
    known = np.zeros(len(chunk), dtype=bool)
    if labels:
        y = check_vector(y, len(chunk), "y")
        known = (
            np.isin(y, list(labels))
            if y.dtype.kind in "iufb"
            else np.fromiter((value in labels for value in y.tolist()), dtype=bool, count=len(y))
        )
    weights = check_weights(sample_weight, len(chunk), some=False)
    counted = np.ones(len(chunk), dtype=bool) if weights is None else weights > 0
    kinds = [known & has, has & others, ~has, has & ~others & ~known]
    return np.array(kinds) & counted, known


def _counts(chunk, y, sample_weight, **known):
    return _kinds(chunk, y, sample_weight, **known)[0].sum(axis=1)


def _taken(chunk, picks, y, sample_weight, **known):
    """Rows of a chunk that were drawn, as what they are, and what stands beside them."""
    kinds, labelled = _kinds(chunk, y, sample_weight, **known)
    drawn = np.zeros_like(kinds)
    for mine, kind, pick in zip(drawn, kinds, picks, strict=True):
        mine[np.flatnonzero(kind)[pick]] = True
    rows = np.flatnonzero(drawn.any(axis=0))
    kinds, drawn, labelled = kinds[:, rows], drawn[:, rows], labelled[rows]
    alone = kinds[1] & ~drawn[1]  # drawn for the label, not as pairs
    hidden = np.zeros((len(rows), chunk.shape[1]), dtype=bool)
    for m in range(len(known["blocks"])):
        if m not in known["sources"]:
            hidden[:, known["blocks"].of_table(m)] = alone[:, None]
    if hasattr(chunk, "iloc"):
        X = chunk.iloc[rows]
        X = X.mask(hidden) if alone.any() else X
    else:
        X = checked(chunk, FLOATS)[rows]
        X[hidden] = np.nan
    if y is not None:
        y = check_vector(y, len(chunk), "y")[rows]
        unlabelled = ~labelled | (kinds[0] & ~drawn[0])
        if unlabelled.any():
            y = y.astype(object)
            y[unlabelled] = None
    weights = check_weights(sample_weight, len(chunk), some=False)
    return X, y, None if weights is None else weights[rows]


def _united(a, b):
    if len(a | b) > MOST_ROWS:
        raise ValueError(f"y holds more than {MOST_ROWS} different values: these are no labels.")
    return a | b
