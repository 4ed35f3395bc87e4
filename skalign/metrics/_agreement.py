r"""How far decisions of one modality agree with the posterior of another, beyond chance.

Pair :math:`i` has the source's posterior :math:`p_i`, a weight :math:`w_i` and the decision
:math:`v_i` of the target, a unit vector; bars are weighted means. The agreement is

.. math:: \frac{\sum_i w_i\,(p_i - \bar p) \cdot v_i}
               {\sum_i w_i\,(\max_c p_{ic} - \bar p \cdot \bar v)} ,

where :math:`\bar p \cdot \bar v` is what pairs of rows drawn apart from each other give. The
numerator is a sum of :math:`a_i \cdot v_i` with :math:`\sum_i a_i = 0`, so that its mean over all
shuffles of the decisions is exactly 0; its variance is that of Hoeffding's combinatorial central
limit theorem, :math:`\sum_{cd} A_{cd} V_{cd} / (n - 1)`, with :math:`A` and :math:`V` the
scatter matrices of :math:`a` and :math:`v`. Without weights, the mean of the agreement itself over
all shuffles is 0, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from ._alignment import Floats, check_matrix, weights_of

# What a mean over rows may owe to rounding.
NEGLIGIBLE = 1e-12
# Rounding of single precision, over many classes, is far below this.
_SUM_TOLERANCE = 1e-3


def agreement_score(
    source_proba: ArrayLike, target_proba: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Agreement of the target's decisions with the source's posterior, beyond chance.

    Pair :math:`i` is decided for the class :math:`\hat c_i` of highest probability in the target.
    With :math:`q_c` the share of decisions for class c, the score is

    .. math:: \frac{\frac{1}{n} \sum_i p(\hat c_i \mid x_{1i}) - \sum_c q_c\, \bar p_c}
                   {\frac{1}{n} \sum_i \max_c p(c \mid x_{1i}) - \sum_c q_c\, \bar p_c}, \qquad
              \bar p_c = \frac{1}{n} \sum_i p(c \mid x_{1i}) .

    What is subtracted is the mean over all ways to shuffle the pairs. No label is needed; of the
    target's probabilities only the decision counts.

    Parameters
    ----------
    source_proba : array-like of shape (n_pairs, n_classes)
        Class probabilities by the source modality.
    target_proba : array-like of shape (n_pairs, n_classes)
        Class probabilities of the same pairs by the target modality, classes in the same order.
        Where probabilities are tied, the first of the tied classes is the decision.
    sample_weight : array-like of shape (n_pairs,), default=None
        Non-negative weights; a weight of two counts a pair twice.

    Returns
    -------
    float
        0 is what shuffled pairs give, 1 the most that the source's doubt allows: reached where
        the target decides as the source would. Negative where shuffled pairs would agree better.
        Exactly 0 where shuffling changes nothing: a single pair, a source that says the same of
        every pair, or a target that decides always alike.

    Raises
    ------
    ValueError
        If an argument is not 2-D, is empty, is not finite or holds no class probabilities, if
        shapes differ, or if weights misfit, are negative or all zero.

    See Also
    --------
    skalign.model_selection.agreement_scorer : The score of a fitted transfer on held-out pairs.

    Examples
    --------
    >>> from skalign.metrics import agreement_score
    >>> source = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]
    >>> round(agreement_score(source, [[0.6, 0.4], [1.0, 0.0], [0.0, 1.0], [0.2, 0.8]]), 12)
    1.0
    >>> round(agreement_score(source, [[0.6, 0.4], [1.0, 0.0], [0.0, 1.0], [0.7, 0.3]]), 12)
    0.75
    """
    source, target = _check_proba(source_proba, "source"), _check_proba(target_proba, "target")
    if source.shape != target.shape:
        raise ValueError(
            f"target_proba has shape {target.shape} but source_proba has {source.shape}: both "
            "hold the same pairs and classes."
        )
    weights = weights_of(sample_weight, len(source))
    return agreement_test(source, np.argmax(target, axis=1), weights)[0]


def agreement_test(posterior, chosen, weights):
    """Agreement of decisions with a posterior (n, C) beyond chance, and its p-value.

    Each pair is given the class ``chosen`` (n,). An agreement of 0 is what shuffled pairs give, 1
    the most that the posterior allows; it is 0 where shuffling changes nothing.
    """
    n = len(posterior)
    share = weights / weights.sum()
    votes = np.eye(posterior.shape[1])[chosen]
    mean, decided = share @ posterior, share @ votes
    excess = share[:, None] * (posterior - mean)
    scatters = excess.T @ excess, (votes - votes.mean(axis=0)).T @ (votes - votes.mean(axis=0))
    deviation = np.sqrt(max(np.sum(scatters[0] * scatters[1]) / max(n - 1, 1), 0.0))
    room = share @ posterior.max(axis=1) - mean @ decided
    if min(deviation, room) <= NEGLIGIBLE:
        return 0.0, 1.0
    observed = np.sum(excess * votes)
    return float(observed / room), float(norm.sf(observed / deviation))


def _check_proba(values: ArrayLike, modality: str) -> Floats:
    """Return class probabilities as float64."""
    name = f"{modality}_proba"
    proba = check_matrix(values, name).astype(np.float64)
    sums = proba.sum(axis=1)
    wrong = np.flatnonzero((proba < 0).any(axis=1) | (np.abs(sums - 1) > _SUM_TOLERANCE))
    if len(wrong):
        raise ValueError(
            f"{name} must hold class probabilities, non-negative and of sum 1: row {wrong[0]} has "
            f"minimum {proba[wrong[0]].min():.3g} and sum {sums[wrong[0]]:.3g}."
        )
    return proba
