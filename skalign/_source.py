"""The classifier of the source modality: fitted, or frozen, and what it says of pairs."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ._array_api import host
from ._labels import known_classes
from ._stacking import select


def frozen(estimator) -> bool:
    """Whether an estimator is to be used as it is."""
    return isinstance(estimator, FrozenEstimator)


def set_seed(estimator, random_state) -> None:
    """Pass ``random_state`` to wherever an estimator has left it at None."""
    if random_state is None:
        return
    unset = {
        name: random_state
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    estimator.set_params(**unset)


def fit(estimator, block, y, rows, params, name):
    """Fit the source classifier on the labelled rows, unless it is frozen.

    Parameters
    ----------
    estimator : classifier
        Unfitted, or frozen.
    block : array or dataframe of shape (n_samples, d)
        The source modality of all rows.
    y : ndarray of shape (n_samples,)
    rows : ndarray of int
        Labelled rows that have the source.
    params : dict
        Metadata of the fit, one value a row of ``block``.
    name : str
        Of the source modality, for messages.
    """
    if not is_classifier(estimator):
        raise ValueError(f"estimator={estimator!r} is no classifier.")
    if frozen(estimator):
        check_is_fitted(estimator)
    elif len(rows) == 0:
        raise ValueError(
            f"no labelled row has the source modality {name!r}: the source classifier has "
            "nothing to learn from. Label some rows, or freeze a fitted classifier with "
            "sklearn.frozen.FrozenEstimator."
        )
    else:
        labels = y[rows]
        classes = known_classes(labels)
        if len(classes) < 2:
            raise ValueError(
                f"the labelled rows of the source modality {name!r} hold a single class, "
                f"{classes.tolist()[0]!r}: a classifier needs at least two classes."
            )
        if labels.dtype.kind == "O" and not isinstance(classes[0], str):
            labels = np.array(labels.tolist())  # numbers that were in object labels
        params = {key: np.asarray(host(value))[rows] for key, value in params.items()}
        estimator.fit(select(block, slice(None), rows), labels, **params)
    if len(estimator.classes_) < 2:
        raise ValueError("estimator knows a single class: a classifier needs at least two.")
    return estimator


def posterior(estimator, block) -> np.ndarray:
    """Class probabilities of the source; hard predictions where it has no probabilities."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(block), dtype=np.float64)
    predicted = np.asarray(estimator.predict(block))
    return (predicted[:, None] == np.asarray(estimator.classes_)[None]).astype(np.float64)


def all_classes(known, labels, proba):
    """Classes of the source and of the labels together, and ``proba`` over all of them."""
    known = np.asarray(known)
    if known.dtype.kind in "OUS" or labels.dtype.kind in "OUS":
        kind = np.result_type(known, labels) if known.dtype.kind == labels.dtype.kind else object
        known, labels = known.astype(kind), labels.astype(kind)
    classes = known_classes(np.concatenate([known, labels])) if len(labels) else known
    full = np.zeros((len(proba), len(classes)))
    full[:, np.searchsorted(classes, known)] = proba
    return classes, full
