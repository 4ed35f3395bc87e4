r"""The classifier of the source modality: fitted, or frozen, and what it says of pairs.

Pairs may lack classes that have labels. The shares :math:`\pi` of classes among the pairs are
those of largest likelihood, given what the source says and the shares :math:`\pi_0` that it has
learned from (Saerens, Latinne & Decaestecker 2002),

.. math:: \pi_c = \frac{1}{n} \sum_i \frac{(\pi_c / \pi_{0c}) \, p(c \mid x_{1i})}
          {\sum_b (\pi_b / \pi_{0b}) \, p(b \mid x_{1i})} ,

which is not robust to a source that errs otherwise on the pairs than on its labels. So no more is
made of it than this. A class that has less than a tenth of the share it would have, by likelihood,
and less than three quarters of an even one by the plain mean of what the source says, may be
absent, where five pairs or more would show it. If the absence of such classes alone explains as
much of the gain in likelihood, what the source says of them is multiplied by
:math:`\pi_c / \pi_{0c}`; that of other classes is left alone.
"""

from dataclasses import dataclass, replace
from inspect import signature

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
from .._utils._linalg import reciprocal
from .._utils._quiet import quietly
from .._utils._rows import different_rows, own_order
from .._utils._validation import check_option
from ..moments._rows import ArrayRows

# What single precision leaves of a sum of one.
TOLERANCE = 1e-3
# Pairs a class, in the mean, that would show it.
PLENTY = 5
# A class may be absent from the pairs with less than these parts of its share, and is if absences
# explain so much of the gain.
ABSENT, UNSEEN, EXPLAINED = 0.1, 0.75, 0.75
# Steps of an EM of shares, and how little they move when it ends.
STEPS, STILL = 200, 1e-6
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
    pairs: np.ndarray  # rows that have a source and another modality
    posterior: np.ndarray  # (len(pairs), C)
    means: np.ndarray  # (C, n_features): of rows of sources alone, by the class these give them
    labelled: np.ndarray  # rows with a label that lack every source
    codes: np.ndarray  # (len(labelled),): their classes
    sources: tuple[int, ...] = (0,)
    power: float = 1.0  # of the sources' probabilities beside other modalities
    groups: np.ndarray | None = None  # (n,): of rows that depend on each other

    def block(self, m: int) -> np.ndarray:
        """A modality of all rows."""
        return self.rows.blocks.take(self.rows.X, m)

    @property
    def told(self) -> np.ndarray:
        """Which rows have a source."""
        return np.asarray(self.present[:, self.sources].any(axis=1))

    def of_sources(self) -> np.ndarray:
        """Blocks of the sources side by side, zero where there is none."""
        blocks = [self.block(m) for m in self.sources]
        if len(blocks) == 1 and not len(self.labelled):
            return blocks[0]  # of pairs alone, all of which have it
        here = [self.present[:, [m]] for m in self.sources]
        return np.hstack([np.where(h, X, 0) for h, X in zip(here, blocks, strict=True)])

    def relayed(self, m: int, rows, posterior) -> "SoftLabels":
        """Rows of a modality whose classes are told by its own model, in place of the source."""
        return replace(self, sources=(m,), pairs=rows, posterior=posterior)

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
            f"{classes.tolist()}, or be 'auto' or 'uniform'."
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
    estimators,
    table,
    y,
    known,
    rows: ArrayRows,
    targets,
    params,
    calibrated=False,
    target_labels="unpaired",
    groups=None,
):
    """Step 1: fit the classifiers of the sources, and ask what they think of the pairs.

    Parameters
    ----------
    estimators : dict of int to classifier
        One for each source, by position; unfitted, or frozen. Are fitted here.
    table : array or dataframe
        All rows as the user gave them, without columns that no modality selects.
    y : ndarray of shape (n,)
    known : ndarray of bool, shape (n,)
        Which rows have a label.
    rows : ArrayRows
        The same rows.
    targets : sequence of int
        Positions of the targets.
    params : dict
        Metadata of the fit, one value a row.
    calibrated : bool
        Whether sources are to stand beside other modalities.
    target_labels : {"unpaired", "all", "none"}
        Which labels teach other modalities: with ``"all"`` those of pairs stand in place of what
        the sources say of them.
    groups : ndarray of shape (n,), optional
        Of rows that depend on each other.

    Returns
    -------
    classes : ndarray of shape (C,)
        Of the sources' classifiers and of the labels.
    soft : SoftLabels
    """
    present, sources = presence(rows.X, rows.blocks), tuple(estimators)
    if len(sources) > 1 and any(map(frozen, estimators.values())):
        raise ValueError(
            f"a frozen classifier reads one source, and there are {len(sources)}: "
            f"{rows.blocks.named(sources)}. Name one, or give a classifier that is fitted "
            "to each."
        )
    weights = np.ones(len(y)) if rows.weights is None else rows.weights
    counted = weights > 0
    told, others = present[:, sources].any(axis=1), np.delete(present, sources, 1).any(axis=1)
    rows.blocks.check_chains(present[counted], sources, targets)
    mine, powers = known & counted, []
    for m in sources:
        seen = rows, m, np.flatnonzero(mine & present[:, m]), params, groups
        powers.append(_taught(estimators[m], table, y, *seen, calibrated))
    pairs, alone = (np.flatnonzero(told & counted & kind) for kind in (others, ~others))
    classes = classes_of([c.classes_ for c in estimators.values()], y[known & counted])
    posterior = said_by_sources(estimators, table, present, rows.blocks, pairs, classes)
    if not any(map(frozen, estimators.values())):
        own = np.flatnonzero(known & told & counted)
        said = said_by_sources(estimators, table, present, rows.blocks, own, classes)
        posterior = less_absent(posterior, weights[pairs], weights[own] @ said)
    means = np.full((len(classes), rows.shape[1]), np.nan)
    if len(alone):
        said = said_by_sources(estimators, table, present, rows.blocks, alone, classes)
        decided = np.argmax(said, axis=1)
        for m in sources:
            own, here = rows.blocks.indices(m), present[alone, m]
            for c in np.unique(decided[here]):
                mine = alone[here & (decided == c)]
                means[c, own] = weights[mine] @ rows.X[np.ix_(mine, own)] / weights[mine].sum()
    untold = np.flatnonzero(known & ~told & counted & (target_labels != "none"))
    codes = np.searchsorted(classes, plain_labels(y[untold]))
    if target_labels == "all":
        own = np.searchsorted(classes, plain_labels(y[pairs[known[pairs]]]))
        posterior[known[pairs]] = np.eye(len(classes))[own]
    given = pairs, posterior, means, untold, codes
    return classes, SoftLabels(rows, present, weights, *given, sources, min(powers), groups)


