"""The classifier of the source modality: fitted, or frozen, and what it says of pairs."""

from dataclasses import dataclass

import numpy as np
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._blocks import presence, select
from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank, known_classes
from .._utils._validation import check_option
from ..moments._rows import ArrayRows

# What single precision leaves of a sum of one.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class SoftLabels:
    """Rows in memory, and what the source says of those that have another modality, too."""

    rows: ArrayRows
    present: np.ndarray  # (n, M)
    weights: np.ndarray  # (n,)
    pairs: np.ndarray  # rows that have the source and another modality
    posterior: np.ndarray  # (len(pairs), C)
    means: np.ndarray  # (C, n_features): of rows of the source alone, by the class it gives them

    def block(self, m: int) -> np.ndarray:
        """A modality of all rows."""
        return self.rows.blocks.take(self.rows.X, m)


def frozen(estimator) -> bool:
    """Whether an estimator is to be used as it is."""
    return isinstance(estimator, FrozenEstimator)


def routing() -> bool:
    """Whether metadata goes where it is asked for."""
    return get_config().get("enable_metadata_routing", False)


def given_prior(class_prior, classes):
    """Shares of the classes, or None where they are to be looked for."""
    if isinstance(class_prior, str):
        check_option("class_prior", class_prior, ("auto", "uniform"))
        return None if class_prior == "auto" else np.full(len(classes), 1 / len(classes))
    prior = np.asarray(class_prior, dtype=np.float64)
    if prior.shape != classes.shape or not (prior >= 0).all() or abs(prior.sum() - 1) > TOLERANCE:
        raise ValueError(
            f"class_prior={class_prior!r} must hold shares of sum 1 of the classes "
            f"{list(classes)}, or be 'auto' or 'uniform'."
        )
    return prior / prior.sum()


