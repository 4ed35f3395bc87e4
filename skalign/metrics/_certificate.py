r"""How accurate decisions are whose truth nobody knows, from another modality that has labels.

A sample has a class :math:`y`, a decision :math:`j` by the source and :math:`c` by the target.
Labelled rows show :math:`a_{jy} = p(y \mid j)`, pairs show :math:`p_j` and
:math:`b_{jc} = p(c \mid j)`; nothing shows :math:`y` and :math:`c` together. The accuracy
:math:`\sum_j p_j \sum_c p(y = c, c \mid j)` is a mean of traces of couplings.

**Bounds.** A coupling of the distributions a and b has a trace between

.. math:: \max(0, \max_c (a_c + b_c - 1)) = \sum_c \max(0, a_c + b_c - 1)
          \quad\text{and}\quad \sum_c \min(a_c, b_c) ,

and both are reached. *Upper*: entry c of the diagonal is at most either marginal; put the minima
there, and what is left of a and of b, of which no class has both, outside. *Lower*: what can be
put outside is the flow from rows to columns over all edges but :math:`c \to c`. By minimum cut it
is 1, unless rows and columns that together carry more than 1 have no edge between them; these can
only be the row c and the column c, and then :math:`1 - (a_c + b_c - 1)` flows. Two classes never
have :math:`a_c + b_c > 1`, since all sum to 2, so that the maximum is the sum (Fréchet 1951; for
two classes Hoeffding 1940).

**Sampling.** Bounds of estimated distributions are too narrow: the minimum of two estimates lies
below the minimum on average. But for any choice of classes :math:`S_j, T_j`

.. math:: 1 + \sum_j p_j \sum_{c \in S_j} (a_{jc} - b_{jc}) \ge \text{accuracy} \ge
          \sum_j p_j \sum_{c \in T_j} (a_{jc} + b_{jc} - 1), \qquad |T_j| \le 1,

as every term of a choice is on its side of the best choice's. So one half of the data chooses,
and the other tells how much these classes have: on average over such data never too narrow. Both
ways round, and a mean over many halvings (Ji, Lei and Spector 2023, "Model-agnostic
covariate-assisted inference on partially identified causal effects", do so for other bounds).
Given the choice a bound is a sum of means, of variances that add, by rows or by groups.

**Estimate.** Were decisions independent given the class, the pairs would follow
:math:`p(j, c) = \sum_y p(y, j)\, q(c \mid y)`, an equation for q that an EM solves with
probabilities for a solution; the accuracy is :math:`\sum_y p(y)\, q(y \mid y)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student
from sklearn.utils import Bunch, check_random_state

from .._utils._array_api import vector_as_numpy
from .._utils._labels import is_blank, known_classes
from .._utils._validation import check_number

# Halvings to average over: what one alone adds to the variance falls to a hundredth.
_HALVINGS = 100
# Where the EM stops, at the latest: probabilities that still move.
_TOLERANCE, _STEPS = 1e-6, 1000


def accuracy_bounds(
    y_labelled: ArrayLike,
    source_labelled: ArrayLike,
    source_pairs: ArrayLike,
    target_pairs: ArrayLike,
    *,
    groups_labelled: ArrayLike | None = None,
    groups_pairs: ArrayLike | None = None,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    r"""Bounds of the target's accuracy without a label of the target.

    Labelled rows tell how often the source is right, pairs how often the target decides as the
    source does. However the errors of the two depend on each other, the target's accuracy lies in

    .. math:: \sum_j p(j) \sum_c \max(0, p(y{=}c \mid j) + p(c \mid j) - 1) \;\le\;
              \text{accuracy} \;\le\; \sum_j p(j) \sum_c \min(p(y{=}c \mid j), p(c \mid j)) ,

    with the class y, the source's decision j and the target's decision c, and no narrower interval
    follows from these. ``lower`` and ``upper`` allow for sampling, too.

    Parameters
    ----------
    y_labelled : array-like of shape (n_labelled,)
        Classes of labelled rows.
    source_labelled : array-like of shape (n_labelled,)
        Decisions of the source on these rows, from which it has not learned. Finer statements do
        as well, of any discrete kind, such as the decision and whether it is a confident one.
    source_pairs : array-like of shape (n_pairs,)
        Decisions of the source on pairs, of the same kind.
    target_pairs : array-like of shape (n_pairs,)
        Decisions of the target on the same pairs, from which it has not learned.
    groups_labelled, groups_pairs : array-like, default=None
        Groups of rows that depend on each other, such as subjects. A name in both is one group.
        None takes each row as a group of its own.
    confidence : float, default=0.95
        Probability with which ``lower`` and ``upper`` both hold, for samples so large that means
        are normal.
    random_state : int, RandomState instance or None, default=None
        Halves the data, in one half of which bounds are chosen and in the other estimated.

    Returns
    -------
    Bunch
        With ``lower`` and ``upper``; ``lower_point`` and ``upper_point``, estimates of the bounds
        themselves without a margin for sampling; ``estimate``, the accuracy if source and target
        err independently given the class, moved into the points' interval.

    Raises
    ------
    ValueError
        If an argument is empty, not 1-D, misses a value, or misfits another in length; if there
        are less than two groups of a kind; if ``confidence`` is not between 0 and 1.

    See Also
    --------
    skalign.model_selection.estimate_accuracy : Cross-validation that ends here.
    agreement_score : Which of several targets agrees better with one source.

    Notes
    -----
    Labelled rows and pairs are samples of one population, and so is what the accuracy is about.
    Shares of the source's decisions are those of the pairs, and may differ among labelled rows;
    what a decision means, :math:`p(y \mid j)`, may not. A source decision that occurs among the
    pairs alone bounds nothing.

    Only the bounds are certain. Modalities that err together let the estimate be too high.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import accuracy_bounds
    >>> rng = np.random.default_rng(0)
    >>> def decide(y, accuracy):
    ...     return np.where(rng.random(len(y)) < accuracy, y, rng.integers(3, size=len(y)))
    >>> y, hidden = rng.integers(3, size=(2, 4000))
    >>> found = accuracy_bounds(
    ...     y, decide(y, 0.9), decide(hidden, 0.9), decide(hidden, 0.7), random_state=0
    ... )
    >>> found.lower < 0.8 < found.upper, abs(found.estimate - 0.8) < 0.05
    (True, True)
    """
    check_number("confidence", confidence, low=0, high=1)
    if confidence in (0, 1):
        raise ValueError(f"confidence={confidence!r} must be between 0 and 1, and neither.")
    names = ("y_labelled", "source_labelled", "source_pairs", "target_pairs")
    given = (y_labelled, source_labelled, source_pairs, target_pairs)
    truth, *said, decided = (_checked(v, n) for v, n in zip(given, names, strict=True))
    _check_lengths(truth, said[0], names[:2])
    _check_lengths(said[1], decided, names[2:])
    units, kinds = _units((groups_labelled, groups_pairs), (len(truth), len(decided)))
    classes, (truth, decided) = _numbered(truth, decided)
    strata, said = _numbered(*said)
    shape = len(strata), len(classes)
    cells = [np.ravel_multi_index((said[0], truth), shape)]
    cells.append(np.ravel_multi_index((said[1], decided), shape))
    # where there are no groups, the order of rows is no matter
    groups = (groups_labelled, groups_pairs)
    cells = [np.sort(cell) if g is None else cell for cell, g in zip(cells, groups, strict=True)]
    rng = check_random_state(random_state)
    points, variances = _crossed(cells, units, kinds, shape, rng)
    freedom = min(len(np.unique(unit)) for unit in units) - 1
    margins = student.ppf((1 + confidence) / 2, freedom) * np.sqrt(variances)
    lower_point = float(np.clip(points[0], 0, 1))
    upper_point = float(np.clip(points[1], lower_point, 1))
    estimate = independent_accuracy(*(_table(cell, shape) for cell in cells))
    return Bunch(
        estimate=float(np.clip(estimate, lower_point, upper_point)),
        lower=float(np.clip(points[0] - margins[0], 0, lower_point)),
        upper=float(np.clip(points[1] + margins[1], upper_point, 1)),
        lower_point=lower_point,
        upper_point=upper_point,
    )


# -- bounds of distributions ----------------------------------------------------------------------


def best_choice(a, b):
    """Classes (2, J, C) that give the bounds of distributions a, b: of the lower, of the upper."""
    return np.stack([a + b > 1, a < b]).astype(np.float64)


def chosen_bounds(p, a, b, chosen):
    """Lower and upper bound by the classes of a choice (2, J, C)."""
    return np.array([p @ (chosen[0] * (a + b - 1)).sum(1), 1 + p @ (chosen[1] * (a - b)).sum(1)])


def _crossed(cells, units, kinds, shape, rng):
    """Bounds by classes that other rows have chosen, and their variances: means over halvings."""
    sums = np.zeros((2, 2))
    tables = [_table(cell, shape) for cell in cells]
    few = [np.sqrt(k / (k - 1)) for k in (len(np.unique(unit)) for unit in units)]
    for _ in range(_HALVINGS):
        half = deal(kinds, 2, rng)
        first = [
            _table(cell[half[unit] == 0], shape) for cell, unit in zip(cells, units, strict=True)
        ]
        second = [every - some for every, some in zip(tables, first, strict=True)]
        for chooses, tells in ((first, second), (second, first)):
            choice = best_choice(*map(_shares, chooses))
            known = np.min([t.sum(axis=1) for t in (*chooses, tells[0])], axis=0) > 0
            choice *= known[:, None]
            total = tells[1].sum(axis=1)
            a, b = map(_shares, tells)
            bounds = chosen_bounds(total / total.sum(), a, b, choice)
            sums += bounds, _variances(cells, units, choice, tables, few)
    return sums / (2 * _HALVINGS)


def deal(kinds, n_hands, rng):
    """Deal units out to hands, so that each gets as many of every kind as can be."""
    order = np.lexsort((rng.uniform(size=len(kinds)), kinds))
    hands = np.empty(len(kinds), dtype=int)
    hands[order] = np.arange(len(kinds)) % n_hands
    return hands


def _variances(cells, units, choice, tables, few):
    r"""Variances of the bounds by a choice of classes, from all rows.

    With v the choice, a labelled row adds :math:`p_j v_{jy} / n_j` to a bound; the rest is a mean
    over pairs, of :math:`1 + \sum_c a_{jc} v_{jc} - v_{jc}` for the upper one. Rows of a group are
    summed up before they are squared, and ``few`` makes up for few groups. Where few rows happen
    to be alike, they are not taken at their word: the variance of rows is at least that of these
    and two more, half the range of the values above and below the mean.
    """
    labelled, pairs = tables
    n, m = labelled.sum(axis=1), pairs.sum()
    p, a = pairs.sum(axis=1) / m, _shares(labelled)
    weight = np.divide(p, n, out=np.zeros_like(p), where=n > 0)[:, None]
    variances, both = [], np.concatenate(units)
    for v, sign in zip(choice, (1, -1), strict=True):
        mean = (a * v).sum(axis=1, keepdims=True)
        told = mean + sign * v - (v.sum(axis=1, keepdims=True) if sign > 0 else 0)
        centre = (pairs * told).sum() / m
        parts = [(weight * (v - mean)).ravel(), (told - centre).ravel() / m]
        parts = [k * part[cell] for k, part, cell in zip(few, parts, cells, strict=True)]
        by_group = np.bincount(both, weights=np.concatenate(parts))
        rows = np.sum(weight[:, 0] ** 2 * n * _row_variance(labelled, v, mean))
        rows += np.sum(_row_variance(pairs.ravel()[None], told.ravel()[None], centre)) / m
        variances.append(max(np.sum(by_group**2), rows))
    return variances


def _row_variance(counts, values, mean):
    """Variance of each row's values by their counts, and of two more values apart."""
    apart = np.ptp(values, axis=1) ** 2 / 2
    return ((counts * (values - mean) ** 2).sum(axis=1) + apart) / (counts.sum(axis=1) + 2)


