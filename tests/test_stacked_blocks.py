"""Blocks of a table: every refusal word for word, and who is reached from whom."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from skalign import stack_modalities
from skalign._blocks import (
    Blocks,
    chains,
    position_of,
    presence,
    read_array,
    resolve,
    resolve_table,
    select,
)

NAMES = np.array(["v0", "v1", "i0", "i1", "i2"], dtype=object)


def refusal(call, *args, **options):
    """What is said of bad input."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        call(*args, **options)
    return str(caught.value)


def three():
    """Blocks of scattered columns of a table of seven, of which two are left aside."""
    return resolve({"a": [4, 0], "b": [1, 2], "c": [5]}, 7)


# -- blocks ---------------------------------------------------------------------------------------


def test_places_among_selected_columns_and_in_the_table():
    """A slice where columns follow each other; what is left aside has no number."""
    blocks = three()
    assert blocks.names == ("a", "b", "c") and len(blocks) == 3
    assert blocks.n_features == 5
    assert blocks.selected.tolist() == [0, 1, 2, 4, 5]
    assert blocks.columns[1] == slice(1, 3) and blocks.columns[2] == slice(4, 5)
    assert [blocks.indices(m).tolist() for m in range(3)] == [[3, 0], [1, 2], [4]]
    assert [blocks.of_table(m).tolist() for m in range(3)] == [[4, 0], [1, 2], [5]]
    X = np.arange(14).reshape(2, 7)
    np.testing.assert_array_equal(blocks.select(X), X[:, [0, 1, 2, 4, 5]])
    np.testing.assert_array_equal(blocks.take(blocks.select(X), 0), X[:, [4, 0]])
    whole = resolve([3, 4], 7)
    assert whole.selected is None and whole.select(X) is X
    assert whole.columns == (slice(0, 3), slice(3, 7))
    assert whole.of_table(1).tolist() == [3, 4, 5, 6]


def test_same_blocks():
    """By names and by columns of the table."""
    blocks = three()
    again = Blocks.of(["a", "b", "c"], [np.array(c) for c in ([4, 0], [1, 2], [5])], 7)
    assert blocks.same_as(again)
    assert not blocks.same_as(resolve({"a": [4, 0], "b": [1, 2], "d": [5]}, 7))
    assert not blocks.same_as(resolve({"a": [0, 4], "b": [1, 2], "c": [5]}, 7))
    assert not blocks.same_as(resolve({"a": [4, 0], "b": [1, 2], "c": [6]}, 7))


@pytest.mark.parametrize("wrong", ["d", 3, -4, True, 1.0, None])
def test_an_unknown_modality(wrong):
    """With what there is."""
    assert refusal(position_of, wrong, ("a", "b", "c"), "source") == (
        f"source={wrong!r} is no modality: give a position below 3 or one of the names "
        "['a', 'b', 'c']."
    )


def test_positions():
    """By name, by number, from the end, and of several."""
    blocks = three()
    for given in (1, -2, "b", np.int64(1)):
        assert position_of(given, blocks.names, "x") == 1
        assert blocks.positions(given, "x") == (1,)
        assert blocks.positions([given, "c"], "x") == (1, 2)
    assert position_of(0, blocks.names, "x") == position_of(-3, blocks.names, "x") == 0
    assert "target='d' is no modality" in refusal(blocks.positions, ["a", "d"], "target")
    assert refusal(blocks.positions, "d", "target").startswith("target='d' is no modality")
    for wrong in ([], ["a", 0], ("b", "c", -1)):
        assert refusal(blocks.positions, wrong, "target") == (
            f"target={wrong!r} must be a modality, or several different ones."
        )


def test_two_positions():
    """Of different modalities."""
    blocks = three()
    assert blocks.two_positions("c", 0) == (2, 0)
    assert refusal(blocks.two_positions, "b", 1) == (
        "source='b' and target=1 are one modality: there is nothing to transfer."
    )
    assert refusal(blocks.two_positions, 7, 1).startswith("source=7 is no")
    assert refusal(blocks.two_positions, 1, 7).startswith("target=7 is no")


