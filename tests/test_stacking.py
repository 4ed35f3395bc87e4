"""Stacking: what goes in comes out in its place, and what is missing is found again."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skalign import stack_modalities
from skalign._blocks import presence, resolve, select
from skalign._utils._rows import take_rows

relaxed = settings(deadline=None)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
widths_of = st.lists(st.integers(1, 4), min_size=2, max_size=4)


@st.composite
def scattered_blocks(draw, widths):
    """Blocks of some widths, whose columns stand anywhere."""
    order = draw(st.permutations(range(sum(widths))))
    parts = np.split(np.array(order), np.cumsum(widths)[:-1])
    return resolve({f"m{m}": part for m, part in enumerate(parts)}, sum(widths))


def values(rng, blocks, n=12):
    """Rows that have everything, in one of the types that are computed with."""
    X = rng.normal(size=(n, blocks.n_features)) * 10.0 ** rng.integers(-30, 30)
    return X.astype(rng.choice([np.float32, np.float64]))


@relaxed
@given(generators, widths_of, st.data())
def test_stack_puts_blocks_in_order(rng, widths, data):
    """Splitting at the edges gives the blocks back, NaN where there was none."""
    given_ = data.draw(st.sets(st.integers(0, len(widths) - 1), min_size=1))
    n = data.draw(st.integers(0, 5))
    blocks = [rng.normal(size=(n, d)) if m in given_ else None for m, d in enumerate(widths)]
    X = stack_modalities(*blocks, widths=widths)
    assert X.shape == (n, sum(widths))
    for m, block in enumerate(np.split(X, np.cumsum(widths)[:-1], axis=1)):
        if m in given_:
            np.testing.assert_array_equal(block, blocks[m])
        else:
            assert np.isnan(block).all()
    if len(given_) == len(widths):
        np.testing.assert_array_equal(stack_modalities(*blocks), X)


@relaxed
@given(generators, widths_of, st.data())
def test_presence_finds_what_stacking_left_out(rng, widths, data):
    """Any pattern of missing blocks is recovered, wherever the columns stand."""
    blocks = data.draw(scattered_blocks(widths))
    X = values(rng, blocks)
    present = rng.random((len(X), len(widths))) < rng.random()
    for m in range(len(widths)):
        X[np.ix_(~present[:, m], blocks.indices(m))] = np.nan
    before = X.copy()
    found = presence(X, blocks)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, present)
    np.testing.assert_array_equal(X, before)


@relaxed
@given(generators, widths_of, st.integers(0, 10**9), st.data())
def test_presence_points_at_nan_in_part_of_a_block(rng, widths, first_row, data):
    """The message has the modality and the first such row, counted from first_row."""
    widths = [d + 1 for d in widths]
    blocks = data.draw(scattered_blocks(widths))
    X = values(rng, blocks)
    m = int(rng.integers(len(widths)))
    row = int(rng.integers(len(X)))
    X[: rng.integers(row + 1)] = np.nan  # rows before it that lack everything are no matter
    X[row] = 1.0
    some = rng.permutation(blocks.indices(m))[: rng.integers(1, widths[m])]
    X[row, some] = np.nan
    X[row + 1 :, some] = np.nan
    with pytest.raises(ValueError, match=rf"contains NaN .*'m{m}', row {first_row + row}\."):
        presence(X, blocks, first_row)


@relaxed
@given(generators, widths_of, st.integers(0, 10**9), st.booleans(), st.data())
def test_presence_points_at_infinity(rng, widths, first_row, among_nan, data):
    """Infinity is an error, even if the rest of its block is missing."""
    blocks = data.draw(scattered_blocks(widths))
    X = values(rng, blocks)
    m, row = int(rng.integers(len(widths))), int(rng.integers(len(X)))
    if among_nan:
        X[row, blocks.indices(m)] = np.nan
    X[row, rng.choice(blocks.indices(m))] = rng.choice([np.inf, -np.inf])
    with pytest.raises(ValueError, match=rf"contains infinity: .*'m{m}', row {first_row + row}\."):
        presence(X, blocks, first_row)


def test_presence_of_no_rows():
    """No row has no modality to miss."""
    assert presence(np.empty((0, 4)), resolve([1, 3], 4)).shape == (0, 2)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([np.float32, np.float32], np.float32),
        ([np.float32, None], np.float32),
        ([np.float32, np.float64], np.float64),
        ([np.float64, np.float64], np.float64),
        ([np.float32, np.int8], np.float64),
        ([np.int64, np.int64], np.float64),
        ([bool, None], np.float64),
        ([np.float16, np.float16], np.float64),
    ],
)
def test_stack_dtype(types, expected):
    """float32 if every given block is, float64 otherwise; values are kept."""
    blocks = [None if t is None else np.array([[0, 1], [1, 0]], dtype=t) for t in types]
    X = stack_modalities(*blocks, widths=(2, 2))
    assert X.dtype == expected
    np.testing.assert_array_equal(X[:, :2], [[0, 1], [1, 0]])


def test_stack_takes_lists_and_frames():
    """Anything that becomes a 2-D array is a block."""
    rows = [[1.0, 2.0], [3.0, 4.0]]
    for frame in (pd.DataFrame(rows), pl.DataFrame(np.array(rows))):
        np.testing.assert_array_equal(stack_modalities(rows, frame), np.hstack([rows, rows]))


def test_stack_is_a_copy():
    """Writing to the stack leaves the blocks alone."""
    block = np.zeros((2, 2))
    stack_modalities(block, block)[:] = 1.0
    assert not block.any()


square = np.eye(2)


@pytest.mark.parametrize(
    ("blocks", "widths", "match"),
    [
        ([], None, "no block is given"),
        ([None, None], (1, 2), "no block is given"),
        ([square, None], None, r"block 1 is None.*widths"),
        ([None, None, square], None, r"block 0 is None.*widths"),
        ([square, None], (2,), "2 blocks, but 1 widths"),
        ([square, square], (2, 2, 2), "2 blocks, but 3 widths"),
        ([square, None], (3, 2), r"block 0 has shape \(2, 2\), expected \(n_samples, 3\)"),
        ([square, np.eye(3)], None, "block 1 has 3 rows, block 0 has 2.*paired"),
        ([None, square, np.eye(3)], (1, 2, 3), "block 2 has 3 rows, block 1 has 2"),
        ([square, [1.0, 2.0]], None, r"block 1 has shape \(2,\)"),
        ([np.zeros((2, 2, 2)), square], None, r"block 0 has shape \(2, 2, 2\)"),
        pytest.param([square, 1.0], None, "block 1"),
        pytest.param([1.0, None], (1, 1), "block 0"),
        pytest.param([square, sparse.csr_array(square)], None, "block 1"),
        pytest.param([square, None], (2, 1.5), "widths"),
        pytest.param([square, None], (2, None), "widths"),
        pytest.param([square, None], 2, "widths"),
        pytest.param([square], {1: 2}, "widths"),
    ],
)
def test_stack_says_what_is_wrong(blocks, widths, match):
    """The message has the position of the block."""
    with pytest.raises(ValueError, match=match):
        stack_modalities(*blocks, widths=widths)


@pytest.mark.parametrize("width", [0, -1])
def test_a_missing_block_has_a_width(width):
    """A missing modality takes at least one column, or nothing can tell that it is missing."""
    with pytest.raises(ValueError, match="widths"):
        stack_modalities(square, None, widths=(2, width))


containers = {
    "array": np.array,
    "list": np.ndarray.tolist,
    "pandas": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])]),
}


@pytest.mark.parametrize("container", containers)
@pytest.mark.parametrize("columns", [slice(1, 3), slice(0, 4), np.array([3, 0]), np.array([2])])
@pytest.mark.parametrize("rows", [None, np.array([4, 0, 0]), np.array([], dtype=int)])
def test_select_is_plain_indexing(container, columns, rows):
    """Values are those of the array, and a frame stays a frame with its own names."""
    X = np.arange(20.0).reshape(5, 4)
    held = containers[container](X)
    selected = select(held, columns, rows)
    expected = X[:, columns] if rows is None else X[:, columns][rows]
    if container != "list":
        assert type(selected) is type(held)
    np.testing.assert_array_equal(np.asarray(selected), expected)
    if container in ("pandas", "polars"):
        assert list(selected.columns) == [f"x{j}" for j in np.arange(4)[columns]]


def test_select_keeps_types_and_labels_of_a_frame():
    """Columns of a frame are not made into one type, rows keep their index."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5]}, index=["r", "s"])
    selected = select(frame, np.array([0, 1]), np.array([1]))
    pd.testing.assert_frame_equal(selected, frame.loc[["s"], ["a", "b"]])
    selected = select(pl.DataFrame({"a": [1], "b": ["x"]}), np.array([1, 0]))
    assert selected.schema == {"b": pl.String, "a": pl.Int64}


@pytest.mark.parametrize("rows", [[], [0], [2, 3, 4], [0, 2, 3], list(range(6))])
def test_rows_in_a_stretch_are_a_view(rows):
    """The rows that are asked for, copied only where one between them is left out."""
    X = np.arange(12.0).reshape(6, 2)
    found = take_rows(X, np.array(rows, dtype=int))
    np.testing.assert_array_equal(found, X[rows])
    assert np.shares_memory(found, X) == (rows not in ([], [0, 2, 3]))
