r"""Distillation: a modality learned from what another one says of the pairs. Arrays only.

The source gives soft labels :math:`p(c \mid x_1)` of the pairs. Given its class, a sample's
modalities are taken as independent, so that its class is

.. math:: r_c \propto p(c \mid x_1) \; p(x_2 \mid c)^\lambda ,

at the fixed point of an EM in which the source's posterior stays a factor. How far the target
may argue, :math:`\lambda`, and the ridge of its discriminant are those with which the target, each
pair left out in turn, shares most with the source,

.. math:: \frac{1}{n} \sum_i \log \frac{\sum_c p(c \mid x_{1i}) \, p(x_{2i} \mid c)^\kappa}
          {\sum_c p(c) \, p(x_{2i} \mid c)^\kappa} ,

their mutual information as far as classes carry it: no label of the target is seen. A ridge
smaller than the first one is taken where it gains more than its standard error. Where pairs are
few, the labelled rows of the source help: what the aligner makes of their class means are anchors
of the classes in the target, taken if cross-validation finds decisions no worse with them and
cross-entropy better: with aligners that have not seen the held-out pairs. Rows that lack the
source take part, too: what the model makes of them is the posterior that stays their factor when
the model is learned again, with them.

Two discriminants speak for the target, a linear one of its features and one of kernel features.
They are pooled as :math:`\log p(c \mid x_2) = a\,d_c(x_2) + b\,d'_c(x_2) + \text{const}`, with the
weights :math:`a, b \ge 0` that bring their leave-one-out values closest to :math:`r`, by
cross-entropy; that calibrates them, too.

A model that is calibrated to the source carries the source's doubt. Beside the source itself that
doubt would count twice, so that the model is raised to the power :math:`\kappa` of maximum
likelihood of the modality given the source,

.. math:: \sum_i \log \frac{\sum_c p(c \mid x_{1i}) \, p(c \mid x_{2i})^\kappa}
          {\sum_c p(c) \, p(c \mid x_{2i})^\kappa} .
"""

from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from .._utils._rows import spread_rows
from ..alignment._significance import SIGNIFICANCE
from ..metrics._agreement import agreement_test
from ._discriminant import (
    EXPONENTS,
    RIDGES,
    TINY,
    Candidate,
    PrincipalScores,
    affordable_rows,
    best_discriminant,
    expected_classes,
    inverse_temperature,
    principal_axes,
)
from ._forest import MOST_TREES, column_order, grown, tried
from ._kernel import BANDWIDTH, LANDMARKS, DistilledModel, kernel_lda
from ._task import ANCHOR_WEIGHTS, Anchors, TargetModel, TransferTask

# Rows that lack the source count as so many times the pairs at most, all of them together, and
# so many of them take part, or so many times the pairs.
UNPAIRED_WEIGHT = 3.0
UNPAIRED_ROWS = 2000
UNPAIRED_SHARE = 10
# Pairs that test whether modalities share anything, where there are more.
TEST_ROWS = 2000


@dataclass(frozen=True)
class Options:
    """Hyperparameters of :func:`distil`."""

    exponents: tuple[float, ...] = EXPONENTS
    anchor_weights: tuple[float, ...] = ANCHOR_WEIGHTS
    ridges: tuple[float, ...] = RIDGES
    bandwidth: float = BANDWIDTH
    n_landmarks: int = LANDMARKS
    kernel: bool = True
    forest: bool = True


def distil(task: TransferTask, **options) -> TargetModel:
    """Learn the classes of a modality from the source's posterior on pairs.

    Parameters
    ----------
    task : TransferTask
    **options
        Fields of :class:`Options`: ``exponents`` and ``ridges`` of the linear discriminant to
        choose from, ``anchor_weights`` to try, ``bandwidth`` and ``n_landmarks`` of the kernel,
        and whether there may be a ``kernel`` and a ``forest`` at all.
    """
    choices, known, n_classes = Options(**options), task.known, task.posterior.shape[1]
    posterior, weights = task.posterior[:, known], task.weights
    rows = affordable_rows(len(weights), len(known))
    plain = best_discriminant(
        task.points, posterior, weights, rows, choices.exponents, choices.ridges
    )
    chosen = plain
    if task.anchors is not None and choices.anchor_weights:
        chosen = _with_anchors(plain, task, posterior, rows, choices)
    model, pooled = _pooled_model(chosen, weights, rows, choices)
    if len(task.unpaired):
        chosen, model, pooled = _with_unpaired(chosen, model, task, posterior, rows, choices)
    decided = np.argmax(plain.own, axis=1)
    forest, columns = None, None
    if choices.forest and task.standardization.basis is None:
        forest, columns, decided, pooled = _with_forest(task, chosen, pooled, decided, rows)
    power = inverse_temperature(pooled, posterior[rows], weights[rows])
    agreement, pvalue = _agreement(task, posterior, decided, rows, choices)
    resp = np.zeros((len(weights), n_classes))
    resp[:, known] = chosen.resp[: len(weights)]
    coef, decoder = task.standardization.maps(chosen.axes.axes)
    # anchors and unpaired rows move the origin of the axes away from the mean
    origin = decoder @ (chosen.axes.mean @ chosen.axes.axes)
    mean, model = task.standardization.mean + origin, model.widened(known, n_classes)
    direct = model.of_features(coef, mean)
    return TargetModel(
        model if direct is None else direct,
        (coef, mean, decoder) if direct is None else None,
        weights @ resp / weights.sum(),
        power,
        agreement,
        pvalue,
        forest,
        columns,
    )


