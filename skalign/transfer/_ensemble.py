r"""Other views of a modality, and the mean of what all of them say. Arrays only.

Beside the discriminants of the features stand two models that err otherwise. The one are the same
discriminants of directions,

.. math:: v = \frac{u - \bar u}{|u - \bar u|} ,

of standardized features :math:`u` less their mean :math:`\bar u` over the row: an offset or a gain
of the whole row does not show in them. The other is a forest of soft labels, for classes that
neither hyperplanes nor smooth kernels tell apart: each tree is grown on a bootstrap of the pairs,
every other one by the best of splits drawn at random (Geurts, Ernst & Wehenkel 2006), and a leaf
says the mean of its soft labels. What the forest says of a pair is the mean of those trees that
have not drawn it, so that it stands beside leave-one-out discriminants. What predicts is the mean
of all,

.. math:: p(c \mid x_2) \propto \Bigl( \tfrac13 \sum_v p_v(c \mid x_2) \Bigr)^\beta ,

where :math:`\beta` brings it on left-out pairs closest to their classes, by cross-entropy: a mean
is less sure than each of them has a right to be. A view leaves where the mean without it shares
plainly more with the source, by three standard errors. Where pairs are many they tell more, and a
view has its price: there it joins only if the mean shares more with it, by a standard error.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor

from .._utils._rows import row_blocks, spread_rows
from ._discriminant import (
    TINY,
    Candidate,
    PrincipalScores,
    gains_more_than_its_error,
    most_shared,
    principal_axes,
)
from ._kernel import Options, calibrate, of_features, pooled_model
from ._task import OtherViews, TargetModel, TransferTask

TREES = 30
# The best of all splits finds what is local; the best of random ones is smoother, and quick.
SPLITTERS = "best", "random"
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
# Beyond this a point is as far away as any, in single precision.
FAR = 1e30
# Digits of the moments that put columns in order.
DIGITS = 7
# Digits of points and soft labels that trees get: rounding would choose among splits that part the
# same rows.
POINT_DIGITS, LABEL_DIGITS = 5, 3
# So many pairs are many, and on some of them a forest is tried before it is grown on more.
MANY, TRIAL_ROWS = 4000, 1000
# Standard errors by which a mean shares more without a view that leaves.
PLAINLY = 3.0
# Powers of probabilities at which what is shared is looked at.
POWERS = np.geomspace(0.3, 20.0, 20)


def directions(points, used):
    """Directions of standardized rows: less their own mean, of length one; (n, d).

    Parameters
    ----------
    points : ndarray of shape (n, d)
    used : ndarray of bool, shape (d,)
        Features that vary; the others are zero, and stay so.
    """
    n_used = max(np.count_nonzero(used), 1)
    points = points - points.sum(axis=1, keepdims=True) / n_used * used
    largest = np.maximum(points.max(axis=1, initial=0.0), -points.min(axis=1, initial=0.0))
    _divide(points, largest[:, None])  # squares may overflow
    return _divide(points, np.sqrt(np.einsum("ij,ij->i", points, points))[:, None])


def _divide(points, length):
    """Divide rows by their lengths in place, and leave those of none."""
    return np.divide(points, length, out=points, where=length > 0)


def mean_proba(said):
    """Mean of the class probabilities (n, C) that several views say."""
    return sum(said) / len(said)


def power_of(proba, exponent):
    """Class probabilities raised to a power."""
    out = (proba / proba.max(axis=1, keepdims=True)) ** exponent  # never zero everywhere
    return out / out.sum(axis=1, keepdims=True)


def keeps_up(proba, said, posterior, weights, many: bool) -> bool:
    """Whether a view may join others.

    Parameters
    ----------
    proba : ndarray of shape (n, C)
        Class probabilities of pairs that it has not seen.
    said : list of ndarray of shape (n, C)
        The same of those that take part.
    posterior : ndarray of shape (n, C)
        Of the source.
    weights : ndarray of shape (n,)
    many : bool
        Whether it has to better their mean, or only not to worsen it plainly.
    """
    share = weights / weights.sum()
    without = _shared(mean_proba(said), posterior, share)
    joined = _shared(mean_proba([*said, proba]), posterior, share)
    if many:
        return gains_more_than_its_error(joined, without, share)
    return not gains_more_than_its_error(without, joined, share, PLAINLY)


def _shared(proba, posterior, share):
    return most_shared(np.log(proba + TINY), posterior, share, POWERS)


# -- forests --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forest:
    """Trees of soft labels, as arrays over all of their nodes."""

    roots: np.ndarray  # (T,)
    features: np.ndarray  # (n_nodes,)
    thresholds: np.ndarray  # (n_nodes,)
    children: np.ndarray  # (2, n_nodes): where features are at most the threshold, or beyond it
    values: np.ndarray  # (n_nodes, C)

    def predict_proba(self, points) -> np.ndarray:
        """Mean class probabilities of the leaves of standardized points, shape (n, C)."""
        out = np.empty((len(points), self.values.shape[1]))
        points = np.clip(points, -FAR, FAR).astype(np.float32)  # as trees have read them
        for s in row_blocks(len(points), len(self.roots) * out.shape[1]):
            out[s] = self.values[self._leaves(points[s])].sum(axis=0)
        return out / len(self.roots)

    def _leaves(self, points):
        """Leaves in which points end, shape (T, n): they fall down all trees at once."""
        n, d = points.shape
        values, children, n_nodes = points.ravel(), self.children.ravel(), len(self.features)
        at = np.repeat(self.roots, n)
        first = np.tile(np.arange(0, n * d, d), len(self.roots))  # where the values of a row start
        ends, falling = at.copy(), np.arange(len(at))
        while len(falling):
            beyond = values.take(first + self.features.take(at)) > self.thresholds.take(at)
            below = children.take(at + n_nodes * beyond)
            moved = below != at  # leaves lead to themselves
            at = below
            if 2 * np.count_nonzero(moved) < len(at):  # fewer are left to look at
                ends[falling] = at
                at, first, falling = at[moved], first[moved], falling[moved]
        return ends.reshape(-1, n)


def column_order(points) -> np.ndarray:
    """An order of standardized columns that is theirs, wherever they stand: trees draw columns."""
    squares = points * points
    sums = (
        np.einsum("ij,ij->j", squares, points),
        np.einsum("ij,ij->j", squares, squares),
        np.einsum("ij,ij,ij->j", squares, squares, points),
    )
    keys = [np.round(total / max(len(points), 1), DIGITS) for total in sums]
    return np.lexsort(keys)


def forest_of(points, resp, weights):
    """A forest of standardized pairs, or of some of them, and what it says of pairs unseen.

    Of a pair that trees have not drawn, these say their mean, with the prior as one tree more.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    resp : ndarray of shape (n, C)
    weights : ndarray of shape (n,)

    Returns
    -------
    forest : Forest
    proba : ndarray of shape (n, C)
    """
    rows, columns = spread_rows(len(points), MOST_ROWS), column_order(points)
    points = np.round(points, POINT_DIGITS)
    X = np.clip(points[np.ix_(rows, columns)], -FAR, FAR).astype(np.float32, order="C")
    labels = np.round(resp[rows], LABEL_DIGITS, out=np.empty((len(rows), resp.shape[1])))
    prior = weights[rows] @ resp[rows] / weights[rows].sum()
    total, count = np.tile(prior, (len(X), 1)), np.ones((len(X), 1))
    trees, drawn = _grown(X, labels, weights[rows])
    for tree, times in zip(trees, drawn, strict=True):
        unseen = times == 0
        total[unseen] += tree.tree_.value[tree.tree_.apply(X[unseen]), :, 0]
        count[unseen] += 1
    forest = _flat(trees, columns)
    proba = forest.predict_proba(points) if len(rows) < len(points) else np.empty(resp.shape)
    proba[rows] = total / count
    return forest, proba


def _grown(X, labels, weights):
    """Trees, and how often each has drawn a pair."""
    (n, d), rng = X.shape, np.random.default_rng(0)
    most, trees = min(d, max(FEW, int(np.sqrt(d)))), []
    drawn = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(TREES)]
    with config_context(skip_parameter_validation=True):  # the same for every tree
        for number, times in enumerate(drawn):
            tree = DecisionTreeRegressor(
                splitter=SPLITTERS[number % 2],
                min_samples_leaf=LEAF,
                max_features=most,
                random_state=number,
            )
            tree.fit(X, labels, sample_weight=weights * times, check_input=False)
            trees.append(tree)
    return trees, drawn


def _flat(trees, columns) -> Forest:
    """Trees that take columns in an order, as arrays over all of their nodes."""
    parts = [tree.tree_ for tree in trees]
    starts = np.cumsum([0, *(part.node_count for part in parts)])[:-1]
    features, children = [], []
    for start, part in zip(starts, parts, strict=True):
        leaf, own = part.children_left < 0, np.arange(part.node_count)
        features.append(columns[np.where(leaf, 0, part.feature)])
        both = np.array([part.children_left, part.children_right])
        children.append(start + np.where(leaf, own, both))
    return Forest(
        starts,
        np.concatenate(features),
        np.concatenate([part.threshold for part in parts]),
        np.hstack(children),
        np.concatenate([part.value[:, :, 0] for part in parts]),
    )


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
    many = len(task.weights) >= MANY
    evidence = task.posterior[rows][:, known], task.weights[rows], many
    views, said = {}, [own]
    used = standard.unit > 0
    if options.directions and used.sum() >= LEAST_FEATURES:
        V = directions(X, used)
        along, proba = _of_directions(V, resp, known, weights, rows, n, options)
        if keeps_up(proba[:, known], said, *evidence):
            views["directions"] = along
            said.append(proba[:, known])
    if options.forest and len(task.weights) >= LEAST:
        labels = _shifted(resp[: len(task.weights)], task.weights, known, options.prior)
        trial = spread_rows(len(rows), TRIAL_ROWS)
        if not many or _is_promising(labels, rows, trial, said, task):
            forest, proba = forest_of(task.points, *labels)
            if keeps_up(proba[rows][:, known], said, *evidence):
                views["forest"] = forest
                said.append(proba[rows][:, known])
    if not views:
        return own, None
    own = mean_proba(said)
    exponent = calibrate([np.log(own + TINY)], resp[rows][:, known], task.weights[rows])[0]
    exponent = max(exponent, TINY)  # impossible classes stay so
    return power_of(own, exponent), OtherViews(exponent, standard.mean, standard.unit, **views)


def _is_promising(labels, rows, trial, said, task: TransferTask) -> bool:
    """Whether a forest of some of the pairs keeps up on these."""
    some, known = rows[trial], task.known
    _, proba = forest_of(task.points[some], *(values[some] for values in labels))
    said = [left_out[trial] for left_out in said]
    evidence = task.posterior[some][:, known], task.weights[some]
    return keeps_up(proba[:, known], said, *evidence, many=True)


def _shifted(resp, weights, known, prior):
    """Soft labels and weights of pairs as they would be had classes the prior, if it is given."""
    if prior is None:
        return resp, weights
    shifted = np.zeros(resp.shape)
    counted = np.maximum((weights @ resp)[known], TINY * weights.sum())
    # rows of a class that has no share are next to nothing, of any other
    shifted[:, known] = (resp[:, known] + TINY) * (prior / counted)
    total = shifted.sum(axis=1)
    return shifted / total[:, None], weights * total * weights.sum()


def _of_directions(V, resp, known, weights, rows, n, options: Options):
    """Discriminants of directions, and leave-one-out class probabilities of evaluated pairs.

    After the first ``n`` rows come anchors, of which kernels know nothing.
    """
    axes = principal_axes(V, weights)
    points, mine, ridge = PrincipalScores.of(axes, V, weights), resp[:, known], options.ridges[0]
    found = Candidate(axes, points, mine, points.leave_one_out(mine, rows, ridge), 0.0, ridge)
    model, pooled = pooled_model(found, weights[:n], rows, options)
    maps = axes.axes.T, axes.mean, axes.axes
    predictor, encoder = of_features(model.widened(known, resp.shape[1]), *maps)
    left_out = np.zeros((len(rows), resp.shape[1]))
    left_out[:, known] = softmax(pooled, axis=1)
    prior = weights @ resp / weights.sum()
    return TargetModel(predictor, encoder, prior, prior), left_out