def less_absent(posterior, weights, learned) -> np.ndarray:
    """Class probabilities of pairs, lower for classes that pairs lack.

    Parameters
    ----------
    posterior : ndarray of shape (n, C)
        By the source.
    weights : ndarray of shape (n,)
    learned : ndarray of shape (C,)
        Shares of the classes that the source has learned from, up to a factor.
    """
    n_pairs, even = weights.sum(), 1 / np.count_nonzero(learned)
    learned, weights = learned / learned.sum(), weights / n_pairs
    share, shares = reciprocal(learned), learned
    for _ in range(STEPS):
        resp = posterior * (shares * share)
        resp *= reciprocal(resp.sum(axis=1, keepdims=True))
        before, shares = shares, weights @ resp
        if np.abs(shares - before).max() < STILL:
            break
    absent = (shares < ABSENT * np.minimum(learned, even)) & (n_pairs * learned >= PLENTY)
    absent &= weights @ posterior < UNSEEN * even
    if not absent.any():
        return posterior
    gain, without = (
        weights @ np.log(np.maximum(posterior @ factor, SURE))
        for factor in (shares * share, ~absent / learned[~absent].sum())
    )
    if without < EXPLAINED * gain:
        return posterior
    out = posterior * np.where(absent, shares * share, 1.0)
    total = out.sum(axis=1, keepdims=True)
    return np.where(total > SURE, out * reciprocal(total), posterior)


def _taught(estimator, table, y, rows, m: int, mine, params, groups, calibrated) -> float:
    """Fit the classifier of a source to some rows; the power of its probabilities."""
    columns = rows.blocks.columns[m]
    params = {key: np.asarray(vector_as_numpy(v))[mine] for key, v in params.items()}
    apart = params.get("groups") if groups is None else groups[mine]
    seen = select(table, columns, mine)
    _fit(estimator, seen, y[mine], params, rows.blocks.names[m])
    if not calibrated:
        return 1.0
    X = rows.blocks.take(rows.X, m)[mine].astype(np.float64)
    weights = np.ones(len(mine)) if rows.weights is None else rows.weights[mine]
    return held_out_power(estimator, seen, X, y[mine], weights, params, apart)


