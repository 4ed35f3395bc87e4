"""The regressor of the source modality: fitted, or frozen, what it says, and how far it errs."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_regressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, check_is_fitted

from .._blocks import select
from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank
from .._utils._linalg import reciprocal
from .._utils._quiet import quietly
from .._utils._rows import different_rows, own_order
from .._utils._validation import routing
from ..transfer._source import frozen

# Folds of the labelled rows in which the source is tried.
FOLDS = 5
# Penalties of the default.
PENALTIES = np.geomspace(1e-3, 1e5, 33)


@dataclass(frozen=True)
class Labelled:
    """The labelled rows of the source, and how its regressor is fitted to them."""

    block: object  # array or dataframe (n, d), as the user gave it
    X: np.ndarray  # the same as numbers
    y: np.ndarray  # (n, q)
    weights: np.ndarray  # (n,)
    params: dict  # metadata of the fit, one value a row
    flat: bool  # whether y was a vector
    default: bool  # whether the regressor is our own choice
    groups: np.ndarray | None = None  # (n,): of rows that are held out together


@dataclass(frozen=True)
class HeldOut:
    """How far the source errs, and what it says without each fold of its labels."""

    mse: np.ndarray | None  # (q,); None where no label tells
    weights: np.ndarray  # of the different labelled rows
    folds: np.ndarray  # (n,): fold of each labelled row
    of_others: np.ndarray  # (n_folds, m, q): of the pairs
    y: np.ndarray  # (n, q): the labels


def known_responses(y, n: int):
    """Responses as float64 (n, q), and whether they came as a vector.

    NaN and None are unknown, for a whole row at once.
    """
    y = vector_as_numpy(y)
    y = check_array(
        y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y",
        ensure_min_samples=0,
    )  # fmt: skip
    flat = y.ndim == 1
    y = y[:, None] if flat else y
    if len(y) != n:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n} rows, y has "
            f"{len(y)}."
        )
    unknown = np.isnan(y)
    partly = unknown.any(axis=1) & ~unknown.all(axis=1)
    if partly.any():
        row = np.flatnonzero(partly)[0]
        raise ValueError(
            f"y has NaN in some outputs of row {row}, the first is output "
            f"{np.flatnonzero(unknown[row])[0]}: a row is labelled in all outputs or in none. Fit "
            "one model for each output, or mark the row as unlabelled by NaN in all."
        )
    return y, flat


def check_all_known(y) -> None:
    """Raise where a row to score has no response."""
    values = np.asarray(vector_as_numpy(y), dtype=object)
    blank = np.array([any(map(is_blank, np.ravel(row))) for row in values], dtype=bool)
    if blank.any():
        raise ValueError(
            f"y has no number for {blank.sum()} of {len(blank)} rows, the first is row "
            f"{blank.argmax()}: score rows that have one."
        )


def default_regressor():
    """Ridge regression of standardized columns, its penalty by leave-one-out."""
    scaler, ridge = StandardScaler(), RidgeCV(alphas=PENALTIES, alpha_per_target=True)
    if routing():
        scaler.set_fit_request(sample_weight=True)
        ridge.set_fit_request(sample_weight=True)
    return make_pipeline(scaler, ridge)


def fit_source(estimator, seen: Labelled, name: str):
    """Fit the regressor, unless it is frozen."""
    kind = estimator.estimator if frozen(estimator) else estimator
    if not is_regressor(kind):
        raise ValueError(f"estimator={kind!r} is no regressor.")
    if frozen(estimator):
        check_is_fitted(estimator)
        return
    if len(seen.y) < 2:
        raise ValueError(
            f"{len(seen.y) or 'no'} labelled row has the source modality {name!r}: at least two "
            "are needed to learn from. Give y where it is known, and NaN elsewhere, or freeze a "
            "fitted regressor with sklearn.frozen.FrozenEstimator."
        )
    _fit(estimator, seen)


def _fit(estimator, seen: Labelled, train=slice(None)):
    rows = np.arange(len(seen.y))[train]
    params, weights = seen.params, seen.weights[rows]
    y = seen.y[:, 0] if seen.flat else seen.y
    if seen.default:  # which minds repeated rows, unless they are weights
        first, weights, _ = different_rows((seen.y, seen.X), rows, seen.weights)
        rows = rows[first]
        names = ["sample_weight"]
        if not routing():
            names = ["standardscaler__sample_weight", "ridgecv__sample_weight"]
        given = dict.fromkeys(names, weights)
    else:
        given = {key: value[rows] for key, value in params.items()}
    estimator.fit(select(seen.block, slice(None), rows), y[rows], **given)


def source_said(estimator, block, n_outputs: int | None = None) -> np.ndarray:
    """Predictions of the source as float64 (n, q)."""
    predicted = np.asarray(vector_as_numpy(estimator.predict(block)), dtype=np.float64)
    name = type(estimator.estimator if frozen(estimator) else estimator).__name__
    if not np.isfinite(predicted).all():
        raise ValueError(f"estimator={name} predicts NaN or infinity: choose another regressor.")
    predicted = predicted[:, None] if predicted.ndim == 1 else predicted
    if n_outputs is not None and predicted.shape[1] != n_outputs:
        raise ValueError(
            f"estimator={name} predicts {predicted.shape[1]} outputs, but y has {n_outputs}."
        )
    return predicted


def held_out(estimator, seen: Labelled, others, said) -> HeldOut:
    """What the source says of rows that it has not seen; one that is frozen at its word.

    Parameters
    ----------
    estimator : regressor
        Is cloned for each fold.
    seen : Labelled
    others : array or dataframe of shape (m, d)
        Rows of the source of which every fold is asked.
    said : ndarray of shape (m, q)
        What it says of these when it has seen all labels.
    """
    n, q = seen.y.shape
    if n == 0:
        return HeldOut(None, np.zeros(0), np.zeros(0, dtype=int), said[None], seen.y)
    if frozen(estimator):
        folds, of_others = np.zeros(n, dtype=int), said[None]
        predicted = source_said(estimator, seen.block, q)
    else:
        folds = _folds(seen)
        predicted, of_others = np.empty(seen.y.shape), np.empty((folds.max() + 1, *said.shape))
        for fold in range(len(of_others)):
            held, again = np.flatnonzero(folds == fold), clone(estimator)
            with quietly():  # what it warned of with all rows, it has warned of
                _fit(again, seen, folds != fold)
                predicted[held] = source_said(again, select(seen.block, slice(None), held), q)
                of_others[fold] = source_said(again, others, q)
    mse = seen.weights @ (seen.y - predicted) ** 2 / seen.weights.sum()
    weights = different_rows((seen.X, seen.y), np.arange(n), seen.weights)[1]
    return HeldOut(mse, weights, folds, of_others, seen.y)


def _folds(seen: Labelled):
    """Fold of each row: equal rows in one, whatever the order of the rows."""
    groups = seen.groups
    if groups is not None and len(np.unique(groups)) > 1:
        numbers = np.unique(groups, return_inverse=True)[1]
        return np.unique(numbers % FOLDS, return_inverse=True)[1]
    blocks = (seen.X, seen.y)
    first, total, inverse = different_rows(blocks, np.arange(len(seen.y)), seen.weights)
    if len(first) < 2:
        raise ValueError("X has one different labelled row of the source: two are needed.")
    points = [standardized(block[first], total) for block in blocks]
    folds = np.empty(len(first), dtype=int)
    folds[own_order(points)] = np.arange(len(first)) % min(FOLDS, len(first))
    return folds[inverse]


def standardized(X, weights):
    """Weighted rows of mean zero and unit variance."""
    share = weights / weights.sum()
    X = X - share @ X
    return X * reciprocal(np.sqrt(share @ X**2))
