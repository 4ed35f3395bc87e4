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

from dataclasses import replace
from itertools import chain

import numpy as np
from scipy.special import softmax

from .._utils._linalg import reciprocal
from .._utils._rows import spread_rows
from ..alignment._significance import N_SHUFFLES, ROUNDING, SIGNIFICANCE, pvalue_of_shuffles
from ..metrics._agreement import agreement_test
from ._discriminant import (
    RIDGE,
    TINY,
    affordable_rows,
    best_anchored,
    best_discriminant,
    inverse_temperature,
    principal_axes,
)
from ._ensemble import forest_of, with_other_views
from ._kernel import Options, kernel_lda, log_prior, of_features, pooled_model
from ._mixture import fit_mixture, gaussian_models, with_classes, within_classes
from ._source import SoftLabels
from ._task import TargetModel, TransferTask, some_of_groups, transfer_task

# Rows that lack the source count as so many times the pairs at most, all of them together, and
# so many of them take part, or so many times the pairs.
UNPAIRED_WEIGHT = 3.0
UNPAIRED_ROWS = 2000
UNPAIRED_SHARE = 10
# Pairs that test whether modalities share anything, where there are more.
TEST_ROWS = 2000
# Fewer pairs than these are not halved.
FEW_PAIRS = 100
# Shuffles of decisions that look better than chance, enough to see an eighth of one percent.
DECISION_SHUFFLES = 1999
# Pairs that are shuffled where they come in groups.
GROUPED_PAIRS = 250


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
        if not choices.prior[known].any():
            raise ValueError(
                "class_prior has a share for none of the classes that the source gives a pair."
            )
        choices = replace(choices, prior=choices.prior[known] / choices.prior[known].sum())
    posterior, weights = task.posterior[:, known], task.weights
    rows = affordable_rows(len(weights), len(known))
    chosen = best_discriminant(
        task.points, posterior, weights, rows, choices.exponents, choices.ridges
    )
    if task.anchors is not None and choices.anchor_weights:
        chosen = best_anchored(chosen, task, posterior, rows, choices)
    X, heavy = task.points, weights
    model, pooled = pooled_model(chosen, heavy, rows, choices)  # anchors come last
    if len(task.unpaired):
        others, light = some_unpaired(task.unpaired, task.unpaired_weights, weights)
        believed = np.vstack([posterior, model.predict_proba(chosen.axes.scores(others))])
        X, heavy = np.vstack([X, others]), np.append(weights, light)
        chosen = best_discriminant(X, believed, heavy, rows, choices.exponents, choices.ridges)
        model, pooled = pooled_model(chosen, heavy, rows, choices)
    resp = np.zeros((len(chosen.resp), n_classes))
    resp[:, known] = chosen.resp
    # anchors and unpaired rows move the origin of the axes away from the mean
    coef, decoder = task.standardization.maps(chosen.axes.axes)
    mean = task.standardization.mean + decoder @ (chosen.axes.mean @ chosen.axes.axes)
    own, views = softmax(pooled, axis=1), None
    if task.standardization.basis is None:
        if task.anchors is not None and len(resp) > len(X):
            X = np.vstack([X, task.anchors.points])
        own, views = with_other_views(
            task, X, resp, chosen.points.weights, len(heavy), rows, own, choices
        )
    agreement, pvalue = _agreement(task, posterior, np.argmax(own, axis=1), rows, choices)
    predictor, encoder = of_features(model.widened(known, n_classes), coef, mean, decoder)
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


def _agreement(task: TransferTask, posterior, decided, rows, options: Options):
    """Agreement of decisions with the source, and its p-value.

    Only pairs are evidence: what anchors and unpaired rows know came from every pair, and rows
    with a label of their own say nothing of the source. For the p-value each half of the pairs is
    decided by the other alone. Given one half, pairs of the other may be shuffled where modalities
    are independent: each p-value is valid, and so is the smallest times their number. Few pairs
    are shuffled as a whole instead, and so are some pairs of groups, which move together.
    """
    asked = [_decided_by_discriminants] + [_decided_by_forest] * options.forest
    pairs, own = np.flatnonzero(~task.certain), ~task.certain[rows]
    X, posterior, weights = task.points[pairs], posterior[pairs], task.weights[pairs]
    if len(pairs) == 0:
        return None, 1.0
    rows = np.searchsorted(pairs, rows[own])
    decisions = _decided_in_halves(X, posterior, weights, asked, options)
    decisions = chain([(rows, decided[own])], decisions)
    told, decided = next(decisions)
    agreement, _ = agreement_test(posterior[told], decided, weights[told])
    if task.groups is not None:
        names, places = task.groups
        own, members = some_of_groups(names[pairs], places[pairs], GROUPED_PAIRS)
        shuffled = X[own], posterior[own], weights[own], options.kernel, members
        return agreement, permutation_pvalue(*shuffled)
    if len(pairs) < FEW_PAIRS:
        return agreement, permutation_pvalue(X, posterior, weights, options.kernel)
    smallest, n_tests = 1.0, 2 * len(asked)
    for told, decided in decisions:
        of_half = posterior[told], decided, weights[told], SIGNIFICANCE / (2 * n_tests)
        smallest = min(smallest, n_tests * decisions_pvalue(*of_half))
        if 2 * smallest <= SIGNIFICANCE:
            break
    return agreement, smallest


