"""Repeated rows are weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skalign._repeats import merge_repeats

few = settings(max_examples=30, deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def draw(rng, n=40):
    """Rows of two blocks, of which many repeat, or share their first columns."""
    source = rng.integers(rng.integers(2, 30), size=(n, 2)) * rng.choice([1.0, -0.5, 0.0], size=2)
    return source, rng.integers(2, size=(n, 2)) - 0.5, rng.uniform(0.5, 2, size=n)


@few
@given(generators)
def test_rows_come_as_unique_has_them(rng):
    """Lexicographic order, first occurrence, and which one a row is."""
    source, target, weights = draw(rng)
    pairs = np.hstack([source, target]) + 0.0
    rows, total, inverse = merge_repeats((source, target), weights)
    _, first, where = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(rows, first)
    np.testing.assert_array_equal(inverse, where.ravel())
    for row, weight in zip(rows, total, strict=True):
        assert weight == pytest.approx(weights[(pairs == pairs[row]).all(axis=1)].sum())


@few
@given(generators)
def test_order_of_rows_does_not_show(rng):
    """Different rows in one order, weights summed up."""
    source, target, weights = draw(rng)
    pairs, order = np.hstack([source, target]), rng.permutation(len(source))
    rows, total, _ = merge_repeats((source, target), weights)
    shuffled, again, _ = merge_repeats((source[order], target[order]), weights[order])
    np.testing.assert_array_equal(pairs[order][shuffled], pairs[rows])
    np.testing.assert_allclose(again, total)


def test_rows_that_differ_late_are_different():
    """The first column may tie everywhere; zero has one sign; no row, no result."""
    rows, total, _ = merge_repeats(
        (np.zeros((4, 3)), np.array([[2.0], [1], [-0.0], [0]])), [1] * 4
    )
    assert rows.tolist() == [2, 1, 0]
    assert total.tolist() == [2, 1, 1]
    rows, total, inverse = merge_repeats((np.zeros((0, 2)),), np.zeros(0))
    assert len(rows) == len(total) == len(inverse) == 0