def _with_forest(task: TransferTask, chosen: Candidate, pooled, decided, rows):
    """A forest, if it earns its place, and what is known of the evaluated pairs with it."""
    standard, n = task.standardization, len(task.weights)
    points, resp = task.points[rows], np.zeros((len(rows), task.posterior.shape[1]))
    resp[:, task.known] = chosen.resp[:n][rows]
    said = np.zeros(resp.shape)
    said[:, task.known] = softmax(pooled, axis=1)
    given, weights = task.posterior[rows], task.weights[rows]
    X = points * standard.scale + standard.mean
    forest, columns, proba = tried(X, points, resp, given, weights, said)
    if forest is None:
        return None, None, decided, pooled
    own = proba[:, task.known]
    return forest, columns, np.argmax(own, axis=1), np.log(own + TINY)


def _agreement(task: TransferTask, posterior, decided, rows, options: Options):
    """Agreement of decisions with the source, and its p-value.

    Neither anchors nor unpaired rows are evidence: what they know came from every pair. For the
    p-value each half of the pairs is decided by the other alone. Given one half, pairs of the
    other may be shuffled where modalities are independent: each p-value is valid, and so is the
    smallest times their number.
    """
    asked = [_decided_by_discriminants] + [_decided_by_forest] * options.forest
    decisions = chain([(rows, decided)], _decided_in_halves(task, posterior, asked, options))
    tests = (agreement_test(posterior[r], d, task.weights[r]) for r, d in decisions)
    agreement, _ = next(tests)
    smallest = 1.0
    for _, pvalue in tests:
        smallest = min(smallest, pvalue)
        if smallest <= SIGNIFICANCE / 4:
            break
    return agreement, min(1.0, 2 * len(asked) * smallest)


def _decided_in_halves(task: TransferTask, posterior, asked, options: Options):
    """Rows of a half of the pairs, and their classes by what the other half teaches."""
    X, weights = task.points, task.weights
    rows = spread_rows(len(X), TEST_ROWS)
    for decide in asked:
        for learned, tested in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
            yield (
                tested,
                decide(X[learned], posterior[learned], weights[learned], X[tested], options),
            )


def _decided_by_discriminants(X, posterior, weights, new, options: Options):
    rows = affordable_rows(len(X), posterior.shape[1])
    # soft labels as they are: enough to show that anything is shared
    chosen = best_discriminant(X, posterior, weights, rows, options.exponents[:1], options.ridges)
    model, _ = _pooled_model(chosen, weights, rows, options)
    return np.argmax(model.predict_proba(chosen.axes.scores(new)), axis=1)


def _decided_by_forest(X, posterior, weights, new, options: Options):
    columns = column_order(X)
    forest = grown(X[:, columns], posterior, weights, MOST_TREES)
    said = forest.predict(new[:, columns]).reshape(len(new), -1)
    return np.argmax(said, axis=1)


def beside(anchors: Anchors, X, posterior, weights, weight, points=None):
    """Pairs and anchors of a weight together: features, posterior, weights."""
    if not weight:
        return X, posterior, weights
    points = anchors.points if points is None else points
    certain = np.eye(posterior.shape[1])[anchors.classes]
    heavy = np.append(weights, np.full(len(points), weight))
    return np.vstack([X, points]), np.vstack([posterior, certain]), heavy


def _with_anchors(plain: Candidate, task, posterior, rows, options: Options) -> Candidate:
    """Discriminants with anchors of the weight that cross-validates best, or without any."""
    X, weights, anchors = task.points, task.weights, task.anchors
    candidates = {0.0: plain}
    for weight in options.anchor_weights:
        features, believed, heavy = beside(anchors, X, posterior, weights, weight)
        candidates[weight] = best_discriminant(
            features, believed, heavy, rows, options.exponents, options.ridges
        )
    scores = _cross_validated(candidates, anchors, X, posterior, weights, options)
    merits = {weight: _merits(found, posterior, weights) for weight, found in scores.items()}
    best = min(options.anchor_weights, key=lambda weight: merits[weight][1])
    agrees, entropy = merits[best]
    better = agrees >= merits[0.0][0] - 1e-9 and entropy < merits[0.0][1]
    return candidates[best] if better else plain