def decisions_pvalue(posterior, decided, weights, level: float) -> float:
    """P-value of decisions about pairs that had no part in them, were these pairs shuffled.

    That of the normal law, whose tail is too thin where few pairs are decided otherwise than most:
    if it reaches the level, a bound that always holds counts where it reaches it, too, and else
    the larger of the first and that of shuffles.
    """
    pvalue, every = agreement_test(posterior, decided, weights)[1], np.arange(len(decided))
    if pvalue > level:
        return pvalue
    bound = concentration_bound(posterior, decided, weights)
    if bound <= level:
        return max(pvalue, bound)
    share = weights / weights.sum()
    excess = share[:, None] * (posterior - share @ posterior)

    def agree(order):
        return float(excess[every, decided[order]].sum())

    rounding = ROUNDING * np.abs(excess).max(axis=1).sum()
    observed = agree(every) - rounding
    shuffled = pvalue_of_shuffles(agree, len(decided), observed, DECISION_SHUFFLES)
    return max(pvalue, shuffled)


def concentration_bound(posterior, decided, weights) -> float:
    r"""Bound of the probability that shuffled decisions agree as much, whatever rows are like.

    Of :math:`T = \sum_i a_{i \pi(i)}`, with :math:`0 \le a \le 1` and a random order
    :math:`\pi`, :math:`P(T - E \ge t) \le 2 \exp(-t^2 / (4 E + 2 t))` (Chatterjee 2007).
    """
    said = (weights / weights.max())[:, None] * posterior
    expected = np.mean(said.sum(axis=0)[decided])
    gain = max(said[np.arange(len(said)), decided].sum() - expected, TINY)
    return float(min(1.0, 2 * np.exp(-(gain**2) / (4 * expected + 2 * gain))))


def permutation_pvalue(X, posterior, weights, kernel: bool, groups=None) -> float:
    r"""P-value of what pairs share with the source's word, were pairs or groups shuffled.

    With shares w, principal scores z of variance V and posteriors less their mean, it is that of

    .. math:: \sum_{i \ne j} w_i w_j \, z_i^\top (V + \lambda I)^{-1} z_j \;
              (p_i - \bar p)^\top (p_j - \bar p) ,

    of the features and of kernel features together: whether pairs alike in the target are alike to
    the source (Hilbert-Schmidt criterion, Gretton et al. 2005), in units of what the target does.
    """
    axes, share = principal_axes(X, weights), weights / weights.sum()
    linear = axes.scores(X)
    alike = _alike(linear, axes.variance)
    if kernel:
        curved = kernel_lda(linear, np.sum(axes.variance), posterior, weights).scores(linear)
        alike += _alike(curved, share @ curved**2)
    alike *= np.outer(share, share)
    np.fill_diagonal(alike, 0.0)
    centred = posterior - share @ posterior

    def shared(order):
        moved = centred[order]
        return float(np.sum(moved * (alike @ moved)))

    observed = shared(slice(None))
    observed -= ROUNDING * abs(observed)
    return pvalue_of_shuffles(shared, len(X), observed, N_SHUFFLES, groups)


def _alike(scores, variance):
    """Inner products (n, n) of principal scores, in units of a shrunk deviation."""
    ridge = RIDGE / (1 - RIDGE) * variance.sum() / max(len(variance), 1)
    return scores * reciprocal(variance + ridge) @ scores.T


def _decided_in_halves(X, posterior, weights, asked, options: Options):
    """Rows of a half of the pairs, and their classes by what the other half teaches."""
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
    model, _ = pooled_model(chosen, weights, rows, options)
    return np.argmax(model.predict_proba(chosen.axes.scores(new)), axis=1)


def _decided_by_forest(X, posterior, weights, new, options: Options):
    forest, _ = forest_of(X, posterior, weights)
    return np.argmax(forest.predict_proba(new), axis=1)


def some_unpaired(X, weights, paired_weights):
    """Rows that lack the source, no more than can be of use, and what each weighs."""
    most = max(UNPAIRED_ROWS, UNPAIRED_SHARE * len(paired_weights))
    rows = spread_rows(len(X), most)
    share = UNPAIRED_WEIGHT * paired_weights.sum() / weights.sum()
    return X[rows], weights[rows] * min(1.0, share) * (weights.sum() / weights[rows].sum())


def distil_components(mixture, soft: SoftLabels, encoders, wanted, main: int, classes, options):
    """Models of some modalities by components of the aligned space, which are fitted here.

    Parameters
    ----------
    mixture : estimator of sklearn.mixture
    soft : SoftLabels
    encoders : Encoders
        Of the aligner.
    wanted : list of int
        The modalities.
    main : int
        The one whose pairs the mixture is fitted to.
    classes : dict of int to TargetModel
        Their classes by discriminants; empty where nothing but the aligned space is looked at.
    options : dict
        Of :func:`distil`.

    Returns
    -------
    dict of int to TargetModel
    """
    X, weights = soft.rows.X[soft.pairs].astype(np.float64), soft.weights[soft.pairs]
    aligned, mine = encoders.transform(X), soft.present[soft.pairs, main]
    proba = fit_mixture(mixture, aligned[mine], soft.posterior[mine], weights[mine])
    resp = within_classes(mixture, aligned, proba, soft.posterior)
    if not classes:
        given = mixture, encoders, X, wanted, resp, proba, weights
        return gaussian_models(*given, options["prior"])
    even = np.full(len(proba), 1 / len(proba))
    parts, linear = soft.of_components(resp), options | {"kernel": False, "prior": even}
    own = {m: distil(transfer_task(parts, m), **linear) for m in wanted}
    return {m: with_classes(classes[m], own[m], proba, weights @ resp) for m in wanted}
