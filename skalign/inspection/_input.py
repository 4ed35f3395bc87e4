"""What displays look at: a fitted aligner, rows in memory, classes of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import Blocks, presence, read_array
from .._utils._array_api import as_numpy, vector_as_numpy
from .._utils._labels import known_classes, known_labels
from ..alignment import NullSpaceAligner
from ..moments import _dask
from ..transfer import CrossModalTransferClassifier


@dataclass(frozen=True)
class PairedRows:
    """Rows of numbers, the modalities that they have, and which columns belong to these."""

    X: np.ndarray  # (n, d)
    present: np.ndarray  # (n, M)
    blocks: Blocks

    @property
    def pairs(self) -> np.ndarray:
        """Numbers of the rows that have every modality."""
        return np.flatnonzero(self.present.all(axis=1))

    def shuffled(self, rng: np.random.RandomState) -> np.ndarray:
        """The same rows, in which modalities are those of other rows with the same ones."""
        X = self.X.copy()
        for pattern in np.unique(self.present, axis=0):
            rows = np.flatnonzero((self.present == pattern).all(axis=1))
            for m in np.flatnonzero(pattern)[1:]:
                columns = self.blocks.indices(m)
                X[np.ix_(rows, columns)] = self.X[np.ix_(rng.permutation(rows), columns)]
        return X


def last_step(model: Any, X: Any) -> tuple[Any, Any]:
    """The best of a search, the last step of a pipeline, and rows as that gets them."""
    while hasattr(model, "best_estimator_") or isinstance(model, Pipeline):
        if isinstance(model, Pipeline):
            check_is_fitted(model)
            X = model[:-1].transform(X) if len(model.steps) > 1 else X
            model = model.steps[-1][1]
        else:
            model = model.best_estimator_
    return model, X


def unfrozen(model: Any) -> Any:
    """What is frozen, or the model itself."""
    return model.estimator if isinstance(model, FrozenEstimator) else model


def aligner_of(model: Any, owner: str) -> NullSpaceAligner:
    """The fitted aligner that is given, frozen, or part of a transfer."""
    model = unfrozen(model)
    if not isinstance(model, NullSpaceAligner | CrossModalTransferClassifier):
        raise TypeError(
            f"{owner} got {type(model).__name__}: pass a fitted NullSpaceAligner or "
            "CrossModalTransferClassifier; of a Pipeline its last step, with rows as that gets "
            "them."
        )
    check_is_fitted(model)
    return model if isinstance(model, NullSpaceAligner) else model.aligner_


def transfer_of(model: Any, owner: str) -> CrossModalTransferClassifier:
    """The fitted transfer that is given, or frozen."""
    model = unfrozen(model)
    if not isinstance(model, CrossModalTransferClassifier):
        raise TypeError(
            f"{owner} got {type(model).__name__}: pass a fitted CrossModalTransferClassifier; of "
            "a Pipeline its last step, with rows as that gets them."
        )
    check_is_fitted(model)
    return model


def read_rows(model: Any, aligner: NullSpaceAligner, X: Any, owner: str) -> PairedRows:
    """Rows in memory, whose columns are those that a model was fitted to."""
    _dask.check_in_memory(owner, X=X)
    template, options = _dask.table_of(X)
    table = validate_data(model, template, reset=False, **options)
    blocks = aligner._blocks
    rows = as_numpy(read_array(table, blocks))  # float32 stays: it says how exact rows are
    return PairedRows(rows, presence(rows, blocks), blocks)


def some_pairs(rows: PairedRows, most: int, random_state, owner: str) -> np.ndarray:
    """Numbers of at most so many pairs, drawn without replacement, in order."""
    pairs = rows.pairs
    if len(pairs) == 0:
        raise ValueError(f"{owner} needs pairs, rows that have every modality: X has none.")
    if len(pairs) <= most:
        return pairs
    return np.sort(check_random_state(random_state).choice(pairs, most, replace=False))


def class_codes(y: Any, n: int, owner: str, classes: Any = None):
    """Number of the class of each row, -1 where it has no label, and the classes.

    Labels that are not among ``classes``, where these are given, come after them.
    """
    if y is None:
        return None, n
    y, known = known_labels(y, owner)
    check_consistent_length(np.empty(n), y)
    y = np.asarray(vector_as_numpy(y))
    found = known_classes(y[known])
    if classes is not None:
        found = np.concatenate([classes, found[~np.isin(found, classes)]])
    order = {label: c for c, label in enumerate(found.tolist())}
    codes = [order[v] if k else -1 for v, k in zip(y.tolist(), known.tolist(), strict=True)]
    return np.array(codes, dtype=int), found


def refitted(aligner: NullSpaceAligner, X: np.ndarray, blocks: Blocks, **params: Any):
    """An aligner with the same settings, fitted quietly to other rows of the selected columns."""
    columns = {name: blocks.indices(m) for m, name in enumerate(blocks.names)}
    seed = 0 if aligner.random_state is None else aligner.random_state  # the same page again
    own = {"modalities": columns, "verbose": False, "random_state": seed}
    return clone(aligner).set_params(**own, **params).fit(X)


def unnamed(classifier):
    """Class probabilities (n, C) of arrays, whether or not a classifier knows column names."""
    return lambda block: np.asarray(classifier._predict_proba(block))