def test_roles():
    """One modality each, or several; none has two."""
    blocks = three()
    assert blocks.roles("a", ["c", 1]) == ((0,), (2, 1))
    assert refusal(blocks.roles, ["c", "b"], [1, 2]) == (
        "source=['c', 'b'] and target=[1, 2] both name the modality 'b': there is nothing to "
        "transfer."
    )
    assert refusal(blocks.roles, [], "a").startswith("source=[] must")
    assert refusal(blocks.roles, "a", []).startswith("target=[] must")


# -- chains ---------------------------------------------------------------------------------------


def shortest(present, sources):
    """Distance of each modality from the sources, by breadth-first search over rows."""
    distance = dict.fromkeys(sources, 0)
    edge = set(sources)
    while edge:
        rows = present[:, sorted(edge)].any(axis=1)
        new = {int(m) for m in np.flatnonzero(present[rows].any(axis=0))} - set(distance)
        distance |= {m: 1 + max(distance.values()) for m in new}
        edge = new
    return {m: d for m, d in distance.items() if d}


@pytest.mark.parametrize("seed", range(30))
def test_chains_are_shortest(seed):
    """Each modality is reached from one that is one step nearer, with which it has most rows."""
    rng = np.random.default_rng(seed)
    present = rng.random((8, 6)) < 0.25
    sources = [int(m) for m in rng.permutation(6)[: rng.integers(1, 3)]]
    found, distance = chains(present, sources), shortest(present, sources)
    assert set(found) == set(distance)
    shared = present.T.astype(int) @ present
    for m, before in found.items():
        if distance[m] == 1:
            assert before is None
        else:
            near = [k for k in distance if distance[k] == distance[m] - 1]
            assert before in near
            assert shared[m, before] == max(shared[m, k] for k in near)
    assert [distance[m] for m in found] == sorted(distance.values())  # the near ones first
    targets = [int(m) for m in rng.permutation(6)[:2] if m not in sources]
    needed = set()
    for m in targets:
        while m is not None and m in found:
            needed.add(m)
            m = found[m]
    some = chains(present, sources, targets)
    assert some == {m: found[m] for m in found if m in needed}
    assert list(some) == [m for m in found if m in needed]


def test_no_chain():
    """Names the source, the target, and what may help."""
    blocks = three()
    present = np.array([[True, True, False], [False, False, True]])
    blocks.check_chains(present, [0], [1])
    for hint in ("", " Look."):
        assert refusal(blocks.check_chains, present, [0, 1], [2], hint) == (
            "X has no pairs: no row has both the source 'a' or 'b' and the target 'c', and no "
            f"chain of other modalities joins them.{hint}"
        )
    assert "the target 'c', and" in refusal(blocks.check_chains, present[:1], [0], [1, 2])
    alone = np.array([[True, False, False]])
    assert "the target 'b', and" in refusal(blocks.check_chains, alone, [0], [1, 2])
    assert refusal(blocks.check_chains, present, [0], [2]).endswith("joins them.")
    assert blocks.named([2, 0]) == "'c' or 'a'"


