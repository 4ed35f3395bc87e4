"""Retrieval metrics: equal to brute force over the orders of ties, and to scikit-learn's."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from skalign.metrics import (
    hit_rate_at_k,
    mean_average_precision,
    mean_reciprocal_rank,
    median_rank,
    recall_at_k,
)

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
METRICS = [recall_at_k, hit_rate_at_k, median_rank, mean_reciprocal_rank, mean_average_precision]
sizes = st.tuples(st.integers(1, 3), st.integers(1, 5))


def drawn(rng, n_queries, n_gallery):
    """Scores with many ties, and one partner or more a query."""
    scores = rng.integers(0, 3, size=(n_queries, n_gallery)).astype(float)
    partners = rng.random((n_queries, n_gallery)) < 0.4
    partners[np.arange(n_queries), rng.integers(0, n_gallery, n_queries)] = True
    return scores, partners


def of_order(order, relevant, k):
    """Every measure of one order of the gallery, by its definition."""
    hits = relevant[list(order)]
    ranks = np.flatnonzero(hits) + 1
    return {
        "recall": hits[:k].sum() / hits.sum(),
        "hit": float(hits[:k].any()),
        "rank": ranks[0],
        "reciprocal": 1 / ranks[0],
        "precision": np.mean(np.arange(1, len(ranks) + 1) / ranks),
    }


def brute_force(scores, partners, k):
    """Means over all orders of the gallery that the scores allow; a row a query."""
    rows = []
    for score, relevant in zip(scores, partners, strict=True):
        orders = [
            o for o in permutations(range(len(score))) if (np.diff(score[list(o)]) <= 0).all()
        ]
        values = [of_order(o, relevant, k) for o in orders]
        rows.append({name: np.mean([v[name] for v in values]) for name in values[0]})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@relaxed
@given(generators, sizes, st.data())
def test_ties_are_averaged_over_their_orders(rng, size, data):
    """Closed forms are means over all orders of tied items, with one partner and with several."""
    scores, partners = drawn(rng, *size)
    k = data.draw(st.integers(1, size[1]))
    expected = brute_force(scores, partners, k)
    found = {
        "recall": recall_at_k(scores, partners, k=k),
        "hit": hit_rate_at_k(scores, partners, k=k),
        "reciprocal": mean_reciprocal_rank(scores, partners),
        "precision": mean_average_precision(scores, partners),
    }
    for name, value in found.items():
        assert value == pytest.approx(expected[name].mean(), abs=1e-12), name
    assert median_rank(scores, partners) == pytest.approx(np.median(expected["rank"]))


@relaxed
@given(generators, sizes)
def test_one_partner_in_any_form(rng, size):
    """Columns and a bool matrix say the same, and so does the diagonal; measures coincide."""
    n_queries, n_gallery = size
    scores, _ = drawn(rng, *size)
    columns = rng.integers(0, n_gallery, n_queries)
    matrix = np.arange(n_gallery) == columns[:, None]
    for metric in METRICS:
        assert metric(scores, columns) == metric(scores, matrix)
    assert recall_at_k(scores, columns) == pytest.approx(hit_rate_at_k(scores, columns))
    precision = mean_average_precision(scores, columns)
    assert precision == pytest.approx(mean_reciprocal_rank(scores, columns))
    square = rng.integers(0, 3, size=(n_gallery, n_gallery))
    for metric in METRICS:
        assert metric(square) == metric(square, np.arange(n_gallery))


@relaxed
@given(generators, st.integers(2, 30), st.integers(2, 30))
def test_without_ties_as_scikit_learn(rng, n_queries, n_gallery):
    """Average precision of label rankings, and top-k accuracy, where scores differ."""
    scores = rng.permutation(n_queries * n_gallery).reshape(n_queries, n_gallery) / 7.0
    _, partners = drawn(rng, n_queries, n_gallery)
    weight = rng.random(n_queries) + 0.1
    if n_gallery > 2:
        expected = label_ranking_average_precision_score(partners, scores, sample_weight=weight)
        found = mean_average_precision(scores, partners, sample_weight=weight)
        assert found == pytest.approx(expected)
        columns, k = rng.integers(0, n_gallery, n_queries), int(rng.integers(1, n_gallery))
        options = {"k": k, "labels": np.arange(n_gallery), "sample_weight": weight}
        expected = top_k_accuracy_score(columns, scores, **options)
        assert recall_at_k(scores, columns, k=k, sample_weight=weight) == pytest.approx(expected)


@relaxed
@given(generators, sizes)
def test_distances_are_scores_turned_round(rng, size):
    """The smallest distance is best."""
    scores, partners = drawn(rng, *size)
    for metric in METRICS:
        found = metric(4.0 - scores, partners, greater_is_better=False)
        assert found == pytest.approx(metric(scores, partners))


@relaxed
@given(generators, sizes)
def test_weights_repeat_queries(rng, size):
    """A weight of two is the query twice, zero leaves it out."""
    scores, partners = drawn(rng, *size)
    weight = rng.integers(0, 4, size[0])
    weight[rng.integers(size[0])] = 2
    again = [np.repeat(values, weight, axis=0) for values in (scores, partners)]
    for metric in METRICS:
        found = metric(scores, partners, sample_weight=weight)
        assert found == pytest.approx(metric(*again))


@relaxed
@given(generators, sizes)
def test_order_of_the_gallery_does_not_matter(rng, size):
    """Not even among ties."""
    scores, partners = drawn(rng, *size)
    order = rng.permutation(size[1])
    for metric in METRICS:
        found = metric(scores[:, order], partners[:, order])
        assert found == pytest.approx(metric(scores, partners))


def test_constant_scores_are_chance():
    """Collapsed scores do not win: k of n for recall, the middle for the rank."""
    scores = np.zeros((7, 50))
    assert recall_at_k(scores, k=5) == pytest.approx(0.1)
    assert median_rank(scores) == 25.5
    assert mean_reciprocal_rank(scores) == pytest.approx(np.mean(1 / np.arange(1, 51)))
    many = np.arange(50) < np.full((7, 1), 20)
    assert recall_at_k(scores, many, k=5) == pytest.approx(0.1)
    assert 0.9 < hit_rate_at_k(scores, many, k=5) < 1


def test_a_perfect_ranking():
    """All measures are at their best, of thousands of tied others, too."""
    scores = np.eye(2000)
    for metric in METRICS:
        assert metric(scores) == pytest.approx(1.0)
    several = np.kron(np.eye(10), np.ones((1, 100))).astype(bool)
    assert hit_rate_at_k(several.astype(float), several) == pytest.approx(1.0)
    assert recall_at_k(several.astype(float), several, k=10) == pytest.approx(0.1)
    assert mean_average_precision(several.astype(float), several) == pytest.approx(1.0)


def test_median_between_two():
    """An even number of queries: the mean of the two in the middle, as NumPy has it."""
    scores = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]
    assert median_rank(scores, [0, 2]) == 2.0
    assert median_rank(scores, [0, 2], sample_weight=[1, 2]) == 3.0


SQUARE = np.eye(3)
BAD = {
    "scores must be 2-D": (SQUARE[0], None, {}),
    "scores is empty": (np.zeros((0, 3)), None, {}),
    "contains NaN": (SQUARE * np.nan, None, {}),
    "4 queries and 3 items.*tell the partners": (np.ones((4, 3)), None, {}),
    "query 1 has no partner": (SQUARE, np.diag([True, False, True]), {}),
    "bool of the shape of scores": (SQUARE, np.eye(3), {}),
    "the partner of each of the 3 queries": (SQUARE, [0, 1], {}),
    "as integers": (SQUARE, [0.0, 1.0, 2.0], {}),
    "query 2 has the partner 3": (SQUARE, [0, 1, 3], {}),
    "query 0 has the partner -1": (SQUARE, [-1, 1, 2], {}),
    "greater_is_better='no' must be True or False": (SQUARE, None, {"greater_is_better": "no"}),
    "sample_weight is negative at row 1": (SQUARE, None, {"sample_weight": [1, -1, 1]}),
    "X has 3 rows, sample_weight has 2": (SQUARE, None, {"sample_weight": [1, 1]}),
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("metric", METRICS)
def test_bad_input(metric, message):
    """The message names the argument or the query."""
    scores, partners, options = BAD[message]
    with pytest.raises(ValueError, match=message):
        metric(scores, partners, **options)


@pytest.mark.parametrize("metric", [recall_at_k, hit_rate_at_k])
def test_bad_k(metric):
    """At least one item, at most as many as there are."""
    with pytest.raises(ValueError, match="k=4 is larger than the gallery, which has 3 items"):
        metric(SQUARE, k=4)
    for k in (0, 1.5, True):
        with pytest.raises(ValueError, match="must be an integer >= 1"):
            metric(SQUARE, k=k)
