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
of the classes in the target, taken where cross-validated discriminants share more with the source
by more than the standard error: with aligners that have not seen the held-out pairs. Rows that
lack the source take part, too: what the model makes of them is the posterior that stays their
factor when the model is learned again, with them.

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

from dataclasses import dataclass, replace
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
    gains_more_than_its_error,
    inverse_temperature,
    most_shared,
    principal_axes,
)
from ._ensemble import (
    LEAST,
    LEAST_FEATURES,
    MANY,
    TRIAL_ROWS,
    column_order,
    directions,
    forest_of,
    grown,
    keeps_up,
    mean_proba,
    power_of,
)
from ._kernel import BANDWIDTH, LANDMARKS, DistilledModel, kernel_lda
from ._task import ANCHOR_WEIGHTS, Anchors, OtherViews, TargetModel, TransferTask

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
    prior: np.ndarray | None = None  # (n_classes,): None looks at the shares of the pairs
    kernel: bool = True
    directions: bool = True
    forest: bool = True


def distil(task: TransferTask, **options) -> TargetModel:
    """Learn the classes of a modality from the source's posterior on pairs.

    Parameters
    ----------
    task : TransferTask
    **options
        Fields of :class:`Options`: ``exponents`` and ``ridges`` of the linear discriminant to
        choose from, ``anchor_weights`` to try, ``bandwidth`` and ``n_landmarks`` of the kernel,
        the class ``prior`` of those who know it, and whether there may be a ``kernel``,
        ``directions`` and a ``forest`` at all.
    """
    choices, known, n_classes = Options(**options), task.known, task.posterior.shape[1]
    if choices.prior is not None:
        choices = replace(choices, prior=choices.prior[known] / choices.prior[known].sum())
    posterior, weights = task.posterior[:, known], task.weights
    rows = affordable_rows(len(weights), len(known))
    chosen = best_discriminant(
        task.points, posterior, weights, rows, choices.exponents, choices.ridges
    )
    if task.anchors is not None and choices.anchor_weights:
        chosen = _with_anchors(chosen, task, posterior, rows, choices)
    X, heavy = task.points, weights
    model, pooled = _pooled_model(chosen, heavy, rows, choices)  # anchors come last
    if len(task.unpaired):
        others, light = some_unpaired(task.unpaired, task.unpaired_weights, weights)
        believed = np.vstack([posterior, model.predict_proba(chosen.axes.scores(others))])
        X, heavy = np.vstack([X, others]), np.append(weights, light)
        chosen = best_discriminant(X, believed, heavy, rows, choices.exponents, choices.ridges)
        model, pooled = _pooled_model(chosen, heavy, rows, choices)
    resp = np.zeros((len(chosen.resp), n_classes))
    resp[:, known] = chosen.resp
    # anchors and unpaired rows move the origin of the axes away from the mean
    coef, decoder = task.standardization.maps(chosen.axes.axes)
    mean = task.standardization.mean + decoder @ (chosen.axes.mean @ chosen.axes.axes)
    own, views = softmax(pooled, axis=1), None
    if task.standardization.basis is None:
        if task.anchors is not None and len(resp) > len(X):
            X = np.vstack([X, task.anchors.points])
        own, views = _with_other_views(
            task, X, resp, chosen.points.weights, len(heavy), rows, own, choices
        )
    agreement, pvalue = _agreement(task, posterior, np.argmax(own, axis=1), rows, choices)
    predictor, encoder = _of_features(model.widened(known, n_classes), coef, mean, decoder)
    counted, assumed = weights @ resp[: len(weights)] / weights.sum(), np.zeros(n_classes)
    assumed[known] = softmax(log_prior(counted[known], choices.prior))
    return TargetModel(
        predictor,
        encoder,
        counted if choices.prior is None else assumed,
        assumed,
        inverse_temperature(np.log(own + TINY), posterior[rows], weights[rows]),
        agreement,
        pvalue,
        views,
    )


def _of_features(model: DistilledModel, coef, mean, decoder):
    """Model of features where there is one, or else of scores, and the maps to these."""
    direct = model.of_features(coef, mean)
    return (model, (coef, mean, decoder)) if direct is None else (direct, None)


def _with_other_views(task: TransferTask, X, resp, weights, n, rows, own, options: Options):
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
    model, pooled = _pooled_model(found, weights[:n], rows, options)
    maps = axes.axes.T, axes.mean, axes.axes
    predictor, encoder = _of_features(model.widened(known, resp.shape[1]), *maps)
    left_out = np.zeros((len(rows), resp.shape[1]))
    left_out[:, known] = softmax(pooled, axis=1)
    prior = weights @ resp / weights.sum()
    return TargetModel(predictor, encoder, prior, prior), left_out


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
    forest = grown(X[:, columns], posterior, weights)
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
    share = weights / weights.sum()
    shared = {w: most_shared(found, posterior, share) for w, found in scores.items()}
    best = max(options.anchor_weights, key=lambda weight: share @ shared[weight])
    gains = gains_more_than_its_error(shared[best], shared[0.0], share)
    return candidates[best] if gains else plain


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
    start = log_prior(weights @ resp / weights.sum(), options.prior)
    if not options.kernel:
        pool = calibrate([chosen.own], resp[rows], weights[rows])
        nothing = np.zeros((0, Z.shape[1])), np.zeros((len(shift), 0)), 0.0
        model = DistilledModel(pool[0] * coef.T, pool[0] * shift + start, *nothing)
        return model, pool[0] * chosen.own + start
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
        pool[0] * shift + pool[1] * dual_shift + start,
        curved.landmarks[used],
        pool[1] * dual_coef[used].T,
        curved.gamma,
    )
    return model, pool[0] * chosen.own + pool[1] * curved_own + start


def log_prior(shares, given=None):
    """Log odds from which discriminants start.

    Classes with half of an even share of the pairs, or more, start alike: what the source says of
    shares carries its own errors. Rarer ones start with less, in proportion.
    """
    if given is not None:
        return np.log(np.maximum(given, TINY))
    return np.log(np.clip(2 * len(shares) * shares, TINY, 1.0))


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