# -- which columns --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_features", "first"), [(2, 1), (5, 3), (6, 3)])
def test_halves(n_features, first):
    """With names."""
    blocks = resolve(None, n_features)
    assert blocks.names == ("modality0", "modality1")
    assert blocks.columns == (slice(0, first), slice(first, n_features))
    assert blocks.n_features == n_features and blocks.selected is None
    assert resolve([2, 1, 3], 6).names == ("modality0", "modality1", "modality2")


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({1: [0], "b": [1]}, "modalities has the key 1: name modalities by strings."),
        ([5], "modalities=[5] gives 1 modality: at least two are needed."),
        (
            "video",
            "modalities='video' must be None, a sequence of block widths, or a mapping of names "
            "to columns.",
        ),
        (5, "modalities=5 must be None, a sequence of block widths, or a mapping of names to "
            "columns."),
        (np.ones((1, 5), dtype=int), "modalities=array([[1, 1, 1, 1, 1]]): give one width a "
         "modality."),
        (
            [2, "imu"],
            "modalities[1]='imu': a list gives widths, a positive integer each. Name modalities "
            "by a mapping to their columns, such as {'imu': slice(0, 3)} or "
            "{'imu': make_column_selector('^imu')}.",
        ),
        ([0, 5], "modalities[0]=0: a width is a positive integer."),
        ([4, True], "modalities[1]=True: a width is a positive integer."),
        ([4, 1.0], "modalities[1]=1.0: a width is a positive integer."),
        (
            (2, np.int64(2)),
            "modalities=[2, 2]: the widths sum to 4, but X has 5 features. Give the width of "
            "every block, in order.",
        ),
        ({"a": [], "b": [1]}, "modality 'a' selects no column of X: its selector is empty."),
        ({"a": [[0]], "b": [1]}, "modality 'a': columns must be a slice, integers, a mask, names "
         "or a callable; got [[0]]."),
        ({"a": [0.5], "b": [1]}, "modality 'a': columns must be a slice, integers, a mask, names "
         "or a callable; got float64 values."),
        ({"a": [0, "v1"], "b": [1]}, "modality 'a': columns must be a slice, integers, a mask, "
         "names or a callable; got <U21 values."),
        ({"a": [True, False], "b": [1]}, "modality 'a': the mask has 2 entries, but X has 5 "
         "features."),
        ({"a": [0, 5], "b": [1]}, "modality 'a': column 5 is out of range, X has 5 features."),
        ({"a": [-6], "b": [1]}, "modality 'a': column -6 is out of range, X has 5 features."),
        ({"a": ["v0"], "b": [1]}, "modality 'a' names the column 'v0', but X has no column names: "
         "pass a dataframe, or select by position."),
        ({"a": [2, 0, 2], "b": [1]}, "modality 'a' selects column 2 twice."),
        ({"a": [2, 0], "b": [1], "c": [3, -5]}, "modalities 'a' and 'c' overlap: both select "
         "column 0."),
    ],
)  # fmt: skip
def test_refused_modalities(modalities, message):
    """Word for word."""
    assert refusal(resolve, modalities, 5) == message


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({"a": "v7", "b": [1]}, "modality 'a': X has no column named 'v7'."),
        ({"a": slice("v0", "v7"), "b": [1]}, "modality 'a': X has no column named 'v7'."),
        ({"a": slice("v7", "i0"), "b": [1]}, "modality 'a': X has no column named 'v7'."),
        ({"a": ["i0", "v0", "i0"], "b": [1]}, "modality 'a' selects column 'i0' twice."),
        ({"a": ["v0", "v1"], "b": slice(1, 3)}, "modalities 'a' and 'b' overlap: both select "
         "column 'v1'."),
    ],
)  # fmt: skip
def test_refused_names(modalities, message):
    """Columns that have names are called by these."""
    assert refusal(resolve, modalities, 5, None, NAMES) == message


@pytest.mark.parametrize(
    ("selector", "columns"),
    [
        (2, [2]), (-1, [4]), (-5, [0]), ("i1", [3]), ([0], [0]), ([4, 2], [4, 2]),
        ((-2, 0), [3, 0]),
        (["i2", "v0"], [4, 0]), ([False, True, False, False, True], [1, 4]),
        (slice(2), [0, 1]), (slice(0, 5, 2), [0, 2, 4]), (slice(None, "v1"), [0, 1]),
        (slice("i0", None), [2, 3, 4]), (slice("v0", "i2", 3), [0, 3]), (lambda X: [3, 1], [3, 1]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]), (slice("v1", 4), None),
    ],
)  # fmt: skip
def test_ways_to_select(selector, columns):
    """Integers, names, masks, slices of either, and callables, in the order given."""
    if columns is None:
        assert "no column named 4" in refusal(resolve, {"a": selector, "b": [0]}, 5, None, NAMES)
        return
    rest = [j for j in range(5) if j not in columns]
    blocks = resolve({"a": selector, "b": rest}, 5, np.zeros((1, 5)), NAMES)
    assert [blocks.of_table(m).tolist() for m in range(2)] == [columns, rest]


