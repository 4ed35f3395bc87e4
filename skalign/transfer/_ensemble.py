r"""Other views of a modality, and the mean of what all of them say. Arrays only.

Beside the discriminants of the features stand two models that err otherwise. The one are the same
discriminants of directions,

.. math:: v = \frac{u - \bar u}{|u - \bar u|} ,

of standardized features :math:`u` less their mean :math:`\bar u` over the row: an offset or a gain
of the whole row does not show in them. The other is a forest of soft labels, for classes that
neither hyperplanes nor smooth kernels tell apart: each tree is grown on a bootstrap of the pairs,
and a leaf says the mean of its soft labels. What the forest says of a pair is the mean of those
trees that have not drawn it, so that it stands beside leave-one-out discriminants. What predicts
is the mean of all,

.. math:: p(c \mid x_2) \propto \Bigl( \tfrac13 \sum_v p_v(c \mid x_2) \Bigr)^\beta ,

where :math:`\beta` brings it on left-out pairs closest to their classes, by cross-entropy: a mean
is less sure than each of them has a right to be. A view leaves where the mean without it shares
plainly more with the source, by three standard errors.
"""

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .._utils._rows import spread_rows
from ._discriminant import (
    INDIFFERENT,
    TINY,
    Candidate,
    PrincipalScores,
    most_shared,
    principal_axes,
)
from ._kernel import Options, calibrate, of_features, pooled_model
from ._task import OtherViews, TargetModel, TransferTask

TREES = 60
# Pairs that a forest is grown on, evenly spread, where there are more.
MOST_ROWS = 10_000
# Pairs in a leaf, at least: one alone is as wrong as the source.
LEAF = 3
# Features that each split looks at, if there are so many; where that is more, a root of them.
FEW = 30
# Pairs without which there is nothing to grow.
LEAST = 30
# Features without which a row has no direction worth the name.
LEAST_FEATURES = 3
# Digits of the moments that put columns in order.
DIGITS = 7
# Digits of points and soft labels that trees get: rounding would choose among splits that part the
# same rows.
POINT_DIGITS, LABEL_DIGITS = 5, 3
# Pairs on which a forest is tried before it is grown on so many times more.
TRIAL_ROWS, MANY = 1000, 4
# Standard errors by which a mean shares more without a view that leaves.
PLAINLY = 3.0
# Powers of probabilities at which what is shared is looked at.
POWERS = np.geomspace(0.3, 20.0, 20)


def directions(X, mean, unit):
    """Directions of rows: standardized, less their own mean, of length one; (n, d).

    Parameters
    ----------
    X : ndarray of shape (n, d)
    mean : ndarray of shape (d,)
    unit : ndarray of shape (d,)
        1 / standard deviation; zero for constant features, which stay zero.
    """
    points = np.subtract(X, mean, dtype=np.float64)
    points *= unit
    used = unit > 0
    points -= points.sum(axis=1, keepdims=True) / max(np.count_nonzero(used), 1) * used
    largest = np.abs(points).max(axis=1, keepdims=True, initial=0.0)  # squares may overflow
    points = np.divide(points, largest, out=np.zeros_like(points), where=largest > 0)
    length = np.sqrt(np.einsum("ij,ij->i", points, points))[:, None]
    return np.divide(points, length, out=points, where=length > 0)


def mean_proba(said):
    """Mean of the class probabilities (n, C) that several views say."""
    return sum(said) / len(said)


def power_of(proba, exponent):
    """Class probabilities raised to a power."""
    out = proba**exponent
    return out / out.sum(axis=1, keepdims=True)


def keeps_up(proba, said, posterior, weights) -> bool:
    """Whether a view may join others: without it the mean does not share plainly more.

    Parameters
    ----------
    proba : ndarray of shape (n, C)
        Class probabilities of pairs that it has not seen.
    said : list of ndarray of shape (n, C)
        The same of those that take part.
    posterior : ndarray of shape (n, C)
        Of the source.
    weights : ndarray of shape (n,)
    """
    share = weights / weights.sum()
    without = _shared(mean_proba(said), posterior, share)
    lost = without - _shared(mean_proba([*said, proba]), posterior, share)
    mean = share @ lost
    return bool(mean <= PLAINLY * np.sqrt(np.sum(share**2 * (lost - mean) ** 2)) + INDIFFERENT)


def _shared(proba, posterior, share):
    return most_shared(np.log(proba + TINY), posterior, share, POWERS)


# -- forests --------------------------------------------------------------------------------------


def column_order(points) -> np.ndarray:
    """An order of standardized columns that is theirs, wherever they stand: trees draw columns."""
    keys = [np.round(np.mean(points**power, axis=0), DIGITS) for power in (3, 4, 5)]
    return np.lexsort(keys)


def grown(X, resp, weights) -> Pipeline:
    """Forest of features (n, d), their columns in order, and soft labels (n, C)."""
    d, labels = X.shape[1], np.round(resp, LABEL_DIGITS)
    labels = labels if resp.shape[1] > 1 else labels.ravel()
    scaler = StandardScaler().fit(X, sample_weight=weights)  # trees read single precision
    points = np.round(scaler.transform(X), POINT_DIGITS)
    forest = RandomForestRegressor(
        TREES,
        min_samples_leaf=LEAF,
        max_features=min(d, max(FEW, int(np.sqrt(d)))),
        bootstrap=True,
        random_state=0,
    )
    return make_pipeline(scaler, forest.fit(points, labels, sample_weight=weights))