# -- estimate -------------------------------------------------------------------------------------


def independent_accuracy(labelled, pairs):
    """Accuracy of decisions that are independent given the class, from tables of counts (J, C).

    By an EM. It starts where the target knows the source's decision and no more, of which each
    class also has one pair in advance, as each decision has one labelled row of the mean shares.
    """
    shares = labelled.sum(axis=0) / labelled.sum()
    smooth = (labelled + shares) / (labelled.sum(axis=1, keepdims=True) + 1)
    joint = pairs.sum(axis=1, keepdims=True) / pairs.sum() * smooth
    prior = _shares(joint.T @ _shares(pairs))
    now = prior
    for _ in range(_STEPS):
        before, expected = now, joint @ now
        ratio = np.divide(pairs, expected, out=np.zeros_like(pairs), where=expected > 0)
        now = _shares(now * (joint.T @ ratio) + prior)
        if np.abs(now - before).max() < _TOLERANCE:
            break
    return float(joint.sum(axis=0) @ np.diag(now))


# -- input ----------------------------------------------------------------------------------------


def _table(cells, shape):
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _shares(table):
    """Rows divided by their sums; of nothing, nothing."""
    total = table.sum(axis=1, keepdims=True)
    return np.divide(table, total, out=np.zeros_like(table), where=total > 0)