def test_a_callable_gets_the_table():
    """As it was given, with the names of its columns."""
    frame = pd.DataFrame({"b": [1.0], "a": [2.0], "c": [3.0]})
    seen = []

    def last(table):
        seen.append(table)
        return ["c", "a"]

    blocks = resolve_table({"x": last, "y": ["b"]}, frame)
    assert seen[0] is frame
    assert [blocks.of_table(m).tolist() for m in range(2)] == [[2, 1], [0]]
    assert resolve_table([1, 2], np.zeros((4, 3))).n_features == 3


# -- which numbers --------------------------------------------------------------------------------


def test_numbers_of_an_array():
    """The selected columns, as what they are."""
    blocks, X = three(), np.arange(14).reshape(2, 7)
    np.testing.assert_array_equal(read_array(X, blocks), X[:, [0, 1, 2, 4, 5]])
    assert read_array(X, resolve([3, 4], 7)) is X


def test_numbers_of_a_frame():
    """Whole ones stay whole if they may, objects become double; other columns are not read."""
    frame = pd.DataFrame({"a": [1, 2], "n": ["x", "y"], "b": [3, 4], "c": [5, 6]})
    blocks = resolve_table({"u": ["c"], "v": ["a", "b"]}, frame)
    found = read_array(frame, blocks, "numeric")
    np.testing.assert_array_equal(found, [[1, 3, 5], [2, 4, 6]])
    assert found.dtype.kind == "i"
    assert read_array(frame, blocks).dtype == np.float64
    frame["b"] = np.array([3, 4.5], dtype=object)
    assert read_array(frame, blocks).dtype == np.float64
    single = frame.drop(columns="n").astype(np.float32)
    assert read_array(single, resolve([1, 2], 3)).dtype == np.float32
    gaps = frame.assign(a=[np.nan, np.inf])
    np.testing.assert_array_equal(read_array(gaps, blocks)[:, 0], [np.nan, np.inf])
    assert read_array(frame[:0], blocks).shape == (0, 3)


def test_words_in_a_column_are_named():
    """With the modality and the column; complex numbers are refused, too."""
    frame = pd.DataFrame({"a": [1, 2], "n": ["x", "y"], "b": [3, 4], "c": ["5", "one"]})
    blocks = resolve_table({"u": ["a"], "v": ["b", "c"]}, frame)
    assert refusal(read_array, frame, blocks) == (
        "modality 'v': column 'c' holds '5', which is no number: encode it before, or select "
        "columns of numbers."
    )
    blocks = resolve_table({"u": ["a"], "v": ["b"]}, frame)
    for values in (np.array([1j, 2]), np.array([1j, 2], dtype=object)):
        message = refusal(read_array, frame.assign(b=values), blocks)
        assert message.startswith("modality 'v': column 'b' holds ") and "1j" in message


# -- which rows -----------------------------------------------------------------------------------


def test_presence_of_modalities():
    """By rows; a block that is all NaN is missing."""
    nan = np.nan
    X = np.array([[1, 2, 3.0], [nan, nan, 3], [1, 2, nan], [nan, nan, nan]])
    found = presence(X, resolve([2, 1], 3))
    np.testing.assert_array_equal(found, [[1, 1], [0, 1], [1, 0], [0, 0]])
    assert found.dtype == bool


