r"""How well queries find their partners in a gallery: scores in, floats out.

Row i of the scores ranks the gallery for query i, best first. Items of equal score have no order:
what is returned is the expected value over all orders of tied items, each as likely as any other,
in closed form (McSherry & Najork, "Computing information retrieval performance measures
efficiently in the presence of tied scores", ECIR 2008). Let a run of t equal scores, r of them of
partners, follow b items, of which a are partners; R are there in all. Of the run

.. math:: \text{average precision} \mathrel{+}= \frac{r}{R\,t} \sum_{j=1}^{t}
          \frac{a + 1 + (j - 1) \frac{r - 1}{t - 1}}{b + j}, \qquad
          \text{recall at } k \mathrel{+}= \frac{r}{R}
          \min\Bigl(1, \frac{\max(k - b, 0)}{t}\Bigr) ;

the first partner of the first run that has one is at place j of it with probability
:math:`\binom{t - j}{r - 1} / \binom{t}{r}`, at :math:`b + (t + 1) / (r + 1)` on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from sklearn.utils import check_array

from .._utils._validation import check_number, check_switch
from ._alignment import Floats, check_matrix, weights_of


def recall_at_k(
    scores: ArrayLike,
    partners: ArrayLike | None = None,
    *,
    k: int = 1,
    greater_is_better: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the true partners that are among the first k of the gallery, averaged over queries.

    With one partner a query, the share of queries that find it. With several, each found one
    counts: a query with 5 partners cannot have more than 1 / 5 at ``k=1``. Image-caption
    benchmarks say recall, too, where they count queries that find any: :func:`hit_rate_at_k`.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        How well each item of the gallery fits each query.
    partners : array-like, default=None
        The true partners: for each query the column of its only one, shape (n_queries,); or which
        items are partners, bool of shape (n_queries, n_gallery), one or more a row. ``None`` is
        the diagonal: item i belongs to query i.
    k : int, default=1
        How many items are looked at; at most as many as the gallery has.
    greater_is_better : bool, default=True
        Whether the best item has the largest score. False for distances.
    sample_weight : array-like of shape (n_queries,), default=None
        Non-negative weights; a weight of two counts a query twice.

    Returns
    -------
    float
        From 0 to 1 (best). Of tied items, the expected value over their orders.

    Raises
    ------
    ValueError
        If scores are not 2-D, empty or not finite, if partners do not fit them, if a query has
        none, or if k is larger than the gallery.

    See Also
    --------
    hit_rate_at_k : Share of queries that find any of their partners.
    sklearn.metrics.top_k_accuracy_score : The same for classes; decides ties by their order.

    Examples
    --------
    >>> from skalign.metrics import recall_at_k
    >>> scores = [[0.9, 0.2, 0.1], [0.8, 0.5, 0.3], [0.4, 0.4, 0.4]]
    >>> round(recall_at_k(scores), 3), round(recall_at_k(scores, k=2), 3)
    (0.444, 0.889)
    """
    runs, weight = _read(scores, partners, greater_is_better, sample_weight)
    _check_k(k, runs)
    inside = np.clip((k - runs.before) / runs.size, 0, 1)
    return float(weight @ runs.summed(runs.share * inside))


