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
from sklearn.utils.validation import validate_data

from . import _source
from ._dask import checked, is_dask, parts_of, tasks, template_of, tree, vector_of, weights_of
from ._labels import is_blank, known_labels
from ._stacking import presence
from ._validation import FLOATS

# Rows of each kind.
MOST_ROWS = 100_000


def sampled(model, X, y, sample_weight):
    """An aligner that has seen every row, and the rows that the rest of a transfer looks at.

    Parameters
    ----------
    model : CrossModalTransferClassifier
    X : dask array or dataframe
    y, sample_weight : dask array or series, array-like, or None

    Returns
    -------
    aligner : NullSpaceAligner
    X : ndarray or dataframe
    y : ndarray or None
    sample_weight : ndarray or None
    """
    import dask

    validate_data(model, template_of(X), reset=True, skip_check_array=True)
    labels = set()
    if y is not None or not _source.frozen(model.estimator):
        labels = _labels_of(y, type(model).__name__)
    aligner = model._fit_aligner(X, model._route(sample_weight)["aligner"])
    blocks = aligner._blocks
    known = {"blocks": blocks, "source": model._positions(blocks)[0], "labels": labels}
    each = {"y": y, "sample_weight": sample_weight}
    counts = np.array(dask.compute(*tasks(partial(_counts, **known), X, **each)))
    ends = np.cumsum(counts, axis=0)
    picks = []
    for start, end in zip(ends - counts, ends, strict=True):
        drawn = zip(start, end, map(_draw, ends[-1]), strict=True)
        picks.append([p[np.searchsorted(p, a) : np.searchsorted(p, b)] - a for a, b, p in drawn])
    parts = dask.compute(*tasks(partial(_taken, **known), X, picks, **each))
    X, y, w = zip(*([part for part in parts if len(part[0])] or parts[:1]), strict=True)
    return aligner, _stacked(X), *(None if v[0] is None else np.concatenate(v) for v in (y, w))


def _labels_of(y, name):
    """Values of ``y`` that are labels, found as in memory from all the values there are."""
    import dask

    if y is None:
        known_labels(None, name)  # raises
    read = dask.delayed(_values, pure=False)
    values = tree([read(part) for part in parts_of(y)], _united) if is_dask(y) else _values(y)
    if any(value is not None and value != value for value in values):
        raise ValueError("Input y contains NaN. Mark samples without a label by -1.")
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
        return set(np.unique(y).tolist())
    return {None if is_blank(value) else value for value in y.tolist()}


def _kinds(chunk, y, sample_weight, blocks, source, labels):
    """Kinds of each row, as the module lists them: (4, n). And which are labelled: (n,)."""
    present = presence(checked(chunk, FLOATS), blocks)
    has, several = present[:, source], present.sum(axis=1) > 1
    known = np.zeros(len(chunk), dtype=bool)
    if labels:
        y = vector_of(y, len(chunk), "y")
        known = (
            np.isin(y, list(labels))
            if y.dtype.kind in "iufb"
            else np.fromiter((value in labels for value in y.tolist()), dtype=bool, count=len(y))
        )
    weights = weights_of(sample_weight, len(chunk))
    counted = np.ones(len(chunk), dtype=bool) if weights is None else weights > 0
    kinds = [known & has, has & several, ~has, has & ~several & ~known]
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
    alone = kinds[1] & ~drawn[1]  # drawn for the label
    hidden = np.ones((len(rows), chunk.shape[1]), dtype=bool) & alone[:, None]
    hidden[:, known["blocks"].indices(known["source"])] = False
    if hasattr(chunk, "iloc"):
        X = chunk.iloc[rows]
        X = X.mask(hidden) if alone.any() else X
    else:
        X = checked(chunk, FLOATS)[rows]
        X[hidden] = np.nan
    if y is not None:
        y = vector_of(y, len(chunk), "y")[rows]
        unlabelled = ~labelled | (kinds[0] & ~drawn[0])
        if unlabelled.any():
            y = y.astype(object)
            y[unlabelled] = None
    weights = weights_of(sample_weight, len(chunk))
    return X, y, None if weights is None else weights[rows]


def _united(a, b):
    if len(a | b) > MOST_ROWS:
        raise ValueError(f"y holds more than {MOST_ROWS} different values: these are no labels.")
    return a | b