@pytest.mark.parametrize("first_row", [0, 40])
def test_bad_rows(first_row):
    """Word for word, counted from the first row."""
    blocks = resolve({"a": [0, 2], "b": [1]}, 3)
    X = np.ones((5, 3))
    X[3:, 1] = np.inf
    options = {"first_row": first_row} if first_row else {}
    assert refusal(presence, X, blocks, **options) == (
        f"Input X contains infinity: modality 'b', row {first_row + 3}. Remove or clip such "
        "values."
    )
    X[3:, 1] = 1
    X[2:4, 2] = np.nan
    assert refusal(presence, X, blocks, **options) == (
        f"Input X contains NaN in part of a block: modality 'a', row {first_row + 2}. A missing "
        "modality is a block that is all NaN. Impute scattered missing values inside the blocks, "
        "in rows that have them: skalign.BlockImputer does."
    )


@pytest.mark.parametrize("library", ["numpy", "pandas", "polars"])
def test_columns_and_rows_of_a_table(library):
    """As what it is."""
    X = np.arange(12.0).reshape(3, 4)
    table = X if library == "numpy" else pytest.importorskip(library).DataFrame(X)
    for columns, rows in product((slice(1, 3), np.array([3, 0])), (None, np.array([2, 0]))):
        found = select(table, columns, rows)
        assert type(found) is type(table)
        expected = X[:, columns] if rows is None else X[:, columns][rows]
        np.testing.assert_array_equal(np.asarray(found), expected)


# -- stacked --------------------------------------------------------------------------------------


def test_blocks_side_by_side():
    """With NaN where one is missing; in single precision where all are."""
    a, b = np.array([[1, 2], [3, 4]]), np.array([[5.0], [6.0]], dtype=np.float32)
    np.testing.assert_array_equal(stack_modalities(a, b), [[1, 2, 5], [3, 4, 6]])
    nan = np.nan
    found = stack_modalities(None, b, None, widths=(2, 1, np.int64(1)))
    np.testing.assert_array_equal(found, [[nan, nan, 5, nan], [nan, nan, 6, nan]])
    assert found.dtype == np.float32
    assert stack_modalities(a, b).dtype == stack_modalities(b, b.astype(float)).dtype == np.float64
    assert stack_modalities(b, b).dtype == np.float32
    bits = np.array([[True], [False]])
    np.testing.assert_array_equal(stack_modalities(bits, b), [[1, 5], [0, 6]])
    np.testing.assert_array_equal(stack_modalities(a, widths=np.array([2])), a)
    assert stack_modalities(np.uint8([[1]]), np.zeros((1, 2))).shape == (1, 3)


@pytest.mark.parametrize(
    ("blocks", "options", "message"),
    [
        (([1.0, 2.0],), {}, "block 0 has shape (2,) and dtype float64: give a 2-D array of "
         "numbers."),
        ((None, [["x"]]), {}, "block 1 has shape (1, 1) and dtype <U1: give a 2-D array of "
         "numbers."),
        ((None, None), {"widths": (1, 2)}, "no block is given: at least one modality must be "
         "present."),
        (([[1.0]], None), {}, "block 1 is None: pass widths=(d_1, ..., d_M)."),
        (([[1.0]], None), {"widths": (1, 0)}, "widths=(1, 0) must be positive integers, one a "
         "block."),
        (([[1.0]], None), {"widths": (1, 2.0)}, "widths=(1, 2.0) must be positive integers, one a "
         "block."),
        (([[1.0]], None), {"widths": 3}, "widths=3 must be positive integers, one a block."),
        (([[1.0]], None), {"widths": (1, 2, 3)}, "2 blocks, but 3 widths: one width a block."),
        ((None, [[1.0]]), {"widths": (1, 2)}, "block 1 has shape (1, 1), expected "
         "(n_samples, 2)."),
        ((None, [[1.0]], [[2.0], [3.0]]), {"widths": (1, 1, 1)}, "block 2 has 2 rows, block 1 has "
         "1: rows must be paired."),
    ],
)  # fmt: skip
def test_refused_blocks(blocks, options, message):
    """Word for word."""
    assert refusal(stack_modalities, *blocks, **options) == message


def test_ragged_blocks_are_no_arrays():
    """With what NumPy says of them."""
    message = refusal(stack_modalities, [[1.0]], [[1.0], [1.0, 2.0]])
    assert message.startswith("block 1 is no array: setting an array element")