def with_seed(estimator, random_state):
    """The estimator, with ``random_state`` wherever it has left it at None."""
    if random_state is None:
        return estimator
    unset = {
        name: random_state
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return estimator.set_params(**unset) if unset else estimator


def soft_labels(estimator, table, y, known, rows: ArrayRows, roles: tuple[int, int], params):
    """Step 1: fit the source classifier, and ask it what it thinks of the pairs.

    Parameters
    ----------
    estimator : classifier
        Unfitted, or frozen; is fitted here.
    table : array or dataframe
        All rows as the user gave them, without columns that no modality selects.
    y : ndarray of shape (n,)
    known : ndarray of bool, shape (n,)
        Which rows have a label.
    rows : ArrayRows
        The same rows.
    roles : tuple of int
        Positions of source and target.
    params : dict
        Metadata of the fit, one value a row.

    Returns
    -------
    classes : ndarray of shape (C,)
        Of the source classifier and of the labels.
    soft : SoftLabels
    """
    blocks, present, (source, target) = rows.blocks, presence(rows.X, rows.blocks), roles
    weights = np.ones(len(y)) if rows.weights is None else rows.weights
    has = present[:, source] & (weights > 0)
    if not np.any(has & present[:, target]):
        raise ValueError(
            f"X has no pairs: no row has both the source {blocks.names[source]!r} and the target "
            f"{blocks.names[target]!r}."
        )
    labelled, pairs = np.flatnonzero(known & has), np.flatnonzero(has & (present.sum(axis=1) > 1))
    params = {key: np.asarray(vector_as_numpy(v))[labelled] for key, v in params.items()}
    columns = blocks.columns[source]
    _fit(estimator, select(table, columns, labelled), y[labelled], params, blocks.names[source])
    posterior = source_posterior(estimator, select(table, columns, pairs), pairs)
    classes, posterior = over_all_classes(estimator.classes_, y[known & (weights > 0)], posterior)
    alone = np.flatnonzero(has & (present.sum(axis=1) == 1))
    means = np.full((len(classes), rows.shape[1]), np.nan)
    if len(alone):
        said = source_posterior(estimator, select(table, columns, alone), alone)
        decided = np.asarray(estimator.classes_)[np.argmax(said, axis=1)]
        own = blocks.indices(source)
        for c, label in enumerate(classes):
            mine = alone[decided == label]
            if len(mine):
                means[c, own] = weights[mine] @ rows.X[np.ix_(mine, own)] / weights[mine].sum()
    return classes, SoftLabels(rows, present, weights, pairs, posterior, means)


def _fit(estimator, block, labels, params, name):
    """Fit the source classifier on the labelled rows, unless it is frozen."""
    if not is_classifier(estimator):
        raise ValueError(f"estimator={estimator!r} is no classifier.")
    if frozen(estimator):
        check_is_fitted(estimator)
    elif len(labels) == 0:
        raise ValueError(
            f"no labelled row has the source modality {name!r}: the source classifier has "
            "nothing to learn from. Label some rows, or freeze a fitted classifier with "
            "sklearn.frozen.FrozenEstimator."
        )
    else:
        classes = known_classes(labels)
        if len(classes) < 2:
            raise ValueError(
                f"the labelled rows of the source modality {name!r} hold a single class, "
                f"{classes.tolist()[0]!r}: a classifier needs at least two classes."
            )
        if labels.dtype.kind == "O" and not isinstance(classes[0], str):
            labels = np.array(labels.tolist())  # numbers that were in object labels
        estimator.fit(block, labels, **params)
    if len(estimator.classes_) < 2:
        raise ValueError("estimator knows a single class: a classifier needs at least two.")


def weight_parameter(estimator) -> str:
    """Name under which ``fit`` of a classifier takes the weights of rows.

    Raises
    ------
    ValueError
        If it takes none.
    """
    step, prefix = estimator, ""
    while isinstance(step, Pipeline):
        prefix, step = f"{prefix}{step.steps[-1][0]}__", step.steps[-1][1]
    if not has_fit_parameter(step, "sample_weight") and not frozen(step):
        raise ValueError(
            f"estimator={type(step).__name__} takes no sample_weight: fit without weights, choose "
            "an estimator whose fit takes them, or route them with scikit-learn's metadata "
            "routing, set_config(enable_metadata_routing=True) and set_fit_request."
        )
    return f"{prefix}sample_weight"


def source_posterior(estimator, block, rows) -> np.ndarray:
    """Class probabilities of the source; hard predictions where it has no probabilities.

    Parameters
    ----------
    estimator : fitted classifier
    block : array or dataframe of shape (n, d)
    rows : ndarray of int, shape (n,)
        Their numbers, for messages.
    """
    if not hasattr(estimator, "predict_proba"):
        predicted = np.asarray(estimator.predict(block))
        return (predicted[:, None] == np.asarray(estimator.classes_)[None]).astype(np.float64)
    proba = np.asarray(estimator.predict_proba(block), dtype=np.float64)
    name = type(estimator.estimator if frozen(estimator) else estimator).__name__
    if proba.shape != (len(rows), len(estimator.classes_)):
        raise ValueError(
            f"estimator={name} gives class probabilities of shape "
            f"{proba.shape} for {len(rows)} rows and {len(estimator.classes_)} classes."
        )
    with np.errstate(invalid="ignore"):
        right = (proba >= -TOLERANCE).all(axis=1) & (np.abs(proba.sum(axis=1) - 1) <= TOLERANCE)
    if not right.all():
        wrong = np.flatnonzero(~right)[0]
        raise ValueError(
            f"estimator={name} gives row {rows[wrong]} the class "
            f"probabilities {np.round(proba[wrong], 3).tolist()}: probabilities are non-negative "
            "and sum to one. Choose or calibrate another source classifier."
        )
    proba = np.maximum(proba, 0.0)
    return proba / proba.sum(axis=1, keepdims=True)  # single precision


def over_all_classes(known, labels, proba):
    """Classes of the source and of the labels together, and ``proba`` over all of them."""
    known = np.asarray(known)
    if known.dtype.kind in "OUS" or labels.dtype.kind in "OUS":
        kind = np.result_type(known, labels) if known.dtype.kind == labels.dtype.kind else object
        known, labels = known.astype(kind), labels.astype(kind)
    classes = known_classes(np.concatenate([known, labels])) if len(labels) else known
    full = np.zeros((len(proba), len(classes)))
    full[:, np.searchsorted(classes, known)] = proba
    return classes, full


def labelled_accuracy(predicted, y, classes, sample_weight) -> float:
    """Accuracy, where every row has a label: -1 is none unless it is one of the classes."""
    y, classes = vector_as_numpy(y), set(classes.tolist())
    blank = [
        is_blank(label) or (label not in classes and str(label) in ("-1", "-1.0"))
        for label in np.asarray(y, dtype=object).ravel().tolist()
    ]
    if any(blank):
        raise ValueError(
            f"y has no label for {sum(blank)} of {len(blank)} rows, the first is row "
            f"{blank.index(True)}: score rows that have one. To cross-validate, let "
            "skalign.model_selection.TransferSplit split the rows."
        )
    return float(accuracy_score(y, vector_as_numpy(predicted), sample_weight=sample_weight))