def _numbered(*values):
    """Values that occur, and their numbers."""
    found = known_classes(np.concatenate(values))
    return found, [np.searchsorted(found, v) for v in values]


def _checked(values, name):
    """Values of rows, of which none is missing."""
    values = np.asarray(vector_as_numpy(values))
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must be 1-D and not empty; got shape {values.shape}.")
    blank = np.flatnonzero([is_blank(v) for v in values.tolist()])
    if len(blank):
        raise ValueError(f"{name} has no value for row {blank[0]}: leave such rows out.")
    return values


def _check_lengths(one, other, names):
    if len(one) != len(other):
        raise ValueError(
            f"{names[0]} has {len(one)} rows and {names[1]} has {len(other)}: both are about the "
            "same rows."
        )


def _units(groups, sizes):
    """Numbers of the groups of labelled rows and of pairs, and of which kind each group is."""
    units, first = [], 0
    named = [("groups_labelled", groups[0]), ("groups_pairs", groups[1])]
    given = [None if g is None else _checked(g, name) for name, g in named]
    for (name, _), group, size in zip(named, given, sizes, strict=True):
        if group is not None and len(group) != size:
            raise ValueError(f"{name} has {len(group)} rows, of which there are {size}.")
    some = [g for g in given if g is not None]
    numbers = iter(_numbered(*some)[1] if some else [])
    first = len(known_classes(np.concatenate(some))) if some else 0
    for (name, _), group, size in zip(named, given, sizes, strict=True):
        units.append(first + np.arange(size) if group is None else next(numbers))
        first += size if group is None else 0
        if len(np.unique(units[-1])) < 2:
            raise ValueError(f"{name}: at least two groups are needed, or two rows without them.")
    has = [np.bincount(unit, minlength=first) > 0 for unit in units]
    return units, has[1].astype(int) - has[0]  # those that have both lie between the others
