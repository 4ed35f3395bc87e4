"""The classifier of the source modality: fitted, or frozen, and what it says of pairs."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._blocks import presence, select
from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank, known_classes, plain_labels
from .._utils._rows import different_rows, own_order
from .._utils._validation import check_option
from ..moments._rows import ArrayRows

# What single precision leaves of a sum of one.
TOLERANCE = 1e-3
# Folds of the labelled rows in which a source classifier is calibrated, the powers that are tried,
# and the probability that stands for an impossible class: powers of zero are zero.
FOLDS = 5
SOURCE_POWERS = np.geomspace(0.01, 1.0, 50)
SURE = 1e-12


@dataclass(frozen=True)
class SoftLabels:
    """Rows in memory, and what the source says of those that have another modality, too."""

    rows: ArrayRows
    present: np.ndarray  # (n, M)
    weights: np.ndarray  # (n,)
    pairs: np.ndarray  # rows that have the source and another modality
    posterior: np.ndarray  # (len(pairs), C)
    means: np.ndarray  # (C, n_features): of rows of the source alone, by the class it gives them
    labelled: np.ndarray  # rows with a label that lack the source
    codes: np.ndarray  # (len(labelled),): their classes
    power: float = 1.0  # of the source's probabilities beside other modalities

    def block(self, m: int) -> np.ndarray:
        """A modality of all rows."""
        return self.rows.blocks.take(self.rows.X, m)

    def of_components(self, resp) -> "SoftLabels":
        """The same pairs by components within classes, which no label tells."""
        none = np.zeros(0, dtype=int)
        return replace(self, posterior=resp, labelled=none, codes=none)


def frozen(estimator) -> bool:
    """Whether an estimator is to be used as it is."""
    return isinstance(estimator, FrozenEstimator)


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


def soft_labels(
    estimator,
    table,
    y,
    known,
    rows: ArrayRows,
    roles,
    params,
    calibrated=False,
    target_labels="unpaired",
):
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
    calibrated : bool
        Whether the source is to stand beside other modalities.
    target_labels : {"unpaired", "all", "none"}
        Which labels teach other modalities: with ``"all"`` those of pairs stand in place of what
        the source says of them.

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
    seen = select(table, columns, labelled)
    _fit(estimator, seen, y[labelled], params, blocks.names[source])
    power = 1.0
    if calibrated:
        X = blocks.take(rows.X, source)[labelled].astype(np.float64)
        power = held_out_power(estimator, seen, X, y[labelled], weights[labelled], params)
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
    others = known & ~present[:, source] & (weights > 0)
    others = np.flatnonzero(others & (target_labels != "none"))
    codes = np.searchsorted(classes, plain_labels(y[others]))
    given = pairs, posterior, means, others, codes
    if target_labels == "all":
        told = known[pairs]
        own = np.searchsorted(classes, plain_labels(y[pairs[told]]))
        posterior[told] = np.eye(len(classes))[own]
    return classes, SoftLabels(rows, present, weights, *given, power)


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
        estimator.fit(block, plain_labels(labels), **params)
    if len(estimator.classes_) < 2:
        raise ValueError("estimator knows a single class: a classifier needs at least two.")


def held_out_power(estimator, block, X, labels, weights, params) -> float:
    """Power of its probabilities at which a source classifier is as sure as it is right.

    It predicts labelled rows that it has not seen, in folds (by ``groups``, if it has these), and
    the power of largest likelihood of their labels is taken, one at most. Beside another modality
    a source that is sure and wrong would drown it.

    Parameters
    ----------
    estimator : classifier
        Is cloned; one that is frozen is taken at its word.
    block : array or dataframe of shape (n, d)
        Of the source, of the labelled rows.
    X : ndarray of shape (n, d)
        The same as numbers.
    labels, weights : ndarray of shape (n,)
    params : dict
        Metadata of its fit.
    """
    if frozen(estimator):
        return 1.0
    labels = plain_labels(labels)
    known, codes = np.unique(labels, return_inverse=True)
    folds = _folds(X, codes, weights, params.get("groups"))
    if any(len(np.unique(folds[codes == c])) < 2 for c in range(len(known))):
        return 1.0
    said = np.zeros((len(labels), len(known)))
    for fold in np.unique(folds):
        train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        again, given = clone(estimator), {key: v[train] for key, v in params.items()}
        with warnings.catch_warnings():  # what it warned of with all rows, it has warned of
            warnings.simplefilter("ignore")
            again.fit(select(block, slice(None), train), labels[train], **given)
        proba = source_posterior(again, select(block, slice(None), held), held)
        said[held] = over_all_classes(again.classes_, known, proba)[1]
    log_proba, every, share = np.log(np.maximum(said, SURE)), np.arange(len(codes)), weights.sum()
    likelihood = [
        weights @ log_softmax(power * log_proba, axis=1)[every, codes] / share
        for power in SOURCE_POWERS
    ]
    return float(SOURCE_POWERS[likelihood >= max(likelihood) - SURE].max())


def _folds(X, codes, weights, groups):
    """Fold of each row: equal rows in one, classes in all, whatever the order of the rows."""
    if groups is not None:
        return np.unique(groups, return_inverse=True)[1] % FOLDS
    first, _, inverse = different_rows((codes[:, None], X), np.arange(len(X)), weights)
    deviation = X[first].std(axis=0)
    points = (X[first] - X[first].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    order = own_order([points])
    order = order[np.argsort(codes[first][order], kind="stable")]
    folds = np.empty(len(first), dtype=int)
    folds[order] = np.arange(len(first)) % FOLDS
    return folds[inverse]


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
