"""Rows in blocks, and rows evenly chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skalign._utils._rows import BLOCK, row_blocks, spread_rows

relaxed = settings(deadline=None)


@relaxed
@given(
    st.integers(0, 100_000),
    st.integers(0, 5000),
    st.integers(1, 2000),
    st.integers(1, 2**20),
)
def test_blocks_are_a_partition(n, width, least, numbers):
    """Every row stands in one block, in order, and no block is empty."""
    least = max(least, n // 1000)
    blocks = row_blocks(n, width, least, numbers)
    edges = [0] + [rows.stop for rows in blocks]
    assert [rows.start for rows in blocks] == edges[:-1]
    assert edges[-1] == n
    assert all(rows.step is None for rows in blocks)
    lengths = np.diff(edges)
    assert np.all(lengths > 0)
    assert np.all(lengths[:-1] >= least)  # but for the last
    assert np.all(lengths[:-1] == lengths[:1])
    assert np.all((lengths <= least) | (lengths * width <= numbers))


@relaxed
@given(st.integers(1, 100), st.integers(1, 100))
def test_blocks_are_as_large_as_they_may_be(width, least):
    """One more row would be too many numbers."""
    n, numbers = 10_000, 1000
    first = row_blocks(n, width, least, numbers)[0]
    assert (first.stop + 1) * width > numbers or first.stop == least


@pytest.mark.parametrize("width", [1, 64, 1000])
def test_a_block_fits_a_cache(width):
    """Of float64 no more than one MiB, unless rows are asked for."""
    n = 3 * BLOCK // width + 1
    blocks = row_blocks(n, width)
    assert len(blocks) == 4
    assert max((rows.stop - rows.start) * width * 8 for rows in blocks) <= 2**20
    assert row_blocks(n, width, least=n) == [slice(0, n)]


def test_no_rows_are_no_blocks():
    """Nothing to go through."""
    assert row_blocks(0, 7) == []


@relaxed
@given(st.integers(1, 100_000), st.integers(2, 3000))
def test_evenly_chosen_rows(n, most):
    """Ascending, from the first to the last, as many as may be; gaps differ by one row."""
    rows = spread_rows(n, most)
    assert rows.dtype.kind == "i"
    assert len(rows) == min(n, most)
    if n <= most:
        np.testing.assert_array_equal(rows, np.arange(n))
        return
    assert rows[0] == 0 and rows[-1] == n - 1
    gaps = np.diff(rows)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(("n", "most", "expected"), [(0, 5, []), (1, 5, [0]), (9, 1, [0])])
def test_no_row_and_a_single_one(n, most, expected):
    """Of none there is none; a single one is the first."""
    assert spread_rows(n, most).tolist() == expected