def _cross_validated(candidates, anchors: Anchors, X, posterior, weights, options: Options):
    """Discriminants (n, C) of pairs that neither they nor their anchors have seen, by weight."""
    scores = {weight: np.empty_like(posterior) for weight in candidates}
    for held, points in anchors.folds:
        kept = np.setdiff1d(np.arange(len(X)), held)
        seen = X[kept], posterior[kept], weights[kept]
        for weight, candidate in candidates.items():
            features, believed, heavy = beside(anchors, *seen, weight, points)
            axes = principal_axes(features, heavy)
            learned = PrincipalScores.of(axes, features, heavy)
            resp = expected_classes(learned, believed, candidate.exponent, candidate.ridge)
            coef, shift = learned.lda(resp, candidate.ridge).discriminant()
            scores[weight][held] = axes.scores(X[held]) @ coef + shift
    return scores


def _merits(scores, posterior, weights):
    """Mean posterior of the decisions, and cross-entropy at the best temperature."""
    share = weights / weights.sum()
    said = posterior[np.arange(len(scores)), np.argmax(scores, axis=1)]
    scale = calibrate([scores], posterior, weights)[0]
    entropy = -np.sum(posterior * log_softmax(scale * scores, axis=1), axis=1)
    return share @ said, share @ entropy


def _with_unpaired(chosen: Candidate, model: DistilledModel, task, posterior, rows, options):
    """Learn once more, with rows that lack the source and what the model makes of them."""
    others, light = some_unpaired(task.unpaired, task.unpaired_weights, task.weights)
    believed = np.vstack([posterior, model.predict_proba(chosen.axes.scores(others))])
    X, light = np.vstack([task.points, others]), np.append(task.weights, light)
    chosen = best_discriminant(X, believed, light, rows, options.exponents, options.ridges)
    return chosen, *_pooled_model(chosen, light, rows, options)


def some_unpaired(X, weights, paired_weights):
    """Rows that lack the source, no more than can be of use, and what each weighs."""
    most = max(UNPAIRED_ROWS, UNPAIRED_SHARE * len(paired_weights))
    rows = spread_rows(len(X), most)
    share = UNPAIRED_WEIGHT * paired_weights.sum() / weights.sum()
    return X[rows], weights[rows] * min(1.0, share) * (weights.sum() / weights[rows].sum())


def _pooled_model(chosen: Candidate, weights, rows, options: Options):
    """Pool the linear discriminant with one of kernel features.

    Returns
    -------
    model : DistilledModel
        Of the scores.
    pooled : ndarray of shape (len(rows), C)
        Leave-one-out discriminants of the evaluated pairs.
    """
    n = len(weights)
    resp, Z = chosen.resp[:n], chosen.points.points[:n]  # anchors come last
    coef, shift = chosen.points.lda(chosen.resp, chosen.ridge).discriminant()
    if not options.kernel:
        pool = calibrate([chosen.own], resp[rows], weights[rows])
        nothing = np.zeros((0, Z.shape[1])), np.zeros((len(shift), 0)), 0.0
        return DistilledModel(pool[0] * coef.T, pool[0] * shift, *nothing), pool[0] * chosen.own
    curved = kernel_lda(
        Z,
        np.sum(chosen.axes.variance),
        resp,
        weights,
        bandwidth=options.bandwidth,
        n_landmarks=options.n_landmarks,
    )
    curved_own = curved.leave_one_out(Z[rows], resp[rows], weights[rows])
    pool = calibrate([chosen.own, curved_own], resp[rows], weights[rows])
    dual_coef, dual_shift = curved.discriminant()
    used = slice(None) if pool[1] else slice(0)  # a kernel without weight costs nothing
    model = DistilledModel(
        pool[0] * coef.T,
        pool[0] * shift + pool[1] * dual_shift,
        curved.landmarks[used],
        pool[1] * dual_coef[used].T,
        curved.gamma,
    )
    return model, pool[0] * chosen.own + pool[1] * curved_own


def calibrate(scores, resp, weights):
    """Non-negative weights of discriminants that predict ``resp`` best, by cross-entropy."""
    share = weights / weights.sum()
    scores = [s - s.max(axis=1, keepdims=True) for s in scores]

    def loss(pool):
        log_proba = log_softmax(sum(w * s for w, s in zip(pool, scores, strict=True)), axis=1)
        error = (np.exp(log_proba) - resp) * share[:, None]
        gradient = np.array([np.sum(error * s) for s in scores])
        return -np.sum(share[:, None] * resp * log_proba), gradient

    start = np.full(len(scores), 0.3 / len(scores))
    bounds = [(0, None)] * len(scores)
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