def said_by_sources(estimators, table, present, blocks, rows, classes) -> np.ndarray:
    """Class probabilities of some rows, each of which has a source; the mean where it has more."""
    said = np.zeros((len(rows), len(classes)))
    for m, estimator in estimators.items():
        here = present[rows, m]
        if here.any():
            said[here] += posterior_of(estimator, table, blocks, m, rows[here], classes)
    if len(estimators) > 1:
        said /= present[np.ix_(rows, tuple(estimators))].sum(axis=1, keepdims=True)
    return said


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
        try:
            estimator.fit(block, plain_labels(labels), **params)
        except ValueError as error:
            if "too large for dtype" not in str(error):
                raise
            raise ValueError(
                f"estimator={type(estimator).__name__} cannot hold values of the source modality "
                f"{name!r}: scale the features, for example by StandardScaler."
            ) from error
    if len(estimator.classes_) < 2:
        raise ValueError("estimator knows a single class: a classifier needs at least two.")


def held_out_power(estimator, block, X, labels, weights, params, groups=None) -> float:
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
    folds = _folds(X, codes, weights, groups)
    if any(len(np.unique(folds[codes == c])) < 2 for c in range(len(known))):
        return 1.0
    said = np.zeros((len(labels), len(known)))
    for fold in np.unique(folds):
        train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        again, given = clone(estimator), {key: v[train] for key, v in params.items()}
        with quietly():  # what it warned of with all rows, it has warned of
            again.fit(select(block, slice(None), train), labels[train], **given)
        proba = source_posterior(again, select(block, slice(None), held), held)
        said[held] = over_all_classes(again.classes_, known, proba)
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


def groups_parameter(estimator) -> str | None:
    """Name under which ``fit`` of an estimator takes groups; None if it takes none.

    A search hands on whatever it is given; others that take any keyword refuse those they do not
    know, unless metadata are routed.
    """
    step, prefix = _last_step(estimator)
    taken = signature(step.fit).parameters
    is_search = hasattr(step, "scoring") and hasattr(step, "estimator")
    any_keyword = any(p.kind is p.VAR_KEYWORD for p in taken.values())
    if "groups" in taken or (is_search and any_keyword):
        return f"{prefix}groups"
    return None


def _last_step(estimator):
    """The last step of pipelines, and the prefix of its metadata."""
    step, prefix = estimator, ""
    while isinstance(step, Pipeline):
        prefix, step = f"{prefix}{step.steps[-1][0]}__", step.steps[-1][1]
    return step, prefix


def weight_parameter(estimator) -> str:
    """Name under which ``fit`` of a classifier takes the weights of rows.

    Raises
    ------
    ValueError
        If it takes none.
    """
    step, prefix = _last_step(estimator)
    if not has_fit_parameter(step, "sample_weight") and not frozen(step):
        raise ValueError(
            f"estimator={type(step).__name__} takes no sample_weight: fit without weights, choose "
            "an estimator whose fit takes them, or route them with scikit-learn's metadata "
            "routing, set_config(enable_metadata_routing=True) and set_fit_request."
        )
    return f"{prefix}sample_weight"


def posterior_of(estimator, table, blocks, m: int, rows, classes) -> np.ndarray:
    """What the classifier of modality m says of some rows of a table, over all classes."""
    block = select(table, blocks.columns[m], rows)
    return over_all_classes(estimator.classes_, classes, source_posterior(estimator, block, rows))


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


def classes_of(known, labels) -> np.ndarray:
    """Classes of several classifiers and of labels, together."""
    every = [np.asarray(classes) for classes in known]
    every += [labels] if len(labels) else []
    if any(values.dtype.kind in "OUS" for values in every):
        same = len({values.dtype.kind for values in every}) == 1
        every = [v.astype(np.result_type(*every) if same else object) for v in every]
    return every[0] if len(every) == 1 else known_classes(np.concatenate(every))


def over_all_classes(known, classes, proba) -> np.ndarray:
    """``proba``, over the classes that are known, over all of them."""
    known = np.asarray(known).astype(classes.dtype)
    full = np.zeros((len(proba), len(classes)))
    full[:, np.searchsorted(classes, known)] = proba
    return full


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
