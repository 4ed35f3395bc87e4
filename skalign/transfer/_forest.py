r"""A forest of soft labels: classes that neither hyperplanes nor smooth kernels tell apart.

Each tree is grown on a bootstrap of the pairs, and a leaf says the mean of its soft labels. What
the forest says of a pair is the mean of the trees that have not drawn it, so that it can be judged
beside leave-one-out discriminants. It takes part where the mean of both,

.. math:: p(c \mid x_2) = \tfrac12 \, p_\text{discriminants}(c \mid x_2)
          + \tfrac12 \, p_\text{forest}(c \mid x_2) ,

shares more with the source than the discriminants alone, by more than the standard error.
"""

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .._utils._rows import spread_rows
from ._discriminant import gains_more_than_its_error, likelihood_ratios

# Trees and pairs on which a forest is tried, and those of one that takes part.
TREES, ROWS = 20, 1000
MOST_TREES, MOST_ROWS = 100, 10_000
# Pairs in a leaf, at least: one alone is as wrong as the source.
LEAF = 3
# Features that each split looks at, if there are so many; where that is more, a root of them.
FEW = 30
# Pairs without which there is nothing to try.
LEAST = 30
# Digits of the moments that put columns in order.
DIGITS = 7
# Digits of points and soft labels that trees get: rounding would choose among splits that part the
# same rows.
POINT_DIGITS, LABEL_DIGITS = 5, 3
# Powers of probabilities at which what is shared is looked at.
POWERS = np.geomspace(0.3, 20.0, 20)


def column_order(points) -> np.ndarray:
    """An order of standardized columns that is theirs, wherever they stand: trees draw columns."""
    keys = [np.round(np.mean(points**power, axis=0), DIGITS) for power in (3, 4, 5)]
    return np.lexsort(keys)


def grown(X, resp, weights, n_trees: int) -> Pipeline:
    """Forest of features (n, d), their columns in order, and soft labels (n, C)."""
    d, labels = X.shape[1], np.round(resp, LABEL_DIGITS)
    labels = labels if resp.shape[1] > 1 else labels.ravel()
    scaler = StandardScaler().fit(X, sample_weight=weights)  # trees read single precision
    points = np.round(scaler.transform(X), POINT_DIGITS)
    forest = RandomForestRegressor(
        n_trees,
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


def tried(X, points, resp, posterior, weights, said):
    """A forest where it earns its place, the order of its columns, and what both say of pairs.

    Parameters
    ----------
    X, points : ndarray of shape (n, d)
        Features of the pairs, and the same standardized.
    resp, posterior : ndarray of shape (n, C)
        Classes of the pairs, and what the source says of them.
    weights : ndarray of shape (n,)
    said : ndarray of shape (n, C)
        Leave-one-out class probabilities by the discriminants.

    Returns
    -------
    forest : Pipeline or None
    columns : ndarray of int
    proba : ndarray of shape (n, C) or None
        Of the pairs, by trees that have not seen them.
    """
    columns = column_order(points)
    rows = spread_rows(len(X), ROWS)
    if len(rows) < LEAST:
        return None, columns, None
    some = X[np.ix_(rows, columns)], resp[rows], weights[rows]
    forest = grown(*some, TREES)
    own, share = out_of_bag(forest, *some), weights[rows] / weights[rows].sum()
    alone, both = (
        _shared(proba, posterior[rows], share) for proba in (said[rows], (own + said[rows]) / 2)
    )
    if not gains_more_than_its_error(both, alone, share):
        return None, columns, None
    rows = spread_rows(len(X), MOST_ROWS)
    some = X[np.ix_(rows, columns)], resp[rows], weights[rows]
    forest, proba = grown(*some, MOST_TREES), said.copy()
    proba[rows] = (out_of_bag(forest, *some) + said[rows]) / 2
    return forest, columns, proba


def _shared(proba, posterior, share):
    ratios = likelihood_ratios(np.log(proba + 1e-12), posterior, share, POWERS)
    return ratios[np.argmax(ratios @ share)]