def hit_rate_at_k(
    scores: ArrayLike,
    partners: ArrayLike | None = None,
    *,
    k: int = 1,
    greater_is_better: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of queries that have at least one true partner among the first k of the gallery.

    What image-caption benchmarks call recall at k. With one partner a query it is
    :func:`recall_at_k`.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        How well each item of the gallery fits each query.
    partners : array-like, default=None
        The true partners, as in :func:`recall_at_k`.
    k : int, default=1
        How many items are looked at; at most as many as the gallery has.
    greater_is_better : bool, default=True
        Whether the best item has the largest score. False for distances.
    sample_weight : array-like of shape (n_queries,), default=None
        Non-negative weights; a weight of two counts a query twice.

    Returns
    -------
    float
        From 0 to 1 (best). Of tied items, the expected value over their orders.

    Raises
    ------
    ValueError
        As :func:`recall_at_k` does.

    Examples
    --------
    >>> from skalign.metrics import hit_rate_at_k
    >>> scores = [[0.9, 0.2, 0.1], [0.8, 0.5, 0.3]]
    >>> hit_rate_at_k(scores, [[True, True, False], [False, True, True]])
    0.5
    """
    runs, weight = _read(scores, partners, greater_is_better, sample_weight)
    _check_k(k, runs)
    first = runs.first()
    looked = np.clip(k - first.before, 0, first.size)
    # no partner among so many of the run: all are among the others
    missed = _choose(first.size - first.partners, looked) - _choose(first.size, looked)
    return float(weight @ (1 - np.exp(missed)))


def median_rank(
    scores: ArrayLike,
    partners: ArrayLike | None = None,
    *,
    greater_is_better: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Median over queries of the rank of the first true partner; 1 is best.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        How well each item of the gallery fits each query.
    partners : array-like, default=None
        The true partners, as in :func:`recall_at_k`.
    greater_is_better : bool, default=True
        Whether the best item has the largest score. False for distances.
    sample_weight : array-like of shape (n_queries,), default=None
        Non-negative weights; a weight of two counts a query twice.

    Returns
    -------
    float
        From 1 to the size of the gallery. Of a query whose items are tied, the expected rank
        over their orders is taken. A mean of two ranks where the median falls between them.

    Raises
    ------
    ValueError
        As :func:`recall_at_k` does.

    Examples
    --------
    >>> from skalign.metrics import median_rank
    >>> median_rank([[0.9, 0.2, 0.1], [0.8, 0.5, 0.3], [0.4, 0.4, 0.4]])
    2.0
    """
    runs, weight = _read(scores, partners, greater_is_better, sample_weight)
    first = runs.first()
    rank = first.before + (first.size + 1) / (first.partners + 1)
    return _weighted_median(rank, weight)


def mean_reciprocal_rank(
    scores: ArrayLike,
    partners: ArrayLike | None = None,
    *,
    greater_is_better: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean over queries of one over the rank of the first true partner; 1 is best.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        How well each item of the gallery fits each query.
    partners : array-like, default=None
        The true partners, as in :func:`recall_at_k`.
    greater_is_better : bool, default=True
        Whether the best item has the largest score. False for distances.
    sample_weight : array-like of shape (n_queries,), default=None
        Non-negative weights; a weight of two counts a query twice.

    Returns
    -------
    float
        Above 0, at most 1. Of tied items, the expected value over their orders.

    Raises
    ------
    ValueError
        As :func:`recall_at_k` does.

    See Also
    --------
    mean_average_precision : Looks at every partner, not at the first one alone.

    Examples
    --------
    >>> from skalign.metrics import mean_reciprocal_rank
    >>> mean_reciprocal_rank([[0.9, 0.2], [0.8, 0.5]])
    0.75
    """
    runs, weight = _read(scores, partners, greater_is_better, sample_weight)
    first, values = runs.first(), np.zeros(runs.shape[0])
    for q in range(len(values)):
        t, r = first.size[q], first.partners[q]
        j = np.arange(1, t - r + 2)
        chance = np.exp(_choose(t - j, r - 1) - _choose(t, r))
        values[q] = np.sum(chance / (first.before[q] + j))
    return float(weight @ values)


def mean_average_precision(
    scores: ArrayLike,
    partners: ArrayLike | None = None,
    *,
    greater_is_better: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean over queries of the average precision at the ranks of the true partners; 1 is best.

    With one partner a query it is :func:`mean_reciprocal_rank`.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_gallery)
        How well each item of the gallery fits each query.
    partners : array-like, default=None
        The true partners, as in :func:`recall_at_k`.
    greater_is_better : bool, default=True
        Whether the best item has the largest score. False for distances.
    sample_weight : array-like of shape (n_queries,), default=None
        Non-negative weights; a weight of two counts a query twice.

    Returns
    -------
    float
        Above 0, at most 1. Of tied items, the expected value over their orders.

    Raises
    ------
    ValueError
        As :func:`recall_at_k` does.

    See Also
    --------
    sklearn.metrics.label_ranking_average_precision_score : The same without ties; with them, the
        precision behind the last of the tied items.

    Examples
    --------
    >>> from skalign.metrics import mean_average_precision
    >>> scores = [[0.9, 0.7, 0.1, 0.3]]
    >>> mean_average_precision(scores, [[True, False, False, True]])
    0.8333333333333333
    """
    runs, weight = _read(scores, partners, greater_is_better, sample_weight)
    b, t, a, r = runs.before, runs.size, runs.partners_before, runs.partners
    harmonic = _harmonic_numbers(runs.shape[1])
    places = harmonic[b + t] - harmonic[b]  # sum of 1 / (b + j)
    beside = (r - 1) / np.maximum(t - 1, 1)
    precision = (a + 1) * places + beside * (t - (b + 1) * places)
    return float(weight @ runs.summed(runs.share * precision / t))


@dataclass(frozen=True)
class _Runs:
    """Runs of equal scores that hold a true partner, best first; one entry a run."""

    query: NDArray[np.intp]
    before: NDArray[np.intp]  # items of better score
    size: NDArray[np.intp]
    partners_before: NDArray[np.intp]
    partners: NDArray[np.intp]
    shape: tuple[int, int]

    @property
    def share(self) -> Floats:
        """Partners of the run, of all that its query has."""
        total = np.bincount(self.query, self.partners, self.shape[0])
        return np.asarray(self.partners / total[self.query])

    def summed(self, values: Floats) -> Floats:
        """Sums over the runs of each query."""
        return np.asarray(np.bincount(self.query, values, self.shape[0]), dtype=np.float64)

    def first(self) -> _Runs:
        """The best run of each query."""
        at = np.unique(self.query, return_index=True)[1]
        own = self.before[at], self.size[at], self.partners_before[at], self.partners[at]
        return _Runs(self.query[at], *own, self.shape)


def _read(scores, partners, greater_is_better, sample_weight) -> tuple[_Runs, Floats]:
    """Runs of equal scores that hold partners, and weights of sum 1 of the queries."""
    check_switch("greater_is_better", greater_is_better)
    scores = check_matrix(scores, "scores")
    rows, columns = _check_partners(partners, scores.shape)
    weight = weights_of(sample_weight, len(scores))
    cost = -scores if greater_is_better else scores
    counts = np.bincount(rows, minlength=len(cost))
    own = np.split(cost[rows, columns], np.cumsum(counts)[:-1])
    runs = [_runs_of(q, line, mine) for q, (line, mine) in enumerate(zip(cost, own, strict=True))]
    query, before, size, found, count = np.hstack(runs)
    weight = weight / weight.sum()
    return _Runs(query, before, size, found, count, (scores.shape[0], scores.shape[1])), weight


def _runs_of(query: int, cost, own) -> NDArray[np.intp]:
    """Entries of the runs of one query: its costs, and those of its partners."""
    value, partners = np.unique(own, return_counts=True)
    if len(value) == 1:  # two counts are cheaper than to sort
        before, upto = np.array([np.sum(cost < value)]), np.array([np.sum(cost <= value)])
    else:
        ranked = np.sort(cost)
        before, upto = (np.searchsorted(ranked, value, side) for side in ("left", "right"))
    found = np.cumsum(partners) - partners
    return np.array([np.full(len(value), query), before, upto - before, found, partners])


def _check_partners(partners, shape) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the true partners, by rows."""
    n_queries, n_gallery = shape
    if partners is None:
        if n_queries > n_gallery:
            raise ValueError(
                f"scores have {n_queries} queries and {n_gallery} items, so that the diagonal "
                "leaves queries without a partner: tell the partners."
            )
        return np.arange(n_queries), np.arange(n_queries)
    partners = np.asarray(partners)
    if partners.ndim == 2:
        if partners.dtype != bool or partners.shape != shape:
            raise ValueError(
                f"partners have shape {partners.shape} and dtype {partners.dtype}: which items "
                f"are partners is bool of the shape of scores, {shape}."
            )
        lonely = np.flatnonzero(~partners.any(axis=1))
        if len(lonely):
            raise ValueError(f"query {lonely[0]} has no partner: leave such queries out.")
        rows, columns = np.nonzero(partners)
        return rows, columns
    partners = check_array(partners, ensure_2d=False, dtype=None, input_name="partners")
    if partners.shape != (n_queries,) or partners.dtype.kind not in "iu":
        raise ValueError(
            f"partners have shape {partners.shape} and dtype {partners.dtype}: give the column of "
            f"the partner of each of the {n_queries} queries, as integers."
        )
    out = np.flatnonzero((partners < 0) | (partners >= n_gallery))
    if len(out):
        raise ValueError(
            f"query {out[0]} has the partner {partners[out[0]]}, but the gallery has {n_gallery} "
            "items, numbered from 0."
        )
    return np.arange(n_queries), partners.astype(np.intp)


def reciprocal_ranks(distances: Floats, partners: NDArray[np.intp]) -> Floats:
    """One over the rank of the only partner of each query; of ties, expected."""
    own = distances[np.arange(len(distances)), partners][:, np.newaxis]
    before, size = np.sum(distances < own, axis=1), np.sum(distances == own, axis=1)
    harmonic = _harmonic_numbers(distances.shape[1])
    return np.asarray((harmonic[before + size] - harmonic[before]) / size)


def _harmonic_numbers(n: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])


def _check_k(k, runs: _Runs) -> None:
    check_number("k", k, low=1, integer=True)
    if k > runs.shape[1]:
        raise ValueError(f"k={k} is larger than the gallery, which has {runs.shape[1]} items.")


def _choose(n, m):
    """Logarithm of the binomial coefficient; minus infinity where there is no choice."""
    n, m = np.broadcast_arrays(np.asarray(n, dtype=np.float64), m)
    possible = m <= n
    safe = np.where(possible, n, m)
    value = gammaln(safe + 1) - gammaln(m + 1) - gammaln(safe - m + 1)
    return np.where(possible, value, -np.inf)


def _weighted_median(values: Floats, weight: Floats) -> float:
    """Median of values that are repeated by their weights."""
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    share = np.cumsum(weight[order])
    share /= share[-1]
    tolerance = len(share) * np.finfo(np.float64).eps
    lower = np.searchsorted(share, 0.5 - tolerance)
    upper = np.searchsorted(share, 0.5 + tolerance)
    return float(values[order][lower] + values[order][upper]) / 2