def out_of_bag(forest: Pipeline, X, resp, weights) -> np.ndarray:
    """What trees that have not drawn a row say of it, and the prior as one tree more: (n, C)."""
    trees, scaled = forest[-1], forest[0].transform(X)
    total = np.tile(weights @ resp / weights.sum(), (len(X), 1))
    count = np.ones((len(X), 1))
    for tree, drawn in zip(trees.estimators_, trees.estimators_samples_, strict=True):
        rows = np.setdiff1d(np.arange(len(X)), drawn)
        if len(rows):
            total[rows] += tree.predict(scaled[rows]).reshape(len(rows), -1)
            count[rows] += 1
    return total / count


def forest_of(X, resp, weights):
    """A forest of pairs, or of some of them, and what it says of each that it has not seen.

    Returns
    -------
    forest : Pipeline
    proba : ndarray of shape (n, C)
    """
    rows = spread_rows(len(X), MOST_ROWS)
    some = X[rows], resp[rows], weights[rows]
    forest = grown(*some)
    if len(rows) == len(X):
        return forest, out_of_bag(forest, *some)
    proba = forest.predict(X).reshape(resp.shape)
    proba[rows] = out_of_bag(forest, *some)
    return forest, proba


# -- all together ---------------------------------------------------------------------------------


def with_other_views(task: TransferTask, X, resp, weights, n, rows, own, options: Options):
    """Models of directions and a forest, beside the discriminants of the features.

    Of the rows the pairs come first; after ``n`` of them come anchors.

    Returns
    -------
    own : ndarray of shape (len(rows), len(task.known))
        Class probabilities of the evaluated pairs by the mean of all, that have not seen them.
    views : OtherViews or None
    """
    standard, known = task.standardization, task.known
    evidence = task.posterior[rows][:, known], task.weights[rows]
    views, said = {}, [own]
    used = standard.unit > 0
    if options.directions and used.sum() >= LEAST_FEATURES:
        V = directions(X, 0.0, used)
        along, proba = _of_directions(V, resp, weights, rows, n, options)
        if keeps_up(proba[:, known], said, *evidence):
            views["directions"] = along
            said.append(proba[:, known])
    if options.forest and len(task.weights) >= LEAST:
        columns, grown_on = _for_trees(task, resp, known, options)
        trial = spread_rows(len(rows), TRIAL_ROWS)
        if len(rows) < MANY * len(trial) or _is_promising(grown_on, rows, trial, said, task):
            forest, proba = forest_of(*grown_on)
            if keeps_up(proba[rows][:, known], said, *evidence):
                views["forest"], views["columns"] = forest, columns
                said.append(proba[rows][:, known])
    if not views:
        return own, None
    own = mean_proba(said)
    exponent = calibrate([np.log(own + TINY)], resp[rows][:, known], task.weights[rows])[0]
    exponent = max(exponent, TINY)  # impossible classes stay so
    return power_of(own, exponent), OtherViews(exponent, standard.mean, standard.unit, **views)


def _for_trees(task: TransferTask, resp, known, options: Options):
    """An order of the columns, and the features in it, soft labels and weights of the pairs."""
    standard, columns = task.standardization, column_order(task.points)
    features = (task.points * standard.scale + standard.mean)[:, columns]
    labels = _shifted(resp[: len(features)], task.weights, known, options.prior)
    return columns, (features, *labels)


def _is_promising(grown_on, rows, trial, said, task: TransferTask) -> bool:
    """Whether a forest of some of the pairs keeps up on these."""
    some, known = rows[trial], task.known
    _, proba = forest_of(*(values[some] for values in grown_on))
    said = [left_out[trial] for left_out in said]
    return keeps_up(proba[:, known], said, task.posterior[some][:, known], task.weights[some])


def _shifted(resp, weights, known, prior):
    """Soft labels and weights of pairs as they would be had classes the prior, if it is given."""
    if prior is None:
        return resp, weights
    counted, shifted = weights @ resp, np.zeros(resp.shape)
    shifted[:, known] = resp[:, known] * (prior / counted[known])
    total = shifted.sum(axis=1)
    return shifted / total[:, None], weights * total * weights.sum()


def _of_directions(V, resp, weights, rows, n, options: Options):
    """Discriminants of directions, and leave-one-out class probabilities of evaluated pairs.

    After the first ``n`` rows come anchors, of which kernels know nothing.
    """
    known, axes = np.flatnonzero(resp.any(axis=0)), principal_axes(V, weights)
    points, mine, ridge = PrincipalScores.of(axes, V, weights), resp[:, known], options.ridges[0]
    found = Candidate(axes, points, mine, points.leave_one_out(mine, rows, ridge), 0.0, ridge)
    model, pooled = pooled_model(found, weights[:n], rows, options)
    maps = axes.axes.T, axes.mean, axes.axes
    predictor, encoder = of_features(model.widened(known, resp.shape[1]), *maps)
    left_out = np.zeros((len(rows), resp.shape[1]))
    left_out[:, known] = softmax(pooled, axis=1)
    prior = weights @ resp / weights.sum()
    return TargetModel(predictor, encoder, prior, prior), left_out
